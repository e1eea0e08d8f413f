# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Thin volumes: which options are accepted, which steps follow, what is refused."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from ansible_collections.zonal.cloud.plugins.module_utils._domain.errors import RefusedError, ZonalError
from ansible_collections.zonal.cloud.plugins.module_utils._domain.thin_pool import GIB, MIB
from ansible_collections.zonal.cloud.plugins.module_utils._domain.thin_volume import (
    UNFINISHED,
    ThinVolume,
    ThinVolumeSpec,
    ThinVolumeState,
    parse_spec,
    plan_thin_volume,
    report,
)

PARAMS: dict[str, Any] = {
    "name": "docker",
    "group": "zonal",
    "pool": "pool",
    "size": "1G",
    "filesystem": "none",
    "tags": None,
    "force": False,
    "state": "present",
}
RAW = ThinVolumeSpec("docker", "zonal", "pool", size=GIB)
XFS = replace(RAW, filesystem="xfs")
GONE = replace(RAW, present=False)
NOTHING = ThinVolumeState()
BLANK = ThinVolume(GIB, "pool")
MADE = replace(BLANK, signatures=("xfs",), data_percent=Decimal("1.5"))
MOUNTED = replace(MADE, mounts=("/var/lib/docker",), in_use=True, filesystem_size=GIB)

BAD = {
    "no size": ({"size": None}, "size: is missing"),
    "no number": ({"size": "4 apples"}, "size: '4 apples' is not a size"),
    "small xfs": ({"size": "200M", "filesystem": "xfs"}, "size: '200M' is too small for xfs"),
    "shell in the name": ({"name": "a;reboot"}, "name: 'a;reboot' is not a name"),
    "XML in the group": ({"group": "<vg>"}, "group: '<vg>' is not a name"),
    "option as pool": ({"pool": "--yes"}, "pool: '--yes' is not a name"),
    "LVM's own name": ({"name": "x_tmeta"}, "name: 'x_tmeta' is a name that LVM keeps"),
    "space in a tag": ({"tags": ["a b"]}, "tags: 'a b' is not a tag"),
    "our tag": ({"tags": ["zonal.size=1"]}, "tags: 'zonal.size=1' begins with zonal."),
}

STEPS: dict[str, tuple[ThinVolumeSpec, ThinVolume | None, str]] = {
    "new": (RAW, None, "create_volume"),
    "new with filesystem": (XFS, None, "create_volume make_filesystem"),
    "there": (RAW, BLANK, ""),
    "there with a filesystem": (XFS, MADE, ""),
    "content is left alone": (RAW, MADE, ""),
    "odd size is rounded up": (replace(RAW, size=GIB - 5), BLANK, ""),
    "stopped before mkfs": (XFS, replace(BLANK, tags=frozenset({UNFINISHED})), "make_filesystem"),
    "stopped within lvcreate": (
        XFS,
        replace(BLANK, tags=frozenset({UNFINISHED}), active=False, data_percent=None),
        "remove_volume create_volume make_filesystem",
    ),
    "stopped within lvcreate, no filesystem": (
        RAW,
        replace(BLANK, tags=frozenset({UNFINISHED}), active=False, data_percent=None),
        "remove_volume create_volume",
    ),
    "stopped before all was well": (RAW, replace(BLANK, tags=frozenset({UNFINISHED})), "retag_volume"),
    "in use since it was stopped after mkfs": (
        XFS,
        replace(MADE, tags=frozenset({UNFINISHED}), mounts=("/srv",), in_use=True, filesystem_size=MADE.size),
        "retag_volume",
    ),
    "stopped within mkfs": (XFS, replace(MADE, tags=frozenset({UNFINISHED})), "make_filesystem"),
    "blank": (XFS, BLANK, "make_filesystem"),
    "grow unmounted": (replace(XFS, size=2 * GIB), MADE, "grow_volume"),
    "grow mounted": (replace(XFS, size=2 * GIB), MOUNTED, "grow_volume grow_filesystem"),
    "stopped after lvextend": (replace(XFS, size=2 * GIB), replace(MOUNTED, size=2 * GIB), "grow_filesystem"),
    "an unused tail": (XFS, replace(MOUNTED, filesystem_size=GIB - 8 * MIB), ""),
    "tags": (replace(RAW, tags=frozenset({"a"})), BLANK, "retag_volume"),
    "same tags": (replace(RAW, tags=frozenset({"a"})), replace(BLANK, tags=frozenset({"a", "zonal.x"})), ""),
    "absent": (GONE, None, ""),
    "remove empty": (GONE, BLANK, "remove_volume"),
    "remove data": (replace(GONE, force=True), MADE, "remove_volume"),
}

REFUSED = {
    "shrink": (replace(RAW, size=512 * MIB), BLANK, "write size: 1G"),
    "another filesystem": (XFS, replace(MADE, signatures=("ext4",)), "carries ext4, not xfs"),
    "something else as well": (XFS, replace(MADE, signatures=("dos", "xfs")), "carries dos, xfs, not xfs"),
    "another pool": (RAW, replace(BLANK, pool="slow"), "in the pool slow, not in pool"),
    "a plain volume": (RAW, replace(BLANK, pool=""), "no thin volume"),
    "not active": (RAW, replace(BLANK, active=False, data_percent=None), "lvchange -ay zonal/docker"),
    "a disk of a running VM": (XFS, replace(BLANK, in_use=True), "is in use"),
    "absent, data": (GONE, MADE, "holds data; set force: true"),
    "absent, not active": (GONE, replace(BLANK, active=False, data_percent=None), "holds data; set force: true"),
    "absent, mounted": (replace(GONE, force=True), MOUNTED, "is mounted on /var/lib/docker"),
    "absent, in use": (replace(GONE, force=True), replace(BLANK, in_use=True), "is in use"),
}


def test_options() -> None:
    assert parse_spec(PARAMS) == RAW
    assert parse_spec({**PARAMS, "tags": ["b", "a"], "filesystem": "ext4"}) == replace(RAW, tags=frozenset({"a", "b"}), filesystem="ext4")
    assert parse_spec({**PARAMS, "state": "absent", "size": None}) == replace(GONE, size=0)


@pytest.mark.parametrize(("options", "message"), BAD.values(), ids=BAD.keys())
def test_bad_options(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ZonalError) as caught:
        parse_spec({**PARAMS, **options})
    assert str(caught.value).startswith(message)


@pytest.mark.parametrize(("spec", "found", "actions"), STEPS.values(), ids=STEPS.keys())
def test_steps(spec: ThinVolumeSpec, found: ThinVolume | None, actions: str) -> None:
    plan = plan_thin_volume(spec, ThinVolumeState(found))
    assert [step.action for step in plan.steps] == actions.split()
    again = plan.after if plan.after.volume is None else ThinVolumeState(replace(plan.after.volume, filesystem_size=plan.after.volume.size))
    assert plan_thin_volume(spec, again).steps == ()


@pytest.mark.parametrize(("spec", "found", "message"), REFUSED.values(), ids=REFUSED.keys())
def test_refusals(spec: ThinVolumeSpec, found: ThinVolume, message: str) -> None:
    with pytest.raises(RefusedError) as caught:
        plan_thin_volume(spec, ThinVolumeState(found))
    assert message in str(caught.value)


def test_report_speaks_the_options_words() -> None:
    names = {"name": "docker", "group": "zonal", "pool": "pool", "path": "/dev/zonal/docker"}
    assert report(XFS, NOTHING) == {**names, "state": "absent"}
    assert report(XFS, ThinVolumeState(MOUNTED)) == {
        **names,
        "state": "present",
        "size": "1G",
        "filesystem": "xfs",
        "tags": [],
        "mounts": ["/var/lib/docker"],
        "data_percent": 1.5,
    }
