# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The plan of a zone: which steps follow from what is declared, promised and seen, and what refuses a batch."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from ansible_collections.zonal.cloud.plugins.module_utils._domain.claims import QUARANTINED, RELEASED, REMOVING, Held, KnownHost, Snapshot
from ansible_collections.zonal.cloud.plugins.module_utils._domain.declared import parse_instances
from ansible_collections.zonal.cloud.plugins.module_utils._domain.observation import read_observation
from ansible_collections.zonal.cloud.plugins.module_utils._domain.zone_plan import ZonePlan, plan_zone
from ansible_collections.zonal.cloud.plugins.module_utils._domain.zone_spec import parse_zone
from ansible_collections.zonal.cloud.tests.unit.plugins.fakes.zone import DB, HOSTS, WEB, ZONE, report, run

Applied = tuple[ZonePlan, Snapshot]


def plan(
    entries: Sequence[Any],
    snapshot: Snapshot | None = None,
    reports: Mapping[str, Any] | None = None,
    *,
    prune: bool = False,
    unasked: Sequence[str] = (),
    admin: bool = False,
    **zone: Any,
) -> ZonePlan:
    """Plan a zone that is made of the given parts."""
    parsed = parse_zone("idc01-dev", {**ZONE, **zone}, admin=admin)
    before = snapshot or Snapshot()
    observation = read_observation(parsed, HOSTS if reports is None else reports, {host.name: host for host in before.hosts})
    return plan_zone(parsed, parse_instances(parsed, entries), before, observation, prune=prune, unasked=unasked)


def applied(made: ZonePlan, before: Snapshot | None = None) -> Snapshot:
    """Return the ledger after a plan."""
    claims = {claim.name: claim for claim in (*(before.claims if before else ()), *made.changed, *made.claimed)}
    return Snapshot(tuple(sorted(claims.values(), key=lambda claim: claim.name)), before.held if before else ())


def actions(made: ZonePlan) -> dict[str, str]:
    """Return what is done with each instance."""
    return {step.name: step.action for step in made.steps}


def stray(name: str, address: str | None, kind: str = "container") -> dict[str, Any]:
    """Return an instance of the zone as its host reports it."""
    item = {"name": name, "kind": kind, "state": "running", "zone": "idc01-dev", "tenant": "x", "app": "y"}
    return {**item, **({"address": address} if address else {})}


def refusals(made: ZonePlan) -> dict[str, list[str]]:
    return {refusal.app: list(refusal.problems) for refusal in made.refusals}


def test_a_new_app_is_spread_named_and_addressed() -> None:
    made = plan([{**WEB, "count": 3}])
    assert [(step.action, step.name, step.host, step.address) for step in made.steps] == [
        ("create", "idc01-dev-web-101001", "kvm01", "10.20.101.1"),
        ("create", "idc01-dev-web-101003", "kvm01", "10.20.101.3"),
        ("create", "idc01-dev-web-101002", "kvm02", "10.20.101.2"),
    ]
    assert made.refusals == ()
    assert made.quota["payments"]["after"] == {"instances": 3, "vcpus": 6, "memory": "3G", "disk": "15G"}
    order = made.steps[0].order
    assert order == {
        "name": "idc01-dev-web-101001",
        "kind": "container",
        "state": "running",
        "zone": "idc01-dev",
        "tenant": "payments",
        "app": "web",
        "index": 1,
        "image": "debian:13",
        "vcpus": 2,
        "memory": "1G",
        "disk": "5G",
        "ssh_keys": [],
        "address": "10.20.101.1",
        "network": {"cidr": "10.20.0.0/16", "gateway": "10.20.0.1", "bridge": "br0", "dns": []},
    }


def test_what_runs_as_declared_is_kept() -> None:
    first = plan([{**WEB, "count": 3}, DB])
    second = plan([{**WEB, "count": 3}, DB], applied(first), run(first))
    assert set(actions(second).values()) == {"keep"}
    assert (second.claimed, second.changed) == ((), ())
    assert second.quota["payments"]["before"] == second.quota["payments"]["after"]


def test_an_app_grows_and_shrinks_at_its_end() -> None:
    two = plan([{**WEB, "count": 2}])
    four = plan([{**WEB, "count": 4}], applied(two), run(two))
    assert Counter(actions(four).values()) == {"keep": 2, "create": 2}
    ledger, world = applied(four, applied(two)), run(four)
    told = plan([{**WEB, "count": 2}], ledger, world)
    assert actions(told) == {
        "idc01-dev-web-101001": "keep",
        "idc01-dev-web-101002": "keep",
        "idc01-dev-web-101003": "orphan",
        "idc01-dev-web-101004": "orphan",
    }
    assert told.changed == ()
    removed = plan([{**WEB, "count": 2}], ledger, world, prune=True)
    assert [step.name for step in removed.steps if step.action == "remove"] == ["idc01-dev-web-101003", "idc01-dev-web-101004"]
    assert {claim.state for claim in removed.changed} == {REMOVING}


NIC = {**DB, "pci_devices": ["3b:00.0"]}
USED_UP = "no host fits: 2 x lacks a device (0000:3b:00.0: 1 wanted, 0 left at most)"


def test_a_pci_device_is_given_once() -> None:
    """To one instance of each host, whether they are of one run or not, and are there or only promised."""
    assert f"payments/db/vm/000003: {USED_UP}" in refusals(plan([{**NIC, "count": 3}]))["db"]
    two = plan([{**NIC, "count": 2}])
    assert [(claim.host, claim.devices) for claim in two.claimed] == [(host, (("0000:3b:00.0", 1),)) for host in ("kvm01", "kvm02")]
    other = {**NIC, "app": "other"}
    ledger = applied(two)
    for world in (run(two), {**run(two), "kvm02": report()}):
        assert refusals(plan([{**NIC, "count": 2}, other], ledger, world)) == {"other": [f"payments/other/vm/000001: {USED_UP}"]}
    pinned = plan([{**NIC, "count": 2}, {**other, "host": "kvm02"}], ledger, run(two), admin=True)
    assert refusals(pinned)["other"] == [
        "payments/other/vm/000001: host: kvm02 is asked for but lacks a device (0000:3b:00.0: 1 wanted, 0 left at most)"
    ]
    assert refusals(plan([{**NIC, "count": 2}, {**other, "pci_devices": ["3b:00.1"]}], ledger, run(two))) == {}


def test_a_pci_device_is_its_instance_s_as_long_as_that_has_it() -> None:
    """A ledger of before does not know of it, and what is declared without takes effect at a restart."""
    two = plan([{**NIC, "count": 2}])
    before = Snapshot(tuple(replace(claim, devices=()) for claim in two.claimed))
    for entry in ({**NIC, "count": 2}, {**DB, "count": 2}, {**DB, "count": 2, "pci_devices": []}):
        made = plan([entry, {**NIC, "app": "other"}], before, run(two))
        assert refusals(made) == {"other": [f"payments/other/vm/000001: {USED_UP}"]}
    assert [claim.devices for claim in plan([{**NIC, "count": 2}], before, run(two)).changed] == [(("0000:3b:00.0", 1),)] * 2
    assert plan([{**DB, "count": 2}], applied(two), run(two)).changed == ()
    # Nor does one that is lost.
    assert [claim.devices for claim in plan([{**DB, "count": 2}], None, run(two)).claimed] == [(("0000:3b:00.0", 1),)] * 2


def test_nothing_is_pruned_on_a_host_that_the_run_leaves_out() -> None:
    """Its claim would wait to be removed, and a later run without prune would remove the instance."""
    four = plan([{**WEB, "count": 4}])
    left, world = plan([{**WEB, "count": 2}], applied(four), {**run(four), "kvm02": None}, prune=True, unasked=["kvm02"]), run(four)
    assert [(claim.name, claim.host) for claim in left.changed] == [("idc01-dev-web-101003", "kvm01")]
    told = [step for step in left.steps if step.action == "orphan"]
    assert [(step.name, step.reason.partition("; ")[2]) for step in told] == [
        ("idc01-dev-web-101004", "its host kvm02 is left out of this run, so it is not pruned")
    ]
    later = plan([{**WEB, "count": 2}], applied(left, applied(four)), world)
    assert actions(later)["idc01-dev-web-101004"] == "orphan"


@pytest.mark.parametrize("own", [{"address": "10.20.101.50"}, {"name": "special"}])
def test_what_had_an_entry_of_its_own_is_the_first_that_a_count_leaves_over(own: dict[str, Any]) -> None:
    """Another one of the app was removed in its place."""
    first = plan([{**WEB, "count": 2}, {**WEB, **own}])
    [special] = (claim.name for claim in first.claimed if claim.explicit)
    ledger, world = applied(first), run(first)
    assert [step.name for step in plan([{**WEB, "count": 2}], ledger, world, prune=True).steps if step.action == "remove"] == [special]
    # One that is counted from now on is like the others.
    all_of_them = plan([{**WEB, "count": 3}], ledger, world)
    assert set(actions(all_of_them).values()) == {"keep"}
    assert [(claim.name, claim.explicit) for claim in all_of_them.changed] == [(special, False)]


@pytest.mark.parametrize(
    ("change", "action"),
    [
        ({"memory": "2G"}, "resize"),
        ({"image": "debian:14"}, "recreate"),
        ({"state": "stopped"}, "stop"),
        ({"state": "paused"}, "pause"),
        ({"state": "absent"}, "remove"),
    ],
)
def test_a_change_of_a_container(change: dict[str, Any], action: str) -> None:
    first = plan([WEB])
    assert list(actions(plan([{**WEB, **change}], applied(first), run(first))).values()) == [action]


@pytest.mark.parametrize(("state", "action"), [("stopped", "keep"), ("running", "start")])
def test_what_docker_does_not_hold_of_what_is_stopped_is_no_change(state: str, action: str) -> None:
    declared = {**WEB, "state": "stopped", "restart_policy": "on-failure", "autostart": True}
    first = plan([declared])
    reports = run(first)
    for told in reports.values():
        for item in told["instances"]:
            del item["restart_policy"]
    assert list(actions(plan([{**declared, "state": state}], applied(first), reports)).values()) == [action]


def test_a_change_of_a_vm_takes_effect_at_a_restart() -> None:
    first = plan([DB])
    second = plan([{**DB, "memory": "3G"}], applied(first), run(first))
    assert actions(second) == {"idc01-dev-db-101001": "restart"}
    assert second.changed[0].memory == 3 * 1024**3


def test_disks_count_and_grow() -> None:
    declared = {**DB, "disks": [{"name": "data", "size": "400G"}]}
    first = plan([declared])
    assert first.quota["payments"]["after"]["disk"] == "410G"
    (step,) = first.steps
    assert (step.order or {})["disks"] == declared["disks"]
    larger = {**declared, "disks": [{"name": "data", "size": "450G"}, {"name": "more"}]}
    second = plan([larger], applied(first), run(first))
    assert list(actions(second).values()) == ["resize"]
    assert second.changed[0].disk == 460 * 1024**3
    assert list(actions(plan([larger], applied(second, applied(first)), run(second, run(first)))).values()) == ["keep"]
    # Without a word of its own disk it counts as it is promised, and not once more each time.
    rest = {key: value for key, value in larger.items() if key != "disk"}
    third = plan([rest], applied(first), run(first))
    assert plan([rest], applied(third, applied(first)), run(third, run(first))).changed == ()


def test_disks_of_a_container_are_part_of_it() -> None:
    declared = {**WEB, "disks": [{"name": "data", "size": "10G", "mount": "/srv"}]}
    first = plan([declared])
    for disks, action in (
        ([{"name": "data", "size": "20G", "mount": "/srv"}], "resize"),
        ([{"name": "data", "mount": "/srv"}], "keep"),
        ([{"name": "data", "mount": "/data"}], "recreate"),
        ([], "recreate"),
    ):
        assert list(actions(plan([{**declared, "disks": disks}], applied(first), run(first))).values()) == [action]


def test_what_is_lost_on_its_host_is_made_again_there() -> None:
    first = plan([WEB])
    (step,) = plan([WEB], applied(first)).steps
    assert (step.action, step.host, step.reason) == ("create", first.steps[0].host, "it is claimed but not on its host kvm01")


def test_what_stands_still_is_started() -> None:
    first = plan([WEB])
    assert actions(plan([WEB], applied(first), run(first, power="stopped"))) == {"idc01-dev-web-101001": "start"}


@pytest.mark.parametrize(("wanted", "action"), [("running", "start"), ("stopped", "stop"), ("paused", "keep")])
def test_what_is_paused_becomes_what_is_declared(wanted: str, action: str) -> None:
    first = plan([WEB])
    assert actions(plan([{**WEB, "state": wanted}], applied(first), run(first, power="paused"))) == {"idc01-dev-web-101001": action}


def test_a_host_that_does_not_answer_keeps_what_it_has_and_gets_nothing() -> None:
    first = plan([{**WEB, "count": 2}])
    ledger = replace(applied(first), hosts=(KnownHost("kvm01", 8, 2**34, 2**36), KnownHost("kvm02", 8, 2**34, 2**36)))
    made = plan([{**WEB, "count": 4}], ledger, {**run(first), "kvm01": None})
    assert Counter((step.action, step.host) for step in made.steps) == {("keep", "kvm01"): 1, ("keep", "kvm02"): 1, ("create", "kvm02"): 2}


def test_a_ledger_that_was_lost_adopts_what_runs() -> None:
    first = plan([{**WEB, "count": 2}, DB])
    made = plan([{**WEB, "count": 2}, DB], None, run(first))
    assert set(actions(made).values()) == {"adopt"}
    assert made.claimed == tuple(sorted(first.claimed, key=lambda claim: claim.address))


def test_what_nobody_declared_is_told_and_its_address_is_not_given_out() -> None:
    first = plan([DB])
    made = plan([WEB], None, run(first))
    assert actions(made) == {"idc01-dev-db-101001": "orphan", "idc01-dev-web-101002": "create"}
    assert plan([WEB], None, run(first), prune=True).changed == ()


def test_addresses_that_rest_or_are_quarantined_are_passed_over() -> None:
    held = (Held("10.20.101.1", RELEASED, "retired", "2026-11-22T08:00:00Z"), Held("10.20.101.2", QUARANTINED, "x", "2026-11-22T08:00:00Z"))
    assert plan([WEB], Snapshot((), held)).steps[0].address == "10.20.101.3"


WRONG: dict[str, tuple[list[Any], dict[str, Any], dict[str, list[str]]]] = {
    "everything at once": (
        [{**WEB, "vcpus": 0}, {**WEB, "kind": "pod"}, {"app": "web", "tenant": "payments", "kind": "vm"}],
        {},
        {
            "web": [
                "instances[0].vcpus: 0 is not a number of virtual CPUs from 1 to 255",
                "instances[1].kind: 'pod' is none of container, vm",
                *(f"instances[2].{key}: is missing; it is needed to create an instance" for key in ("image", "vcpus", "memory")),
            ]
        },
    ),
    "an unknown key": (
        [{**WEB, "cpus": 4}],
        {},
        {
            "web": [
                "instances[0].keys: 'cpus' is not a known key; known are address, affinity, anti_affinity, app, autostart, bandwidth, "
                "boot, capabilities, command, count, cpu_model, cpu_policy, cpu_shares, devices, disk, disks, environment, "
                "extra_addresses, host, hostname, hugepages, image, io_limits, kind, labels, link, max_memory, max_vcpus, memory, "
                "name, pci_devices, protected, restart_policy, snapshots, ssh_keys, state, tenant, user_data, vcpus, zone"
            ]
        },
    ),
    "restart policies that cannot be": (
        [{**WEB, "restart_policy": "never"}, {**DB, "app": "web", "restart_policy": "always"}],
        {},
        {
            "web": [
                "instances[0].restart_policy: 'never' needs autostart: false; docker has one word for both",
                "instances[1].restart_policy: 'always' is for containers only: such a VM would not go off with its host",
            ]
        },
    ),
    "a quota": (
        [{**WEB, "count": 5}],
        {"quotas": {"payments": {"vcpus": 8, "memory": "4G", "instances": 9}}},
        {
            "web": [
                "quota: tenant payments may have 8 vCPUs, has 0 and asks for 10 more",
                "quota: tenant payments may have 4G memory, has 0 and asks for 5G more",
            ]
        },
    ),
    "no address": (
        [{**WEB, "count": 3}],
        {"pools": ["10.20.101.1-10.20.101.2"]},
        {"web": ["pools: no address is left of 2 in 10.20.101.1-10.20.101.2: 1 are claimed, 0 rest after a release, 0 are quarantined"]},
    ),
    "one name for two": (
        [WEB, {**WEB, "app": "api", "name": "idc01-dev-web-101003"}],
        {},
        {
            "web": [
                "name: 'idc01-dev-web-101003' for web (container) of payments with 10.20.101.3 is already that of api (container) of "
                "payments with 10.20.101.2"
            ]
        },
    ),
    "one address for two": (
        [{**WEB, "address": "10.20.101.9"}, {**DB, "address": "10.20.101.9"}],
        {},
        {app: ["address: '10.20.101.9' is declared twice, by instances[0] (web) and instances[1] (db)"] for app in ("db", "web")},
    ),
    "counted twice": (
        [WEB, WEB],
        {},
        {"web": ["app: web (container) of payments is counted twice, by instances[0] (web) and instances[1] (web)"]},
    ),
    "a reserved address": (
        [{**WEB, "address": "10.20.101.10"}],
        {},
        {"web": ["instances[0].address: 10.20.101.10 is reserved in zone idc01-dev"]},
    ),
    "an address elsewhere": (
        [{**WEB, "address": "10.99.0.1"}],
        {},
        {"web": ["instances[0].address: '10.99.0.1' is not in the network 10.20.0.0/16"]},
    ),
    "a pin": (
        [{**WEB, "host": "kvm02"}],
        {},
        {"web": ["payments/web/container/000001: host: 'kvm02' is asked for, which only an administrator may (zonal_admin: true)"]},
    ),
    "no room": (
        [{**DB, "memory": "99G"}],
        {},
        {"db": ["payments/db/vm/000001: no host fits: 2 x too little memory left (99G wanted, 15564M left at most)"]},
    ),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_batch_is_refused_whole_with_all_that_is_wrong(case: str) -> None:
    entries, zone, expected = WRONG[case]
    made = plan([*entries, {**WEB, "tenant": "other", "app": "bystander"}], **zone)
    assert refusals(made) == expected
    assert {claim.app for claim in made.claimed}.isdisjoint(expected)
    assert "bystander" in {claim.app for claim in made.claimed}


def test_an_image_that_is_not_declared_refuses_its_app_only() -> None:
    zone = parse_zone("idc01-dev", ZONE)
    declarations = parse_instances(zone, [WEB, {**DB, "image": "nobody:1"}], ["debian:13"])
    made = plan_zone(zone, declarations, Snapshot(), read_observation(zone, HOSTS, {}))
    assert refusals(made) == {"db": ["instances[1].image: 'nobody:1' is not among the declared images (zonal_images)"]}
    assert {claim.app for claim in made.claimed} == {"web"}


def test_an_administrator_pins() -> None:
    assert plan([{**WEB, "host": "kvm02"}], admin=True).steps[0].host == "kvm02"


def test_an_owner_is_named_and_kept() -> None:
    first = plan([DB])
    address = first.claimed[0].address
    made = plan([DB, {**WEB, "address": address}], applied(first), run(first))
    line = "instances[1]: idc01-dev-db-101001 with 10.20.101.1 belongs to db (vm) of payments, not to web (container) of payments"
    assert refusals(made) == {"web": [line]}


def test_what_is_protected_stays() -> None:
    first = plan([{**DB, "protected": True}])
    ledger, world = applied(first), run(first)
    assert actions(plan([], ledger, world, prune=True)) == {"idc01-dev-db-101001": "orphan"}
    assert refusals(plan([{**DB, "state": "absent"}], ledger, world)) == {
        "db": ["instances[0].state: idc01-dev-db-101001 is protected; declare it with protected: false first"]
    }


def test_what_runs_elsewhere_is_told() -> None:
    first = plan([WEB])
    world = run(first)
    moved = {"kvm01": report(), "kvm02": world["kvm01"]}
    assert refusals(plan([WEB], applied(first), moved)) == {
        "web": ["idc01-dev-web-101001 runs on kvm02 but the ledger has it on kvm01; remove one or rebuild the ledger"]
    }


def test_a_hash_is_of_the_world_and_of_the_result() -> None:
    first = plan([WEB, DB])
    assert plan([DB, WEB]).steps == first.steps
    again = plan([WEB, DB])
    assert again.hash == first.hash
    others = [plan([WEB]), plan([WEB, DB], applied(first)), plan([WEB, DB], None, run(first)), plan([WEB, {**DB, "vcpus": 3}])]
    assert len({first.hash, *(other.hash for other in others)}) == 5


ENTRIES = st.lists(
    st.fixed_dictionaries(
        {
            "tenant": st.sampled_from(["acme", "bolt"]),
            "app": st.sampled_from(["web", "db", "api"]),
            "kind": st.sampled_from(["vm", "container"]),
            "count": st.integers(0, 6),
            "vcpus": st.integers(1, 8),
            "memory": st.sampled_from(["1G", "2G", "6G"]),
            "disk": st.just("5G"),
            "image": st.just("debian:13"),
            "state": st.sampled_from(["running", "running", "stopped", "paused", "absent"]),
        }
    ),
    max_size=5,
    unique_by=lambda entry: (entry["tenant"], entry["app"], entry["kind"]),
)


# A failing example is long however it is shrunk, and shrinking it takes minutes.
@settings(max_examples=60, phases=(Phase.explicit, Phase.generate))
@given(st.lists(ENTRIES, min_size=1, max_size=4), st.booleans())
def test_whatever_is_declared_one_after_the_other(rounds: list[list[dict[str, Any]]], prune: bool) -> None:
    quotas = {"acme": {"vcpus": 20, "instances": 9}}
    ledger, world = Snapshot(), dict(HOSTS)
    for entries in rounds:
        made = plan(entries, ledger, world, prune=prune and bool(entries), quotas=quotas)
        ledger = applied(made, ledger)
        for field in ("address", "name", "mac"):
            values = [getattr(claim, field) for claim in ledger.claims]
            assert len(values) == len(set(values))
        memory, vcpus = Counter[str](), Counter[str]()
        for claim in ledger.claims:
            memory[claim.host] += claim.memory
            vcpus[claim.host] += claim.vcpus
        assert max(memory.values(), default=0) <= 16 * 1024**3 * 0.95
        assert max(vcpus.values(), default=0) <= 32
        mine = [claim for claim in ledger.claims if claim.tenant == "acme"]
        assert len(mine) <= 9
        assert sum(claim.vcpus for claim in mine) <= 20
        world = run(made, world)
        again = plan(entries, ledger, world, prune=prune and bool(entries), quotas=quotas)
        # What was refused may fit now that others have shrunk or gone.
        if not made.refusals:
            assert {step.action for step in again.steps} <= {"keep", "orphan", "remove"}
            assert again.claimed == ()


WEB_1 = "idc01-dev-web-101001"
STRAYS: dict[str, tuple[str, dict[str, Any], str]] = {
    "unknown": ("kvm01", stray("x", "10.20.101.9"), "neither the ledger nor a declaration has it"),
    "no address": ("kvm01", stray("x", None), "neither the ledger nor a declaration has it"),
    "other host": ("kvm02", stray(WEB_1, "10.20.101.1"), f"the ledger has {WEB_1} as a container on kvm01"),
    "other kind": ("kvm01", stray(WEB_1, "10.20.101.1", "vm"), f"the ledger has {WEB_1} as a container on kvm01"),
    "other name": ("kvm02", stray("thief", "10.20.101.1"), f"its address belongs to {WEB_1} on kvm01"),
}


@pytest.mark.parametrize("case", STRAYS)
def test_what_should_not_run_is_told_and_left_alone(case: str) -> None:
    host, item, why = STRAYS[case]
    first = plan([WEB])
    world = run(first)
    world[host]["instances"].append(item)
    made = plan([WEB], applied(first), world, prune=True)
    assert {step.action: step.reason for step in made.steps} == {
        "keep": "it is as declared",
        "orphan": f"it is there in zone idc01-dev, but {why}",
    }
    assert [step.order for step in made.steps if step.action == "orphan"] == [None]


def test_a_twin_on_another_host_takes_room_there() -> None:
    first = plan([WEB])
    here = run(first)["kvm01"]["instances"][0]
    both = {"kvm01": report(here), "kvm02": report({**here, "vcpus": 30})}
    assert plan([WEB, DB], applied(first), both, overcommit={"vcpus": 4}).steps[0].host == "kvm01"
