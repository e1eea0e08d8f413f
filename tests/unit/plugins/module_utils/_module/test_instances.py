# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Many instances in one run, against fakes: asked once, each by itself, what goes first, and what check mode tells."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.zonal.cloud.plugins.module_utils._adapters.boot_files import BootFolder
from ansible_collections.zonal.cloud.plugins.module_utils._domain.batch import Outcome, told_lines
from ansible_collections.zonal.cloud.plugins.module_utils._domain.container_found import parse_container
from ansible_collections.zonal.cloud.plugins.module_utils._domain.domain_found import parse_domain
from ansible_collections.zonal.cloud.plugins.module_utils._domain.errors import SpecError
from ansible_collections.zonal.cloud.plugins.module_utils._domain.failure import failure_of as message_of
from ansible_collections.zonal.cloud.plugins.module_utils._domain.instance import ABSENT, RUNNING, STOPPED, Wish
from ansible_collections.zonal.cloud.plugins.module_utils._domain.volume import image_tags
from ansible_collections.zonal.cloud.plugins.module_utils._module import container, vm, vm_host
from ansible_collections.zonal.cloud.plugins.module_utils._module.instances import Applied, Batch, HostEngines, batch_of
from ansible_collections.zonal.cloud.plugins.module_utils._ports import EngineSilent
from ansible_collections.zonal.cloud.tests.unit.plugins.fakes.containers import FakeContainers
from ansible_collections.zonal.cloud.tests.unit.plugins.fakes.copies import NO_COPIES
from ansible_collections.zonal.cloud.tests.unit.plugins.fakes.data_disks import FakeFilesystems
from ansible_collections.zonal.cloud.tests.unit.plugins.fakes.guest_disks import BOOT_FILES, FakeDisks, FilledVolumes
from ansible_collections.zonal.cloud.tests.unit.plugins.fakes.instances import wish
from ansible_collections.zonal.cloud.tests.unit.plugins.fakes.vms import FakeVms

MIB, DIGEST = 1024**2, "1" * 64


class Counted:
    """An engine that counts how often each method is called."""

    def __init__(self, engine: Any) -> None:
        self._engine = engine
        self.calls: Counter[str] = Counter()

    def __getattr__(self, name: str) -> Any:
        def call(*arguments: Any, **options: Any) -> Any:
            self.calls[name] += 1
            return getattr(self._engine, name)(*arguments, **options)

        return call


def one_by_one(numbers: Sequence[int], work: Callable[[int], Applied]) -> Iterator[tuple[int, Applied]]:
    """In this process, so that what is done to the fakes is seen."""
    return ((number, work(number)) for number in numbers)


def every(outcomes: list[Outcome | None]) -> list[Outcome]:
    """All were begun."""
    assert None not in outcomes
    return [outcome for outcome in outcomes if outcome is not None]


def failure_of(outcomes: list[Outcome]) -> str:
    return message_of([outcome.as_dict() for outcome in outcomes])


class Host:
    """One host with the image debian:13 for both kinds, and two NUMA nodes of four CPUs."""

    def __init__(self, folder: Path) -> None:
        self.containers, self.vms, self.volumes = FakeContainers(), FakeVms(), FilledVolumes()
        self.docker, self.libvirt, self.lvm = Counted(self.containers), Counted(self.vms), Counted(self.volumes)
        self.disks, self.boot = FakeDisks(self.volumes), BootFolder(str(folder))
        self.filesystems = FakeFilesystems(self.volumes)
        self.containers.import_image("archive", "debian:13", {})
        golden = self.volumes.create("img-111111111111", 64 * MIB, image_tags("debian:13", DIGEST, DIGEST))
        self.disks.make(golden.path, "archive", 16384)
        self.boot.store(golden.name, BOOT_FILES)

    def batch(self, *wishes: Wish) -> Batch:
        docker: Any = self.docker
        libvirt: Any = self.libvirt
        lvm: Any = self.lvm
        return batch_of(wishes, HostEngines(docker, libvirt, lvm, self.disks, self.filesystems, self.boot, lambda: "qemu", NO_COPIES), 5)

    def converge(self, *wishes: Wish, check_mode: bool = False) -> list[Outcome]:
        return every(self.batch(*wishes).converge(one_by_one, check_mode=check_mode))

    def snapshot(self) -> Any:
        return self.containers.snapshot(), self.vms.snapshot(), self.volumes.snapshot()


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Host:
    for kind in (container, vm):
        monkeypatch.setattr(kind, "is_bridge", lambda name: name == "br0")
    nodes = [frozenset(range(4)), frozenset(range(4, 8))]
    monkeypatch.setattr(container, "numa_nodes", lambda: nodes)
    monkeypatch.setattr(vm_host, "cpu_nodes", lambda: nodes)
    return Host(tmp_path)


def some(count: int, kind: str = "container", first: int = 1, **options: Any) -> list[Wish]:
    return [wish(kind, f"{kind}{number}", address=f"10.20.1.{number}", **options) for number in range(first, first + count)]


def actions(outcomes: list[Outcome]) -> dict[str, str]:
    return {outcome.name: " ".join(step.action for step in outcome.done) for outcome in outcomes}


def test_both_kinds_are_made_once_and_told_in_the_order_of_the_list(host: Host) -> None:
    wanted = [*some(2, "vm", 11, disk="64M"), *some(2)]
    foretold = host.converge(*wanted, check_mode=True)
    assert host.containers.managed() == []
    made = host.converge(*wanted)
    assert actions(foretold) == actions(made) == dict.fromkeys(("vm11", "vm12", "container1", "container2"), "create start")
    assert [outcome.as_dict()["instance"] for outcome in foretold] == [outcome.as_dict()["instance"] for outcome in made]
    assert told_lines(made)[0] == "vm vm11: create, start"
    before = host.snapshot()
    again = host.converge(*wanted)
    assert (host.snapshot(), told_lines(again), [outcome.changed for outcome in again]) == (before, [], [False] * 4)


@pytest.mark.parametrize("count", [2, 20])
def test_engines_are_asked_once_however_many_there_are(host: Host, count: int) -> None:
    wanted = [*some(count, "vm", 101), *some(count)]
    host.converge(*wanted)
    for engine in (host.docker, host.libvirt, host.lvm):
        engine.calls.clear()
    host.converge(*wanted)
    assert (host.docker.calls, host.libvirt.calls, host.lvm.calls) == ({"managed": 1}, {"domains": 1}, {"list": 1})


def test_containers_of_one_run_get_different_cpus(host: Host) -> None:
    host.converge(*some(4, vcpus=2))
    given = [body["HostConfig"]["CpusetCpus"] for body in host.containers.managed()]
    assert sorted(given) == ["0,1", "2,3", "4,5", "6,7"]


def test_so_do_containers_and_vms_of_pinned_cpus(host: Host) -> None:
    host.converge(*some(2, vcpus=2), *some(2, "vm", 11, vcpus=2, cpu_policy="pinned"))
    given = [parse_container(body).cpus for body in host.containers.managed()]
    given += [parse_domain(domain.xml).cpus for domain in host.vms.domains()]
    assert sorted(map(sorted, given)) == [[0, 1], [2, 3], [4, 5], [6, 7]]


def test_one_that_fails_stops_no_other(host: Host) -> None:
    good, other = some(2)
    outcomes = host.converge(good, wish("container", "lost", image="gone:1", address="10.20.1.9"), other)
    assert actions(outcomes) == {"container1": "create start", "lost": "", "container2": "create start"}
    assert failure_of(outcomes).startswith("1 of 3 instances are not as wanted: container lost: image: 'gone:1' is not on this host")
    assert told_lines(outcomes)[1].startswith("container lost: FAILED: image: 'gone:1'")


def test_what_was_done_before_a_failure_is_told(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(name: str) -> None:
        raise SpecError("memory", name, "is more than there is")

    monkeypatch.setattr(host.containers, "start", refuse)
    (outcome,) = host.converge(*some(1))
    assert ([step.action for step in outcome.done], outcome.changed, outcome.after.power) == (["create"], True, STOPPED)
    assert told_lines([outcome]) == ["container container1: FAILED after create: memory: 'container1' is more than there is"]


@pytest.mark.parametrize("kind", ["container", "vm"])
@pytest.mark.parametrize("check_mode", [True, False])
def test_what_goes_leaves_its_address_to_what_comes(host: Host, kind: str, check_mode: bool) -> None:
    host.converge(*some(1, kind))
    heir = wish("vm", "heir", address="10.20.1.1")
    outcomes = host.converge(heir, wish(kind, f"{kind}1", ABSENT, address="10.20.1.1"), check_mode=check_mode)
    assert actions(outcomes) == {"heir": "create start", f"{kind}1": "remove"}
    assert failure_of(outcomes) == ""


def test_without_the_engine_of_one_kind_the_other_goes_on(host: Host) -> None:
    host.containers.installed = False
    batch = host.batch(*some(1), *some(1, "vm", 11))
    outcomes = every(batch.converge(one_by_one, check_mode=True))
    assert actions(outcomes)["vm11"] == "create start"
    assert len(batch.warnings) == 1
    outcomes = host.converge(*some(1), *some(1, "vm", 11))
    assert actions(outcomes) == {"container1": "", "vm11": "create start"}
    assert failure_of(outcomes).startswith("1 of 2 instances are not as wanted: container container1: ")


def test_an_engine_that_does_not_answer_is_asked_once(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    def hang(name: str) -> None:
        raise EngineSilent("start container", name, "docker does not answer: timed out")

    monkeypatch.setattr(host.containers, "start", hang)
    outcomes = host.converge(*some(8), *some(1, "vm", 11))
    assert list(actions(outcomes).values()) == ["create", *[""] * 7, "create start"]
    assert (host.docker.calls["create"], host.docker.calls["start"]) == (1, 1)
    assert failure_of(outcomes) == (
        "8 of 9 instances are not as wanted: container container1, container container2, container container3, container container4, "
        "container container5 and 3 more: Cannot start container container1: docker does not answer: timed out"
    )


def test_docker_that_hangs_keeps_no_vm_from_being_made(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    def hang() -> None:
        raise EngineSilent("list", "containers", "docker does not answer: timed out")

    monkeypatch.setattr(host.containers, "managed", hang)
    outcomes = host.converge(*some(2, "vm", 11), *some(2))
    assert actions(outcomes) == {"vm11": "create start", "vm12": "create start", "container1": "", "container2": ""}
    assert host.docker.calls == {"managed": 1}


def test_libvirt_that_hangs_keeps_no_container_from_being_made(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    def hang() -> None:
        raise EngineSilent("list", "VMs", "libvirt does not answer: no answer within 300 seconds")

    monkeypatch.setattr(host.vms, "domains", hang)
    outcomes = host.converge(*some(2), *some(2, "vm", 11))
    assert actions(outcomes) == {"container1": "create start", "container2": "create start", "vm11": "", "vm12": ""}
    assert host.libvirt.calls == {"domains": 1}


@pytest.mark.parametrize("power", [RUNNING, STOPPED])
def test_a_container_that_does_not_stay_up_is_told(host: Host, power: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(host.containers, "start", host.containers.end)
    told = "container container1: it is wanted to run, but its program has ended (with 1)"
    for check_mode, warnings in ((True, []), (False, [told])):
        batch = host.batch(*some(1, power=power))
        batch.converge(one_by_one, check_mode=check_mode)
        assert batch.warnings == (warnings if power == RUNNING else [])


CLASHES: dict[str, tuple[Callable[[], list[Wish]], str]] = {
    "name": (lambda: [wish("vm", "web"), wish("container", "web", address="10.20.1.9")], "^instances: 'web' is the name of two"),
    "PCI device": (
        lambda: [wish("vm", name, address=f"10.20.1.{last}", pci_devices=["3b:00.0"]) for last, name in enumerate("ab", 8)],
        "^instances: '0000:3b:00.0' is a PCI device of a and of b",
    ),
    "address": (lambda: [wish("vm", "a"), wish("container", "b")], "^instances: '10.20.0.7' is the address of a and of b"),
}


@pytest.mark.parametrize("clash", CLASHES)
def test_what_two_cannot_share_is_refused_before_anything_is_done(host: Host, clash: str) -> None:
    wishes, message = CLASHES[clash]
    before = host.snapshot()
    with pytest.raises(SpecError, match=message):
        host.converge(*wishes())
    assert host.snapshot() == before
