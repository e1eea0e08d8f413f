# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a refused app was to have is there for others, and their refusals tell nothing that is not so."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.zonal.cloud.plugins.module_utils._domain.claims import KnownHost, Snapshot
from ansible_collections.zonal.cloud.tests.unit.plugins.counted import counted
from ansible_collections.zonal.cloud.tests.unit.plugins.fakes.zone import WEB, report, run
from ansible_collections.zonal.cloud.tests.unit.plugins.module_utils._domain.test_zone_plan import applied, plan, refusals


def app(app_name: str, count: int = 1, **changes: Any) -> dict[str, Any]:
    return {**WEB, "app": app_name, "count": count, **changes}


# The entries, parts of the zone, the apps that get all they ask for, and what is said to the others.
SHARES: dict[str, tuple[list[dict[str, Any]], dict[str, Any], list[str], dict[str, str]]] = {
    "addresses": (
        [app("a", 4), app("b")],
        {"pools": ["10.20.101.1-10.20.101.3"]},
        ["b"],
        {"a": "pools: no address is left of 3"},
    ),
    "an address whose name is none": (
        [app("a" * 60, 2), app("b", 2)],
        {"pools": ["10.20.101.1-10.20.101.2"]},
        ["b"],
        {"a" * 60: "is not a valid name"},
    ),
    "quota that finds no room": (
        [app("a", 4, memory="99G"), app("b", 2)],
        {"quotas": {"payments": {"instances": 4}}},
        ["b"],
        {"a": "no host fits: 2 x too little memory left"},
    ),
    "quota that finds no address": (
        [app("a", 4), app("b", 2), app("c")],
        {"quotas": {"payments": {"instances": 5}}, "pools": ["10.20.101.1-10.20.101.3"]},
        ["b", "c"],
        {"a": "pools: no address is left of 3"},
    ),
    "room that finds no address": (
        [app("a", 4, memory="7G"), app("b", memory="6G")],
        {"pools": ["10.20.101.1-10.20.101.3"]},
        ["b"],
        {"a": "pools: no address is left of 3"},
    ),
    "all that is asked for": (
        [app("a", 4), app("b", 2)],
        {"quotas": {"payments": {"instances": 4}}},
        ["a"],
        {"b": "quota: tenant payments may have 4 instances, has 4 and asks for 2 more"},
    ),
}


@pytest.mark.parametrize("case", SHARES)
def test_what_a_refused_app_was_to_have_goes_to_others(case: str) -> None:
    entries, zone, happy, told = SHARES[case]
    made = plan(entries, **zone)
    assert sorted({claim.app for claim in made.claimed}) == happy
    refused = refusals(made)
    assert refused.keys() == told.keys()
    assert {name: told[name] in " ".join(lines) for name, lines in refused.items()} == dict.fromkeys(told, True)
    assert plan(entries[::-1], **zone).steps == made.steps


def test_a_name_that_a_refused_app_was_to_have_is_free() -> None:
    made = plan([app("a", name="x"), {**app("a", name="all"), "kind": "vm"}, app("x")], name_template="{app}-{index}")
    assert refusals(made).keys() == {"a"}
    assert [claim.address for claim in made.claimed] == ["10.20.101.1"]
    again = plan([app("a", name="x-1"), {**app("a", name="all"), "kind": "vm"}, app("x")], name_template="{app}-{index}")
    assert [claim.name for claim in again.claimed] == ["x-1"]


def test_many_that_are_refused_one_because_of_the_other_are_not_planned_anew_each_time() -> None:
    entries = [app(f"a{number:03}", memory="99G") for number in range(300)]
    calls, made = counted(lambda: plan(entries, quotas={"payments": {"instances": 3}}))
    assert calls < 1_000_000, "planning each anew for each other one is thirty times as many"
    assert len(refusals(made)) == 300
    assert made.claimed == ()


def test_what_runs_of_a_refused_app_stays_and_is_not_written_anew() -> None:
    first = plan([app("a", 2)])
    made = plan([app("a", 9, memory="2G"), app("b")], applied(first), run(first), pools=["10.20.101.1-10.20.101.5"])
    assert refusals(made).keys() == {"a"}
    assert made.changed == ()
    assert [claim.app for claim in made.claimed] == ["b"]


def test_a_host_has_addresses_of_its_own() -> None:
    hosts = {"kvm01": {**report(), "network": {"bridges": [{"name": "br0", "addresses": ["10.20.0.2/16", "fd00::1/64", 5]}]}}}
    assert [claim.address for claim in plan([app("a", 2)], None, hosts, pools=[], reserved=[]).claimed] == ["10.20.0.3", "10.20.0.4"]
    refused = refusals(plan([app("a", address="10.20.0.2")], None, hosts))
    assert refused == {"a": ["instances[0].address: 10.20.0.2 is that of host kvm01"]}
    remembered = Snapshot(hosts=(KnownHost("kvm02", 8, 16, 16, addresses=("10.20.0.3",)),))
    assert [claim.address for claim in plan([app("a", 2)], remembered, {**hosts, "kvm02": None}, pools=[], reserved=[]).claimed] == [
        "10.20.0.4",
        "10.20.0.5",
    ]


NAMES = {
    "kvm01": "is already that of host kvm01 of the zone",
    "all": "is already that of what every inventory calls all",
    "localhost": "is already that of what every inventory calls localhost",
    "ungrouped": "is already that of what every inventory calls ungrouped",
}


@pytest.mark.parametrize("name", NAMES)
def test_a_name_that_an_inventory_has_already_is_refused(name: str) -> None:
    (line,) = refusals(plan([app("web", name=name), app("b")]))["web"]
    assert line == f"name: {name!r} for web (container) of payments with 10.20.101.2 {NAMES[name]}"


def test_a_template_may_not_make_the_name_of_a_host() -> None:
    (line,) = refusals(plan([WEB], None, {"web-1": report()}, name_template="{app}-{index}"))["web"]
    assert line.endswith("is already that of host web-1 of the zone")


QUOTA: dict[str, Any] = {"quotas": {"payments": {"vcpus": 8}}}


def test_what_a_refused_app_does_not_give_back_is_not_given_to_others() -> None:
    first = plan([app("a", vcpus=8)], **QUOTA)
    entries = [app("a", vcpus=2), {**app("a", memory="900G", vcpus=1), "kind": "vm"}, app("b", vcpus=5)]
    made = plan(entries, applied(first), run(first), **QUOTA)
    assert refusals(made).keys() == {"a", "b"}
    assert (made.claimed, made.changed) == ((), ())


def test_what_others_give_back_is_there_for_whoever_comes_first_in_the_alphabet() -> None:
    first = plan([app("b", vcpus=8)], **QUOTA)
    made = plan([app("a", vcpus=6), app("b", vcpus=2)], applied(first), run(first), **QUOTA)
    assert refusals(made) == {}
    assert [claim.app for claim in made.claimed] == ["a"]


def test_an_app_that_needs_the_company_of_a_refused_one_is_refused() -> None:
    made = plan([app("a", affinity=[{"app": "b"}]), app("b", name="kvm01")])
    assert refusals(made).keys() == {"a", "b"}
    assert made.claimed == ()


def test_a_rule_that_a_refused_app_was_to_lose_holds_for_others() -> None:
    hosts = {"kvm01": report(), "kvm02": report(cpus=1)}
    first = plan([app("a", vcpus=6, anti_affinity=[{"app": "b"}])], None, hosts)
    entries = [app("a", vcpus=6), {**app("a", memory="900G"), "kind": "vm"}, app("b", vcpus=10)]
    made = plan(entries, applied(first), {**run(first, hosts), "kvm02": hosts["kvm02"]})
    assert refusals(made).keys() == {"a", "b"}


def test_a_vm_and_a_container_of_one_name_both_take_room() -> None:
    strange = [
        {"name": "x", "kind": kind, "state": "running", "vcpus": vcpus, "memory": "1G"} for kind, vcpus in (("vm", 3), ("container", 1))
    ]
    hosts = {"kvm01": report(*strange, cpus=1)}
    assert refusals(plan([app("a", vcpus=1)], None, hosts)).keys() == {"a"}
    assert refusals(plan([app("a", vcpus=1)], None, {"kvm01": report(strange[0], cpus=1)})) == {}


@pytest.mark.parametrize("entries", [[app("a"), {**app("a"), "kind": "vm"}], [app("a", name="x"), app("a", name="y")]])
def test_where_an_entry_stands_does_not_matter(entries: list[dict[str, Any]]) -> None:
    assert plan(entries[::-1]).claimed == plan(entries).claimed


def test_what_cannot_be_seen_shrinks_when_it_is_seen_again() -> None:
    first = plan([app("a", vcpus=8)], None, {"kvm01": report(cpus=2)})
    blind = {"kvm01": {**report(cpus=2), "engines": {**report()["engines"], "docker": {"installed": True, "running": False}}}}
    entries = [app("a", vcpus=2), {**app("b", vcpus=6), "kind": "vm"}]
    made = plan(entries, applied(first), blind)
    assert refusals(made).keys() == {"b"}
    assert made.changed == ()
    seen = plan(entries[:1], applied(first), {"kvm01": report(*run(first)["kvm01"]["instances"], cpus=2)})
    assert [claim.vcpus for claim in seen.changed] == [2]
