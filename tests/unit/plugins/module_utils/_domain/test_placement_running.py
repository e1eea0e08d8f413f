# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Placement of what runs: it stays, and whatever it gains is checked like something new. Also circles, and many that ask alike."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ansible_collections.zonal.cloud.plugins.module_utils._domain.placement import place
from ansible_collections.zonal.cloud.plugins.module_utils._domain.placement_types import CORDONED, Demand, Host, Policy, Refused
from ansible_collections.zonal.cloud.tests.unit.plugins.counted import counted
from ansible_collections.zonal.cloud.tests.unit.plugins.module_utils._domain.test_placement import (
    ADMIN,
    CACHE,
    DB,
    EVEN,
    WEB,
    G,
    apart,
    demand,
    host,
    hosts_of,
    near,
)

GPU = (("gpu", 1),)
TWO_GPUS = (("gpu", 2),)
RESERVE = replace(ADMIN, reserve=True)


def refused(hosts: list[Host], running: list[Demand], wanted: list[Demand], policy: Policy = ADMIN) -> dict[str, str]:
    return {item.name: item.why for item in place(hosts, running, wanted, policy).refused}


GROWTH: dict[str, tuple[list[Host], list[Demand], Demand, Policy, str | None]] = {
    "a device that is there": (
        [host("h1", devices={"gpu": 2})],
        [demand("a", host="h1", devices=GPU)],
        demand("a", devices=TWO_GPUS),
        ADMIN,
        None,
    ),
    "a device that is not": (
        [host("h1", devices={"gpu": 1})],
        [demand("a", host="h1", devices=GPU)],
        demand("a", devices=TWO_GPUS),
        ADMIN,
        "cannot grow on h1: lacks a device (gpu: 1 wanted, 0 left at most)",
    ),
    "a device that another has": (
        [host("h1", devices={"gpu": 1})],
        [demand("a", host="h1"), demand("b", DB, host="h1", devices=GPU)],
        demand("a", devices=GPU),
        ADMIN,
        "cannot grow on h1: lacks a device (gpu: 1 wanted, 0 left at most)",
    ),
    "a PCI device that nobody has": ([host("h1")], [demand("a", host="h1")], demand("a", devices=(("0000:3b:00.0", 1),)), ADMIN, None),
    "a PCI device that another has": (
        [host("h1")],
        [demand("a", host="h1"), demand("b", DB, host="h1", devices=(("0000:3b:00.0", 1),))],
        demand("a", devices=(("0000:3b:00.0", 1),)),
        ADMIN,
        "cannot grow on h1: lacks a device (0000:3b:00.0: 1 wanted, 0 left at most)",
    ),
    "all at once": (
        [host("h1")],
        [demand("a", host="h1")],
        demand("a", devices=GPU, vcpus=99),
        ADMIN,
        "cannot grow on h1: lacks a device (gpu: 1 wanted, 0 left at most); too few vCPUs left (98 wanted, 7 left at most)",
    ),
    "into the reserve": (
        [host("h1"), host("h2", vcpus=4)],
        [demand("a", host="h1", vcpus=4)],
        demand("a", vcpus=5),
        RESERVE,
        "cannot grow on h1: would use the room kept for the loss of a host",
    ),
    "up to the reserve": ([host("h1"), host("h2", vcpus=5)], [demand("a", host="h1", vcpus=4)], demand("a", vcpus=5), RESERVE, None),
    "disk only, when memory is short": (
        [host("h1"), host("h2")],
        [demand("a", host="h1", memory=16 * G), demand("b", DB, host="h2", memory=2 * G)],
        demand("a", memory=16 * G, disk=2 * G),
        RESERVE,
        None,
    ),
    "on a host that counts for no reserve": (
        [host("h1", state=CORDONED), host("h2")],
        [demand("a", host="h1")],
        demand("a", vcpus=2),
        RESERVE,
        None,
    ),
    "less": ([host("h1")], [demand("a", host="h1", vcpus=9, devices=GPU)], demand("a"), ADMIN, None),
}


@pytest.mark.parametrize("case", GROWTH)
def test_growth(case: str) -> None:
    hosts, running, wanted, policy, expected = GROWTH[case]
    assert refused(hosts, running, [wanted], policy) == ({} if expected is None else {"a": expected})


def test_a_device_that_grows_is_used_up() -> None:
    hosts = [host("h1", devices={"gpu": 2}), host("h2", devices={"gpu": 1})]
    wanted = [demand("a", devices=TWO_GPUS, vcpus=2), demand("b", DB, devices=GPU), demand("c", CACHE, devices=GPU)]
    answer = place(hosts, [demand("a", host="h1", devices=GPU, vcpus=2)], wanted, ADMIN)
    assert hosts_of(answer) == {"a": "h1", "c": "h2"}


def test_a_rule_that_something_running_gains_holds_for_newcomers() -> None:
    running = [demand("a", host="h1")]
    wanted = [demand("a", rules=(apart(DB),)), demand("b", DB, vcpus=2)]
    assert refused([host("h1")], running, wanted) == {"b": "no host fits: 1 x holds an app it must be apart from"}
    assert hosts_of(place([host("h1"), host("h2", vcpus=2)], running, wanted, ADMIN)) == {"a": "h1", "b": "h2"}


def test_a_rule_that_something_running_loses_holds_no_more() -> None:
    running = [demand("a", host="h1", rules=(apart(DB),))]
    assert hosts_of(place([host("h1")], running, [demand("a"), demand("b", DB)], ADMIN)) == {"a": "h1", "b": "h1"}


def test_a_refused_app_keeps_the_rules_that_it_had() -> None:
    running = [demand("a", host="h1", rules=(apart(DB),))]
    answer = place([host("h1")], running, [demand("a", vcpus=99), demand("b", DB)], ADMIN)
    assert answer.placed == ()
    unruled = place([host("h1")], [demand("a", host="h1")], [demand("a", vcpus=99, rules=(apart(DB),)), demand("b", DB)], ADMIN)
    assert hosts_of(unruled) == {"b": "h1"}


PINS: dict[str, tuple[str | None, Policy, str | None]] = {
    "where it runs": ("h1", EVEN, None),
    "elsewhere, by an administrator": ("h2", ADMIN, None),
    "elsewhere": ("h2", EVEN, "host: 'h2' is asked for, which only an administrator may (zonal_admin: true), and it runs on h1"),
    "nowhere": ("h9", ADMIN, "host: 'h9' is asked for, which is not a host of the zone, and it runs on h1"),
}


@pytest.mark.parametrize("case", PINS)
def test_a_pin_of_what_runs(case: str) -> None:
    pin, policy, expected = PINS[case]
    hosts, running, wanted = [host("h1"), host("h2")], [demand("a", host="h1")], [demand("a", host=pin)]
    assert refused(hosts, running, wanted, policy) == ({} if expected is None else {"a": expected})
    assert hosts_of(place(hosts, running, wanted, policy)) == ({"a": "h1"} if expected is None else {})


def test_a_circle_of_affinity_is_named() -> None:
    wanted = [demand("a", rules=(near(DB),)), demand("b", DB, rules=(near(CACHE),)), demand("c", CACHE, rules=(near(WEB),))]
    lines = refused([host("h1")], [], [*wanted, demand("d", ("acme", "api"), rules=(near(WEB),))])
    circle = "acme/cache with acme/web with acme/db with acme/cache"
    told = f"affinity goes in a circle ({circle}), so none can be first: make one required: false"
    assert {name for name, line in lines.items() if line.endswith(told)} == {"a", "b", "c"}
    assert lines["d"] == "no host fits: 1 x holds none of the apps it must be with"


def test_a_circle_that_has_begun_is_none() -> None:
    wanted = [demand("a", rules=(near(DB),)), demand("b", DB, rules=(near(WEB),))]
    assert hosts_of(place([host("h1"), host("h2")], [demand("r", DB, host="h2")], wanted, ADMIN)) == {"a": "h2", "b": "h2"}


MANY = [host(f"h{number:03}", vcpus=64, devices={"gpu": 4}) for number in range(1000)]
LARGE: dict[str, tuple[dict[str, object], Policy]] = {
    "a device each": ({"devices": GPU}, EVEN),
    "none fits": ({"vcpus": 99}, EVEN),
    "none fits and a reserve": ({"vcpus": 99}, replace(EVEN, reserve=True)),
}


@pytest.mark.parametrize("case", LARGE)
def test_many_apps_and_hosts_are_not_tried_each_with_each(case: str) -> None:
    changes, policy = LARGE[case]
    wanted = [demand(f"a{number}", ("acme", f"a{number}"), **changes) for number in range(1000)]
    calls, answer = counted(lambda: place(MANY, [], wanted, policy))
    assert calls < 200_000, "each with each is a million"
    assert len(answer.placed) + len(answer.refused) == 1000


def test_what_is_told_of_a_refusal_is_true_when_it_is_told() -> None:
    wanted = [demand("a", vcpus=9), demand("b", DB, vcpus=8), demand("c", CACHE, vcpus=9), demand("d", ("acme", "api"), vcpus=1)]
    lines = refused([host("h1")], [], wanted)
    assert lines["a"] == lines["c"] == "no host fits: 1 x too few vCPUs left (9 wanted, 8 left at most)"
    assert lines["d"] == "no host fits: 1 x too few vCPUs left (1 wanted, 0 left at most)"
    assert isinstance(place([], [], wanted, EVEN).refused[0], Refused)
