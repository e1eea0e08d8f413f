# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Plans and pools with a ledger behind them: what is written, what check mode leaves alone, when claims end."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ansible_collections.zonal.cloud.plugins.module_utils._domain.claims import REMOVING, SETTLED, Snapshot
from ansible_collections.zonal.cloud.plugins.module_utils._domain.declared import parse_instances
from ansible_collections.zonal.cloud.plugins.module_utils._domain.errors import ZonalError
from ansible_collections.zonal.cloud.plugins.module_utils._domain.observation import read_observation
from ansible_collections.zonal.cloud.plugins.module_utils._domain.zone_plan import plan_zone
from ansible_collections.zonal.cloud.plugins.module_utils._domain.zone_spec import parse_zone
from ansible_collections.zonal.cloud.plugins.plugin_utils.ledger.store import Ledger
from ansible_collections.zonal.cloud.plugins.plugin_utils.pool_keeper import keep_pool, parse_wish
from ansible_collections.zonal.cloud.plugins.plugin_utils.zone_planner import Outcome, planned, rebuilt, released, settled
from ansible_collections.zonal.cloud.plugins.plugin_utils.zone_pools import left_to_ledger
from ansible_collections.zonal.cloud.tests.unit.plugins.fakes.zone import DB, HOSTS, WEB, ZONE, report, run

NAME = "idc01-dev"
WEB_1 = "idc01-dev-web-101001"
ON_KVM01 = {
    "kvm01": report({"name": WEB_1, "kind": "container", "state": "running", "zone": NAME, "address": "10.20.101.1"}),
    "kvm02": report(),
}
PARAMS: dict[str, Any] = {
    "zone": NAME,
    "cidr": None,
    "gateway": None,
    "dns": None,
    "pools": None,
    "reserved": None,
    "hold": None,
    "state": "present",
    "addresses": [],
    "reason": "by hand",
}
NEW: dict[str, Any] = {"cidr": "10.20.0.0/16", "gateway": "10.20.0.1", "pools": ["10.20.101.0/24"], "reserved": ["10.20.101.0"]}


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    return Ledger(str(tmp_path / "ledger.db"))


def plan(ledger: Ledger, *entries: Any, hosts: Any = None, **options: Any) -> Outcome:
    zone = parse_zone(NAME, ZONE)
    return planned(ledger, zone, parse_instances(zone, list(entries)), hosts or HOSTS, **options)


def pool(ledger: Ledger, *, check_mode: bool = False, **params: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    return keep_pool(ledger, parse_wish({**PARAMS, **params}), check_mode=check_mode)


def states(ledger: Ledger) -> dict[str, str]:
    return {claim.name: claim.state for claim in ledger.read(NAME).claims}


def test_check_mode_writes_nothing_and_plans_the_same(ledger: Ledger, tmp_path: Path) -> None:
    checked = plan(ledger, WEB, DB, check_mode=True)
    assert list(tmp_path.iterdir()) == []
    done = plan(ledger, WEB, DB)
    assert (done.result, done.changed) == (checked.result, checked.changed)
    assert sorted(done.after) == sorted(states(ledger))


def test_the_second_plan_changes_nothing(ledger: Ledger) -> None:
    plan(ledger, WEB)
    again = plan(ledger, WEB)
    assert not again.changed
    assert again.before == again.after


def test_an_expected_plan_is_applied_exactly_or_refused(ledger: Ledger) -> None:
    saved = plan(ledger, WEB, check_mode=True).result["plan"]
    with pytest.raises(ZonalError, match=r"since the plan .* was made, host kvm02 has moved"):
        plan(ledger, WEB, hosts={**HOSTS, "kvm02": report(cpus=4)}, expected=saved)
    with pytest.raises(ZonalError, match="what is declared has moved"):
        plan(ledger, WEB, DB, expected=saved)
    with pytest.raises(ZonalError, match="not a plan that zone_plan has made"):
        plan(ledger, WEB, expected={})
    assert states(ledger) == {}
    assert plan(ledger, WEB, expected=saved).result["plan"] == saved
    with pytest.raises(ZonalError, match="the ledger has moved"):
        plan(ledger, WEB, expected=saved)


def test_claims_settle_and_end_when_their_hosts_confirm(ledger: Ledger) -> None:
    zone = parse_zone(NAME, ZONE)
    plan(ledger, WEB)
    assert settled(ledger, zone, HOSTS).result == {"settled": [], "released": [], "waiting": [WEB_1]}
    assert settled(ledger, zone, ON_KVM01, check_mode=True).changed
    assert settled(ledger, zone, ON_KVM01).result["settled"] == [WEB_1]
    assert states(ledger) == {WEB_1: SETTLED}
    plan(ledger, {**WEB, "state": "absent"}, hosts=ON_KVM01)
    assert states(ledger) == {WEB_1: REMOVING}
    assert not settled(ledger, zone, {**HOSTS, "kvm01": None}).changed
    assert settled(ledger, zone, HOSTS).result["released"] == [WEB_1]
    assert states(ledger) == {}
    assert plan(ledger, WEB).result["plan"]["steps"][0]["address"] == "10.20.101.2"


def test_further_addresses_end_when_their_host_confirms(ledger: Ledger) -> None:
    zone, more, fewer = parse_zone(NAME, ZONE), {**DB, "extra_addresses": ["10.20.101.7", "10.20.101.8"]}, {**DB, "extra_addresses": []}
    first = run(plan_zone(zone, parse_instances(zone, [more]), Snapshot(), read_observation(zone, HOSTS, {})))
    plan(ledger, more)
    assert not settled(ledger, zone, first).result["waiting"]
    told, _after = pool(ledger, check_mode=True)
    assert (told["used"], told["unallocated"][0]) == (3, "10.20.101.2-10.20.101.6")
    with pytest.raises(ZonalError, match=r"addresses: 10\.20\.101\.7 belongs to idc01-dev-db-101001 on kvm01"):
        pool(ledger, state="withdrawn", addresses=["10.20.101.7"])
    assert plan(ledger, fewer, hosts=first).result["unsettled"] == ["idc01-dev-db-101001"]
    for hosts, waits in ((first, True), ({**first, "kvm01": None}, True), (HOSTS, False)):
        outcome = settled(ledger, zone, hosts)
        assert (bool(outcome.result["waiting"]), outcome.changed) == (waits, not waits)
    assert [(item.address, item.state) for item in ledger.read(NAME).held] == [("10.20.101.7", "released"), ("10.20.101.8", "released")]
    assert not plan(ledger, fewer, hosts=first).result["unsettled"]


@pytest.mark.parametrize("hosts", [ON_KVM01, {**HOSTS, "kvm01": None}], ids=["still there", "silent"])
def test_a_claim_is_released_only_when_its_host_confirms(hosts: Any, ledger: Ledger) -> None:
    zone = parse_zone(NAME, ZONE)
    plan(ledger, WEB)
    assert released(ledger, zone, hosts, [WEB_1], check_mode=True).changed
    assert released(ledger, zone, hosts, [WEB_1]).result == {"settled": [], "released": [], "waiting": [WEB_1], "unknown": []}
    assert states(ledger) == {WEB_1: REMOVING}
    assert not released(ledger, zone, hosts, [WEB_1]).changed
    removal = plan(ledger, hosts=ON_KVM01).result
    assert removal["unsettled"] == [WEB_1]
    assert removal["plan"]["per_host"]["kvm01"][0]["state"] == "absent"
    assert released(ledger, zone, HOSTS, [WEB_1]).result["released"] == [WEB_1]
    assert not released(ledger, zone, HOSTS, [WEB_1]).changed


RENAMED = {"kind": "container", "name": "old", "known_as": WEB_1, "addresses": ["10.20.101.1"]}
TOLD = f"container old on kvm01, which says that it is {WEB_1}"


def test_what_was_renamed_by_hand_keeps_its_address(ledger: Ledger) -> None:
    """Its instance seemed to be gone, and its address was given to another."""
    first = plan(ledger, WEB)
    settled(ledger, parse_zone(NAME, ZONE), ON_KVM01)
    hosts = {"kvm01": {**report(), "renamed": [RENAMED, {**RENAMED, "addresses": ["192.0.2.1"]}, "x", {}]}, "kvm02": report()}
    told = plan(ledger, WEB, hosts=hosts).result["plan"]
    note = f"{TOLD}, has 10.20.101.1, which no other gets; give it its name back, or remove it"
    assert told["notes"] == [note]
    line = f"{WEB_1} is not on its host kvm01, and its address is that of {TOLD}; give it its name back, or remove it"
    assert [item["problems"] for item in told["refusals"]] == [[line]]
    assert told["basis"]["hosts"]["kvm01"] != first.result["plan"]["basis"]["hosts"]["kvm01"]
    # Nor does its claim end, or anybody else get the address when the ledger is lost.
    assert released(ledger, parse_zone(NAME, ZONE), hosts, [WEB_1]).result["waiting"] == [WEB_1]
    assert settled(ledger, parse_zone(NAME, ZONE), hosts).result["released"] == []
    with ledger.write(NAME) as book:
        book.erase()
    assert [step["address"] for step in plan(ledger, WEB, hosts=hosts, check_mode=True).result["plan"]["steps"]] == ["10.20.101.2"]
    asked = plan(ledger, {**WEB, "address": "10.20.101.1"}, hosts=hosts, check_mode=True).result["plan"]["refusals"]
    assert asked[0]["problems"] == [f"instances[0].address: 10.20.101.1 is that of {TOLD}"]
    assert rebuild(ledger, hosts=hosts, check_mode=True).result["left_out"] == [f"{TOLD} (10.20.101.1)"]


def test_what_was_renamed_and_removed_then_is_gone(ledger: Ledger) -> None:
    plan(ledger, WEB)
    hosts = {"kvm01": {**report(), "renamed": [RENAMED]}, "kvm02": report()}
    released(ledger, parse_zone(NAME, ZONE), hosts, [WEB_1])
    assert settled(ledger, parse_zone(NAME, ZONE), hosts).result["waiting"] == [WEB_1]
    assert settled(ledger, parse_zone(NAME, ZONE), HOSTS).result["released"] == [WEB_1]


def test_a_protected_instance_is_not_released(ledger: Ledger) -> None:
    plan(ledger, {**WEB, "protected": True})
    with pytest.raises(ZonalError, match=f"names: {WEB_1} protected; declare protected: false"):
        released(ledger, parse_zone(NAME, ZONE), HOSTS, [WEB_1])
    assert list(states(ledger)) == [WEB_1]


@pytest.mark.parametrize("claimed", [True, False], ids=["claimed", "only on its host"])
def test_what_only_its_declaration_protects_is_not_released(claimed: bool, ledger: Ledger) -> None:
    zone = parse_zone(NAME, ZONE)
    there = {**HOSTS, "kvm01": report({**ON_KVM01["kvm01"]["instances"][0], "tenant": "payments", "app": "web"})}
    if claimed:
        rebuilt(ledger, zone, there)
    before = states(ledger)
    protects = parse_instances(zone, [{**WEB, "protected": True}])
    with pytest.raises(ZonalError, match=f"names: {WEB_1} protected"):
        released(ledger, zone, there, [WEB_1], protects)
    assert states(ledger) == before
    assert released(ledger, zone, there, [WEB_1], parse_instances(zone, [WEB])).result["waiting"] == ([WEB_1] if claimed else [])


def test_what_was_retired_while_its_host_was_down_holds_up_nothing(ledger: Ledger) -> None:
    zone = parse_zone(NAME, ZONE)
    plan(ledger, WEB)
    down = {**ON_KVM01, "kvm01": None}
    released(ledger, zone, down, [WEB_1])
    made = plan(ledger, WEB, hosts=down).result["plan"]
    assert (made["summary"], made["refusals"]) == ({"create": 1, "remove": 1}, [])
    back = plan(ledger, WEB, hosts=ON_KVM01).result["plan"]
    assert [order["state"] for order in back["per_host"]["kvm01"]] == ["absent"]
    assert settled(ledger, zone, HOSTS).result["released"] == [WEB_1]


def test_hosts_that_are_still_to_be_made_are_planned_for_in_check_mode_only(ledger: Ledger) -> None:
    bare = {"kvm01": {"hardware": HOSTS["kvm01"]["hardware"], "storage": {"pools": []}, "engines": {}, "instances": []}}
    assert "no host fits" in str(plan(ledger, DB, hosts=bare, check_mode=True).result["plan"]["refusals"])
    made = plan(ledger, DB, hosts=bare, check_mode=True, assume_ready=True)
    assert [step["host"] for step in made.result["plan"]["steps"]] == ["kvm01"]
    with pytest.raises(ZonalError, match="in check mode only; bootstrap them first"):
        plan(ledger, DB, hosts=bare, assume_ready=True)
    assert states(ledger) == {}


def test_indices_outlive_the_ledger(ledger: Ledger, tmp_path: Path) -> None:
    zone = parse_zone(NAME, ZONE)
    # The second of the app has the lowest address, so addresses do not tell which one it is.
    entries = [{**WEB, "count": 1}, {**WEB, "address": "10.20.101.200", "name": "first"}]
    plan(ledger, entries[1])
    made = plan(ledger, *entries)
    assert {order["index"]: order["address"] for order in made.result["plan"]["per_host"]["kvm02"]} == {2: "10.20.101.1"}
    observation = read_observation(zone, HOSTS, {})
    world = run(plan_zone(zone, parse_instances(zone, entries), ledger.read(NAME), observation))
    lost = Ledger(str(tmp_path / "new.db"))
    rebuilt(lost, zone, world)
    assert {claim.name: claim.index for claim in lost.read(NAME).claims} == {"first": 1, WEB_1: 2}


def test_a_lost_ledger_is_rebuilt_from_the_hosts(ledger: Ledger, tmp_path: Path) -> None:
    zone = parse_zone(NAME, ZONE)
    entries = [{**WEB, "count": 3}, DB]
    made = plan_zone(zone, parse_instances(zone, entries), Snapshot(), read_observation(zone, HOSTS, {}))
    plan(ledger, *entries)
    world = run(made)
    settled(ledger, zone, world)
    lost = Ledger(str(tmp_path / "new.db"))
    partly = rebuilt(lost, zone, {**world, "kvm02": None})
    assert (partly.result["silent"], partly.changed) == (["kvm02"], True)
    assert rebuilt(lost, zone, world, check_mode=True).changed
    rebuilt(lost, zone, world)
    assert {claim.name: claim.address for claim in lost.read(NAME).claims} == {c.name: c.address for c in ledger.read(NAME).claims}
    assert not rebuilt(lost, zone, world).changed
    whole = Ledger(str(tmp_path / "whole.db"))
    rebuilt(whole, zone, world)
    assert whole.read(NAME).claims == ledger.read(NAME).claims


@pytest.mark.parametrize(
    "told", [{"memory": str(2**63 - 1)}, {"disk": str(2**63 - 1), "disks": [{"name": "a", "size": str(2**62)}]}], ids=["memory", "disks"]
)
def test_sizes_that_no_ledger_can_write_end_nothing(told: dict[str, Any], ledger: Ledger, tmp_path: Path) -> None:
    spec = {"zone": NAME, "tenant": "payments", "app": "db", "address": "10.20.101.7"}
    hosts = {"kvm01": report({"name": "x-1", "kind": "vm", "state": "running", **spec, **told}), "kvm02": report()}
    bare = {key: value for key, value in DB.items() if key != "disk"}
    assert [step["action"] for step in plan(ledger, bare, WEB, hosts=hosts).result["plan"]["steps"]] == ["adopt", "create"]
    lost = Ledger(str(tmp_path / "lost.db"))
    assert rebuilt(lost, parse_zone(NAME, ZONE), hosts).result["rebuilt"] == ["x-1"]
    (claim,) = lost.read(NAME).claims
    assert max(claim.memory, claim.disk) == 2**63 - 1


def test_a_pool_is_declared_once(ledger: Ledger) -> None:
    assert pool(ledger, **NEW, check_mode=True)[0] == {}
    before, after = pool(ledger, **NEW)
    assert (before, after["total"], after["free"]) == ({}, 255, 255)
    before, after = pool(ledger, **NEW)
    assert before == after
    assert pool(ledger, hold=60)[1] == {**after, "hold": 60}


@pytest.mark.parametrize("check_mode", [True, False])
def test_what_a_definition_does_not_say_of_pools_is_as_the_ledger_has_it(check_mode: bool, ledger: Ledger) -> None:
    _before, after = pool(ledger, cidr="10.20.0.0/16", pools=["10.20.50.5-10.20.50.9"], reserved=["10.20.50.5"], hold=5)
    bare = {key: value for key, value in ZONE.items() if key not in ("pools", "reserved")}
    zone = parse_zone(NAME, bare)
    made = planned(ledger, zone, parse_instances(zone, [WEB]), HOSTS, left=left_to_ledger(bare), check_mode=check_mode)
    assert [step["address"] for step in made.result["plan"]["steps"]] == ["10.20.50.6"]
    told = ("pools", "reserved", "hold")
    assert {key: pool(ledger)[1][key] for key in told} == {key: after[key] for key in told}
    moved = {**bare, "network": {"cidr": "10.9.0.0/16", "bridge": "br0"}}
    with pytest.raises(ZonalError, match=r"pools: '10\.20\.50\.5-10\.20\.50\.9' is outside the addresses that 10\.9\.0\.0/16 has"):
        planned(ledger, parse_zone(NAME, moved), parse_instances(zone, []), HOSTS, left=left_to_ledger(moved), check_mode=check_mode)


def test_what_a_definition_says_of_pools_is_written(ledger: Ledger) -> None:
    pool(ledger, cidr="10.20.0.0/16", pools=["10.20.50.5-10.20.50.9"], hold=5)
    rebuilt(ledger, parse_zone(NAME, ZONE), HOSTS, left=left_to_ledger(ZONE))
    assert {key: pool(ledger)[1][key] for key in ("pools", "reserved", "hold")} == {
        "pools": ZONE["pools"],
        "reserved": ZONE["reserved"],
        "hold": 5,
    }


def test_an_address_is_withdrawn_and_put_back(ledger: Ledger) -> None:
    pool(ledger, **NEW)
    for address in ("10.20.101.1", "10.20.101.2"):
        before, after = pool(ledger, state="withdrawn", addresses=[address, address])
        assert before["free"] - after["free"] == 1
    assert pool(ledger, state="withdrawn", addresses=["10.20.101.1"])[0] == after
    assert plan(ledger, WEB).result["plan"]["steps"][0]["address"] == "10.20.101.3"
    assert pool(ledger, state="available", addresses=["10.20.101.1"])[1]["quarantined"] == ["10.20.101.2"]


BAD_WISHES: dict[str, tuple[dict[str, Any], str]] = {
    "an unknown zone": ({}, "cidr: is missing; zone idc01-dev is not in the ledger yet"),
    "no addresses": ({"state": "withdrawn"}, "addresses: is missing; state withdrawn needs to know which"),
    "a pool outside": ({**NEW, "pools": ["10.99.0.1"]}, "pools: '10.99.0.1' is outside"),
    "a bad address": ({**NEW, "state": "available", "addresses": ["x"]}, r"addresses\[0\]: 'x' is not an IPv4 address"),
}


@pytest.mark.parametrize("case", BAD_WISHES)
def test_bad_wish(case: str, ledger: Ledger) -> None:
    params, message = BAD_WISHES[case]
    with pytest.raises(ZonalError, match=message):
        pool(ledger, **params)


def test_an_address_in_use_is_not_withdrawn(ledger: Ledger) -> None:
    plan(ledger, WEB)
    with pytest.raises(ZonalError, match=f"10.20.101.1 belongs to {WEB_1} on kvm01; retire it first"):
        pool(ledger, state="withdrawn", addresses=["10.20.101.1"])


def test_a_name_that_nobody_has_is_told_at_its_release(ledger: Ledger) -> None:
    plan(ledger, WEB)
    assert released(ledger, parse_zone(NAME, ZONE), HOSTS, ["idc01-dev-wbe-101001", WEB_1]).result["unknown"] == ["idc01-dev-wbe-101001"]


def test_two_zones_promise_a_host_once(ledger: Ledger) -> None:
    plan(ledger, {**WEB, "count": 2, "memory": "12G"})
    other = parse_zone("idc01-prod", {**ZONE, "network": {**ZONE["network"], "bridge": "br1"}})
    made = planned(ledger, other, parse_instances(other, [{**WEB, "memory": "12G"}]), HOSTS, check_mode=True)
    assert "too little memory left" in made.result["plan"]["refusals"][0]["problems"][0]


def test_the_same_name_in_another_zone_is_another_instance(ledger: Ledger) -> None:
    zone, entry = parse_zone(NAME, ZONE), {**DB, "name": "db"}
    on_kvm01 = {"kvm01": report(), "kvm02": report(cpus=0)}
    ours = run(plan_zone(zone, parse_instances(zone, [entry]), Snapshot(), read_observation(zone, on_kvm01, {})))
    theirs = report({**ours["kvm01"]["instances"][0], "zone": "other", "address": "10.21.0.2"})
    plan(ledger, entry, hosts=on_kvm01)
    assert settled(ledger, zone, {**ours, "kvm02": theirs}).result["settled"] == ["db"]
    silent = plan(ledger, entry, hosts={"kvm01": None, "kvm02": theirs}, check_mode=True).result["plan"]
    assert ([step["action"] for step in silent["steps"]], silent["refusals"]) == (["keep"], [])
    plan(ledger, {**entry, "state": "absent"}, hosts={**ours, "kvm02": theirs})
    assert settled(ledger, zone, {"kvm01": report(), "kvm02": theirs}).result["released"] == ["db"]


@pytest.mark.parametrize("hosts", ["abc", [1], None], ids=str)
def test_a_saved_plan_that_was_edited_is_refused(hosts: Any, ledger: Ledger) -> None:
    saved = {**plan(ledger, WEB, check_mode=True).result["plan"], "hash": "x"}
    with pytest.raises(ZonalError, match="nothing was changed, make a new plan"):
        plan(ledger, WEB, expected={**saved, "basis": {"hosts": hosts}})
    assert states(ledger) == {}


def test_what_is_told_to_hosts_is_never_taken_from_a_saved_plan(ledger: Ledger) -> None:
    saved = plan(ledger, WEB, check_mode=True).result["plan"]
    edited = {**saved, "per_host": {"kvm01": [{"name": "evil"}]}, "steps": []}
    assert plan(ledger, WEB, expected=edited).result["plan"] == saved


def test_a_rebuild_moves_a_claim_to_the_new_name_of_its_host(ledger: Ledger) -> None:
    plan(ledger, WEB)
    done = rebuilt(ledger, parse_zone(NAME, ZONE), {"kvm09": ON_KVM01["kvm01"], "kvm02": report()})
    assert (done.changed, done.result["rebuilt"]) == (True, [WEB_1])
    assert [claim.host for claim in ledger.read(NAME).claims] == ["kvm09"]


@pytest.mark.parametrize("engine", [{"installed": True, "running": False}, {"installed": True}])
def test_what_an_engine_hides_that_does_not_run_is_not_gone(engine: dict[str, Any], ledger: Ledger) -> None:
    zone = parse_zone(NAME, ZONE)
    plan(ledger, WEB)
    down = {"kvm01": {**report(), "engines": {"docker": engine}}, "kvm02": report()}
    made = plan(ledger, WEB, hosts=down).result["plan"]
    assert made["summary"] == {"keep": 1}
    assert made["notes"] == ["host kvm01: the engine of container does not run there, so what it has is not known; the claims are kept"]
    assert released(ledger, zone, down, [WEB_1]).result["waiting"] == [WEB_1]
    assert settled(ledger, zone, down).result["waiting"] == [WEB_1]
    assert rebuilt(ledger, zone, down).result["left_out"] == ["every container on kvm01: the engine does not run there"]
    assert settled(ledger, zone, HOSTS).result["released"] == [WEB_1]


@pytest.mark.parametrize("again", [plan, lambda ledger, *_entries, **options: rebuild(ledger, **options)])
def test_who_was_found_on_an_address_in_quarantine_may_turn_out_to_be_of_the_zone(ledger: Ledger, again: Any) -> None:
    plan(ledger, {**WEB, "app": "other"})
    pool(ledger, state="withdrawn", addresses=["10.20.101.7"], reason="somebody answers")
    there = {
        **ON_KVM01["kvm01"]["instances"][0],
        "name": "idc01-dev-web-101007",
        "address": "10.20.101.7",
        "tenant": "payments",
        "app": "web",
    }
    hosts = {"kvm01": report(there), "kvm02": report()}
    checked = again(ledger, {**WEB, "app": "other"}, WEB, hosts=hosts, check_mode=True)
    done = again(ledger, {**WEB, "app": "other"}, WEB, hosts=hosts)
    assert (checked.changed, checked.after) == (done.changed, done.after)
    assert "idc01-dev-web-101007" in states(ledger)
    assert ledger.read(NAME).held == ()


def rebuild(ledger: Ledger, *, hosts: Any, check_mode: bool = False) -> Outcome:
    return rebuilt(ledger, parse_zone(NAME, ZONE), hosts, check_mode=check_mode)


def test_what_a_faulty_entry_may_protect_is_not_released(ledger: Ledger) -> None:
    plan(ledger, WEB)
    zone = parse_zone(NAME, ZONE)
    faulty = parse_instances(zone, [{**WEB, "protected": True, "memroy": "1G"}])
    with pytest.raises(ZonalError, match=f"names: {WEB_1} may be protected by an entry that has a mistake"):
        released(ledger, zone, ON_KVM01, [WEB_1], faulty)
    assert states(ledger)[WEB_1] != REMOVING
