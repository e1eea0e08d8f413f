# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is not lost: what is protected, and what only seems to be declared by nobody."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from ansible_collections.zonal.cloud.plugins.module_utils._domain.claims import REMOVING, Snapshot
from ansible_collections.zonal.cloud.tests.unit.plugins.fakes.zone import DB, WEB, run
from ansible_collections.zonal.cloud.tests.unit.plugins.module_utils._domain.test_zone_plan import actions, applied, plan, refusals

DB_1, WEB_1, WEB_2 = "idc01-dev-db-101001", "idc01-dev-web-101001", "idc01-dev-web-101002"
PROTECTED = {**DB, "protected": True}
FORCED = f"instances[0]: {DB_1} is protected, but image can only be changed by making it anew; declare it with protected: false first"
TOLD = "nothing is removed as long as anything that is declared is wrong"


@pytest.mark.parametrize(
    "mistake", [{"tennant": "payments", "tenant": None}, {"tenant": "Payments"}, {"app": "Web"}, {"vcpus": 0}], ids=str
)
def test_nothing_is_pruned_beside_an_entry_with_a_mistake(mistake: dict[str, Any]) -> None:
    first = plan([{**WEB, "count": 2}, DB])
    made = plan([{**WEB, "count": 2, **mistake}, DB], applied(first), run(first), prune=True)
    assert sorted(actions(made).values()) == ["keep", "orphan", "orphan"]
    assert made.changed == ()
    assert made.notes == (f"prune: {TOLD}",)
    assert {step.reason for step in made.steps if step.action == "orphan"} == {f"nothing declares it; {TOLD}"}


def test_nothing_is_pruned_of_an_app_that_finds_no_room() -> None:
    first = plan([{**WEB, "count": 2}, DB])
    made = plan([{**WEB, "memory": "99G"}], applied(first), run(first), prune=True)
    assert actions(made) == {DB_1: "remove", "idc01-dev-web-101003": "orphan"}
    assert next(step.reason for step in made.steps if step.action == "orphan").endswith("; its app is refused")


CHANGES: dict[str, tuple[dict[str, Any], dict[str, Any], str | None]] = {
    "a change that makes it anew": (PROTECTED, {"image": "debian:14"}, FORCED),
    "with its protection in one": (PROTECTED, {"image": "debian:14", "protected": False}, FORCED),
    "protected together with it": (DB, {"image": "debian:14", "protected": True}, FORCED),
    "a change that restarts it": (PROTECTED, {"memory": "3G"}, None),
    "its protection alone": (PROTECTED, {"protected": False}, None),
    "of one that is not protected": (DB, {"image": "debian:14"}, None),
}


@pytest.mark.parametrize("case", CHANGES)
def test_what_is_protected_is_not_made_anew(case: str) -> None:
    before, changes, expected = CHANGES[case]
    first = plan([before])
    made = plan([{**before, **changes}], applied(first), run(first))
    assert refusals(made) == ({} if expected is None else {"db": [expected]})
    assert [step.order for step in made.steps if expected] == []


def test_after_a_rebuild_the_declaration_protects() -> None:
    entry = {**PROTECTED, "anti_affinity": [{"app": "web"}], "devices": {"gpu": 1}}
    devices = {host: {"gpu": 1} for host in ("kvm01", "kvm02")}
    first = plan([entry], devices=devices)
    lost = Snapshot(tuple(replace(claim, protected=False, rules=(), devices=()) for claim in first.claimed))
    assert plan([entry], lost, run(first), devices=devices).changed == first.claimed
    assert plan([entry], None, run(first), devices=devices).claimed == first.claimed
    assert refusals(plan([{**entry, "image": "debian:14"}], None, run(first), devices=devices)) == {"db": [FORCED]}


def test_what_is_beyond_the_count_of_a_protected_entry_is_protected() -> None:
    first = plan([{**DB, "count": 2}])
    made = plan([PROTECTED], applied(first), run(first), prune=True)
    assert sorted(actions(made).values()) == ["keep", "orphan"]


MAIN, DB_2 = {**DB, "name": "db-main", "image": "debian:12", "memory": "8G"}, "idc01-dev-db-101002"
ABSENT = {"tenant": "payments", "app": "db", "kind": "vm", "state": "absent"}


@pytest.mark.parametrize("protected", [{}, {"protected": True}], ids=str)
@pytest.mark.parametrize("mistake", [None, {"app": "Db"}, {"zone": "idc01-dve"}], ids=str)
def test_what_has_a_name_of_its_own_is_not_the_first_that_a_counted_entry_means(
    protected: dict[str, bool], mistake: dict[str, str] | None
) -> None:
    main = {**MAIN, **protected}
    first = plan([main, DB])
    for prune in (False, True):
        made = plan([*([{**main, **mistake}] if mistake else []), DB], applied(first), run(first), prune=prune)
        kept = not prune or protected or mistake == {"app": "Db"}
        assert actions(made) == {"db-main": "orphan" if kept else "remove", DB_2: "keep"}
        assert [claim.name for claim in made.changed] == ([] if kept else ["db-main"])


def test_of_an_app_whose_names_are_too_long_all_have_names_of_their_own() -> None:
    entry = {**DB, "app": "d" * 60, "name": "db-main"}
    first = plan([entry])
    assert actions(plan([{**ABSENT, "app": entry["app"]}], applied(first), run(first))) == {"db-main": "remove"}


def test_a_counted_entry_takes_no_protection_that_it_does_not_speak_of() -> None:
    first = plan([PROTECTED])
    made = plan([{**DB, "memory": "3G"}], applied(first), run(first))
    assert [(claim.memory, claim.protected) for claim in made.changed] == [(3 * 1024**3, True)]
    assert refusals(plan([{**DB, "image": "debian:14"}], applied(first), run(first))) == {"db": [FORCED]}
    assert actions(plan([{**DB, "count": 0}], applied(made), run(made), prune=True)) == {DB_1: "orphan"}
    for said in ({"protected": False}, {"name": DB_1}):
        assert [claim.protected for claim in plan([{**DB, **said}], applied(first), run(first)).changed] == [False]
    # It means others first, and needs to say nothing of this one then.
    two = plan([{**DB, "count": 2}])
    for entry, protected, expected in (
        (DB, DB_1, {DB_1: "orphan", DB_2: "keep"}),
        ({**ABSENT, "count": 1}, DB_2, {DB_1: "remove", DB_2: "orphan"}),
    ):
        ledger = Snapshot(tuple(replace(claim, protected=claim.name == protected) for claim in two.claimed))
        assert actions(plan([entry], ledger, run(two), prune=entry is DB)) == expected


@pytest.mark.parametrize(
    ("change", "removed"),
    [
        ({}, ["1", "2", "3", "4"]),
        ({"count": 1}, ["4"]),
        ({"count": 3}, ["2", "3", "4"]),
        ({"count": 9}, ["1", "2", "3", "4"]),
        ({"count": 0}, []),
        ({"name": WEB_2}, ["2"]),
    ],
    ids=str,
)
def test_how_many_are_to_be_absent(change: dict[str, Any], removed: list[str]) -> None:
    first = plan([{**WEB, "count": 4}])
    absent = {"tenant": "payments", "app": "web", "kind": "container", "state": "absent", **change}
    made = plan([absent], applied(first), run(first))
    assert sorted(name[-1] for name, action in actions(made).items() if action == "remove") == removed
    # Nobody has confirmed yet, so the second run removes the same ones.
    again = plan([absent], applied(made, applied(first)), run(first))
    assert actions(again) == actions(made)
    assert again.changed == ()


@pytest.mark.parametrize("known", [True, False], ids=["claimed", "only seen"])
def test_beside_a_mistake_only_what_is_named_is_removed(known: bool) -> None:
    first = plan([MAIN, DB])
    ledger, typo = applied(first) if known else None, {**MAIN, "tenant": "Payments"}
    made = plan([typo, ABSENT], ledger, run(first))
    assert actions(made) == {"db-main": "orphan", DB_2: "orphan"}
    assert {step.reason for step in made.steps} == {f"it is declared absent; {TOLD}"}
    assert (made.changed, made.claimed) == ((), ())
    named = [{**ABSENT, "name": "db-main"}, {**WEB, "vcpus": 0}]
    assert actions(plan(named, ledger, run(first)))["db-main"] == "remove"


def test_what_only_its_host_knows_is_removed_too() -> None:
    first = plan([{**WEB, "count": 2}])
    made = plan([{**WEB, "state": "absent"}], None, run(first))
    assert actions(made) == {WEB_1: "remove", WEB_2: "remove"}


def leaving(*names: str) -> tuple[Snapshot, dict[str, Any]]:
    """Return a ledger with two of an app, those named being removed, and hosts that still have both."""
    first = plan([{**WEB, "count": 2}])
    claims = tuple(replace(claim, state=REMOVING) if claim.name in names else claim for claim in first.claimed)
    return Snapshot(claims), run(first)


def test_what_is_being_removed_is_no_declared_one_any_more() -> None:
    ledger, world = leaving(WEB_1)
    made = plan([{**WEB, "count": 2}], ledger, world)
    assert refusals(made) == {}
    assert actions(made) == {WEB_1: "remove", WEB_2: "keep", "idc01-dev-web-101003": "create"}
    assert [claim.index for claim in made.claimed] == [3]
    assert [step.order["state"] for step in made.steps if step.action == "remove" and step.order] == ["absent"]


@pytest.mark.parametrize("meant", [{"name": WEB_1}, {"address": "10.20.101.1"}], ids=str)
def test_one_that_is_meant_by_name_waits_until_it_is_gone(meant: dict[str, str]) -> None:
    ledger, world = leaving(WEB_1)
    made = plan([{**WEB, **meant}, DB], ledger, world)
    assert refusals(made) == {"web": [f"instances[0]: {WEB_1} is being removed; its host has not confirmed yet that it is gone"]}
    assert actions(made)[WEB_1] == "remove"
    assert actions(plan([{**WEB, **meant, "state": "absent"}], ledger, world))[WEB_1] == "remove"


def test_a_pin_that_is_not_kept_is_told() -> None:
    first = plan([{**WEB, "count": 2}])
    made = plan([{**WEB, "count": 2, "host": "kvm02"}], applied(first), run(first), admin=True)
    assert set(actions(made).values()) == {"keep"}
    assert made.notes == (f"instances[0].host: 'kvm02' is asked for, but {WEB_1} runs on kvm01; a plan moves nothing that runs",)
    assert "only an administrator may" in refusals(plan([{**WEB, "count": 2, "host": "kvm02"}], applied(first), run(first)))["web"][0]


def test_a_name_server_is_no_instance() -> None:
    zone: dict[str, Any] = {"network": {"cidr": "10.20.0.0/16", "bridge": "br0", "dns": ["10.20.101.5"]}}
    refused = refusals(plan([{**WEB, "address": "10.20.101.5"}], **zone))
    assert refused == {"web": ["instances[0].address: 10.20.101.5 is a name server of zone idc01-dev"]}
