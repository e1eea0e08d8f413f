# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Addresses that instances have beside their own: who may have which, and until when nobody else is given one."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.zonal.cloud.plugins.module_utils._domain.claims import Held, Snapshot
from ansible_collections.zonal.cloud.plugins.module_utils._domain.observation import read_observation
from ansible_collections.zonal.cloud.plugins.module_utils._domain.zone_slots import left_out, rebuild_claims
from ansible_collections.zonal.cloud.plugins.module_utils._domain.zone_spec import parse_zone
from ansible_collections.zonal.cloud.tests.unit.plugins.fakes.zone import DB, HOSTS, WEB, ZONE, report, run
from ansible_collections.zonal.cloud.tests.unit.plugins.module_utils._domain.test_zone_plan import actions, applied, plan, refusals, stray

FIRST, SECOND, OWN = "10.20.101.1", "10.20.101.2", "10.20.101.3"
MORE: dict[str, Any] = {**DB, "extra_addresses": [SECOND, FIRST]}
FEWER: dict[str, Any] = {**DB, "extra_addresses": [SECOND]}
DB_1 = "idc01-dev-db-101003"


def held(state: str) -> Snapshot:
    return Snapshot(held=(Held(FIRST, state, "a printer", "2026-11-22T20:30:00Z"),))


def test_they_are_claimed_and_nobody_else_is_given_them() -> None:
    made = plan([WEB, MORE])
    assert [(claim.app, *claim.addresses) for claim in made.claimed] == [("db", OWN, FIRST, SECOND), ("web", "10.20.101.4")]
    again = plan([WEB, MORE, {**DB, "app": "new"}], applied(made), run(made))
    assert [claim.addresses for claim in again.claimed] == [("10.20.101.5",)]


def test_what_has_them_is_kept() -> None:
    made = plan([MORE])
    again = plan([MORE], applied(made), run(made))
    assert (actions(again), again.claimed, again.changed) == ({DB_1: "keep"}, (), ())
    (step,) = made.steps
    assert step.order is not None
    assert step.order["extra_addresses"] == [SECOND, FIRST]


BAD: dict[str, tuple[list[Any], Snapshot | None, dict[str, Any], str]] = {
    "several": ([{**MORE, "count": 2}], None, {}, "count: 2 does not go with extra_addresses, which only one instance can have"),
    "no list": ([{**DB, "extra_addresses": FIRST}], None, {}, f"extra_addresses: '{FIRST}' is not a list"),
    "outside": ([{**DB, "extra_addresses": ["10.21.0.1"]}], None, {}, "extra_addresses: '10.21.0.1' is not in the network 10.20.0.0/16"),
    "gateway": ([{**DB, "extra_addresses": ["10.20.0.1"]}], None, {}, "extra_addresses: '10.20.0.1' is the gateway of the network"),
    "its own": ([{**MORE, "address": FIRST}], None, {}, f"extra_addresses: '{FIRST}' is the address that it has anyway"),
    "container": ([{**DB, "kind": "container", "extra_addresses": [FIRST]}], None, {}, f"extra_addresses: ['{FIRST}'] is for VMs only"),
    "reserved": ([{**DB, "extra_addresses": ["10.20.101.10"]}], None, {}, "extra_addresses: 10.20.101.10 is reserved in zone idc01-dev"),
    "name server": (
        [MORE],
        None,
        {"network": {**ZONE["network"], "dns": [FIRST]}},
        f"extra_addresses: {FIRST} is a name server of zone idc01-dev",
    ),
    "quarantined": ([MORE], held("quarantined"), {}, f"extra_addresses: {FIRST} is quarantined since 2026-11-22T20:30:00Z: a printer"),
    "claimed": ([WEB, MORE], applied(plan([WEB])), {}, f"extra_addresses: {FIRST} belongs to idc01-dev-web-101001 of web (container)"),
    "the one that it was given": (
        [{**DB, "extra_addresses": [FIRST]}],
        applied(plan([DB])),
        {},
        f"extra_addresses: {FIRST} belongs to idc01-dev-db-101001 of db (vm)",
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_what_cannot_be_is_refused(case: str) -> None:
    entries, ledger, zone, message = BAD[case]
    made = plan(entries, ledger, **zone)
    (line,) = refusals(made)["db"]
    assert line.removeprefix(f"instances[{len(entries) - 1}].").startswith(message)
    assert made.claimed == ()


def test_one_that_rests_may_be_asked_for() -> None:
    assert plan([MORE], held("released")).refusals == ()


@pytest.mark.parametrize("other", [{"address": FIRST}, {"extra_addresses": [FIRST]}])
def test_two_that_want_one_are_both_refused(other: dict[str, Any]) -> None:
    line = f"address: '{FIRST}' is declared twice, by instances[0] (db) and instances[1] (other)"
    assert refusals(plan([MORE, {**DB, "app": "other", **other}])) == {"db": [line], "other": [line]}


def test_an_extra_one_of_another_is_not_asked_for_by_address() -> None:
    made = plan([DB, {**WEB, "address": FIRST}], applied(plan([MORE])))
    assert refusals(made)["web"] == [f"instances[1].address: {FIRST} belongs to {DB_1} of db (vm) of payments"]


def test_those_that_it_may_still_have_are_kept_for_it() -> None:
    first = plan([MORE])
    ledger = applied(first)
    for reports in (run(first), HOSTS, {"kvm01": None, "kvm02": None}):
        made = plan([FEWER, WEB], ledger, reports)
        (changed,) = made.changed
        assert (changed.extra_addresses, changed.leaving) == ((SECOND,), (FIRST,))
        assert FIRST not in [claim.address for claim in made.claimed]
    # It was made anew in between.
    made = plan([FEWER], ledger, run(plan([FEWER], ledger)))
    assert [(claim.extra_addresses, claim.leaving) for claim in made.changed] == [((SECOND,), ())]
    # The operator thinks again.
    again = plan([MORE], applied(plan([FEWER], ledger, run(first)), ledger), run(first))
    assert (again.refusals, [claim.addresses for claim in again.changed]) == ((), [(OWN, FIRST, SECOND)])


def test_an_entry_without_the_field_leaves_what_there_is() -> None:
    first = plan([MORE])
    assert plan([DB], applied(first), run(first)).changed == ()


def test_a_lost_ledger_has_them_again() -> None:
    first = plan([MORE])
    made = plan([MORE], None, run(first))
    assert (actions(made), made.claimed[0].addresses) == ({DB_1: "adopt"}, (OWN, FIRST, SECOND))
    fewer = plan([{**DB, "extra_addresses": []}], None, run(first)).claimed[0]
    assert (fewer.extra_addresses, fewer.leaving) == ((), (FIRST, SECOND))


def test_one_whose_extra_address_is_anothers_is_not_adopted() -> None:
    zone = parse_zone("idc01-dev", ZONE)
    found = {
        "kvm01": report({**stray("a-1", "10.20.101.7", "vm"), "extra_addresses": [FIRST]}, stray("b-1", FIRST), stray("c-1", "10.20.101.8"))
    }
    observation = read_observation(zone, found, {})
    lacking = rebuild_claims(zone, (), observation)
    assert [claim.name for claim in lacking] == ["c-1"]
    assert [line.partition(" (")[0] for line in left_out(zone, lacking, observation)] == ["a-1", "b-1"]
    known = rebuild_claims(zone, (), read_observation(zone, {"kvm01": report(stray("b-1", FIRST), stray("c-1", "10.20.101.8"))}, {}))
    assert left_out(zone, known, observation) == ["a-1 (10.20.101.7) on kvm01: its address belongs to b-1 on kvm01"]


def test_one_that_runs_without_a_claim_keeps_its_own() -> None:
    running = {"kvm01": report({**stray("a-1", "10.20.101.7", "vm"), "extra_addresses": [FIRST]}), "kvm02": report()}
    assert [claim.address for claim in plan([WEB], None, running).claimed] == [SECOND]
    assert f"extra_addresses: {FIRST} is that of vm a-1 on kvm01" in refusals(plan([MORE], None, running))["db"][0]
