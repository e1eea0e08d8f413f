# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A container against a fake: what is made, and that a run which is cut off anywhere is mended by the next one."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext, suppress
from dataclasses import replace
from typing import Any, NamedTuple

import pytest

from ansible_collections.zonal.cloud.plugins.module_utils._domain.container_config import EngineFacts
from ansible_collections.zonal.cloud.plugins.module_utils._domain.docker_network import render_network
from ansible_collections.zonal.cloud.plugins.module_utils._domain.domain_xml import Hardware, render_domain
from ansible_collections.zonal.cloud.plugins.module_utils._domain.errors import RefusedError, SpecError
from ansible_collections.zonal.cloud.plugins.module_utils._domain.fields import complete, parse_spec
from ansible_collections.zonal.cloud.plugins.module_utils._domain.instance import ABSENT, PAUSED, RUNNING, STOPPED, Renamed, Wish
from ansible_collections.zonal.cloud.plugins.module_utils._module import container
from ansible_collections.zonal.cloud.plugins.module_utils._module.container import ContainerResource
from ansible_collections.zonal.cloud.plugins.module_utils._module.container_found import list_containers
from ansible_collections.zonal.cloud.plugins.module_utils._ports import EngineAbsent, EngineError, EngineSilent
from ansible_collections.zonal.cloud.tests.unit.plugins.fakes.containers import FACTS, FakeContainers
from ansible_collections.zonal.cloud.tests.unit.plugins.fakes.copies import NO_COPIES
from ansible_collections.zonal.cloud.tests.unit.plugins.fakes.data_disks import data_disks
from ansible_collections.zonal.cloud.tests.unit.plugins.fakes.fuse import CONTAINER_CHANGES, Fuse, PowerCut
from ansible_collections.zonal.cloud.tests.unit.plugins.fakes.guest_disks import FilledVolumes
from ansible_collections.zonal.cloud.tests.unit.plugins.fakes.instances import KEY, converge, wish
from ansible_collections.zonal.cloud.tests.unit.plugins.fakes.vms import FakeVms

MIB = 1024**2
BOTH = ("restart", "recreate")
FAILING: dict[str, Any] = {"restart_policy": "on-failure", "autostart": True}
OTHER: dict[str, Any] = {"hostname": "db", "address": "10.20.0.9"}


class Host:
    """One host with the image debian:13 and two NUMA nodes of four CPUs."""

    def __init__(self) -> None:
        self.engine = FakeContainers()
        self.vms = FakeVms()
        self.data = data_disks(FilledVolumes(), self.vms)
        self.engine.import_image("archive", "debian:13", {})

    def resource(self, wanted: Wish, fuse: Fuse | None = None) -> ContainerResource:
        return ContainerResource(wanted, (fuse or Fuse(-1)).guard(self.engine, *CONTAINER_CHANGES), self.vms, NO_COPIES, self.data, 5)

    def converge(self, wanted: Wish) -> list[str]:
        return converge(self.resource(wanted))

    def body(self, name: str = "web") -> dict[str, Any]:
        found = self.engine.find(name)
        assert found is not None
        return dict(found)


@pytest.fixture
def new_host(monkeypatch: pytest.MonkeyPatch) -> Callable[[], Host]:
    monkeypatch.setattr(container, "is_bridge", lambda name: name in ("br0", "br1", "br2"))
    monkeypatch.setattr(container, "numa_nodes", lambda: [frozenset(range(4)), frozenset(range(4, 8))])
    return Host


@pytest.fixture
def host(new_host: Callable[[], Host]) -> Host:
    return new_host()


def pause(host: Host) -> None:
    host.engine.pause("web")


def prune(host: Host) -> None:
    host.engine.stop("neighbour", 0)
    host.engine.remove_network("zonal-br0")


class Scenario(NamedTuple):
    """Wishes that came before, what an operator did by hand, and the wish whose run is cut off."""

    before: list[Wish]
    wanted: Wish
    steps: str
    by_hand: Callable[[Host], None] = lambda host: None


SCENARIOS = {
    "create": Scenario([], wish("container"), "create start"),
    "create with a limited disk": Scenario([], wish("container", disk="1G"), "create start"),
    "create stopped": Scenario([], wish("container", power=STOPPED), "create"),
    "stop": Scenario([wish("container")], wish("container", power=STOPPED), "stop"),
    "stop a paused one": Scenario([wish("container")], wish("container", power=STOPPED), "stop", pause),
    "start": Scenario([wish("container", power=STOPPED)], wish("container"), "start"),
    "start one whose network was removed": Scenario(
        [wish("container"), wish("container", power=STOPPED)], wish("container"), "start", prune
    ),
    "resume": Scenario([wish("container")], wish("container"), "resume", pause),
    "pause": Scenario([wish("container")], wish("container", power=PAUSED), "pause"),
    "create paused": Scenario([], wish("container", power=PAUSED), "create start pause"),
    "restart": Scenario([wish("container")], wish("container", restart=True), "stop start"),
    "more memory": Scenario([wish("container")], wish("container", memory="1G"), "update"),
    "less of all": Scenario([wish("container")], wish("container", memory="64M", vcpus=1, autostart=False), "update"),
    "another weight": Scenario([wish("container")], wish("container", cpu_shares=512), "update"),
    "more CPUs of the same weight": Scenario([wish("container", cpu_shares=2048)], wish("container", vcpus=3, cpu_shares=2048), "update"),
    "restart on failure": Scenario([wish("container")], wish("container", **FAILING), "update"),
    "restart on failure from now on, stopped": Scenario(
        [wish("container", autostart=False)], wish("container", power=STOPPED, **FAILING), "stop update"
    ),
    "never restart": Scenario([wish("container", **FAILING)], wish("container", restart_policy="never", autostart=False), "update"),
    "stop what restarts on failure": Scenario([wish("container", **FAILING)], wish("container", power=STOPPED, **FAILING), "stop"),
    "start what restarts on failure": Scenario(
        [wish("container", **FAILING), wish("container", power=STOPPED, **FAILING)], wish("container", **FAILING), "start"
    ),
    "another address": Scenario([wish("container")], wish("container", allow=BOTH, **OTHER), "remove create start"),
    "another tenant, stopped": Scenario([wish("container")], wish("container", tenant="b", power=STOPPED, allow=BOTH), "remove create"),
    "another disk of a paused one": Scenario([wish("container")], wish("container", disk="2G", allow=BOTH), "remove create start", pause),
    "remove": Scenario([wish("container")], wish("container", power=ABSENT), "remove"),
}


def prepared(host: Host, scenario: Scenario) -> Host:
    host.converge(wish("container", "neighbour", address="10.20.0.99", vcpus=3))
    for earlier in scenario.before:
        host.converge(earlier)
    scenario.by_hand(host)
    return host


@pytest.mark.parametrize("scenario", SCENARIOS.values(), ids=SCENARIOS.keys())
def test_a_run_does_its_steps_and_the_next_one_none(host: Host, scenario: Scenario) -> None:
    prepared(host, scenario)
    assert " ".join(host.converge(scenario.wanted)) == scenario.steps
    assert host.converge(replace(scenario.wanted, restart=False)) == []


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
        assert host.engine.snapshot() == whole.engine.snapshot(), f"after {fuse.passed}"
        assert host.converge(replace(scenario.wanted, restart=False)) == []
        if not fuse.blown:
            break
        calls += 1
    assert calls >= len(scenario.steps.split())


@pytest.mark.parametrize("scenario", SCENARIOS.values(), ids=SCENARIOS.keys())
def test_absent_removes_what_a_run_that_was_cut_off_left(new_host: Callable[[], Host], scenario: Scenario) -> None:
    for calls in range(12):
        host, fuse = prepared(new_host(), scenario), Fuse(calls)
        with suppress(PowerCut):
            converge(host.resource(scenario.wanted, fuse))
        host.converge(wish("container", power=ABSENT))
        assert [item.name for item in list_containers(host.engine, NO_COPIES)] == ["neighbour"]
        assert list(host.engine.files) == ["neighbour"]
        assert host.converge(wish("container", power=ABSENT)) == []


def test_a_new_container_is_as_declared(host: Host) -> None:
    host.converge(wish("container", disk="1G"))
    body = host.body()
    limits = body["HostConfig"]
    assert (limits["Memory"], limits["MemorySwap"], limits["CpusetCpus"]) == (256 * MIB, 256 * MIB, "0,1")
    assert limits["StorageOpt"] == {"size": str(1024 * MIB)}
    assert limits["CapDrop"] == ["NET_ADMIN", "NET_RAW"]
    assert limits["RestartPolicy"] == {"Name": "unless-stopped"}
    assert body["NetworkSettings"]["Networks"] == {
        "zonal-br0": {"IPAMConfig": {"IPv4Address": "10.20.0.7"}, "MacAddress": "02:42:0a:14:00:07", "NetworkID": "id-1"},
    }
    assert [(file.path, file.content, file.mode) for file in host.engine.files["web"].values()] == [
        ("/root/.ssh/authorized_keys", KEY + "\n", 0o600),
    ]
    assert host.engine.snapshot()["networks"]["zonal-br0"] == {**render_network("br0", "10.20.0.0/16", "10.20.0.1"), "Id": "id-1"}


def test_containers_share_cpus_evenly_and_keep_to_a_node(host: Host) -> None:
    for index in range(4):
        host.converge(wish("container", f"c{index}", address=f"10.20.0.{index + 10}", vcpus=2))
    assert [host.body(f"c{index}")["HostConfig"]["CpusetCpus"] for index in range(4)] == ["0,1", "2,3", "4,5", "6,7"]


def test_cpus_stay_when_something_else_changes(host: Host) -> None:
    host.converge(wish("container", "first", address="10.20.0.10"))
    host.converge(wish("container"))
    host.converge(wish("container", "first", power=ABSENT))
    assert host.converge(wish("container", memory="1G")) == ["update"]
    assert host.body()["HostConfig"]["CpusetCpus"] == "2,3"


def test_cpus_that_the_host_has_no_more_are_replaced_before_a_start(host: Host) -> None:
    host.converge(wish("container", "first", address="10.20.0.10", vcpus=3))
    host.converge(wish("container"))
    assert host.body()["HostConfig"]["CpusetCpus"] == "4,5"
    host.engine.stop("web", 0)
    host.engine.engine_facts = replace(host.engine.engine_facts, cpus=frozenset(range(5)))
    assert host.converge(wish("container")) == ["update", "start"]
    assert host.body()["HostConfig"]["CpusetCpus"] == "0,3"
    assert host.converge(wish("container")) == []
    # One that runs has what the kernel has left it.
    host.engine.engine_facts = replace(host.engine.engine_facts, cpus=frozenset(range(4)))
    assert host.converge(wish("container")) == []


def test_vms_keep_their_cpus(host: Host) -> None:
    hardware = Hardware("/disk", "/kernel", "", "kvm", cpus=frozenset(range(4)))
    spec = complete("db", wish("vm", "db", vcpus=4, cpu_policy="pinned", address="10.20.0.9").spec)
    host.vms.define(render_domain("db", spec, hardware))
    host.converge(wish("container"))
    assert host.body()["HostConfig"]["CpusetCpus"] == "4,5"


@pytest.mark.parametrize("error", [EngineAbsent, EngineSilent])
def test_a_libvirt_that_is_not_there_gives_cpus(host: Host, error: type[EngineError], monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> None:
        raise error("list", "VMs", "it does not answer")

    host.converge(wish("container"))
    monkeypatch.setattr(host.vms, "domains", fail)
    assert host.converge(wish("container", vcpus=3)) == ["update"]


def test_a_weight_stays_while_cpus_come(host: Host) -> None:
    """Also one that is what so many CPUs have anyway, and what was never asked for follows them."""
    for shares in (2048, None):
        host.converge(wish("container", cpu_shares=shares))
        host.converge(wish("container", cpu_shares=shares, vcpus=3))
        assert host.converge(wish("container", cpu_shares=shares, vcpus=3)) == []
        assert host.body()["HostConfig"]["CpuShares"] == (shares or 3072)
        host.converge(wish("container", power=ABSENT))


@pytest.mark.parametrize("before", [[], [wish("container")]], ids=["create", "update"])
def test_a_weight_that_stands_for_vcpus_is_not_another(host: Host, before: list[Wish]) -> None:
    host.engine.engine_facts = replace(FACTS, cpus=frozenset())
    for earlier in before:
        host.converge(earlier)
    with pytest.raises(SpecError, match=r"^cpu_shares: 512 cannot be held: docker here has no cpuset controller"):
        host.converge(wish("container", cpu_shares=512))


def test_what_was_stopped_on_purpose_does_not_start_with_docker(host: Host) -> None:
    def policy() -> object:
        return host.body()["HostConfig"]["RestartPolicy"]["Name"]

    host.converge(wish("container", **FAILING))
    assert policy() == "on-failure"
    host.converge(wish("container", power=STOPPED, **FAILING))
    assert policy() == "unless-stopped"
    host.converge(wish("container", power=STOPPED, memory="1G", **FAILING))
    assert policy() == "unless-stopped"
    host.converge(wish("container", **FAILING))
    assert policy() == "on-failure"
    # Of one that is not to start with its host any more docker knows no policy.
    assert host.converge(wish("container", autostart=False)) == ["update"]
    assert policy() == "no"
    assert host.converge(wish("container", autostart=False)) == []


@pytest.mark.parametrize("power", [RUNNING, STOPPED])
@pytest.mark.parametrize(("policy", "needed"), [("on-failure", "true"), ("always", "true"), ("never", "false")])
def test_a_policy_goes_with_the_autostart_that_is_there(host: Host, policy: str, needed: str, power: str) -> None:
    host.converge(wish("container", power=power, autostart=needed == "false"))
    before = host.engine.snapshot()
    with pytest.raises(SpecError, match=rf"^restart_policy: '{policy}' needs autostart: {needed}; docker has one word for both"):
        host.converge(wish("container", power=power, autostart=None, restart_policy=policy))
    assert host.engine.snapshot() == before


def test_a_program_that_ends_is_told(host: Host) -> None:
    resource = host.resource(wish("container"))
    host.converge(wish("container"))
    host.engine.end("web")
    assert resource.warning(resource.observe()) == "container web: it is wanted to run, but its program has ended (with 1)"
    assert host.resource(wish("container", power=STOPPED)).warning(resource.observe()) == ""


def test_without_a_cpuset_controller_vcpus_are_a_weight(host: Host) -> None:
    host.engine.engine_facts = replace(FACTS, cpus=frozenset())
    for vcpus in (1, 2, 200, 255):
        assert "update" in host.converge(wish("container", vcpus=vcpus)) or vcpus == 1
        assert host.converge(wish("container", vcpus=vcpus)) == []
        assert host.body()["HostConfig"]["CpuShares"] == vcpus * 1024


def test_a_swap_limit_that_was_changed_by_hand_is_mended(host: Host) -> None:
    host.converge(wish("container"))
    host.engine.update("web", {"MemorySwap": 1024 * MIB})
    assert host.converge(wish("container")) == ["update"]
    assert host.body()["HostConfig"]["MemorySwap"] == 256 * MIB


def test_what_is_pending_is_not_forgotten_by_another_change(host: Host) -> None:
    host.converge(wish("container"))
    wanted = wish("container", hostname="other", tenant="other", disk="2G", ssh_keys=[], memory="1G")
    assert host.converge(wanted) == ["update"]
    resource = host.resource(wanted)
    assert {item.field for item in resource.plan(resource.observe()).pending} == {"hostname", "tenant", "disk", "ssh_keys"}


def test_one_option_alone_may_be_changed(host: Host) -> None:
    host.converge(wish("container"))
    assert host.converge(Wish("container", "web", RUNNING, parse_spec({"memory": "1G"}))) == ["update"]
    assert host.converge(wish("container", memory="1G")) == []


IMPOSSIBLE: dict[str, tuple[dict[str, Any], str]] = {
    "missing image": ({"image": "debian:12"}, r"^image: 'debian:12' is not on this host as a docker image"),
    "no bridge": ({"bridge": "br9"}, r"^network\.bridge: 'br9' is not a bridge on this host"),
    "more memory than there is": ({"memory": "8191P"}, r"^memory: '8191P' is more than this host has, which is \d+M$"),
    "more CPUs than there are": ({"vcpus": 9}, r"^vcpus: 9 is more than the 8 CPUs of this host"),
    "another network": ({"cidr": "10.20.0.0/17"}, r"^network\.cidr: '10\.20\.0\.0/17' with the gateway 10\.20\.0\.1 does not fit"),
    "another gateway": ({"gateway": None}, r"^network\.cidr: '10\.20\.0\.0/16' with the gateway none does not fit"),
    "throughput that cannot be limited": ({"io_limits": {"read_iops": 5}}, r"^io_limits: \{'read_iops': 5\} cannot be held"),
    "a disk that cannot be limited": ({"disk": "1G"}, r"^disk: '1G' cannot be held: docker here has no overlay2 on XFS"),
    "address of a neighbour": ({"address": "10.20.0.99"}, r"^address: '10\.20\.0\.99' belongs to the container neighbour"),
    "address of a VM": ({"address": "10.20.0.98"}, r"^address: '10\.20\.0\.98' belongs to the vm desk"),
}
# What a task before this one may make, and in check mode only pretends to.
NOT_FORESEEN = ("missing image", "no bridge", "throughput that cannot be limited", "a disk that cannot be limited")
VM = render_domain("desk", complete("desk", wish("vm", address="10.20.0.98").spec), Hardware("/dev/x", "/vmlinuz", "", "qemu"))


@pytest.mark.parametrize(("options", "message"), IMPOSSIBLE.values(), ids=IMPOSSIBLE.keys())
@pytest.mark.parametrize("exists", [False, True], ids=["new", "anew"])
def test_what_cannot_be_made_is_refused_and_changes_nothing(host: Host, options: dict[str, Any], message: str, exists: bool) -> None:
    host.engine.engine_facts = replace(FACTS, size_limits=False)
    host.vms.define(VM)
    prepared(host, Scenario([wish("container")] if exists else [], wish("container"), ""))
    before = host.engine.snapshot()
    wanted = wish("container", allow=BOTH, **{"hostname": "other", **options})
    if exists and options == {"gateway": None}:
        assert host.converge(wanted) == ["remove", "create", "start"], "a gateway that is not given stays"
        return
    with pytest.raises(SpecError, match=message):
        host.converge(wanted)
    assert host.engine.snapshot() == before
    resource = host.resource(wanted)
    with nullcontext() if message in [IMPOSSIBLE[name][1] for name in NOT_FORESEEN] else pytest.raises(SpecError, match=message):
        assert resource.plan(resource.observe()).steps


@pytest.mark.parametrize("wanted", [wish("container"), wish("container", power=ABSENT), wish("container", allow=BOTH, **OTHER)])
def test_a_container_of_somebody_else_is_not_touched(host: Host, wanted: Wish) -> None:
    host.engine.create("web", {"Image": "debian:13", "Hostname": "x", "Labels": {"com.example": "1"}})
    before = host.engine.snapshot()
    with pytest.raises(RefusedError, match="did not make"):
        host.converge(wanted)
    assert host.engine.snapshot() == before


ELSEWHERE: dict[str, Any] = {"cidr": "10.21.0.0/16", "gateway": "10.21.0.1"}
NETWORKS: dict[str, tuple[str, dict[str, Any]]] = {
    "another gateway": (ABSENT, {"gateway": "10.20.0.254"}),
    "another gateway, made anew": (RUNNING, {"gateway": "10.20.0.254"}),
    "another network": (ABSENT, {"cidr": "10.20.0.0/17"}),
    "another network, made anew": (STOPPED, {"cidr": "10.20.0.0/17"}),
    "no gateway": (ABSENT, {"gateway": None}),
    "another bridge, made anew": (RUNNING, {"bridge": "br2"}),
}


@pytest.mark.parametrize(("power", "changes"), NETWORKS.values(), ids=NETWORKS.keys())
def test_a_network_that_nothing_else_uses_is_replaced(new_host: Callable[[], Host], power: str, changes: dict[str, Any]) -> None:
    wanted = wish("container", allow=BOTH, **changes)
    for calls in range(20):
        host, fuse = new_host(), Fuse(calls)
        host.converge(wish("container", "elsewhere", address="10.21.0.99", bridge="br1", **ELSEWHERE))
        host.converge(wish("container"))
        host.converge(wish("container", power=power))
        try:
            converge(host.resource(wanted, fuse))
        except PowerCut:
            host.converge(wanted)
        network = {"bridge": "br0", "cidr": "10.20.0.0/16", "gateway": "10.20.0.1", **changes}
        ours = render_network(network["bridge"], network["cidr"], network["gateway"] or "")
        made = [{key: body[key] for key in ours} for body in host.engine.networks()]
        assert made == [render_network("br1", *ELSEWHERE.values()), ours], fuse.passed
        assert host.converge(wanted) == []
        if not fuse.blown:
            break
    assert not fuse.blown


@pytest.mark.parametrize("change", [lambda host: None, lambda host: host.engine.stop("db", 0), pause])
def test_a_network_that_others_use_stays(host: Host, change: Callable[[Host], None]) -> None:
    for name, last in (("web", 7), ("db", 8)):
        host.converge(wish("container", name, address=f"10.20.0.{last}"))
    host.engine.create("guest", {"Image": "debian:13", "NetworkingConfig": {"EndpointsConfig": {"zonal-br0": {}}}})
    change(host)
    before = host.engine.snapshot()
    resource = host.resource(wish("container", gateway="10.20.0.254", allow=BOTH))
    with pytest.raises(SpecError, match=r"^network\.cidr: .* has 10\.20\.0\.0/16 and 10\.20\.0\.1; .* remove these first: db, guest$"):
        converge(resource)
    assert host.engine.snapshot() == before


@pytest.mark.parametrize(
    ("labels", "why"), [({"cloud.zonal.bridge": "br0"}, "that has the containers db"), ({}, "zonal.cloud did not make that")]
)
def test_an_overlapping_network_that_must_stay_is_told_before_anything_is_removed(host: Host, labels: dict[str, str], why: str) -> None:
    host.converge(wish("container", bridge="br1", **ELSEWHERE, address="10.21.0.7"))
    host.engine.create_network({**render_network("br0", "10.20.0.0/17", ""), "Labels": labels})
    host.engine.create("db", {"Image": "debian:13", "NetworkingConfig": {"EndpointsConfig": {"zonal-br0": {}} if labels else {}}})
    before = host.engine.snapshot()
    resource = host.resource(wish("container", bridge="br2", allow=BOTH))
    with pytest.raises(SpecError, match=rf"^network\.cidr: .* overlaps docker's network zonal-br0, and docker allows no overlap; {why}"):
        converge(resource)
    assert host.engine.snapshot() == before


def test_a_network_of_somebody_else_is_used_but_not_replaced(host: Host) -> None:
    foreign = {**render_network("br0", "10.20.0.0/16", "10.20.0.1"), "Labels": {"cloud.zonal.bridge": "br1"}}
    host.engine.create_network(foreign)
    host.converge(wish("container"))
    before = host.engine.snapshot()
    with pytest.raises(SpecError, match=r"^network\.cidr: .* zonal\.cloud did not make that network, so it is not replaced$"):
        host.converge(wish("container", gateway="10.20.0.254", allow=BOTH))
    assert host.engine.snapshot() == before


CHANGING = [wish("container"), wish("container", power=ABSENT), wish("container", allow=BOTH, **OTHER)]


@pytest.mark.parametrize("labels", [{}, {"com.example": "1"}, {"cloud.zonal.name": "db"}])
@pytest.mark.parametrize("wanted", CHANGING, ids=["create", "remove", "make anew"])
def test_a_container_of_somebody_else_under_the_hidden_name_is_not_touched(host: Host, wanted: Wish, labels: dict[str, str]) -> None:
    if wanted != wish("container"):
        host.converge(wish("container"))
    host.engine.create("web.new", {"Image": "debian:13", "Hostname": "x", "Labels": labels})
    before = host.engine.snapshot()
    resource = host.resource(wanted)
    with pytest.raises(RefusedError, match=r"^name: 'web' needs the name of the container web\.new while it is made or removed"):
        resource.plan(resource.observe())
    assert host.engine.snapshot() == before


def test_a_container_of_somebody_else_under_the_hidden_name_hinders_nothing_else(host: Host) -> None:
    host.converge(wish("container"))
    host.engine.create("web.new", {"Image": "debian:13", "Hostname": "x", "Labels": {}})
    assert host.converge(wish("container", memory="512M", restart=True)) == ["update", "stop", "start"]
    assert host.converge(wish("container", "db", power=ABSENT)) == []


@pytest.mark.parametrize("power", [RUNNING, ABSENT])
def test_a_container_that_appears_under_the_hidden_name_meanwhile_is_not_touched(host: Host, power: str) -> None:
    if power == ABSENT:
        host.converge(wish("container"))
    resource = host.resource(wish("container", power=power))
    plan = resource.plan(resource.observe())
    host.engine.create("web.new", {"Image": "debian:13", "Hostname": "x", "Labels": {}})
    with pytest.raises(RefusedError, match="needs the name of the container"):
        resource.apply(plan.steps[0])
    assert host.engine.find("web.new") is not None


@pytest.mark.parametrize("power", [RUNNING, STOPPED])
def test_an_address_that_a_container_of_somebody_else_has_is_refused(host: Host, power: str) -> None:
    host.converge(wish("container", "first", address="10.20.0.99"))
    found = host.body("first")
    body = {"Image": "debian:13", "NetworkingConfig": {"EndpointsConfig": found["NetworkSettings"]["Networks"]}, "Labels": {}}
    host.converge(wish("container", "first", power=ABSENT))
    host.engine.create("foreign", body)
    host.engine.start("foreign")
    before = host.engine.snapshot()
    with pytest.raises(SpecError, match=r"^address: '10\.20\.0\.99' belongs to the container foreign, which zonal\.cloud did not make"):
        host.converge(wish("container", address="10.20.0.99", power=power))
    assert host.engine.snapshot() == before


def test_a_name_that_docker_does_not_take_is_refused_before_anything_is_made(host: Host) -> None:
    before = host.engine.snapshot()
    with pytest.raises(SpecError, match=r"^name: 'a' is too short for a container; docker wants two characters"):
        host.converge(wish("container", "a"))
    assert host.engine.snapshot() == before
    assert host.converge(wish("container", "a", ABSENT)) == []


def test_what_vanishes_during_a_change_is_one_message(host: Host) -> None:
    host.converge(wish("container"))
    resource = host.resource(wish("container", memory="1G"))
    plan = resource.plan(resource.observe())
    host.engine.remove("web")
    with pytest.raises(RefusedError, match="container web was removed while it was being changed; run again"):
        resource.apply(plan.steps[0])


HARMLESS = {
    "a VM of another address": (VM.replace("10.20.0.98", "10.20.0.97"), True),
    "a VM of somebody else": ("<domain><name>desk</name><uuid>1</uuid></domain>", True),
    "no libvirt": (VM, False),
}


@pytest.mark.parametrize(("domain", "installed"), HARMLESS.values(), ids=HARMLESS.keys())
def test_what_takes_no_address_hinders_nothing(host: Host, domain: str, installed: bool) -> None:
    host.vms.define(domain)
    host.vms.installed = installed
    assert host.converge(wish("container", address="10.20.0.98")) == ["create", "start"]


def test_what_is_there_is_changed_whatever_vms_there_are(host: Host) -> None:
    host.converge(wish("container", address="10.20.0.98"))
    host.vms.define(VM)
    assert host.converge(wish("container", address="10.20.0.98", memory="1G")) == ["update"]
    with pytest.raises(SpecError, match="belongs to the vm desk"):
        host.converge(wish("container", address="10.20.0.98", hostname="b", allow=BOTH))


def test_without_docker_there_is_nothing(host: Host) -> None:
    host.engine.installed = False
    resource = host.resource(wish("container"))
    with pytest.raises(EngineAbsent):
        resource.observe()
    assert resource.report(resource.nothing()) == {"name": "web", "kind": "container", "state": "absent"}
    # So that check mode works before the host is bootstrapped.
    assert [step.action for step in resource.plan(resource.nothing()).steps] == ["create", "start"]


def test_what_only_docker_refuses_is_found_before_the_old_one_is_removed(host: Host) -> None:
    host.converge(wish("container"))
    host.engine.strange_capabilities = {"BPF"}
    before = host.engine.snapshot()
    with pytest.raises(EngineError, match=r'^Cannot create container web\.new: invalid CapAdd: unknown capability: "CAP_BPF"$'):
        host.converge(wish("container", capabilities=["BPF"], allow=BOTH))
    assert host.engine.snapshot() == before


@pytest.mark.parametrize("api", [(1, 41), (1, 43)])
def test_an_older_engine_has_the_mac_on_the_container(host: Host, api: tuple[int, int]) -> None:
    host.engine.engine_facts = EngineFacts(api=api, cgroup=1, size_limits=False, cpus=frozenset(range(8)))
    host.converge(wish("container"))
    assert host.body()["NetworkSettings"]["Networks"]["zonal-br0"]["MacAddress"] == "02:42:0a:14:00:07"
    assert host.body()["HostConfig"]["MemorySwappiness"] == 1


def test_the_list_has_all_containers_of_the_collection(host: Host) -> None:
    host.converge(wish("container"))
    host.converge(wish("container", "db", power=STOPPED, **OTHER))
    host.engine.create("foreign", {"Image": "debian:13", "Hostname": "x", "Labels": {}})
    host.engine.create("half.new", {"Image": "debian:13", "Hostname": "x", "Labels": {"cloud.zonal.name": "half"}})
    assert [(item.name, item.power) for item in list_containers(host.engine, NO_COPIES)] == [("db", STOPPED), ("web", RUNNING)]


def test_what_somebody_renames_still_has_its_address(host: Host) -> None:
    host.converge(wish("container"))
    host.engine.create("half.new", {"Image": "debian:13", "Hostname": "x", "Labels": {"cloud.zonal.name": "half"}})
    host.engine.rename("web", "old")
    renamed: list[Renamed] = []
    assert list_containers(host.engine, NO_COPIES, renamed) == []
    assert renamed == [Renamed("container", "old", "web", ("10.20.0.7",))]


def test_what_docker_could_not_remove_to_its_end_is_made_anew(host: Host) -> None:
    host.converge(wish("container"))
    host.engine.die_while_removing("web")
    # Its address is free again.
    assert host.converge(wish("container", "other")) == ["create", "start"]
    host.converge(wish("container", "other", ABSENT))
    assert host.converge(wish("container")) == ["create", "start"]
    assert host.converge(wish("container")) == []
    host.engine.die_while_removing("web")
    assert host.converge(wish("container", power=ABSENT)) == ["remove"]
    assert host.engine.find("web") is None


def test_what_docker_commits_of_one_is_not_ours(host: Host) -> None:
    host.converge(wish("container"))
    labels = host.body()["Config"]["Labels"]
    host.engine.create("debug", {"Image": "debian:13", "Labels": labels, "HostConfig": {"NetworkMode": "none"}})
    assert [item.name for item in list_containers(host.engine, NO_COPIES)] == ["web"]
    for wanted in (wish("container", "debug", address="10.20.0.9"), wish("container", "debug", ABSENT)):
        with pytest.raises(RefusedError, match=r"'debug' is a container that zonal\.cloud did not make"):
            host.converge(wanted)
    # It has no address, so that is free to be had anew.
    assert host.converge(wish("container", hostname="b", allow=BOTH)) == ["remove", "create", "start"]


def test_one_that_somebody_renames_keeps_its_address(host: Host) -> None:
    host.converge(wish("container"))
    host.engine.rename("web", "old")
    with pytest.raises(SpecError, match=r"^address: '10\.20\.0\.7' belongs to the container old on this host"):
        host.converge(wish("container"))
