# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which steps lead to a thin pool, and what is refused."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest

from ansible_collections.zonal.cloud.plugins.module_utils._domain.errors import RefusedError, SpecError, ZonalError
from ansible_collections.zonal.cloud.plugins.module_utils._domain.thin_pool import (
    EXTENT_SIZE,
    GIB,
    KIB,
    MIB,
    OWNED,
    Autoextend,
    Device,
    Group,
    Pool,
    ThinPoolSpec,
    ThinPoolState,
    WantedSize,
    report,
)
from ansible_collections.zonal.cloud.plugins.module_utils._domain.thin_pool_plan import chunk_size_for, metadata_size_for, plan_thin_pool

BLANK = Device("/dev/disk/by-id/ssd1", "/dev/sdb", size=8 * GIB)
OTHER = Device("/dev/sdc", "/dev/sdc", size=8 * GIB)
OURS = replace(BLANK, signatures=("LVM2_member",), users=("held by zonal-pool_tdata",), group="zonal")
SPEC = ThinPoolSpec("pool", "zonal", devices=(BLANK.given,))
EXTENTS = 2047
POOL_EXTENTS = 1842
FREE = EXTENTS - POOL_EXTENTS - 2 * 4
GROUP = Group(EXTENT_SIZE, EXTENTS, FREE, frozenset({"/dev/sdb"}), frozenset({OWNED}), frozenset({"pool"}))
POOL = Pool(POOL_EXTENTS * EXTENT_SIZE, 16 * MIB, 64 * KIB, frozenset({"zonal.size=90/100"}), "zonal-zonal-pool")
EMPTY = ThinPoolState((BLANK,))
DONE = ThinPoolState((OURS,), GROUP, POOL, SPEC.autoextend)
FOREIGN = replace(DONE, group=replace(GROUP, tags=frozenset()))
EMPTY_GROUP = replace(GROUP, free=EXTENTS, volumes=frozenset())

STEPS = {
    "empty host": (SPEC, EMPTY, "create_group write_profile create_pool"),
    "everything is there": (SPEC, DONE, ""),
    "stopped after pvcreate": (
        SPEC,
        ThinPoolState((replace(BLANK, group="", signatures=("LVM2_member",)),)),
        "create_group write_profile create_pool",
    ),
    "stopped after vgcreate": (SPEC, ThinPoolState((OURS,), EMPTY_GROUP), "write_profile create_pool"),
    "stopped while LVM made the pool of its metadata": (
        SPEC,
        ThinPoolState((OURS,), replace(EMPTY_GROUP, free=EXTENTS - 2, volumes=frozenset({"pool"}), plain=1)),
        "write_profile discard_volume create_pool",
    ),
    "stopped after the profile": (SPEC, ThinPoolState((OURS,), EMPTY_GROUP, None, SPEC.autoextend), "create_pool"),
    "a device with a filesystem, wiped by order": (
        replace(SPEC, wipe=True),
        ThinPoolState((replace(BLANK, signatures=("PMBR", "gpt")),)),
        "wipe_device create_group write_profile create_pool",
    ),
    "wipe does not touch our own device": (replace(SPEC, wipe=True), DONE, ""),
    "another device": (
        replace(SPEC, devices=(BLANK.given, OTHER.given)),
        replace(DONE, devices=(OURS, OTHER)),
        "extend_group extend_metadata extend_pool",
    ),
    "stopped after vgextend": (
        SPEC,
        replace(
            DONE,
            devices=(OURS, replace(OTHER, group="zonal")),
            group=replace(GROUP, extents=2 * EXTENTS, free=FREE + EXTENTS, devices=frozenset({"/dev/sdb", "/dev/sdc"})),
        ),
        "extend_metadata extend_pool",
    ),
    "larger size": (replace(SPEC, size=WantedSize(percent=92)), DONE, "extend_pool retag_pool"),
    "it has grown by itself": (SPEC, replace(DONE, pool=replace(POOL, size=POOL.size + 64 * MIB)), ""),
    "more is asked for than before, and less than it has grown to by itself": (
        replace(SPEC, size=WantedSize(percent=91)),
        replace(DONE, pool=replace(POOL, size=POOL.size + 128 * MIB)),
        "retag_pool",
    ),
    "the same in bytes": (
        replace(SPEC, size=WantedSize(5 * GIB)),
        replace(DONE, pool=replace(POOL, tags=frozenset({f"zonal.size={4 * GIB}"}), size=6 * GIB)),
        "retag_pool",
    ),
    "stopped after it grew, and less is asked for now": (
        replace(SPEC, size=WantedSize(percent=91)),
        replace(DONE, pool=replace(POOL, size=EXTENTS * 94 // 100 * EXTENT_SIZE)),
        "retag_pool",
    ),
    "other thresholds": (replace(SPEC, autoextend=Autoextend(70, 10)), DONE, "write_profile"),
    "the profile was changed by hand": (SPEC, replace(DONE, autoextend=None), "write_profile"),
    "the profile was taken off": (SPEC, replace(DONE, pool=replace(POOL, profile="")), "set_profile"),
    "not active": (SPEC, replace(DONE, pool=replace(POOL, active=False, data_percent=None)), "activate_pool"),
    "tags": (replace(SPEC, tags=frozenset({"ssd"})), DONE, "retag_pool"),
    "tags left alone": (SPEC, replace(DONE, pool=replace(POOL, tags=POOL.tags | {"ssd"})), ""),
    "tags cleared": (replace(SPEC, tags=frozenset()), replace(DONE, pool=replace(POOL, tags=POOL.tags | {"ssd"})), "retag_pool"),
    "more metadata": (replace(SPEC, metadata_size=64 * MIB), DONE, "extend_metadata"),
    "less metadata is left": (replace(SPEC, metadata_size=4 * MIB), DONE, ""),
    "adopted": (
        replace(SPEC, adopt=True),
        replace(DONE, group=replace(GROUP, tags=frozenset()), pool=replace(POOL, tags=frozenset(), profile=""), autoextend=None),
        "adopt_group write_profile set_profile retag_pool",
    ),
    "absent": (replace(SPEC, present=False), EMPTY, ""),
    "remove": (replace(SPEC, present=False), DONE, "remove_pool remove_group clear_device remove_profile"),
    "remove with volumes": (
        replace(SPEC, present=False, force=True),
        replace(DONE, pool=replace(POOL, volumes=frozenset({"vm1"})), group=replace(GROUP, volumes=frozenset({"pool", "vm1"}))),
        "remove_pool remove_group clear_device remove_profile",
    ),
    "remove beside other volumes": (
        replace(SPEC, present=False),
        replace(DONE, group=replace(GROUP, volumes=frozenset({"pool", "root"}))),
        "remove_pool remove_profile",
    ),
    "remove what a run that was cut off has begun": (
        replace(SPEC, present=False),
        ThinPoolState((OURS,), replace(EMPTY_GROUP, free=EXTENTS - 2, volumes=frozenset({"pool"}), plain=1)),
        "discard_volume remove_group clear_device",
    ),
    "stopped after vgremove": (replace(SPEC, present=False), ThinPoolState((replace(BLANK, group=""),)), "clear_device"),
}

# The disk of another host has come to this one.
TWINS = replace(GROUP, twin=frozenset({"/dev/sdc"}))
REFUSED = {
    "filesystem": (SPEC, ThinPoolState((replace(BLANK, signatures=("ext4",)),)), "/dev/disk/by-id/ssd1 (/dev/sdb) carries ext4"),
    "partition table": (SPEC, ThinPoolState((replace(BLANK, signatures=("PMBR", "gpt")),)), "carries PMBR, gpt"),
    "mount": (SPEC, ThinPoolState((replace(BLANK, users=("mounted on /data",)),)), "in use: mounted on /data"),
    "mount, wipe": (replace(SPEC, wipe=True), ThinPoolState((replace(BLANK, users=("mounted on /data",)),)), "in use: mounted on /data"),
    "another group": (SPEC, ThinPoolState((replace(BLANK, group="ubuntu"),)), "belongs to the volume group ubuntu"),
    "another group, wipe": (replace(SPEC, wipe=True), ThinPoolState((replace(BLANK, group="ubuntu"),)), "volume group ubuntu"),
    "a member that LVM does not know": (SPEC, ThinPoolState((replace(BLANK, signatures=("LVM2_member",)),)), "carries LVM2_member"),
    "orphan with leftovers": (
        SPEC,
        ThinPoolState((replace(BLANK, group="", signatures=("LVM2_member", "ext4")),)),
        "carries ext4",
    ),
    "missing device": (SPEC, ThinPoolState((Device("/dev/sdz", "/dev/sdz", "does not exist"),)), "'/dev/sdz' does not exist"),
    "twice": (SPEC, ThinPoolState((BLANK, replace(BLANK, given="/dev/sdb"))), "same device as /dev/disk/by-id/ssd1 (/dev/sdb)"),
    "with its own partition": (
        SPEC,
        ThinPoolState((OTHER, replace(BLANK, partitions=("/dev/sdc",)))),
        "'/dev/sdc' is a partition of /dev/disk/by-id/ssd1 (/dev/sdb)",
    ),
    "tiny": (SPEC, ThinPoolState((replace(BLANK, size=MIB),)), "too small"),
    "foreign group": (SPEC, FOREIGN, "was not made by this collection (it holds pool)"),
    "unlisted device": (SPEC, replace(DONE, group=replace(GROUP, devices=frozenset({"/dev/sdb", "/dev/sdq"}))), "also has /dev/sdq"),
    "lost device": (SPEC, replace(DONE, group=replace(GROUP, missing=1)), "lacks 1 of its devices"),
    "exported": (SPEC, replace(DONE, group=replace(GROUP, exported=True)), "is exported"),
    "two of one name": (
        SPEC,
        replace(DONE, group=TWINS),
        "two volume groups of this host are called zonal, one on /dev/sdb and one on /dev/sdc",
    ),
    "two of one name, absent": (replace(SPEC, present=False, force=True), replace(DONE, group=TWINS), "'vgrename UUID NAME'"),
    "not a pool": (SPEC, replace(DONE, pool=None), "zonal/pool exists and is not a thin pool"),
    "not a pool, beside another volume": (
        SPEC,
        ThinPoolState((OURS,), replace(EMPTY_GROUP, free=EXTENTS - 2, volumes=frozenset({"pool", "root"}), plain=1)),
        "zonal/pool exists and is not a thin pool",
    ),
    "not a pool, without a spare": (
        SPEC,
        ThinPoolState((OURS,), replace(EMPTY_GROUP, free=EXTENTS - 1, volumes=frozenset({"pool"}), plain=1)),
        "zonal/pool exists and is not a thin pool",
    ),
    "shrink, though it has grown by itself": (
        replace(SPEC, size=WantedSize(percent=50)),
        replace(DONE, pool=replace(POOL, size=POOL.size + 64 * MIB)),
        "a thin pool cannot be made smaller",
    ),
    "shrink one whose tag says nothing": (
        replace(SPEC, size=WantedSize(percent=50)),
        replace(DONE, pool=replace(POOL, tags=frozenset({"zonal.size=x"}))),
        "a thin pool cannot be made smaller",
    ),
    "shrink": (replace(SPEC, size=WantedSize(percent=50)), DONE, "cannot be made smaller: write size: 7368M"),
    "too large": (replace(SPEC, size=WantedSize(size=100 * GIB)), DONE, "only 788M are free"),
    "no room for metadata": (replace(SPEC, size=WantedSize(percent=100)), EMPTY, "metadata and its spare included"),
    "other chunks": (replace(SPEC, chunk_size=MIB), DONE, "write chunk_size: 64K"),
    "absent, foreign": (
        replace(SPEC, present=False),
        replace(DONE, group=replace(GROUP, tags=frozenset())),
        "was not made by this collection",
    ),
    "absent, volumes": (
        replace(SPEC, present=False),
        replace(DONE, pool=replace(POOL, volumes=frozenset({"vm2", "vm1"}))),
        "holds 2 volumes with their data: vm1, vm2",
    ),
    "absent, in use": (
        replace(SPEC, present=False, force=True),
        replace(DONE, pool=replace(POOL, volumes=frozenset({"vm1"}), open_volumes=frozenset({"vm1"}))),
        "vm1 is in use",
    ),
}


@pytest.mark.parametrize(("spec", "found", "actions"), STEPS.values(), ids=STEPS.keys())
def test_steps(spec: ThinPoolSpec, found: ThinPoolState, actions: str) -> None:
    assert [step.action for step in plan_thin_pool(spec, found).steps] == actions.split()


@pytest.mark.parametrize(("spec", "found", "message"), REFUSED.values(), ids=REFUSED.keys())
def test_refusals(spec: ThinPoolSpec, found: ThinPoolState, message: str) -> None:
    with pytest.raises(ZonalError) as caught:
        plan_thin_pool(spec, found)
    assert message in str(caught.value)
    assert isinstance(caught.value, (RefusedError, SpecError))


@pytest.mark.parametrize("name", [name for name, case in STEPS.items() if case[0].present])
def test_what_is_planned_needs_no_further_plan(name: str) -> None:
    spec, found, _dummy = STEPS[name]
    after = plan_thin_pool(spec, found).after
    made = replace(after, devices=tuple(replace(device, group="zonal") for device in after.devices))
    assert plan_thin_pool(spec, made).steps == ()


def test_the_prediction_is_what_lvm_makes() -> None:
    after = plan_thin_pool(SPEC, EMPTY).after
    assert after.group is not None
    assert (after.group.extents, after.group.free) == (EXTENTS, FREE)
    assert after.pool == POOL


def test_report_speaks_the_options_words() -> None:
    assert report(SPEC, replace(DONE, pool=replace(POOL, data_percent=Decimal("41.27")))) == {
        "name": "pool",
        "group": "zonal",
        "state": "present",
        "devices": ["/dev/sdb"],
        "group_size": "8188M",
        "group_free": "788M",
        "size": "7368M",
        "metadata_size": "16M",
        "chunk_size": "64K",
        "tags": [],
        "data_percent": 41.27,
        "metadata_percent": 0.0,
        "volumes": 0,
        "autoextend_threshold": 80,
        "autoextend_percent": 5,
    }
    assert report(SPEC, EMPTY) == {"name": "pool", "group": "zonal", "state": "absent"}


@pytest.mark.parametrize(
    ("size", "chunk", "metadata"),
    [
        (1 * GIB, 64 * KIB, 4 * MIB),
        (1024 * GIB, 64 * KIB, 2 * GIB),
        (7 * 1024 * GIB, 64 * KIB, 14 * GIB),
        (8 * 1024 * GIB, 128 * KIB, 8 * GIB),
        (100 * 1024 * GIB, 1 * MIB, 12800 * MIB),
    ],
)
def test_chunks_and_metadata_by_size(size: int, chunk: int, metadata: int) -> None:
    assert chunk_size_for(size) == chunk
    assert metadata_size_for(size, chunk) == metadata
