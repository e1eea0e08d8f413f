# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A VM against fakes: what is made, and that a run which is cut off anywhere is mended by the next one."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from ansible_collections.zonal.cloud.plugins.module_utils._adapters.boot_files import BootFolder
from ansible_collections.zonal.cloud.plugins.module_utils._domain.container_config import render_container
from ansible_collections.zonal.cloud.plugins.module_utils._domain.domain_found import parse_domain
from ansible_collections.zonal.cloud.plugins.module_utils._domain.errors import MissingError, RefusedError, SpecError, ZonalError
from ansible_collections.zonal.cloud.plugins.module_utils._domain.fields import complete, parse_spec
from ansible_collections.zonal.cloud.plugins.module_utils._domain.guest_files import GuestFile, vm_files
from ansible_collections.zonal.cloud.plugins.module_utils._domain.instance import ABSENT, PAUSED, RUNNING, STOPPED, Renamed, Wish
from ansible_collections.zonal.cloud.plugins.module_utils._domain.names import mac_of
from ansible_collections.zonal.cloud.plugins.module_utils._domain.volume import CLOUD_INIT_TAG, image_tags
from ansible_collections.zonal.cloud.plugins.module_utils._module import vm, vm_host
from ansible_collections.zonal.cloud.plugins.module_utils._module.vm import VmResource
from ansible_collections.zonal.cloud.plugins.module_utils._module.vm_found import list_vms
from ansible_collections.zonal.cloud.plugins.module_utils._module.vm_type import domain_type_of
from ansible_collections.zonal.cloud.plugins.module_utils._ports import EngineAbsent
from ansible_collections.zonal.cloud.tests.host_command import run_command
from ansible_collections.zonal.cloud.tests.unit.plugins.fakes.containers import FACTS, FakeContainers
from ansible_collections.zonal.cloud.tests.unit.plugins.fakes.data_disks import data_disks
from ansible_collections.zonal.cloud.tests.unit.plugins.fakes.fuse import (
    BOOT_CHANGES,
    DISK_CHANGES,
    VM_CHANGES,
    VOLUME_CHANGES,
    Fuse,
    PowerCut,
)
from ansible_collections.zonal.cloud.tests.unit.plugins.fakes.guest_disks import BOOT_FILES, FakeDisks, FilledVolumes
from ansible_collections.zonal.cloud.tests.unit.plugins.fakes.instances import KEY, converge, planned, wish
from ansible_collections.zonal.cloud.tests.unit.plugins.fakes.vms import FakeVms

MIB = 1024**2
DIGEST = "1" * 64
GOLDEN = "img-111111111111"
BOTH = ("restart", "recreate")
FOREIGN = "<domain type='kvm'><name>web</name><uuid>00000000-0000-0000-0000-000000000001</uuid></domain>"


class Host:
    """One host with the image debian:13."""

    def __init__(self, folder: Path) -> None:
        self.engine = FakeVms()
        self.containers = FakeContainers()
        self.volumes = FilledVolumes()
        self.disks = FakeDisks(self.volumes)
        self.boot = BootFolder(str(folder))
        self.domain_type = "qemu"
        self.add_image("debian:13", DIGEST)

    def add_image(self, image: str, digest: str, *, cloud_init: bool = False) -> None:
        golden = self.volumes.create(
            f"img-{digest[:12]}", 64 * MIB, [*image_tags(image, digest, digest), *([CLOUD_INIT_TAG] if cloud_init else [])]
        )
        self.disks.make(golden.path, f"archive of {image}", 16384)
        self.boot.store(golden.name, BOOT_FILES)

    def resource(self, wanted: Wish, fuse: Fuse | None = None) -> VmResource:
        fuse = fuse or Fuse(-1)
        return VmResource(
            wanted,
            fuse.guard(self.engine, *VM_CHANGES),
            self.containers,
            fuse.guard(self.volumes, *VOLUME_CHANGES),
            fuse.guard(self.disks, *DISK_CHANGES),
            data_disks(self.volumes, self.engine),
            fuse.guard(self.boot, *BOOT_CHANGES),
            self.tell_type,
            5,
        )

    def tell_type(self) -> str:
        return self.domain_type

    def converge(self, wanted: Wish) -> list[str]:
        return converge(self.resource(wanted))

    def snapshot(self) -> Any:
        return self.engine.snapshot(), self.volumes.snapshot()

    def content(self) -> dict[str, str]:
        return self.volumes.content["/dev/zonal/vm-web"]


@pytest.fixture
def new_host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], Host]:
    monkeypatch.setattr(vm, "is_bridge", lambda name: name in ("br0", "br1"))
    monkeypatch.setattr(vm_host, "cpu_nodes", lambda: [frozenset(range(4)), frozenset(range(4, 8))])
    return lambda: Host(tmp_path)


@pytest.fixture
def host(new_host: Callable[[], Host]) -> Host:
    return new_host()


def pause(host: Host) -> None:
    host.engine.pause("web")


class Scenario(NamedTuple):
    """Wishes that came before, what an operator did by hand, and the wish whose run is cut off."""

    before: list[Wish]
    wanted: Wish
    steps: str
    by_hand: Callable[[Host], None] = lambda host: None


MORE: dict[str, Any] = {
    "memory": "512M",
    "vcpus": 4,
    "cpu_shares": 512,
    "restart_policy": "never",
    "io_limits": {"read_iops": 9},
    "link": "down",
    "bandwidth": {"inbound": "1M"},
}
PINNED: dict[str, Any] = {"cpu_policy": "pinned", "allow": BOTH}
ROOM: dict[str, Any] = {"max_vcpus": 4, "max_memory": "1G"}
SCENARIOS = {
    "create": Scenario([], wish("vm"), "create start"),
    "create with a larger disk": Scenario([], wish("vm", disk="1G"), "create start"),
    "create stopped": Scenario([], wish("vm", power=STOPPED), "create"),
    "no autostart": Scenario([], wish("vm", autostart=False), "create start"),
    "stop": Scenario([wish("vm")], wish("vm", power=STOPPED), "stop"),
    "start": Scenario([wish("vm", power=STOPPED)], wish("vm"), "start"),
    "resume": Scenario([wish("vm")], wish("vm"), "resume", pause),
    "pause": Scenario([wish("vm")], wish("vm", power=PAUSED), "pause"),
    "create paused": Scenario([], wish("vm", power=PAUSED), "create start pause"),
    "restart": Scenario([wish("vm")], wish("vm", restart=True), "stop start"),
    "another owner": Scenario([wish("vm")], wish("vm", tenant="other", autostart=False), "update"),
    "another zone": Scenario([wish("vm")], wish("vm", zone="other"), "update"),
    "another zone, made anew": Scenario([wish("vm")], wish("vm", zone="other", hostname="b", allow=BOTH), "remove create start"),
    "more memory": Scenario([wish("vm")], wish("vm", memory="512M", allow=BOTH), "stop update start"),
    "more of all": Scenario([wish("vm")], wish("vm", memory="512M", vcpus=4, disk="2G", bridge="br1", allow=BOTH), "stop update start"),
    "more while it runs": Scenario([wish("vm", **ROOM)], wish("vm", **ROOM, **MORE), "update"),
    "CPUs of its own": Scenario([wish("vm")], wish("vm", cpu_model="EPYC-Rome", **PINNED), "stop update start"),
    "more CPUs of its own": Scenario([wish("vm", **PINNED)], wish("vm", vcpus=3, **PINNED), "stop update start"),
    "shared CPUs again": Scenario([wish("vm", **PINNED)], wish("vm", cpu_policy="shared", allow=BOTH), "stop update start"),
    "more disk of a stopped one": Scenario([wish("vm", power=STOPPED)], wish("vm", disk="2G", power=STOPPED), "update"),
    "create to boot from its disk": Scenario([], wish("vm", boot="disk"), "create start"),
    "boot from its disk": Scenario([wish("vm")], wish("vm", boot="disk", allow=BOTH), "stop update start"),
    "boot its image's kernel": Scenario([wish("vm", boot="disk")], wish("vm", boot="kernel", allow=BOTH), "stop update start"),
    "boot from its disk, made anew": Scenario([wish("vm")], wish("vm", boot="disk", hostname="b", allow=BOTH), "remove create start"),
    "another address": Scenario([wish("vm")], wish("vm", address="10.20.0.9", allow=BOTH), "remove create start"),
    "another hostname, stopped": Scenario([wish("vm")], wish("vm", hostname="b", power=STOPPED, allow=BOTH), "remove create"),
    "remove": Scenario([wish("vm")], wish("vm", power=ABSENT), "remove"),
    "remove a stopped one": Scenario([wish("vm", power=STOPPED)], wish("vm", power=ABSENT), "remove"),
}


def prepared(host: Host, scenario: Scenario) -> Host:
    for earlier in scenario.before:
        host.converge(earlier)
    scenario.by_hand(host)
    return host


def assert_nothing_is_left_over(host: Host) -> None:
    assert not [volume.name for volume in host.volumes.list() if volume.name.endswith(".new")]


@pytest.mark.parametrize("scenario", SCENARIOS.values(), ids=SCENARIOS.keys())
def test_a_run_does_its_steps_and_the_next_one_none(new_host: Callable[[], Host], scenario: Scenario) -> None:
    host = prepared(new_host(), scenario)
    assert " ".join(host.converge(scenario.wanted)) == scenario.steps
    assert host.converge(replace(scenario.wanted, restart=False)) == []
    assert_nothing_is_left_over(host)


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
        assert_nothing_is_left_over(host)
        assert host.converge(replace(scenario.wanted, restart=False)) == []
        if not fuse.blown:
            break
        calls += 1
    assert calls >= len(scenario.steps.split())


OTHERS: dict[str, dict[str, Any]] = {
    "another address": {"address": "10.20.0.9"},
    "another hostname": {"hostname": "b"},
    "other keys": {"ssh_keys": []},
    "another zone and image": {"zone": "other", "image": "debian:14", "hostname": "b"},
}


@pytest.mark.parametrize("changes", OTHERS.values(), ids=OTHERS.keys())
def test_a_wish_that_changes_after_a_cut_gives_no_old_disk_to_a_new_vm(new_host: Callable[[], Host], changes: dict[str, Any]) -> None:
    for calls in range(12):
        host, fuse = new_host(), Fuse(calls)
        host.add_image("debian:14", "2" * 64)
        with suppress(PowerCut):
            converge(host.resource(wish("vm"), fuse))
        host.converge(wish("vm", **changes))
        made, found = host.volumes.find("vm-web"), host.engine.find("web")
        assert made is not None
        assert found is not None
        parsed = parse_domain(found.xml)
        told = vm_files("web", {**parsed.spec, **({"ssh_keys": [KEY]} if "ssh_keys" not in parsed.spec else {})}, cloud_init=False)
        assert {path: text for path, text in host.content().items() if path != "archive"} == {file.path: file.content for file in told}
        assert (made.origin in parsed.kernel, host.content()["archive"]) == (True, f"archive of {parsed.spec['image']}"), fuse.passed
        assert_nothing_is_left_over(host)
    assert not fuse.blown


@pytest.mark.parametrize("scenario", SCENARIOS.values(), ids=SCENARIOS.keys())
def test_absent_removes_what_a_run_that_was_cut_off_left(new_host: Callable[[], Host], scenario: Scenario) -> None:
    for calls in range(20):
        host, fuse = prepared(new_host(), scenario), Fuse(calls)
        with suppress(PowerCut):
            converge(host.resource(scenario.wanted, fuse))
        host.converge(wish("vm", power=ABSENT))
        assert host.engine.domains() == []
        assert [volume.name for volume in host.volumes.list()] == [GOLDEN]
        assert host.converge(wish("vm", power=ABSENT)) == []


def test_a_new_vm_has_its_files_tags_and_hardware(host: Host) -> None:
    host.converge(wish("vm", disk="1G"))
    volume, domain = host.volumes.find("vm-web"), host.engine.find("web")
    assert volume is not None
    assert domain is not None
    assert (volume.origin, volume.size) == (GOLDEN, 1024 * MIB)
    assert volume.tags == {"zonal.instance=web", f"zonal.digest={DIGEST}"}
    assert host.content()["archive"] == "archive of debian:13"
    assert host.content()["/etc/hostname"] == "web\n"
    assert host.content()["/root/.ssh/authorized_keys"] == KEY + "\n"
    assert (domain.power, domain.autostart, parse_domain(domain.xml).domain_type) == (RUNNING, True, "qemu")
    assert parse_domain(domain.xml).kernel.endswith(f"/zonal-{GOLDEN}/vmlinuz")


def test_an_image_with_cloud_init_gets_a_seed(host: Host) -> None:
    host.add_image("cloud:1", "2" * 64, cloud_init=True)
    host.converge(wish("vm", image="cloud:1"))
    assert set(host.content()) == {
        "archive",
        *(f"/var/lib/cloud/seed/nocloud/{name}" for name in ("meta-data", "network-config", "user-data")),
    }


def test_user_data_is_the_guests_last_word_and_needed_to_make_it_anew(host: Host) -> None:
    host.add_image("cloud:1", "2" * 64, cloud_init=True)
    text = "#cloud-config\nlocale: C.UTF-8\n"
    with pytest.raises(SpecError, match=r"^user_data: '\(not shown\)' needs cloud-init, which the image debian:13 does not have"):
        host.converge(wish("vm", user_data=text))
    assert host.converge(wish("vm", image="cloud:1", user_data=text)) == ["create", "start"]
    assert host.content()["/var/lib/cloud/seed/nocloud/user-data"] == text
    assert "hostname" in host.content()["/var/lib/cloud/seed/nocloud/vendor-data"]
    assert text not in str(host.engine.snapshot())
    # Another change keeps what is known of it.
    assert host.converge(wish("vm", image="cloud:1", app="other")) == ["update"]
    assert planned(host.resource(wish("vm", image="cloud:1", app="other", user_data=text))) == ([], [])
    assert planned(host.resource(wish("vm", image="cloud:1", app="other", user_data="#!/bin/sh"))) == ([], ["user_data"])
    with pytest.raises(MissingError, match=r"^user_data: is missing"):
        host.converge(wish("vm", image="cloud:1", hostname="other", allow=BOTH))


def test_one_that_runs_gets_more_within_its_maximum(host: Host) -> None:
    options = dict(ROOM)
    host.converge(wish("vm", **options))
    changes: list[dict[str, Any]] = [{"vcpus": 3}, {"memory": "512M"}, {"io_limits": {"read_iops": 5}}, {"io_limits": {}}]
    for change in changes:
        options.update(change)
        wanted = wish("vm", **options)
        assert host.converge(wanted) == ["update"]
        assert planned(host.resource(wanted)) == ([], [])
    domain = host.engine.find("web")
    assert domain is not None
    assert domain.live_xml.count("<iotune />") == 1
    # A maximum that is no longer wanted is what there is.
    assert host.converge(wish("vm", vcpus=3, memory="512M", max_vcpus=3, max_memory="512M", allow=BOTH)) == ["stop", "update", "start"]
    domain = host.engine.find("web")
    assert domain is not None
    assert "current" not in domain.xml


def test_a_guest_that_hands_no_memory_back_does_not_differ_for_ever(host: Host) -> None:
    wanted = wish("vm", **ROOM)
    host.converge(wanted)
    host.engine.adjust("web", memory=1024 * MIB)
    assert planned(host.resource(wanted)) == ([], [])
    assert planned(host.resource(wish("vm", memory="1G", **ROOM))) == (["update"], [])


@pytest.mark.parametrize("memory", ["100M", "100000K", "134217729", "1.25G"])
@pytest.mark.parametrize("disk", ["100M", "101M", "209715201", "1.125G"])
def test_sizes_that_the_engines_round_up_do_not_differ_for_ever(host: Host, memory: str, disk: str) -> None:
    host.converge(wish("vm", memory=memory, disk=disk))
    plan = host.resource(wish("vm", memory=memory, disk=disk)).plan(host.resource(wish("vm", disk=disk)).observe())
    assert (plan.steps, plan.pending) == ((), ())


def cpus_of(host: Host, name: str = "web") -> frozenset[int]:
    found = host.engine.find(name)
    assert found is not None
    return parse_domain(found.xml).cpus


def test_pinned_vms_and_containers_keep_out_of_each_others_way(host: Host) -> None:
    box = complete("box", wish("container", address="10.20.0.98").spec)
    host.containers.import_image("archive", "debian:13", {})
    host.containers.create("box", render_container("box", box, frozenset({0, 1}), FACTS))
    host.converge(wish("vm", **PINNED))
    host.converge(wish("vm", "db", address="10.20.0.9", **PINNED))
    assert cpus_of(host) == {2, 3}
    assert cpus_of(host, "db") == {4, 5}
    # They stay until there must be more, which then are all of one node.
    host.containers.remove("box")
    assert host.converge(wish("vm", "db", address="10.20.0.9", app="other", **PINNED)) == ["update"]
    assert cpus_of(host, "db") == {4, 5}
    host.converge(wish("vm", "db", address="10.20.0.9", vcpus=4, **PINNED))
    assert cpus_of(host, "db") == {4, 5, 6, 7}


def test_cpus_that_it_may_get_are_its_own_already(host: Host) -> None:
    host.converge(wish("vm", max_vcpus=3, **PINNED))
    assert cpus_of(host) == {0, 1, 2}
    assert host.converge(wish("vm", max_vcpus=3, vcpus=3, **PINNED)) == ["update"]
    assert cpus_of(host) == {0, 1, 2}


def test_cpus_that_the_host_has_no_more_are_replaced_before_a_start(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    host.converge(wish("vm", "first", hostname="first", address="10.20.0.10", vcpus=4, **PINNED))
    host.converge(wish("vm", **PINNED))
    assert cpus_of(host) == {4, 5}
    host.engine.stop("web", 0)
    monkeypatch.setattr(vm_host, "cpu_nodes", lambda: [frozenset(range(5))])
    assert host.converge(wish("vm", **PINNED)) == ["update", "start"]
    assert cpus_of(host) <= set(range(5))
    assert planned(host.resource(wish("vm", **PINNED))) == ([], [])


def test_cpus_that_were_bound_by_hand_are_bound_again(host: Host) -> None:
    host.converge(wish("vm", power=STOPPED, **PINNED))
    found = host.engine.find("web")
    assert found is not None
    host.engine.define(found.xml.replace('<vcpupin vcpu="0" cpuset="0"', '<vcpupin vcpu="0" cpuset="0-3"'))
    assert host.converge(wish("vm", power=STOPPED, **PINNED)) == ["update"]
    assert host.converge(wish("vm", power=STOPPED, **PINNED)) == []


IMPOSSIBLE_CPUS: dict[str, tuple[dict[str, Any], str]] = {
    "a CPU of the host that is emulated": (
        {"cpu_model": "host-passthrough"},
        r"^cpu_model: 'host-passthrough' is none that libvirt here can give a VM by plain emulation",
    ),
    "a CPU that nobody knows": ({"cpu_model": "Unheard-of"}, r"^cpu_model: 'Unheard-of' is none that libvirt here can give"),
    "more CPUs than there are": ({"cpu_policy": "pinned", "vcpus": 9}, r"^vcpus: 9 is more than the 8 CPUs of this host"),
    "more CPUs later": ({"cpu_policy": "pinned", "max_vcpus": 9}, r"^max_vcpus: 9 is more than the 8 CPUs of this host"),
}


@pytest.mark.parametrize(("options", "message"), IMPOSSIBLE_CPUS.values(), ids=IMPOSSIBLE_CPUS.keys())
def test_cpus_that_are_not_to_be_had_stop_nothing(host: Host, options: dict[str, Any], message: str) -> None:
    host.converge(wish("vm"))
    before = host.snapshot()
    for wanted in (wish("vm", allow=BOTH, **options), wish("vm", "other", address="10.20.0.9", **options)):
        with pytest.raises(SpecError, match=message):
            host.converge(wanted)
    assert host.snapshot() == before


def test_a_vm_on_kvm_gets_its_hosts_cpu(host: Host) -> None:
    host.domain_type = "kvm"
    host.converge(wish("vm"))
    # What counts is what the VM runs on, not what a new one would.
    host.domain_type = "qemu"
    assert host.converge(wish("vm", cpu_model="host-model")) == []
    assert host.converge(wish("vm", cpu_model="host-passthrough", allow=BOTH)) == ["stop", "update", "start"]
    assert host.converge(wish("vm", cpu_model="host-passthrough")) == []


def test_huge_pages_are_there_before_a_vm_is_stopped_for_them(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vm_host, "huge_memory", lambda: 512 * MIB)
    host.converge(wish("vm"))
    before = host.snapshot()
    message = r"^hugepages: True needs 1G of huge pages, and this host has 512M; reserve them"
    for wanted in (
        wish("vm", hugepages=True, max_memory="1G", allow=BOTH),
        wish("vm", "other", hugepages=True, memory="1G", address="10.20.0.9"),
    ):
        with pytest.raises(SpecError, match=message):
            host.converge(wanted)
    assert host.snapshot() == before
    assert host.converge(wish("vm", hugepages=True, allow=BOTH)) == ["stop", "update", "start"]
    assert planned(host.resource(wish("vm", hugepages=True))) == ([], [])


def test_what_boots_from_its_disk_has_a_bootloader_there_and_no_kernel_of_its_hosts(host: Host) -> None:
    def boots() -> tuple[bool, bool]:
        found = host.engine.find("web")
        assert found is not None
        return "first sector" in host.content(), bool(parse_domain(found.xml).kernel)

    assert host.converge(wish("vm", boot="disk")) == ["create", "start"]
    assert boots() == (True, False)
    assert (planned(host.resource(wish("vm", boot="disk"))), planned(host.resource(wish("vm")))) == (([], []), ([], []))
    assert planned(host.resource(wish("vm", boot="kernel"))) == ([], ["boot"])
    assert host.converge(wish("vm", boot="kernel", allow=BOTH)) == ["stop", "update", "start"]
    assert boots() == (True, True)
    assert host.converge(wish("vm", memory="512M", allow=BOTH)) == ["stop", "update", "start"]
    assert boots() == (True, True)
    # What it has is left, and so needs nothing of the image or the host.
    host.disks.kernels = host.disks.loader = False
    assert host.converge(wish("vm", boot="disk", allow=BOTH)) == ["stop", "update", "start"]
    assert boots() == (True, False)


@pytest.mark.parametrize(
    ("lacks", "message"),
    [
        ("kernels", "boot: 'disk' needs a kernel in the image, and debian:13 has none of its own"),
        ("loader", "Cannot run extlinux --version: the program extlinux is not installed"),
    ],
)
def test_what_cannot_boot_from_its_disk_is_left_as_it_is(host: Host, lacks: str, message: str) -> None:
    setattr(host.disks, lacks, False)
    with pytest.raises(ZonalError, match=f"^{message}$"):
        host.converge(wish("vm", boot="disk"))
    assert [volume.name for volume in host.volumes.list()] == [GOLDEN]
    host.converge(wish("vm"))
    before = host.snapshot()
    for wanted in (wish("vm", boot="disk", allow=BOTH), wish("vm", boot="disk", hostname="b", allow=BOTH)):
        with pytest.raises(ZonalError, match=f"^{message}$"):
            host.converge(wanted)
    assert host.snapshot() == before


def test_a_kernel_that_is_lost_is_missed_before_a_vm_is_stopped_for_it(host: Host) -> None:
    host.converge(wish("vm", boot="disk"))
    before = host.snapshot()
    host.boot.remove(GOLDEN)
    with pytest.raises(SpecError, match=r"^image: 'debian:13' has lost its kernel on this host"):
        host.converge(wish("vm", boot="kernel", allow=BOTH))
    host.volumes.remove(GOLDEN)
    with pytest.raises(SpecError, match=r"^boot: 'kernel' cannot be changed, since the image that web was made of is not on this host"):
        host.converge(wish("vm", boot="kernel", allow=BOTH))
    assert host.engine.snapshot() == before[0]


@pytest.mark.parametrize("driver", ["xen", "lxc"])
def test_a_host_of_another_driver_has_vms_of_its_type(host: Host, driver: str) -> None:
    host.engine.kind = host.domain_type = driver
    assert host.converge(wish("vm", disk="1G")) == ["create", "start"]
    assert planned(host.resource(wish("vm", disk="1G"))) == ([], [])
    assert host.converge(wish("vm", disk="2G", memory="512M", vcpus=4, allow=BOTH)) == ["stop", "update", "start"]
    found = host.engine.find("web")
    assert found is not None
    assert (parse_domain(found.xml).domain_type, bool(parse_domain(found.xml).kernel)) == (driver, driver == "xen")
    before = host.snapshot()
    for wanted in (
        wish("vm", disk="2G", io_limits={"read_iops": 5}),
        wish("vm", "other", address="10.20.0.9", io_limits={"read_iops": 5}),
        wish("vm", hostname="b", boot="disk", allow=BOTH),
    ):
        with pytest.raises(SpecError, match=f" is not for VMs of the type {driver}, which is what this host runs$"):
            planned(host.resource(wanted))
    assert host.snapshot() == before
    assert host.converge(wish("vm", power=ABSENT)) == ["remove"]


def test_a_type_that_the_host_has_not_is_found_before_anything_is_made(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(host, "tell_type", lambda: domain_type_of("lxc", host.engine, run_command))
    with pytest.raises(SpecError, match=r"^domain_type: 'lxc' is not what libvirt is used for on this host, which is qemu"):
        host.converge(wish("vm"))
    assert [volume.name for volume in host.volumes.list()] == [GOLDEN]


@pytest.mark.parametrize(
    ("wanted", "driver", "made"),
    [("auto", "xen", "xen"), ("auto", "lxc", "lxc"), ("lxc", "lxc", "lxc"), ("kvm", "qemu", "kvm"), ("qemu", "qemu", "qemu")],
)
def test_of_which_type_a_new_vm_is(host: Host, wanted: str, driver: str, made: str) -> None:
    host.engine.kind = driver
    assert domain_type_of(wanted, host.engine, run_command) == made


def test_what_is_wanted_to_be_stopped_does_not_start_with_its_host(host: Host) -> None:
    def starts() -> bool:
        found = host.engine.find("web")
        assert found is not None
        return found.autostart

    for wanted, flag in ((wish("vm", power=STOPPED), False), (wish("vm"), True), (wish("vm", autostart=None, power=STOPPED), False)):
        host.converge(wanted)
        assert starts() is flag
        assert planned(host.resource(wanted)) == ([], [])
        assert list_vms(host.engine, host.volumes)[0].spec["autostart"]
    assert host.converge(wish("vm", autostart=False, power=STOPPED)) == ["update"]
    assert not list_vms(host.engine, host.volumes)[0].spec["autostart"]
    # What somebody has switched on by hand is mended, and what is not said stays as it was declared.
    host.engine.set_autostart("web", True)
    assert host.converge(wish("vm", autostart=False, power=STOPPED)) == ["update"]
    assert host.converge(wish("vm", autostart=None)) == ["start"]
    assert not starts()


def test_what_is_pending_is_not_written_by_another_change(host: Host) -> None:
    host.converge(wish("vm"))
    wanted = wish("vm", address="10.20.0.9", hostname="other", memory="512M", disk="2G", tenant="other", ssh_keys=[])
    resource = host.resource(wanted)
    for plan in (resource.plan(resource.observe()), resource.plan(resource.observe())):
        for step in plan.steps:
            resource.apply(step)
        assert {item.field for item in plan.pending} == {"address", "hostname", "memory", "disk", "ssh_keys"}
    found = host.engine.find("web")
    assert found is not None
    assert parse_domain(found.xml).spec == {**parse_domain(found.live_xml).spec, "tenant": "other"}


@pytest.mark.parametrize(("power", "steps"), [(RUNNING, ["stop", "update", "start"]), (STOPPED, ["update"])])
def test_a_mac_that_somebody_has_changed_is_mended(host: Host, power: str, steps: list[str]) -> None:
    host.converge(wish("vm", power=power))
    found = host.engine.find("web")
    assert found is not None
    host.engine.stop("web", 0)
    host.engine.define(found.xml.replace(mac_of("10.20.0.7"), "52:54:00:00:00:01"))
    if power == RUNNING:
        host.engine.start("web")
        resource = host.resource(wish("vm"))
        plan = resource.plan(resource.observe())
        assert [(item.field, item.found) for item in plan.pending] == [("network.bridge", "br0, with the MAC address 52:54:00:00:00:01")]
        assert plan.steps == ()
    assert host.converge(wish("vm", power=power, allow=BOTH)) == steps
    assert host.converge(wish("vm", power=power)) == []


def test_a_change_of_one_option_forgets_no_keys(host: Host) -> None:
    host.converge(wish("vm"))
    only = Wish("vm", "web", RUNNING, parse_spec({"memory": "512M"}), ("restart",))
    assert host.converge(only) == ["stop", "update", "start"]
    assert host.converge(wish("vm", memory="512M")) == []


def test_a_change_keeps_the_kernel_that_belongs_to_the_disk(host: Host) -> None:
    host.converge(wish("vm"))
    host.volumes.retag(GOLDEN, (), image_tags("debian:13", DIGEST, DIGEST))
    host.add_image("debian:13", "2" * 64)
    host.converge(wish("vm", tenant="other", memory="512M", allow=("restart",)))
    found = host.engine.find("web")
    assert found is not None
    assert GOLDEN in parse_domain(found.xml).kernel


IMPOSSIBLE: dict[str, tuple[dict[str, Any], str]] = {
    "missing image": ({"image": "debian:12"}, "^image: 'debian:12' is not on this host as a golden volume"),
    "image without kernel": ({"image": "bare:1"}, "^image: 'bare:1' has lost its kernel on this host"),
    "no bridge": ({"bridge": "br9"}, r"^network\.bridge: 'br9' is not a bridge on this host"),
    "disk smaller than the image": ({"disk": "32M"}, "^disk: '32M' is smaller than the image debian:13, which needs 64M"),
    "no space in the pool": ({"disk": "2T"}, "^disk: '2T' does not fit: the thin pool of this host has 1T free"),
    "more memory than there is": ({"memory": "8191P"}, r"^memory: '8191P' is more than this host has, which is \d+M$"),
    "address of a container": ({"address": "10.20.0.98"}, r"^address: '10\.20\.0\.98' belongs to the container box"),
}
# What a task before this one may make, and in check mode only pretends to.
NOT_FORESEEN = ("missing image", "image without kernel", "no bridge")


def add_container(host: Host) -> None:
    spec = complete("box", wish("container", address="10.20.0.98").spec)
    host.containers.import_image("archive", "debian:13", {})
    host.containers.create("box", render_container("box", spec, frozenset(), FACTS))


def assert_check_mode_tells(resource: VmResource, message: str) -> None:
    """Hold the plan to what the steps refuse, as far as no other task may mend that."""
    with nullcontext() if message in [IMPOSSIBLE[name][1] for name in NOT_FORESEEN] else pytest.raises(SpecError, match=message):
        assert resource.plan(resource.observe()).steps


@pytest.mark.parametrize(("options", "message"), IMPOSSIBLE.values(), ids=IMPOSSIBLE.keys())
def test_what_cannot_be_made_is_refused_and_leaves_nothing(host: Host, options: dict[str, Any], message: str) -> None:
    host.volumes.create("img-333333333333", 64 * MIB, image_tags("bare:1", "3" * 64, "3" * 64))
    add_container(host)
    before = host.snapshot()
    with pytest.raises(SpecError, match=message):
        host.converge(wish("vm", **options))
    assert host.snapshot() == before
    assert_check_mode_tells(host.resource(wish("vm", **options)), message)


@pytest.mark.parametrize(("options", "message"), IMPOSSIBLE.values(), ids=IMPOSSIBLE.keys())
def test_what_cannot_be_made_anew_stays(host: Host, options: dict[str, Any], message: str) -> None:
    host.volumes.create("img-333333333333", 64 * MIB, image_tags("bare:1", "3" * 64, "3" * 64))
    add_container(host)
    host.converge(wish("vm"))
    before = host.snapshot()
    wanted = wish("vm", hostname="other", allow=BOTH, **options)
    with pytest.raises(SpecError, match=message if "disk" not in options else "^disk: "):
        host.converge(wanted)
    assert host.snapshot() == before
    assert_check_mode_tells(host.resource(wanted), message if "disk" not in options else "^disk: ")


@pytest.mark.parametrize("power", [RUNNING, STOPPED])
def test_a_vm_is_not_stopped_for_a_bridge_that_is_not_there(host: Host, power: str) -> None:
    host.converge(wish("vm", power=power))
    before = host.snapshot()
    with pytest.raises(SpecError, match=r"^network\.bridge: 'br9' is not a bridge on this host"):
        host.converge(wish("vm", bridge="br9", allow=BOTH))
    assert host.snapshot() == before


@pytest.mark.parametrize("option", ["memory", "max_memory"])
@pytest.mark.parametrize("power", [RUNNING, STOPPED])
def test_a_vm_is_not_stopped_for_memory_that_is_not_there(host: Host, power: str, option: str) -> None:
    host.converge(wish("vm", power=power))
    before = host.snapshot()
    options: dict[str, Any] = {option: "8191P"}
    with pytest.raises(SpecError, match=rf"^{option}: '8191P' is more than this host has"):
        host.converge(wish("vm", power=power, allow=BOTH, **options))
    assert host.snapshot() == before


@pytest.mark.parametrize("power", [RUNNING, STOPPED, ABSENT])
@pytest.mark.parametrize("other", [RUNNING, STOPPED])
@pytest.mark.parametrize(("device", "why"), [("0000:3b:00.1", "is no PCI device of this host"), ("0000:3b:00.0", "is what the VM db has")])
def test_a_vm_is_not_stopped_for_a_pci_device_that_is_not_to_be_had(
    host: Host, device: str, why: str, other: str, power: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    there = ["0000:3b:00.0", "0000:3b:02.0"]
    monkeypatch.setattr(vm_host, "pci_fault", lambda address: "" if address in there else "is no PCI device of this host")
    host.converge(wish("vm", "db", hostname="db", address="10.20.0.9", pci_devices=there[:1], power=other))
    host.converge(wish("vm", power=power))
    before = host.snapshot()
    others: list[dict[str, Any]] = [{}, {"hostname": "other"}]
    for more in others:
        wanted = wish("vm", pci_devices=[there[1], device], allow=BOTH, **more)
        with pytest.raises(SpecError, match=rf"^pci_devices: '{device}' {why}"):
            host.converge(wanted)
        assert host.snapshot() == before
    steps = {RUNNING: ["stop", "update", "start"], STOPPED: ["update", "start"], ABSENT: ["create", "start"]}[power]
    assert host.converge(wish("vm", pci_devices=there[1:], allow=BOTH)) == steps
    assert host.converge(wish("vm", pci_devices=there[1:], memory="512M", allow=BOTH)) == ["stop", "update", "start"]


def test_a_disk_that_is_taken_up_again_needs_no_space(host: Host) -> None:
    host.converge(wish("vm"))
    host.engine.remove("web")
    host.volumes.used = host.volumes.capacity
    assert host.converge(wish("vm")) == ["create", "start"]


@pytest.mark.parametrize("docker", [True, False], ids=["another address", "no docker"])
def test_what_takes_no_address_hinders_nothing(host: Host, docker: bool) -> None:
    add_container(host)
    host.containers.installed = docker
    assert host.converge(wish("vm", address="10.20.0.9" if docker else "10.20.0.98")) == ["create", "start"]


@pytest.mark.parametrize("wanted", [wish("vm"), wish("vm", power=ABSENT), wish("vm", hostname="b", allow=BOTH)])
def test_a_domain_of_somebody_else_is_not_touched(host: Host, wanted: Wish) -> None:
    host.engine.define(FOREIGN)
    before = host.snapshot()
    with pytest.raises(RefusedError, match="did not make"):
        host.converge(wanted)
    assert host.snapshot() == before


@pytest.mark.parametrize("power", [RUNNING, ABSENT])
def test_a_volume_of_somebody_else_is_not_touched(host: Host, power: str) -> None:
    host.volumes.create("vm-web", 64 * MIB, ["not.ours"])
    before = host.snapshot()
    with pytest.raises(RefusedError, match="did not make"):
        host.converge(wish("vm", power=power))
    assert host.snapshot() == before


CHANGING = [wish("vm"), wish("vm", power=ABSENT), wish("vm", hostname="b", allow=BOTH)]


@pytest.mark.parametrize("tags", [[], ["not.ours"], ["zonal.instance=db"]])
@pytest.mark.parametrize("wanted", CHANGING, ids=["create", "remove", "make anew"])
def test_a_volume_of_somebody_else_under_the_hidden_name_is_not_touched(host: Host, wanted: Wish, tags: list[str]) -> None:
    if wanted != wish("vm"):
        host.converge(wish("vm"))
    host.volumes.create("vm-web.new", 64 * MIB, tags)
    before = host.snapshot()
    resource = host.resource(wanted)
    with pytest.raises(RefusedError, match=r"^name: 'web' needs the name of the volume vm-web\.new while it is made or removed"):
        resource.plan(resource.observe())
    assert host.snapshot() == before


def test_a_volume_of_somebody_else_under_the_hidden_name_hinders_nothing_else(host: Host) -> None:
    host.converge(wish("vm"))
    host.volumes.create("vm-web.new", 64 * MIB, [])
    assert host.converge(wish("vm", memory="512M", allow=BOTH)) == ["stop", "update", "start"]
    assert host.converge(wish("vm", "db", power=ABSENT)) == []


@pytest.mark.parametrize("power", [RUNNING, ABSENT])
def test_a_volume_that_appears_under_the_hidden_name_meanwhile_is_not_touched(host: Host, power: str) -> None:
    if power == ABSENT:
        host.converge(wish("vm"))
    resource = host.resource(wish("vm", power=power))
    plan = resource.plan(resource.observe())
    foreign = host.volumes.create("vm-web.new", 64 * MIB, [])
    with pytest.raises(RefusedError, match="needs the name of the volume"):
        resource.apply(plan.steps[0])
    assert host.volumes.find("vm-web.new") == foreign


@pytest.mark.parametrize("power", [RUNNING, PAUSED, STOPPED])
def test_a_vm_whose_disk_is_not_in_the_group_gets_no_empty_one(host: Host, power: str) -> None:
    host.converge(wish("vm", power=STOPPED if power == STOPPED else RUNNING))
    if power == PAUSED:
        host.engine.pause("web")
    host.volumes.remove("vm-web")
    before = host.snapshot()
    with pytest.raises(RefusedError, match="the VM web is there, but its volume vm-web is not"):
        host.converge(wish("vm"))
    assert host.snapshot() == before
    assert host.converge(wish("vm", power=ABSENT)) == ["remove"]
    assert host.engine.domains() == []


@pytest.mark.parametrize("changes", [{}, {"hostname": "b", "disk": "1G"}], ids=["as it was", "otherwise"])
def test_a_disk_that_a_guest_may_have_used_is_taken_up_again(host: Host, changes: dict[str, Any]) -> None:
    host.converge(wish("vm"))
    host.engine.remove("web")
    host.disks.personalise("/dev/zonal/vm-web", [GuestFile("/srv/data", "of the guest")])
    before = dict(host.content())
    assert host.converge(wish("vm", **changes)) == ["create", "start"]
    assert host.content() == before
    # It is as large as it is wanted: after the start that would take a restart.
    assert planned(host.resource(wish("vm", **changes))) == ([], [])


def test_a_disk_that_is_taken_up_again_is_not_made_smaller(host: Host) -> None:
    host.converge(wish("vm", disk="1G"))
    host.engine.remove("web")
    before = host.snapshot()
    with pytest.raises(SpecError, match=r"^disk: '128M' is smaller than the disk vm-web, 1G; a disk is never shrunk$"):
        host.converge(wish("vm", disk="128M"))
    assert host.snapshot() == before


def test_an_address_of_another_vm_is_refused(host: Host) -> None:
    host.converge(wish("vm", "db", hostname="db", address="10.20.0.9"))
    with pytest.raises(SpecError, match=r"address: '10\.20\.0\.9' belongs to the vm db"):
        host.converge(wish("vm", address="10.20.0.9"))


@pytest.mark.parametrize("gone", ["domain", "volume"])
def test_what_vanishes_during_a_change_is_one_message(host: Host, gone: str) -> None:
    host.converge(wish("vm"))
    resource = host.resource(wish("vm", tenant="other"))
    plan = resource.plan(resource.observe())
    (host.engine if gone == "domain" else host.volumes).remove("web" if gone == "domain" else "vm-web")
    with pytest.raises(RefusedError, match="VM web was removed while it was being changed; run again"):
        resource.apply(plan.steps[0])


@pytest.mark.parametrize("missing", ["libvirt", "lvm"])
def test_without_an_engine_there_is_nothing(host: Host, missing: str) -> None:
    if missing == "libvirt":
        host.engine.installed = False
    else:
        host.volumes.installed = False
    resource = host.resource(wish("vm"))
    with pytest.raises(EngineAbsent):
        resource.observe()
    assert resource.report(resource.nothing()) == {"name": "web", "kind": "vm", "state": "absent"}
    # So that check mode works before the host is bootstrapped.
    assert [step.action for step in resource.plan(resource.nothing()).steps] == ["create", "start"]


def test_the_list_has_all_vms_of_the_collection(host: Host) -> None:
    host.converge(wish("vm"))
    host.converge(wish("vm", "db", hostname="db", address="10.20.0.9", power=STOPPED, disk="1G"))
    host.engine.define(FOREIGN.replace("<name>web", "<name>other").replace("0001", "0002"))
    assert [(item.name, item.power, item.spec["disk"]) for item in list_vms(host.engine, host.volumes)] == [
        ("db", STOPPED, 1024 * MIB),
        ("web", RUNNING, 64 * MIB),
    ]


def test_a_clone_that_somebody_makes_is_not_ours(host: Host) -> None:
    host.converge(wish("vm"))
    found = host.engine.find("web")
    assert found is not None
    host.engine.define(found.xml.replace("<name>web</name>", "<name>clone</name>").replace(parse_domain(found.xml).uuid, "0" * 32))
    renamed: list[Renamed] = []
    assert [item.name for item in list_vms(host.engine, host.volumes, renamed)] == ["web"]
    # With the same card it is on the same address.
    assert renamed == [Renamed("vm", "clone", "web", ("10.20.0.7",))]
    before = host.snapshot()
    with pytest.raises(RefusedError, match=r"'clone' is a vm that zonal\.cloud did not make"):
        host.converge(wish("vm", "clone", ABSENT))
    # Its guest has the same address as long as nobody has changed that.
    with pytest.raises(SpecError, match="belongs to the vm clone on this host"):
        host.converge(wish("vm", hostname="b", allow=BOTH))
    assert host.snapshot() == before
