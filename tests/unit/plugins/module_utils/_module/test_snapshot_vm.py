# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Snapshots of a VM against fakes: it is held still no longer than needed, and a restore that is cut off anywhere loses nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.zonal.cloud.plugins.module_utils._adapters.boot_files import BootFolder
from ansible_collections.zonal.cloud.plugins.module_utils._adapters.guest_release import RESUME_VM, THAW_VM
from ansible_collections.zonal.cloud.plugins.module_utils._domain.container_config import render_container
from ansible_collections.zonal.cloud.plugins.module_utils._domain.errors import RefusedError, SpecError
from ansible_collections.zonal.cloud.plugins.module_utils._domain.fields import complete
from ansible_collections.zonal.cloud.plugins.module_utils._domain.instance import ABSENT, PAUSED, RUNNING, STOPPED
from ansible_collections.zonal.cloud.plugins.module_utils._domain.names import uuid_of
from ansible_collections.zonal.cloud.plugins.module_utils._domain.snapshot import CURRENT, PRESENT, RESTORED, SnapshotWish
from ansible_collections.zonal.cloud.plugins.module_utils._domain.volume import find_golden, image_tags, users_of
from ansible_collections.zonal.cloud.plugins.module_utils._module import vm
from ansible_collections.zonal.cloud.plugins.module_utils._module.image_info import golden_faces
from ansible_collections.zonal.cloud.plugins.module_utils._module.snapshot import SnapshotResource, root_disk
from ansible_collections.zonal.cloud.plugins.module_utils._module.vm import VmResource
from ansible_collections.zonal.cloud.plugins.module_utils._module.vm_found import list_vms
from ansible_collections.zonal.cloud.plugins.module_utils._ports import EngineDown, EngineError
from ansible_collections.zonal.cloud.plugins.module_utils._ports_storage import Volume
from ansible_collections.zonal.cloud.tests.unit.plugins.fakes.containers import FACTS, FakeContainers
from ansible_collections.zonal.cloud.tests.unit.plugins.fakes.copies import NO_COPIES
from ansible_collections.zonal.cloud.tests.unit.plugins.fakes.data_disks import data_disks
from ansible_collections.zonal.cloud.tests.unit.plugins.fakes.fuse import VM_CHANGES, VOLUME_CHANGES, Fuse, PowerCut
from ansible_collections.zonal.cloud.tests.unit.plugins.fakes.guest_disks import BOOT_FILES, FakeDisks, FilledVolumes
from ansible_collections.zonal.cloud.tests.unit.plugins.fakes.instances import converge, wish
from ansible_collections.zonal.cloud.tests.unit.plugins.fakes.vms import FakeVms

MIB = 1024**2
GOLDEN, DIGEST = "img-111111111111", "1" * 64
DISK, REPLACED, RESTORING = "/dev/zonal/vm-web", "/dev/zonal/vm-web.replaced", "/dev/zonal/vm-web.restored"
SNAPSHOT = "vm-web.snap.monday"
BOTH = ("restart", "recreate")
UUID = uuid_of("lab", "web")


class Volumes(FilledVolumes):
    """Volumes that write down in which state the VM was for each snapshot."""

    def __init__(self, vms: FakeVms) -> None:
        super().__init__()
        self.vms = vms
        self.seen: list[str] = []
        self.broken = False

    def preserve(self, origin: str, name: str, tags: Iterable[str]) -> Volume:
        domain = self.vms.find("web")
        assert domain is not None
        self.seen.append("held" if self.vms.held else domain.power)
        if self.broken:
            raise EngineError("snapshot", origin, "the pool is full")
        return super().preserve(origin, name, tags)


class Host:
    """A host with the VM web, whose disk says what it holds."""

    def __init__(self, folder: Path) -> None:
        self.vms, self.containers = FakeVms(), FakeContainers()
        self.volumes = Volumes(self.vms)
        self.disks, self.boot = FakeDisks(self.volumes), BootFolder(str(folder))
        golden = self.volumes.create(GOLDEN, 64 * MIB, image_tags("debian:13", DIGEST, DIGEST))
        self.disks.make(golden.path, "archive", 16384)
        self.boot.store(golden.name, BOOT_FILES)
        converge(self.instance(wish("vm")))
        self.released: list[tuple[str, ...]] = []
        times = count(1)
        self.now: Callable[[], str] = lambda: f"2026-11-28T02:00:{next(times):02d}Z"
        self.write("old")

    def instance(self, wanted: Any) -> VmResource:
        data = data_disks(self.volumes, self.vms)
        return VmResource(wanted, self.vms, self.containers, self.volumes, self.disks, data, self.boot, lambda: "qemu", 0)

    def write(self, text: str) -> None:
        self.volumes.content[DISK]["/data"] = text

    def data(self, path: str = DISK) -> str:
        return self.volumes.content.get(path, {}).get("/data", "")

    def power(self) -> str:
        found = self.vms.find("web")
        assert found is not None
        return found.power

    def put(self, power: str) -> None:
        if power == STOPPED:
            self.vms.stop("web", 0)
        elif power == PAUSED:
            self.vms.pause("web")

    @contextmanager
    def release(self, uuid: str, command: Sequence[str]) -> Iterator[None]:
        """Do at a power cut what the process beside does when this one is killed."""
        self.released.append((*command, uuid))
        try:
            yield
        except PowerCut:
            if (*command, uuid) == (*RESUME_VM, UUID) and self.power() == PAUSED:
                self.vms.resume("web")
            raise

    def resource(self, wanted: SnapshotWish, fuse: Fuse | None = None) -> SnapshotResource:
        fuse = fuse or Fuse(-1)
        vms, volumes = fuse.guard(self.vms, *VM_CHANGES), fuse.guard(self.volumes, *VOLUME_CHANGES)
        disk = root_disk(wanted.instance, self.containers, NO_COPIES, vms, volumes, self.release)
        return SnapshotResource(wanted, disk, 0, self.now)

    def do(self, name: str = "monday", state: str = PRESENT, keep: int = 0, *, restart: bool = True) -> list[str]:
        return converge(self.resource(SnapshotWish("web", name, state, keep, restart)))

    def shown(self) -> list[dict[str, Any]]:
        resource = self.resource(SnapshotWish("web", "monday"))
        return list(resource.report(resource.observe())["snapshots"])

    def names(self) -> list[str]:
        return [volume.name for volume in self.volumes.list() if volume.name != GOLDEN]

    def snapshot(self) -> Any:
        return self.vms.snapshot(), self.volumes.snapshot()


@pytest.fixture
def new_host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], Host]:
    monkeypatch.setattr(vm, "is_bridge", lambda name: True)
    return lambda: Host(tmp_path)


@pytest.fixture
def host(new_host: Callable[[], Host]) -> Host:
    return new_host()


HELD: dict[str, tuple[str, bool, str, str]] = {
    "by its agent": (RUNNING, True, "held", "agent"),
    "without an agent": (RUNNING, False, PAUSED, "paused"),
    "stopped": (STOPPED, True, STOPPED, "stopped"),
    "paused by the operator": (PAUSED, True, PAUSED, "paused"),
}


@pytest.mark.parametrize(("power", "agents", "seen", "consistent"), HELD.values(), ids=HELD.keys())
def test_it_is_held_still_for_the_snapshot_only(host: Host, power: str, agents: bool, seen: str, consistent: str) -> None:
    host.put(power)
    host.vms.agents = agents
    assert host.do() == ["take"]
    assert host.do() == []
    assert (host.volumes.seen, host.power(), host.vms.held) == ([seen], power, set())
    assert host.shown() == [{"name": "monday", "created": "2026-11-28T02:00:01Z", "consistent": consistent, "size": 64 * MIB}]
    # Not by its name: one that is a number is the running number of another VM for virsh.
    assert host.released == ([(*THAW_VM, UUID), *([] if agents else [(*RESUME_VM, UUID)])] if power == RUNNING else [])


@pytest.mark.parametrize("agents", [True, False])
def test_a_snapshot_that_fails_lets_it_go_on(host: Host, agents: bool) -> None:
    host.vms.agents, host.volumes.broken = agents, True
    with pytest.raises(EngineError, match="the pool is full"):
        host.do()
    assert (host.power(), host.vms.held, host.names()) == (RUNNING, set(), ["vm-web"])


@pytest.mark.parametrize("power", [RUNNING, PAUSED, STOPPED])
def test_who_is_killed_leaves_nobody_paused(new_host: Callable[[], Host], power: str) -> None:
    for calls in range(5):
        host, fuse = new_host(), Fuse(calls)
        host.put(power)
        host.vms.agents = False
        with suppress(PowerCut):
            converge(host.resource(SnapshotWish("web", "monday"), fuse))
        assert host.power() == power, fuse.passed
        assert host.do() in (["take"], ["sweep", "take"], [])
    assert not fuse.blown


def test_what_lvm_may_not_have_made_is_no_snapshot(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    """Killed, LVM leaves the disk held, and a name that the pool may fill later, with what the disk holds then."""
    host.volumes.create("vm-web.taken", 1, ["zonal.snapshot-of=web"])
    resumed: list[str] = []
    monkeypatch.setattr(host.volumes, "resume", resumed.append)
    assert (host.do(), resumed, host.names()) == (["sweep", "take"], ["vm-web"], ["vm-web", SNAPSHOT])


def test_a_snapshot_is_nobodys_disk(host: Host) -> None:
    host.do()
    made = host.volumes.find(SNAPSHOT)
    assert made is not None
    assert SNAPSHOT in host.volumes.read_only
    assert made.tags == {"zonal.snapshot-of=web", "zonal.created=2026-11-28T02:00:01Z", "zonal.consistent=agent"}
    golden = find_golden(host.volumes.list(), "debian:13")
    assert golden is not None
    assert (golden.name, users_of(golden, host.volumes.list())) == (GOLDEN, ["web"])
    assert [(face.names, face.used_by) for face in golden_faces(host.volumes, host.boot)] == [(("debian:13",), ("web",))]
    assert [item.name for item in list_vms(host.vms, host.volumes)] == ["web"]
    assert converge(host.instance(wish("vm"))) == []


def test_the_oldest_go(host: Host) -> None:
    for number in range(1, 5):
        host.do(f"auto-{number}", keep=2)
        host.do(f"week-{number}")
    assert [item["name"] for item in host.shown()] == ["week-1", "week-2", "auto-3", "week-3", "auto-4", "week-4"]


def test_what_was_taken_while_the_clock_was_ahead_goes_first(host: Host) -> None:
    def take(day: str) -> list[str]:
        host.now = partial(str, f"{day}T02:00:00Z")
        host.do(f"auto-{day}", keep=3)
        return [item["name"][5:] for item in host.shown()]

    for day in ("2026-11-27", "2028-01-01", "2028-01-02"):
        take(day)
    assert take("2026-11-28") == ["2026-11-27", "2026-11-28", "2028-01-02"]
    assert take("2026-11-29") == ["2026-11-27", "2026-11-28", "2026-11-29"]
    assert take("2026-11-30") == ["2026-11-28", "2026-11-29", "2026-11-30"]
    # A clock that is set by a little makes no other the oldest.
    host.now = partial(str, "2026-11-30T01:30:00Z")
    host.do("auto-again", keep=3)
    assert [item["name"] for item in host.shown()] == ["auto-2026-11-29", "auto-again", "auto-2026-11-30"]


def test_a_policy_of_the_vm_takes_what_is_due_and_removes_only_what_it_took(host: Host) -> None:
    assert host.do("", CURRENT) == []
    wanted = wish("vm", snapshots={"every": "1m", "keep": 2})
    assert (converge(host.instance(wanted)), converge(host.instance(wanted)), converge(host.instance(wish("vm")))) == (["update"], [], [])
    host.do()
    done = []
    for minute in (0, 0, 1, 1, 2):
        host.now = partial(str, f"2026-11-28T02:{minute:02d}:00Z")
        done.append(" ".join(host.do("", CURRENT)))
    assert done == ["take", "", "take", "", "take expire"]
    assert host.names() == ["vm-web", SNAPSHOT, "vm-web.snap.policy-20261128-020100", "vm-web.snap.policy-20261128-020200"]
    assert converge(host.instance(wish("vm", snapshots={}))) == ["update"]
    assert host.do("", CURRENT) == []


@pytest.mark.parametrize("power", [RUNNING, PAUSED, STOPPED])
def test_a_snapshot_is_restored_as_often_as_one_likes(host: Host, power: str) -> None:
    host.do()
    tags = host.volumes.find("vm-web")
    for _dummy in range(2):
        host.write("new")
        host.put(power)
        host.do(state=RESTORED)
        assert (host.data(), host.power(), host.names()) == ("old", power, ["vm-web", SNAPSHOT])
    made = host.volumes.find("vm-web")
    assert made is not None
    assert tags is not None
    assert made.tags == tags.tags
    assert converge(host.instance(wish("vm", power=power))) == []


def test_a_disk_that_grew_stays_that_large(host: Host) -> None:
    host.do()
    converge(host.instance(wish("vm", disk="1G", allow=BOTH)))
    host.do(state=RESTORED)
    assert [item.spec["disk"] for item in list_vms(host.vms, host.volumes)] == [1024 * MIB]


@pytest.mark.parametrize("then", ["nothing else", "the host loses power"])
@pytest.mark.parametrize("power", [RUNNING, PAUSED, STOPPED])
def test_a_restore_that_is_cut_off_loses_nothing_and_is_finished_by_the_next(new_host: Callable[[], Host], power: str, then: str) -> None:
    def prepared() -> Host:
        host = new_host()
        host.do()
        host.write("new")
        host.put(power)
        return host

    whole = prepared()
    whole.do(state=RESTORED)
    calls = 0
    while True:
        host, fuse = prepared(), Fuse(calls)
        with suppress(PowerCut):
            converge(host.resource(SnapshotWish("web", "monday", RESTORED, restart=True), fuse))
        if host.volumes.find("vm-web") is None:
            assert (host.data(REPLACED), host.data(RESTORING)) == ("new", "old")
            assert_nobody_makes_an_empty_disk(host)
        else:
            assert host.data() in ("new", "old")
            resource = host.instance(wish("vm"))
            assert "create" not in [step.action for step in resource.plan(resource.observe()).steps]
        left = host.resource(SnapshotWish("web", "monday")).observe()
        if left.before and then != "nothing else":
            host.vms.stop("web", 0)
        host.do(state=RESTORED)
        assert host.snapshot() == whole.snapshot(), f"after {fuse.passed}"
        assert (host.data(), host.power(), host.names()) == ("old", power, ["vm-web", SNAPSHOT])
        if not fuse.blown:
            break
        calls += 1
    assert calls >= 6


def assert_nobody_makes_an_empty_disk(host: Host) -> None:
    before = host.snapshot()
    for wanted in (wish("vm"), wish("vm", power=STOPPED), wish("vm", hostname="b", allow=BOTH)):
        with pytest.raises(RefusedError, match=r"^name: a snapshot of web was being restored .* zonal\.cloud\.snapshot, state: restored"):
            converge(host.instance(wanted))
    with pytest.raises(RefusedError, match=r"^instance: web was being restored"):
        host.do("friday")
    assert host.snapshot() == before
    domain = host.vms.find("web")
    assert domain is not None
    # Nor when somebody has removed the definition.
    host.vms.remove("web")
    with pytest.raises(RefusedError, match="a snapshot of web was being restored"):
        converge(host.instance(wish("vm")))
    host.vms.define(domain.xml)
    host.vms.set_autostart("web", domain.autostart)


@pytest.mark.parametrize("wanted", [wish("vm", power=ABSENT), wish("vm", hostname="b", allow=BOTH)], ids=["removed", "made anew"])
def test_snapshots_go_with_the_vm_also_when_that_is_cut_off(new_host: Callable[[], Host], wanted: Any) -> None:
    for calls in range(20):
        host, fuse = new_host(), Fuse(calls)
        host.do()
        host.do("friday")
        host.volumes.create("vm-web2.snap.monday", 1, ["zonal.snapshot-of=web2"])
        host.volumes.create("vm-web.taken", 1, ["zonal.snapshot-of=web"])
        vms, volumes = fuse.guard(host.vms, *VM_CHANGES), fuse.guard(host.volumes, *VOLUME_CHANGES)
        with suppress(PowerCut):
            converge(
                VmResource(
                    wanted, vms, host.containers, volumes, host.disks, data_disks(host.volumes, host.vms), host.boot, lambda: "qemu", 0
                )
            )
        converge(host.instance(wanted))
        assert host.names() == (["vm-web"] if wanted.power != ABSENT else []) + ["vm-web2.snap.monday"], fuse.passed
    assert not fuse.blown


def remove_by_hand(host: Host) -> None:
    host.do()
    host.vms.remove("web")
    host.volumes.remove("vm-web")


def test_snapshots_of_a_vm_that_somebody_has_removed_go_with_it(host: Host) -> None:
    remove_by_hand(host)
    assert host.names() == [SNAPSHOT]
    resource = host.instance(wish("vm", power=ABSENT))
    assert converge(resource) == ["remove"]
    assert (host.names(), resource.warning(resource.observe())) == ([], "")
    assert converge(host.instance(wish("vm", power=ABSENT))) == []


def test_snapshots_of_a_vm_that_somebody_has_removed_are_told_and_may_be_restored(host: Host) -> None:
    remove_by_hand(host)
    resource = host.instance(wish("vm"))
    assert converge(resource) == ["create", "start"]
    told = f"vm web: it is new and has the snapshots of an earlier one of this name, {SNAPSHOT}: restore or remove them"
    assert resource.warning(resource.observe()) == told
    again = host.instance(wish("vm"))
    assert (converge(again), again.warning(again.observe())) == ([], "")
    assert host.data() == ""
    host.do(state=RESTORED)
    assert host.data() == "old"


def test_absent_also_removes_what_a_restore_has_left(new_host: Callable[[], Host]) -> None:
    for calls in range(9):
        host = new_host()
        host.do()
        with suppress(PowerCut):
            converge(host.resource(SnapshotWish("web", "monday", RESTORED, restart=True), Fuse(calls)))
        assert converge(host.instance(wish("vm", power=ABSENT))) == ["remove"]
        assert (host.names(), host.vms.domains()) == ([], [])


def test_what_a_restore_has_left_goes_before_the_next_snapshot(new_host: Callable[[], Host]) -> None:
    swept = 0
    for calls in range(9):
        host = new_host()
        host.do()
        with suppress(PowerCut):
            converge(host.resource(SnapshotWish("web", "monday", RESTORED, restart=True), Fuse(calls)))
        if host.volumes.find("vm-web") is not None:
            swept += "sweep" in host.do("friday")
            assert host.names() == ["vm-web", "vm-web.snap.friday", SNAPSHOT]
            found = host.volumes.find("vm-web")
            assert found is not None
            assert found.tags == {"zonal.instance=web", f"zonal.digest={DIGEST}"}
    assert swept > 3


@pytest.mark.parametrize("name", ["vm-web.restored", "vm-web.replaced", "vm-web.taken", "vm-web.snap.friday", SNAPSHOT])
def test_a_volume_of_somebody_else_is_not_touched(host: Host, name: str) -> None:
    if name != SNAPSHOT:
        host.do()
    foreign = host.volumes.create(name, MIB, ["not.ours"])
    for label, state in (("friday", PRESENT), ("monday", RESTORED if name != SNAPSHOT else PRESENT)):
        if (label, state) != ("monday", PRESENT) or name == SNAPSHOT:
            with pytest.raises(RefusedError, match=f"^instance: web needs the name of the volume {name}"):
                host.do(label, state)
    assert host.do("friday", "absent") == []
    assert host.volumes.find(name) == foreign


def test_a_vm_without_its_disk_is_one_message(host: Host) -> None:
    host.volumes.remove("vm-web")
    with pytest.raises(RefusedError, match=r"^instance: web has no volume vm-web in the given volume group"):
        host.do()


def test_what_is_not_ours_is_refused(host: Host) -> None:
    with pytest.raises(SpecError, match=r"^instance: 'nobody' is no instance of zonal\.cloud on this host"):
        host.resource(SnapshotWish("nobody", "monday"))


def add_container(host: Host) -> None:
    """Let a container have the name of the VM, which another address allows."""
    host.containers.import_image("archive", "debian:13", {})
    spec = complete("web", wish("container", address="10.20.0.98").spec)
    host.containers.create("web", render_container("web", spec, frozenset(), FACTS))


@pytest.mark.parametrize("state", [PRESENT, CURRENT, RESTORED, "absent"])
def test_a_name_of_both_kinds_is_refused(host: Host, state: str) -> None:
    add_container(host)
    with pytest.raises(RefusedError, match=r"^instance: 'web' is the name of a container and of a VM on this host"):
        host.resource(SnapshotWish("web", "monday", state))


@pytest.mark.parametrize("engine", ["docker", "libvirt"])
def test_what_may_be_of_an_engine_that_does_not_run_is_not_called_unknown(host: Host, engine: str) -> None:
    (host.containers if engine == "docker" else host.vms).running = False
    with pytest.raises(EngineDown, match=f"Cannot reach {engine}"):
        host.resource(SnapshotWish("nobody", "monday"))
    if engine == "docker":
        assert host.do() == ["take"]


def test_a_vm_that_vanishes_is_one_message(host: Host) -> None:
    resource = host.resource(SnapshotWish("web", "monday"))
    host.vms.remove("web")
    with pytest.raises(RefusedError, match=r"^instance: web was removed meanwhile"):
        resource.observe()
