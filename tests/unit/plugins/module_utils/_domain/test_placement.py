# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Placement: what it never does, whatever the hosts and instances are, and what it says when it refuses."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.zonal.cloud.plugins.module_utils._domain.errors import ZonalError
from ansible_collections.zonal.cloud.plugins.module_utils._domain.placement import place
from ansible_collections.zonal.cloud.plugins.module_utils._domain.placement_types import (
    ACTIVE,
    CORDONED,
    FAILED,
    Demand,
    Host,
    Placements,
    Policy,
    Rule,
)

G = 1024**3
WEB, DB, CACHE = ("acme", "web"), ("acme", "db"), ("acme", "cache")
APPS = (WEB, DB, CACHE, ("bolt", "web"))
EVEN = Policy(vcpus=1, memory=1, disk=1)
ADMIN = replace(EVEN, admin=True)


def host(name: str, **changes: Any) -> Host:
    return replace(Host(name, vcpus=8, memory=16 * G, disk=100 * G), **changes)


def demand(name: str, app: tuple[str, str] = WEB, **changes: Any) -> Demand:
    return replace(Demand(name, app, "container", vcpus=1, memory=G, disk=G), **changes)


def near(app: tuple[str, str], *, required: bool = True) -> Rule:
    return Rule(app, together=True, required=required)


def apart(app: tuple[str, str], *, required: bool = True) -> Rule:
    return Rule(app, together=False, required=required)


def hosts_of(answer: Placements) -> dict[str, str]:
    return {item.name: item.host for item in answer.placed}


RULES = st.lists(st.builds(Rule, st.sampled_from(APPS), st.booleans(), st.booleans()), max_size=2).map(tuple)
HOSTS = st.lists(
    st.builds(
        Host,
        name=st.sampled_from([f"h{number}" for number in range(8)]),
        vcpus=st.integers(0, 16),
        memory=st.integers(0, 16).map(lambda size: size * G),
        disk=st.integers(0, 50).map(lambda size: size * G),
        state=st.sampled_from([ACTIVE, ACTIVE, ACTIVE, CORDONED, FAILED]),
        kinds=st.sampled_from([frozenset({"vm", "container"}), frozenset({"container"})]),
        devices=st.sampled_from([{}, {"gpu": 2}]),
    ),
    unique_by=lambda item: item.name,
    max_size=8,
)


def demands(prefix: str, host_names: st.SearchStrategy[str | None], most: int) -> st.SearchStrategy[list[Demand]]:
    return st.lists(
        st.builds(
            Demand,
            name=st.integers(0, 99).map(lambda number: f"{prefix}{number:02}"),
            app=st.sampled_from(APPS),
            kind=st.sampled_from(["vm", "container"]),
            vcpus=st.integers(1, 4),
            memory=st.integers(1, 4).map(lambda size: size * G),
            disk=st.integers(1, 4).map(lambda size: size * G),
            host=host_names,
            rules=RULES,
            devices=st.sampled_from([(), (), (("gpu", 1),)]),
        ),
        unique_by=lambda item: item.name,
        max_size=most,
    )


RUNNING = demands("r", st.sampled_from([f"h{number}" for number in range(8)]), 10)
WANTED = demands("w", st.none(), 25)
POLICIES = st.builds(
    Policy, vcpus=st.sampled_from([1.0, 4.0]), memory=st.sampled_from([0.95, 1.0]), disk=st.just(1.0), reserve=st.booleans()
)


def free_of(hosts: list[Host], everything: list[Demand], policy: Policy) -> dict[str, tuple[int, int, int]]:
    used: dict[str, Counter[str]] = defaultdict(Counter)
    for item in everything:
        used[item.host or ""].update(vcpus=item.vcpus, memory=item.memory, disk=item.disk)
    return {
        item.name: (
            int(item.vcpus * policy.vcpus) - used[item.name]["vcpus"],
            int(item.memory * policy.memory) - used[item.name]["memory"],
            int(item.disk * policy.disk) - used[item.name]["disk"],
        )
        for item in hosts
    }


@settings(max_examples=100, deadline=None)
@given(hosts=HOSTS, running=RUNNING, wanted=WANTED, policy=POLICIES)
def test_no_hard_rule_is_broken(hosts: list[Host], running: list[Demand], wanted: list[Demand], policy: Policy) -> None:
    answer = place(hosts, running, wanted, policy)
    known = {item.name: item for item in hosts}
    where = hosts_of(answer)
    new = [replace(item, host=where[item.name]) for item in wanted if item.name in where]
    everything = [*running, *new]
    free = free_of(hosts, everything, policy)
    on_host: dict[str, list[Demand]] = defaultdict(list)
    for item in everything:
        on_host[item.host or ""].append(item)
    for item in new:
        chosen = known[where[item.name]]
        assert chosen.state == ACTIVE
        assert item.kind in chosen.kinds
        assert min(free[chosen.name]) >= 0
        neighbours = [other for other in on_host[chosen.name] if other.name != item.name]
        for name, _count in item.devices:
            assert sum(count for other in on_host[chosen.name] for device, count in other.devices if device == name) <= chosen.devices[name]
        for rule in item.rules:
            if rule.required and not rule.together:
                assert all(other.app != rule.app for other in neighbours)
            if rule.required and rule.together and rule.app != item.app:
                assert any(other.app == rule.app for other in neighbours)
        for other in neighbours:
            assert not any(rule.required and not rule.together and rule.app == item.app for rule in other.rules)


@settings(max_examples=100, deadline=None)
@given(hosts=HOSTS, running=RUNNING, wanted=WANTED, policy=POLICIES, shuffle=st.randoms())
def test_the_order_of_the_input_does_not_matter(
    hosts: list[Host], running: list[Demand], wanted: list[Demand], policy: Policy, shuffle: Any
) -> None:
    before = place(hosts, running, wanted, policy)
    for items in (hosts, running, wanted):
        shuffle.shuffle(items)
    assert place(hosts, running, wanted, policy) == before


@settings(max_examples=100, deadline=None)
@given(hosts=HOSTS, running=RUNNING, wanted=WANTED, policy=POLICIES)
def test_every_app_is_placed_whole_or_not_at_all(hosts: list[Host], running: list[Demand], wanted: list[Demand], policy: Policy) -> None:
    answer = place(hosts, running, wanted, policy)
    placed, refused = {item.name for item in answer.placed}, {item.name for item in answer.refused}
    assert placed | refused == {item.name for item in wanted}
    assert not placed & refused
    assert not {item.app for item in wanted if item.name in placed} & {item.app for item in wanted if item.name in refused}
    assert all(item.why for item in answer.placed)
    assert all(item.why for item in answer.refused)


@settings(max_examples=100, deadline=None)
@given(hosts=HOSTS, running=RUNNING, policy=POLICIES)
def test_what_runs_never_moves(hosts: list[Host], running: list[Demand], policy: Policy) -> None:
    answer = place(hosts, running, [replace(item, host=None) for item in running], policy)
    assert hosts_of(answer) == {item.name: item.host for item in running}


@settings(max_examples=100, deadline=None)
@given(hosts=HOSTS, running=RUNNING, wanted=WANTED, policy=POLICIES)
def test_removed_and_added_again_it_is_placed_as_before(
    hosts: list[Host], running: list[Demand], wanted: list[Demand], policy: Policy
) -> None:
    first = place(hosts, running, wanted, policy)
    kept = {item.name for item in first.placed}
    again = [item for item in wanted if item.name in kept]
    assert hosts_of(place(hosts, running, again, policy)) == hosts_of(first)


@settings(max_examples=100, deadline=None)
@given(
    hosts=st.integers(1, 12),
    counts=st.lists(st.integers(0, 30), min_size=1, max_size=4),
    sizes=st.lists(st.integers(1, 4), min_size=4, max_size=4),
)
def test_each_app_is_spread_within_one_over_equal_hosts(hosts: int, counts: list[int], sizes: list[int]) -> None:
    wanted = [
        demand(f"{app}-{number}", ("acme", str(app)), vcpus=sizes[app]) for app, count in enumerate(counts) for number in range(count)
    ]
    names = [f"h{number}" for number in range(hosts)]
    where = hosts_of(place([host(name, vcpus=1000, memory=1000 * G, disk=1000 * G) for name in names], [], wanted, EVEN))
    for app in range(len(counts)):
        used = Counter(where[item.name] for item in wanted if item.app == ("acme", str(app)))
        spread = [used[name] for name in names]
        assert max(spread) - min(spread) <= 1


@settings(max_examples=100, deadline=None)
@given(running=demands("r", st.sampled_from(["h0", "h1", "h2"]), 6), wanted=WANTED)
def test_reserve_leaves_the_room_of_the_largest_host(running: list[Demand], wanted: list[Demand]) -> None:
    hosts = [host("h0"), host("h1"), host("h2", vcpus=16)]
    policy = replace(EVEN, reserve=True)
    where = hosts_of(place(hosts, running, wanted, policy))
    if where:
        new = [replace(item, host=where[item.name]) for item in wanted if item.name in where]
        free = free_of(hosts, [*running, *new], policy).values()
        assert sum(item[0] for item in free) >= 16
        assert sum(item[1] for item in free) >= 16 * G
        assert sum(item[2] for item in free) >= 100 * G


CHOICES: dict[str, tuple[list[Host], list[Demand], list[Demand], dict[str, str]]] = {
    "the emptier host": (
        [host("h1"), host("h2")],
        [demand("r", DB, host="h1")],
        [demand("a")],
        {"a": "h2"},
    ),
    "equal hosts by name": ([host("h2"), host("h1")], [], [demand("a")], {"a": "h1"}),
    "spread before load": (
        [host("h1"), host("h2")],
        [demand("r", host="h1"), demand("s", DB, host="h2", vcpus=4)],
        [demand("a")],
        {"a": "h2"},
    ),
    "a preference before spread": (
        [host("h1"), host("h2")],
        [demand("r", CACHE, host="h1"), demand("s", host="h1")],
        [demand("a", rules=(near(CACHE, required=False),))],
        {"a": "h1"},
    ),
    "a preference that cannot be had": (
        [host("h1", vcpus=1), host("h2")],
        [demand("r", CACHE, host="h1")],
        [demand("a", rules=(near(CACHE, required=False),))],
        {"a": "h2"},
    ),
    "away from an app, if possible": (
        [host("h1"), host("h2")],
        [demand("r", DB, host="h1"), demand("s", CACHE, host="h2", vcpus=4)],
        [demand("a", rules=(apart(DB, required=False),))],
        {"a": "h2"},
    ),
    "with an app of the same batch, whatever is larger": (
        [host("h1"), host("h2")],
        [],
        [demand("a", rules=(near(CACHE),), vcpus=4), demand("c", CACHE, vcpus=2)],
        {"a": "h1", "c": "h1"},
    ),
    "all of an app together": (
        [host("h1"), host("h2")],
        [],
        [demand("a", rules=(near(WEB),)), demand("b", rules=(near(WEB),))],
        {"a": "h1", "b": "h1"},
    ),
    "large ones before small ones": (
        [host("h1", vcpus=4), host("h2", vcpus=2)],
        [],
        [demand("a", vcpus=2), demand("b", DB, vcpus=4)],
        {"a": "h2", "b": "h1"},
    ),
    "devices are used up": (
        [host("h1", devices={"gpu": 1}), host("h2", devices={"gpu": 1}), host("h3")],
        [],
        [demand("a", devices=(("gpu", 1),)), demand("b", devices=(("gpu", 1),))],
        {"a": "h1", "b": "h2"},
    ),
    "a pin wins over load, spread and cordon": (
        [host("h1"), host("h2", state=CORDONED)],
        [demand("r", host="h2")],
        [demand("a", host="h2")],
        {"a": "h2"},
    ),
    "one that runs on a failed host is kept": ([host("h1", state=FAILED)], [demand("r", host="h1")], [demand("r")], {"r": "h1"}),
}

REFUSALS: dict[str, tuple[list[Host], list[Demand], list[Demand], dict[str, str]]] = {
    "no host": ([], [], [demand("a")], {"a": "the zone has no host"}),
    "every reason is counted": (
        [host("h1", state=FAILED), host("h2", state=CORDONED), host("h3", kinds=frozenset()), host("h4", vcpus=1), host("h5", memory=G)],
        [],
        [demand("a", vcpus=2, memory=2 * G)],
        {
            "a": "no host fits: 1 x has failed or does not answer; 1 x is cordoned; 1 x has no engine for it; "
            "1 x too few vCPUs left (2 wanted, 1 left at most); 1 x too little memory left (2G wanted, 1G left at most)"
        },
    ),
    "one drags its app along": (
        [host("h1", vcpus=1)],
        [],
        [demand("a"), demand("b"), demand("c", ("bolt", "web"))],
        {
            "a": "its app is refused as a whole because of b",
            "b": "no host fits: 1 x too few vCPUs left (1 wanted, 0 left at most)",
        },
    ),
    "nothing to be with": (
        [host("h1")],
        [],
        [demand("a", rules=(near(CACHE),))],
        {"a": "no host fits: 1 x holds none of the apps it must be with"},
    ),
    "apart from itself": (
        [host("h1")],
        [demand("r", rules=(apart(WEB),), host="h1")],
        [demand("a", rules=(apart(WEB),))],
        {"a": "no host fits: 1 x holds an app it must be apart from"},
    ),
    "those that are there refuse the newcomer": (
        [host("h1")],
        [demand("r", DB, rules=(apart(WEB),), host="h1")],
        [demand("a")],
        {"a": "no host fits: 1 x holds an app it must be apart from"},
    ),
    "growth that does not fit": (
        [host("h1")],
        [demand("a", host="h1", vcpus=4)],
        [demand("a", vcpus=9)],
        {"a": "cannot grow on h1: too few vCPUs left (5 wanted, 4 left at most)"},
    ),
    "a pin to a full host": (
        [host("h1", vcpus=1), host("h2")],
        [],
        [demand("a", host="h1", vcpus=2)],
        {"a": "host: h1 is asked for but too few vCPUs left (2 wanted, 1 left at most)"},
    ),
    "a pin to a failed host": (
        [host("h1", state=FAILED)],
        [],
        [demand("a", host="h1")],
        {"a": "host: h1 is asked for but has failed or does not answer"},
    ),
    "a pin to nowhere": ([host("h1")], [], [demand("a", host="h9")], {"a": "host: 'h9' is asked for, which is not a host of the zone"}),
}


@pytest.mark.parametrize("case", CHOICES)
def test_choice(case: str) -> None:
    hosts, running, wanted, expected = CHOICES[case]
    assert hosts_of(place(hosts, running, wanted, ADMIN)) == expected


@pytest.mark.parametrize("case", REFUSALS)
def test_refusal(case: str) -> None:
    hosts, running, wanted, expected = REFUSALS[case]
    assert {item.name: item.why for item in place(hosts, running, wanted, ADMIN).refused} == expected


def test_hosts_are_named_by_reason() -> None:
    (refused,) = place([host("h2", vcpus=0), host("h1", vcpus=0), host("h3", memory=0)], [], [demand("a")], EVEN).refused
    assert refused.hosts == {"vcpus": ("h1", "h2"), "memory": ("h3",)}


def test_only_an_administrator_pins() -> None:
    (refused,) = place([host("h1")], [], [demand("a", host="h1")], EVEN).refused
    assert refused.why == "host: 'h1' is asked for, which only an administrator may (zonal_admin: true)"


def test_reserve_is_named() -> None:
    hosts = [host("h1"), host("h2")]
    (refused,) = place(hosts, [], [demand("a", vcpus=8), demand("b", DB)], replace(EVEN, reserve=True)).refused
    assert refused.name == "b"
    assert refused.why.endswith("(1 wanted, 0 left at most); 1 x would use the room kept for the loss of a host")


def test_names_are_unique() -> None:
    with pytest.raises(ZonalError, match="'a' is wanted twice"):
        place([], [], [demand("a"), demand("a", DB)], EVEN)
