# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Disks and the instances that have them, against fakes: their life, what is refused, and runs that are cut off anywhere."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

import pytest

from ansible_collections.zonal.cloud.plugins.module_utils._adapters.boot_files import BootFolder
from ansible_collections.zonal.cloud.plugins.module_utils._domain.disk import DiskSpec
from ansible_collections.zonal.cloud.plugins.module_utils._domain.domain_found import parse_domain
from ansible_collections.zonal.cloud.plugins.module_utils._domain.errors import RefusedError, SpecError, ZonalError
from ansible_collections.zonal.cloud.plugins.module_utils._domain.instance import ABSENT, STOPPED, Wish
from ansible_collections.zonal.cloud.plugins.module_utils._domain.rbd import Holder
from ansible_collections.zonal.cloud.plugins.module_utils._domain.volume import image_tags
from ansible_collections.zonal.cloud.plugins.module_utils._module import container, vm
from ansible_collections.zonal.cloud.plugins.module_utils._module.container import ContainerResource
from ansible_collections.zonal.cloud.plugins.module_utils._module.disk import DiskResource
from ansible_collections.zonal.cloud.plugins.module_utils._module.instances import HostEngines, batch_of
from ansible_collections.zonal.cloud.plugins.module_utils._module.vm import VmResource
from ansible_collections.zonal.cloud.plugins.module_utils._ports import EngineAbsent, EngineError
from ansible_collections.zonal.cloud.tests.unit.plugins.fakes.containers import FakeContainers
from ansible_collections.zonal.cloud.tests.unit.plugins.fakes.copies import NO_COPIES
from ansible_collections.zonal.cloud.tests.unit.plugins.fakes.data_disks import FakeFilesystems, data_disks
from ansible_collections.zonal.cloud.tests.unit.plugins.fakes.fuse import (
    CONTAINER_CHANGES,
    DATA_CHANGES,
    IMAGE_CHANGES,
    VM_CHANGES,
    VOLUME_CHANGES,
    Fuse,
    PowerCut,
)
from ansible_collections.zonal.cloud.tests.unit.plugins.fakes.guest_disks import BOOT_FILES, FakeDisks, FilledVolumes
from ansible_collections.zonal.cloud.tests.unit.plugins.fakes.images import FakeImages
from ansible_collections.zonal.cloud.tests.unit.plugins.fakes.instances import converge, wish
from ansible_collections.zonal.cloud.tests.unit.plugins.fakes.vms import FakeVms

MIB = 1024**2
BOTH = ("restart", "recreate")
DIGEST = "1" * 64
DEVICE = "/dev/zonal/disk-data"
Wanted: TypeAlias = "Wish | DiskSpec"


class Host:
    """One host with the image debian:13 for both kinds."""

    def __init__(self, folder: Path) -> None:
        self.containers, self.vms, self.volumes = FakeContainers(), FakeVms(), FilledVolumes()
        self.filesystems, self.images = FakeFilesystems(self.volumes), FakeImages()
        self.disks, self.boot = FakeDisks(self.volumes), BootFolder(str(folder))
        self.containers.import_image("archive", "debian:13", {})
        golden = self.volumes.create("img-111111111111", 64 * MIB, image_tags("debian:13", DIGEST, DIGEST))
        self.disks.make(golden.path, "archive", 16384)
        self.boot.store(golden.name, BOOT_FILES)

    def resource(self, wanted: Wanted, fuse: Fuse | None = None) -> Any:
        fuse = fuse or Fuse(-1)
        docker, libvirt = fuse.guard(self.containers, *CONTAINER_CHANGES), fuse.guard(self.vms, *VM_CHANGES)
        volumes = fuse.guard(self.volumes, *VOLUME_CHANGES)
        data = data_disks(self.volumes, self.vms, self.filesystems, fuse, self.images)
        if isinstance(wanted, DiskSpec):
            images = fuse.guard(self.images, *IMAGE_CHANGES)
            return DiskResource(wanted, volumes, fuse.guard(self.filesystems, *DATA_CHANGES), docker, libvirt, images)
        if wanted.kind == "container":
            return ContainerResource(wanted, docker, libvirt, NO_COPIES, data, 0)
        return VmResource(wanted, libvirt, docker, volumes, self.disks, data, self.boot, lambda: "qemu", 0)

    def converge(self, *wishes: Wanted) -> list[str]:
        return [action for wanted in wishes for action in converge(self.resource(wanted))]

    def report(self, wanted: Wanted) -> dict[str, Any]:
        resource = self.resource(wanted)
        told: dict[str, Any] = resource.report(resource.observe())
        return told

    def plugged(self, name: str = "db") -> dict[str, list[str]]:
        """Return the disks of a VM: those of its definition, and those of the running one."""
        found = self.vms.find(name)
        assert found is not None
        running = parse_domain(found.live_xml).attached if found.live_xml else ()
        return {"defined": list(parse_domain(found.xml).attached), "running": list(running)}

    def snapshot(self) -> Any:
        docker = self.containers.snapshot()
        used = [mount["Source"] for body in docker["containers"].values() for mount in body["HostConfig"].get("Mounts", ())]
        # One that is left of a container is removed when the disk is next given to one, and holds nothing.
        docker["volumes"] = {name: body for name, body in docker["volumes"].items() if name in used}
        ceph = self.images.list(), dict(self.images.holders)
        return docker, self.vms.snapshot(), self.volumes.snapshot(), ceph, dict(self.vms.sizes)

    def names(self) -> list[str]:
        return [volume.name for volume in [*self.volumes.list(), *self.images.list()] if volume.name.startswith("disk-")]


@pytest.fixture
def new_host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], Host]:
    for kind in (container, vm):
        monkeypatch.setattr(kind, "is_bridge", lambda name: name == "br0")
    monkeypatch.setattr(container, "numa_nodes", lambda: [frozenset(range(8))])
    return lambda: Host(tmp_path)


@pytest.fixture
def host(new_host: Callable[[], Host]) -> Host:
    return new_host()


def disk(size: str | None = None, name: str = "data", mount: str | None = "/srv") -> dict[str, Any]:
    return {"name": name, "size": size, "mount": mount}


def vm_with(*disks: dict[str, Any], **options: Any) -> Wish:
    return wish("vm", "db", **{"address": "10.20.0.9", "disks": list(disks), **options})


def container_with(*disks: dict[str, Any], **options: Any) -> Wish:
    return wish("container", disks=list(disks), **options)


def spec(size: int | None = None, name: str = "data", **options: Any) -> DiskSpec:
    return DiskSpec(name, "zonal", "pool", size=None if size is None else size * MIB, **options)


def not_seen_yet(host: Host) -> None:
    host.volumes.grow("disk-data", 64 * MIB)
    host.vms.sizes[DEVICE] = 32 * MIB


def mounted_and_grown(host: Host) -> None:
    host.filesystems.mounted.add(DEVICE)
    host.volumes.grow("disk-data", 64 * MIB)


def mounted(host: Host) -> None:
    host.filesystems.mounted.add(DEVICE)


def half_made(host: Host) -> None:
    host.volumes.create("disk-data.new", 32 * MIB, ["zonal.disk=data", "zonal.filesystem=ext4"])


def nothing_by_hand(host: Host) -> None:
    pass


def empty_image(host: Host) -> None:
    """A run was cut off before the image told what it is."""
    host.images.create("disk-data.new", 0, [])


def half_made_image(host: Host) -> None:
    host.images.create("disk-data.new", 0, ["zonal.disk=data"])


def grown_image(host: Host) -> None:
    host.images.grow("disk-data", 64 * MIB)
    host.vms.sizes["vdb"] = 32 * MIB


def claimed_by_what_is_gone(host: Host) -> None:
    host.images.claim("disk-data", "gone")


def libvirt_down(host: Host) -> None:
    host.vms.running = False


def docker_down(host: Host) -> None:
    host.containers.running = False


def claimed_elsewhere(host: Host) -> None:
    host.images.holders["disk-data"] = ("db", "kvm02")


class Scenario(NamedTuple):
    """What was there before, the wish whose run is cut off, its steps, and what was done by hand or by a run before."""

    before: list[Wanted]
    wanted: Wanted
    steps: str
    by_hand: Callable[[Host], None] = nothing_by_hand


SMALL, LARGE = disk("32M"), disk("64M")
SECOND = disk("16M", "more", "/more")
ANY_CEPH = {"name": "data", "store": "rbd"}
CEPH, MORE_CEPH = {**ANY_CEPH, "size": "32M"}, {**ANY_CEPH, "size": "64M"}
OF_A_LOST_HOST = spec(64, store="rbd", lost_host="kvm02")
SCENARIOS = {
    "a disk": Scenario([], spec(32), "make_disk"),
    "a disk of another kind": Scenario([], spec(512, filesystem="xfs"), "make_disk"),
    "a raw disk": Scenario([], spec(32, filesystem="none"), "make_disk"),
    "a disk grows": Scenario([spec(32)], spec(64), "grow_disk"),
    "a disk goes": Scenario([spec(32)], spec(present=False), "remove_disk"),
    "what was left of a disk goes": Scenario([], spec(present=False), "remove_disk", half_made),
    "a VM with one": Scenario([], vm_with(SMALL), "create start"),
    "a VM with one that is there": Scenario([spec(32)], vm_with(disk()), "create start"),
    "a VM gets one": Scenario([vm_with()], vm_with(SMALL), "update"),
    "a VM gets one, stopped": Scenario([vm_with(power=STOPPED)], vm_with(SMALL, power=STOPPED), "update"),
    "a VM gets another": Scenario([vm_with(SMALL)], vm_with(SMALL, SECOND), "update"),
    "a VM loses one": Scenario([vm_with(SMALL)], vm_with(), "update"),
    "a VM loses the first": Scenario([vm_with(SMALL, SECOND)], vm_with(SECOND), "update"),
    "a VM changes one for another": Scenario([vm_with(SMALL)], vm_with(SECOND), "update"),
    "a VM has them in another order": Scenario([vm_with(SMALL, SECOND)], vm_with(SECOND, SMALL), "update"),
    "a VM's grows": Scenario([vm_with(SMALL)], vm_with(LARGE), "update"),
    "a VM's grows by its own module": Scenario([vm_with(SMALL)], spec(64), "grow_disk"),
    "a VM has not seen yet that one grew": Scenario([vm_with(SMALL)], vm_with(disk()), "update", not_seen_yet),
    "nor told its module": Scenario([vm_with(SMALL)], spec(64), "grow_disk", not_seen_yet),
    "a VM with one restarts": Scenario([vm_with()], vm_with(SMALL, memory="512M", allow=BOTH), "stop update start"),
    "a VM with one is made anew": Scenario([vm_with(SMALL)], vm_with(SMALL, hostname="b", allow=BOTH), "remove create start"),
    "a VM with one goes": Scenario([vm_with(SMALL)], vm_with(power=ABSENT), "remove"),
    "a container with one": Scenario([], container_with(SMALL), "create start"),
    "a container gets one": Scenario([container_with()], container_with(SMALL, allow=BOTH), "remove create start"),
    "a container loses one": Scenario([container_with(SMALL)], container_with(allow=BOTH), "remove create start"),
    "a container has it elsewhere": Scenario(
        [container_with(SMALL)], container_with(disk("32M", mount="/data"), allow=BOTH), "remove create start"
    ),
    "a container's grows": Scenario([container_with(SMALL)], container_with(LARGE), "update", mounted),
    "a container's file system has not grown yet": Scenario([container_with(SMALL)], container_with(LARGE), "update", mounted_and_grown),
    "nor by its own module": Scenario([container_with(SMALL)], spec(64), "grow_disk", mounted_and_grown),
    "a container with one goes": Scenario([container_with(SMALL)], container_with(power=ABSENT), "remove"),
    "from a VM to a container": Scenario([vm_with(SMALL), vm_with()], container_with(disk()), "create start"),
    "from a grown VM to a container": Scenario([vm_with(SMALL), vm_with(LARGE), vm_with()], container_with(disk()), "create start"),
    "from a container to a VM": Scenario([container_with(SMALL), container_with(power=ABSENT)], vm_with(disk()), "create start"),
    "a disk on Ceph": Scenario([], spec(32, store="rbd"), "make_disk"),
    "after an empty image": Scenario([], spec(32, store="rbd"), "make_disk", empty_image),
    "after a half-made image": Scenario([], vm_with(CEPH), "create start", half_made_image),
    "one on Ceph grows": Scenario([spec(32, store="rbd")], spec(64, store="rbd"), "grow_disk"),
    "one on Ceph goes": Scenario([spec(32, store="rbd")], spec(store="rbd", present=False), "remove_disk"),
    "a VM with one on Ceph": Scenario([], vm_with(CEPH, SECOND), "create start"),
    "a VM gets one on Ceph": Scenario([vm_with()], vm_with(CEPH), "update"),
    "a VM gets one on Ceph, stopped": Scenario([vm_with(power=STOPPED)], vm_with(CEPH, power=STOPPED), "update"),
    "a VM loses one on Ceph": Scenario([vm_with(CEPH)], vm_with(), "update"),
    "a VM loses one on Ceph, stopped": Scenario([vm_with(CEPH, power=STOPPED)], vm_with(power=STOPPED), "update"),
    "a VM changes one on Ceph for another": Scenario([vm_with(CEPH)], vm_with(SECOND), "update"),
    "a VM's on Ceph grows": Scenario([vm_with(CEPH)], vm_with(MORE_CEPH), "update"),
    "a VM's on Ceph grows by its own module": Scenario([vm_with(CEPH)], spec(64, store="rbd"), "grow_disk"),
    "a VM has not seen yet that one on Ceph grew": Scenario([vm_with(CEPH)], vm_with(ANY_CEPH), "update", grown_image),
    "a VM with one on Ceph is made anew": Scenario([vm_with(CEPH)], vm_with(CEPH, hostname="b", allow=BOTH), "remove create start"),
    "a VM with one on Ceph goes": Scenario([vm_with(CEPH)], vm_with(power=ABSENT), "remove"),
    "a VM that had one on Ceph goes": Scenario([vm_with(CEPH), vm_with()], vm_with(power=ABSENT), "remove"),
    "one on Ceph that another VM had": Scenario([vm_with(CEPH), vm_with()], wish("vm", disks=[CEPH]), "create start"),
    "one on Ceph that a cut-off run had given": Scenario([spec(32, store="rbd")], vm_with(CEPH), "create start", claimed_by_what_is_gone),
    "and is free": Scenario([spec(32, store="rbd")], spec(store="rbd"), "free_disk", claimed_by_what_is_gone),
    "and goes": Scenario([spec(32, store="rbd")], spec(store="rbd", present=False), "free_disk remove_disk", claimed_by_what_is_gone),
    "one on Ceph of a lost host": Scenario([spec(32, store="rbd")], OF_A_LOST_HOST, "free_disk grow_disk", claimed_elsewhere),
    "it goes after its instance": Scenario([container_with(SMALL), container_with(power=ABSENT)], spec(present=False), "remove_disk"),
}


def prepared(host: Host, scenario: Scenario) -> Host:
    host.converge(*scenario.before)
    scenario.by_hand(host)
    return host


@pytest.mark.parametrize(
    "wanted", [spec(40), container_with(disk("40M")), vm_with(disk("40M"), disk="100M")], ids=["disk", "container", "VM"]
)
def test_a_group_of_larger_extents_has_what_was_made_in_it(host: Host, wanted: Wanted) -> None:
    """Whatever LVM rounds up is not a disk that somebody wants to be smaller."""
    host.volumes.extent_size = 32 * MIB
    host.converge(wanted)
    assert host.converge(wanted) == []
    assert {volume.size for volume in host.volumes.list()} <= {64 * MIB, 128 * MIB}


@pytest.mark.parametrize("scenario", SCENARIOS.values(), ids=SCENARIOS.keys())
def test_a_run_does_its_steps_and_the_next_one_none(new_host: Callable[[], Host], scenario: Scenario) -> None:
    host = prepared(new_host(), scenario)
    assert " ".join(host.converge(scenario.wanted)) == scenario.steps
    assert host.converge(scenario.wanted) == []
    assert not [name for name in host.names() if name.endswith(".new")]


@pytest.mark.parametrize("scenario", SCENARIOS.values(), ids=SCENARIOS.keys())
def test_a_run_that_is_cut_off_anywhere_is_mended_by_the_next_one(new_host: Callable[[], Host], scenario: Scenario) -> None:
    whole = prepared(new_host(), scenario)
    whole.converge(scenario.wanted)
    calls = 0
    while True:
        host, fuse = prepared(new_host(), scenario), Fuse(calls)
        try:
            converge(host.resource(scenario.wanted, fuse))
        except PowerCut:
            host.converge(scenario.wanted)
        assert host.snapshot() == whole.snapshot(), f"after {fuse.passed}"
        if not fuse.blown:
            break
        calls += 1
    assert calls


def test_what_a_disk_is_stands_on_its_volume(host: Host) -> None:
    host.converge(vm_with(SMALL))
    made = host.volumes.find("disk-data")
    assert made is not None
    assert (made.size, set(made.tags), made.pool) == (32 * MIB, {"zonal.disk=data", "zonal.filesystem=ext4"}, "pool")
    assert host.volumes.content[DEVICE]["kind"] == "ext4"
    assert host.report(vm_with(SMALL))["disks"] == [{"name": "data", "size": "32M", "mount": "/srv"}]
    told = {"name": "data", "state": "present", "size": "32M", "filesystem": "ext4", "used_by": ["db"]}
    assert host.report(spec()) == told


def test_data_goes_where_the_disk_goes(host: Host) -> None:
    host.converge(vm_with(SMALL))
    host.volumes.device(DEVICE)["/file"] = "kept"
    host.converge(vm_with(LARGE), vm_with(power=ABSENT))
    assert host.names() == ["disk-data"]
    host.converge(container_with(disk()))
    assert host.volumes.content[DEVICE] == {"kind": "ext4", "size": str(64 * MIB), "/file": "kept"}
    host.converge(container_with(disk(), hostname="other", allow=BOTH), container_with(power=ABSENT), vm_with(disk()))
    assert host.volumes.content[DEVICE]["/file"] == "kept"
    assert host.plugged() == {"defined": ["data"], "running": ["data"]}


def test_what_a_container_is_told_of_a_disk_is_not_that_of_an_earlier_one(host: Host) -> None:
    host.converge(spec(512, filesystem="xfs"), container_with(disk()), container_with(power=ABSENT), spec(present=False))
    host.converge(spec(32), container_with(disk()))
    told = host.containers.volume("zonal-disk-data")
    assert told is not None
    assert told["Options"] == {"type": "ext4", "device": DEVICE, "o": "nodev,nosuid,discard"}


def test_a_container_without_permission_keeps_what_it_has(host: Host) -> None:
    host.converge(container_with(SMALL))
    resource = host.resource(container_with(LARGE, SECOND))
    plan = resource.plan(resource.observe())
    assert (plan.steps, [(item.field, item.mend) for item in plan.pending]) == ((), [("disks", "recreate")])
    assert host.names() == ["disk-data"]


def test_a_disk_that_is_lost_is_left_out(host: Host) -> None:
    host.converge(vm_with(SMALL))
    lost(host)
    assert (host.converge(vm_with()), host.plugged()) == (["update"], {"defined": [], "running": []})


def test_a_guest_that_does_not_let_go_is_asked_again(host: Host) -> None:
    host.converge(vm_with(SMALL))
    host.vms.deaf = True
    for _dummy in range(2):
        with pytest.raises(EngineError, match=r"^Cannot detach a device from VM db: the guest does not let go of it within \d+ seconds"):
            host.converge(vm_with())
        assert host.plugged() == {"defined": [], "running": ["data"]}
        with pytest.raises(SpecError, match=r"^disks: 'data' belongs to the vm db on this host"):
            host.converge(container_with(disk()))
        with pytest.raises(RefusedError, match=r"^state: the disk data belongs to db"):
            host.converge(spec(present=False))
    host.vms.deaf = False
    assert (host.converge(vm_with()), host.converge(vm_with())) == (["update"], [])
    host.converge(container_with(disk()))


def test_what_was_plugged_by_hand_keeps_its_place(host: Host) -> None:
    host.converge(vm_with())
    host.vms.attach("db", "<disk type='file' device='disk'><source file='/x'/><target dev='vdb' bus='virtio'/></disk>")
    host.converge(vm_with(SMALL))
    found = host.vms.find("db")
    assert found is not None
    assert '<target dev="vdc" bus="virtio" />' in found.live_xml
    assert host.converge(vm_with(SMALL)) == []


def foreign(host: Host) -> None:
    host.volumes.create("disk-data", 32 * MIB, [])


def foreign_hidden(host: Host) -> None:
    host.volumes.create("disk-data.new", 32 * MIB, [])


def foreign_volume_of_docker(host: Host) -> None:
    host.converge(spec(32))
    host.containers._volumes["zonal-disk-data"] = {"Name": "zonal-disk-data", "Labels": None, "Options": {}}


def opened(host: Host) -> None:
    host.volumes.busy.add("disk-data")


def full(host: Host) -> None:
    host.volumes.used = host.volumes.capacity - 24 * MIB


def lost(host: Host) -> None:
    host.volumes.remove("disk-data")


def foreign_image(host: Host) -> None:
    host.images.create("disk-data", 32 * MIB, [])


def foreign_hidden_image(host: Host) -> None:
    host.images.create("disk-data.new", 32 * MIB, [])


def lost_image(host: Host) -> None:
    host.images.remove("disk-data")


def opened_image(host: Host) -> None:
    host.images.busy.add("disk-data")


def opened_elsewhere(host: Host) -> None:
    claimed_elsewhere(host)
    opened_image(host)


FREE, GONE = spec(32, store="rbd"), spec(store="rbd", present=False)
REFUSED: dict[str, tuple[list[Wanted], Callable[[Host], None], Wanted, str]] = {
    "a VM without it": ([], nothing_by_hand, vm_with(disk()), r"^disks\[0\]\.name: 'data' is no disk of this host; give it a size, or"),
    "another VM's": ([vm_with(SMALL)], nothing_by_hand, wish("vm", disks=[disk()]), r"^disks: 'data' belongs to the vm db on this host"),
    "a container's": ([container_with(SMALL)], nothing_by_hand, vm_with(disk()), r"^disks: 'data' belongs to the container web on"),
    "a stopped container's": (
        [container_with(SMALL, power=STOPPED)],
        nothing_by_hand,
        vm_with(disk()),
        r"^disks: 'data' belongs to the container web on",
    ),
    "a smaller one": ([vm_with(LARGE)], nothing_by_hand, vm_with(SMALL), r"^disks\[0\]\.size: '32M' is smaller than the disk data, 64M"),
    "a smaller one by itself": ([spec(64)], nothing_by_hand, spec(32), r"^size: '32M' is smaller than the disk data, 64M; a disk is never"),
    "a raw one": (
        [spec(32, filesystem="none")],
        nothing_by_hand,
        container_with(disk()),
        r"^disks\[0\]\.name: 'data' was made without a file system",
    ),
    "a VM's that is lost": ([vm_with(SMALL)], lost, vm_with(LARGE), r"^group: the vm db has the disk data, but no volume of that is in"),
    "a container's that is lost": (
        [container_with(SMALL)],
        lost,
        container_with(disk(), allow=BOTH, hostname="b"),
        r"^group: the container web has the disk data, but no volume of that is in the given volume group",
    ),
    "one that is open": ([spec(32)], opened, vm_with(disk()), r"^disks: 'data' is in use on this host although no instance has it"),
    "removal of an open one": ([spec(32)], opened, spec(present=False), r"^state: the disk data is in use on this host"),
    "removal of one that is a VM's as far as is known": ([vm_with(SMALL)], libvirt_down, spec(present=False), r"^Cannot reach libvirt: "),
    "removal of one that is a container's as far as is known": (
        [container_with(SMALL)],
        docker_down,
        spec(present=False),
        r"^Cannot reach",
    ),
    "a VM's as far as is known": ([vm_with(SMALL)], libvirt_down, container_with(disk()), r"^Cannot reach libvirt: "),
    "a container's as far as is known": ([container_with(SMALL)], docker_down, vm_with(disk()), r"^Cannot reach docker: "),
    "removal of a VM's": ([vm_with(SMALL)], nothing_by_hand, spec(present=False), r"^state: the disk data belongs to db; take it out"),
    "another file system": (
        [spec(32)],
        nothing_by_hand,
        spec(512, filesystem="xfs"),
        r"^filesystem: the disk data was made with ext4, not",
    ),
    "no size": ([], nothing_by_hand, spec(), r"^size: is missing; it is needed to make the disk data"),
    "a full pool": ([], full, spec(32), r"^size: '32M' does not fit: the thin pool of this host has 24M free"),
    "a full pool for a VM": ([], full, vm_with(SMALL, power=STOPPED), r"does not fit: the thin pool of this host has 24M free"),
    "a foreign volume": (
        [],
        foreign,
        spec(32),
        r"^name: the volume disk-data was not made by zonal\.cloud as a disk, so it is not touched",
    ),
    "a foreign volume for a VM": ([], foreign, vm_with(SMALL), r"^name: the volume disk-data was not made by zonal\.cloud as a disk"),
    "a foreign hidden volume": ([], foreign_hidden, spec(32), r"^name: the volume disk-data\.new was not made by zonal\.cloud as a disk"),
    "removal of a foreign one": ([], foreign, spec(present=False), r"^name: the volume disk-data was not made by zonal\.cloud as a disk"),
    "another host's": ([FREE], claimed_elsewhere, vm_with(CEPH), r"^disks: 'data' belongs to db on the host kvm02; take it out of its"),
    "one that another host has got meanwhile": ([vm_with(CEPH)], claimed_elsewhere, vm_with(MORE_CEPH), r"^disks: 'data' belongs to db on"),
    "growth of another host's": ([FREE], claimed_elsewhere, spec(64, store="rbd"), r"^size: the disk data belongs to db on kvm02, whose"),
    "removal of another host's": (
        [FREE],
        claimed_elsewhere,
        GONE,
        r"^state: the disk data belongs to db on kvm02; take",
    ),
    "a lost host that another one is": (
        [FREE],
        claimed_elsewhere,
        spec(store="rbd", present=False, lost_host="kvm03"),
        r"^state: the disk data belongs to db on kvm02",
    ),
    "a lost host that is not": (
        [FREE],
        opened_elsewhere,
        spec(store="rbd", lost_host="kvm02"),
        r"^lost_host: the disk data is open, so db on kvm02 may run yet",
    ),
    "one on Ceph of another VM": ([vm_with(CEPH)], nothing_by_hand, wish("vm", disks=[CEPH]), r"^disks: 'data' belongs to the vm db on"),
    "one on Ceph that is lost": ([vm_with(CEPH)], lost_image, vm_with(MORE_CEPH), r"^rbd_pool: the vm db has the disk data, but no volume"),
    "one on Ceph that is open": ([FREE], opened_image, vm_with(CEPH), r"^disks: 'data' is in use somewhere although no instance has it"),
    "removal of an open one on Ceph": (
        [FREE],
        opened_image,
        GONE,
        r"^state: the disk data is in use somewhere",
    ),
    "a foreign image": ([], foreign_image, FREE, r"^name: the volume disk-data was not made by zonal\.cloud as a disk"),
    "a foreign image for a VM": ([], foreign_image, vm_with(CEPH), r"^name: the volume disk-data was not made by zonal\.cloud as a disk"),
    "a foreign hidden image": ([], foreign_hidden_image, FREE, r"^name: the volume disk-data\.new was not made by zonal\.cloud as a disk"),
    "removal of a foreign image": (
        [],
        foreign_image,
        GONE,
        r"^name: the volume disk-data was not made by zonal\.cloud as a disk",
    ),
    "one on Ceph that is not": (
        [],
        nothing_by_hand,
        vm_with({**CEPH, "size": None}),
        r"^disks\[0\]\.name: 'data' is no disk on Ceph; give",
    ),
    "a smaller one on Ceph": (
        [vm_with(MORE_CEPH)],
        nothing_by_hand,
        vm_with(CEPH),
        r"^disks\[0\]\.size: '32M' is smaller than the disk data",
    ),
    "to Ceph": ([vm_with(SMALL)], nothing_by_hand, vm_with(CEPH), r"^disks\[0\]\.store: 'rbd' is not where the disk data is"),
    "from Ceph": ([vm_with(CEPH)], nothing_by_hand, vm_with(SMALL), r"^disks\[0\]\.store: 'thin' is not where the disk data is"),
    "a foreign volume of docker": (
        [],
        foreign_volume_of_docker,
        container_with(disk()),
        r"^disks: the docker volume zonal-disk-data was not",
    ),
}


@pytest.mark.parametrize(("before", "by_hand", "wanted", "message"), REFUSED.values(), ids=REFUSED.keys())
def test_what_is_refused_changes_nothing(
    host: Host, before: list[Wanted], by_hand: Callable[[Host], None], wanted: Wanted, message: str
) -> None:
    host.converge(*before)
    by_hand(host)
    there = host.snapshot()
    with pytest.raises(ZonalError, match=message):
        host.converge(wanted)
    assert host.snapshot() == there


def test_what_nobody_can_have_needs_no_other_engine(host: Host) -> None:
    libvirt_down(host)
    assert (host.converge(container_with(SMALL)), host.converge(spec(32, name="new"))) == (["create", "start"], ["make_disk"])
    host.vms.installed = False
    assert host.converge(spec(present=False, name="new")) == ["remove_disk"]


def test_a_disk_that_a_check_mode_has_pretended_to_make_is_not_missed(host: Host) -> None:
    for wanted in (vm_with(disk()), container_with(disk())):
        resource = host.resource(wanted)
        assert [step.action for step in resource.plan(resource.observe()).steps] == ["create", "start"]


def test_a_check_mode_needs_no_lvm(host: Host) -> None:
    """What it is on is made by an earlier task."""
    host.volumes.installed = False
    for wanted in (vm_with(SMALL), container_with(SMALL), spec(32)):
        resource = host.resource(wanted)
        with pytest.raises(EngineAbsent):
            resource.observe()
        assert resource.plan(resource.nothing()).steps


def test_who_has_a_disk_on_ceph_is_known_to_all_hosts(host: Host) -> None:
    host.converge(vm_with(CEPH))
    away = host.images.seen_from("kvm02")
    assert away.holder("disk-data") == Holder("db", "kvm01", here=False)
    told = {"name": "data", "state": "present", "size": "32M", "filesystem": "none", "used_by": ["db"]}
    assert host.report(spec(store="rbd")) == told
    host.images = away
    host.vms.remove("db")
    assert host.report(spec(store="rbd")) == {**told, "used_by": ["db on kvm01"]}


def test_a_disk_of_the_pool_and_one_on_ceph_are_two(host: Host) -> None:
    host.converge(vm_with(CEPH), spec(32))
    assert host.report(spec())["used_by"] == []
    assert host.converge(spec(64), spec(present=False)) == ["grow_disk", "remove_disk"]
    assert host.report(spec(store="rbd"))["used_by"] == ["db"]


def test_a_disk_on_ceph_is_not_free_before_the_guest_lets_go_of_it(host: Host) -> None:
    host.converge(vm_with(CEPH))
    host.vms.deaf = True
    for _dummy in range(2):
        with pytest.raises(EngineError, match="the guest does not let go of it"):
            host.converge(vm_with())
        assert host.images.holders == {"disk-data": ("db", "kvm01")}
    assert host.converge(vm_with(app="other", disks=None)) == ["update"]
    assert host.images.holders == {"disk-data": ("db", "kvm01")}
    # When it has stopped it has let go, whatever it did.
    host.vms.stop("db", 0)
    with pytest.raises(SpecError, match=r"^disks: 'data' belongs to the vm db on this host"):
        host.converge(wish("vm", disks=[CEPH]))
    assert (host.converge(vm_with()), host.images.holders) == (["update", "start"], {})
    assert host.converge(vm_with()) == []


def test_a_disk_that_a_deaf_guest_was_to_lose_comes_back(host: Host) -> None:
    host.converge(vm_with(CEPH))
    host.vms.deaf = True
    with pytest.raises(EngineError):
        host.converge(vm_with())
    host.vms.stop("db", 0)
    assert host.converge(vm_with(CEPH)) == ["update", "start"]
    assert (host.plugged(), host.images.holders) == ({"defined": ["data"], "running": ["data"]}, {"disk-data": ("db", "kvm01")})
    assert host.converge(vm_with(CEPH)) == []


def test_a_vm_that_starts_has_its_disk_noted_again(host: Host) -> None:
    host.converge(vm_with(CEPH, power=STOPPED))
    host.images.holders.clear()
    assert (host.converge(vm_with(disks=None)), host.images.holders) == (["start"], {"disk-data": ("db", "kvm01")})


def test_a_vm_does_not_start_with_a_disk_that_another_host_has(host: Host) -> None:
    host.converge(vm_with(CEPH, power=STOPPED))
    host.images.holders["disk-data"] = ("db", "kvm02")
    with pytest.raises(SpecError, match=r"^disks: 'data' belongs to db on the host kvm02"):
        host.converge(vm_with(CEPH))
    with pytest.raises(SpecError, match=r"^disks: 'data' belongs to db on the host kvm02"):
        host.converge(vm_with(disks=None))
    found = host.vms.find("db")
    assert found is not None
    assert found.power == STOPPED


def outcomes(host: Host, *wishes: Wish, check_mode: bool = False) -> list[str]:
    parts = (host.containers, host.vms, host.volumes, host.disks, host.filesystems, host.boot, lambda: "qemu", NO_COPIES, host.images)
    engines = HostEngines(*parts)
    found = batch_of(wishes, engines, 0).converge(
        lambda numbers, work: ((number, work(number)) for number in numbers), check_mode=check_mode
    )
    return [outcome.error or " ".join(step.action for step in outcome.done) for outcome in found if outcome is not None]


@pytest.mark.parametrize("check_mode", [True, False])
def test_in_one_run_a_disk_goes_from_what_goes_to_what_comes(host: Host, check_mode: bool) -> None:
    host.converge(container_with(SMALL))
    host.volumes.busy.add("disk-data") if check_mode else None
    told = outcomes(host, vm_with(disk()), container_with(power=ABSENT), check_mode=check_mode)
    assert told == ["create start", "remove"]


@pytest.mark.parametrize("check_mode", [True, False])
def test_in_one_run_a_disk_on_ceph_goes_from_what_goes_to_what_comes(host: Host, check_mode: bool) -> None:
    host.converge(vm_with(CEPH))
    host.images.busy.add("disk-data") if check_mode else None
    told = outcomes(host, wish("vm", disks=[ANY_CEPH]), vm_with(power=ABSENT), check_mode=check_mode)
    assert told == ["create start", "remove"]
    assert host.images.holders == {"disk-data": ("db" if check_mode else "web", "kvm01")}


def test_in_one_run_a_disk_is_not_taken_from_what_stays(host: Host) -> None:
    host.converge(vm_with(SMALL))
    told = outcomes(host, container_with(disk()), vm_with())
    assert told[0].startswith("disks: 'data' belongs to the vm db on this host")
    assert outcomes(host, container_with(disk()), vm_with()) == ["create start", ""]
    with pytest.raises(SpecError, match=r"^instances: 'data' is a disk of web and of db"):
        outcomes(host, container_with(disk()), vm_with(disk()))
