# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What stands against declared instances: names and addresses of others, slips of the keyboard, hosts that left."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import Any

import pytest

from ansible_collections.zonal.cloud.plugins.module_utils._domain.claims import PLANNED, Claim, Snapshot
from ansible_collections.zonal.cloud.plugins.module_utils._domain.errors import ZonalError
from ansible_collections.zonal.cloud.plugins.module_utils._domain.observation import read_observation
from ansible_collections.zonal.cloud.plugins.module_utils._domain.zone_slots import left_out, moved_claims, rebuild_claims
from ansible_collections.zonal.cloud.plugins.module_utils._domain.zone_spec import parse_zone
from ansible_collections.zonal.cloud.tests.unit.plugins.fakes.zone import DB, WEB, ZONE, G, report, run
from ansible_collections.zonal.cloud.tests.unit.plugins.module_utils._domain.test_zone_plan import actions, applied, plan, refusals

WEB_1 = "idc01-dev-web-101001"


def there(name: str, address: str, **fields: Any) -> dict[str, Any]:
    return {"name": name, "kind": "container", "state": "running", "zone": "idc01-dev", "address": address, **fields}


def hosts(*first: Any, second: Any = ()) -> dict[str, Any]:
    return {"kvm01": report(*first), "kvm02": report(*second)}


def claim(name: str = WEB_1, address: str = "10.20.101.1", host: str = "kvm01", memory: int = G) -> Claim:
    return Claim(name, address, host, "payments", "web", "container", 1, 2, memory, 0, PLANNED)


@pytest.mark.parametrize("zone", ["idc01-dev", "other"])
def test_a_name_that_something_has_on_a_host_is_not_given_again(zone: str) -> None:
    made = plan([WEB], None, hosts(there(WEB_1, "10.20.101.77", zone=zone, app="other")))
    assert "is already that of container idc01-dev-web-101001 on kvm01" in refusals(made)["web"][0]
    assert made.claimed == ()


def test_an_address_that_something_has_on_a_host_is_not_given_again() -> None:
    made = plan([{**WEB, "address": "10.20.101.77"}], None, hosts(there("foreign", "10.20.101.77", zone="other")))
    assert "10.20.101.77 is that of container foreign on kvm01" in refusals(made)["web"][0]


def test_what_is_lost_is_not_made_again_beside_what_has_its_address() -> None:
    """As when the ledger was lost, and the host was silent when the address was given anew."""
    ledger, squatter = Snapshot(claims=(replace(claim(), disk=5 * G),)), there("old-1", "10.20.101.1", app="old")
    made = plan([WEB, DB], ledger, hosts(second=[squatter]))
    line = f"{WEB_1} is not on its host kvm01, and container old-1 on kvm02 has 10.20.101.1; retire one"
    assert refusals(made) == {"web": [line]}
    assert actions(made) == {"idc01-dev-db-101002": "create", "old-1": "orphan"}
    # What cannot be seen may well be there, and another zone's bridge is another network.
    assert refusals(plan([WEB], ledger, {**hosts(second=[squatter]), "kvm01": None})) == {}
    assert refusals(plan([WEB], ledger, hosts(second=[{**squatter, "zone": "other"}]))) == {}


def test_two_entries_that_mean_one_instance_are_refused_and_others_go_on() -> None:
    ledger = applied(plan([WEB]))
    made = plan([{**WEB, "name": WEB_1}, {**WEB, "address": "10.20.101.1"}, DB], ledger)
    assert refusals(made) == {"web": [f"instances[1].address: 10.20.101.1 belongs to {WEB_1} of web (container) of payments"]}
    assert actions(made)["idc01-dev-db-101002"] == "create"


@pytest.mark.parametrize(
    "mistake", [{**WEB, "address": "10.20.101.1"}, {**DB, "tenant": "paymnts", "name": "idc01-dev-db-101001", "state": "absent"}], ids=str
)
def test_what_another_app_asks_for_is_not_replaced(mistake: dict[str, Any]) -> None:
    first = plan([DB])
    made = plan([DB, mistake], applied(first))
    assert "idc01-dev-db-101001 with 10.20.101.1 belongs to db (vm) of payments, not to " in refusals(made)[mistake["app"]][0]
    assert (made.claimed, made.changed, actions(made)) == ((), (), {})
    assert [claim.index for claim in plan([{**DB, "count": 3}, mistake], applied(first)).claimed] == [2, 3]


def test_what_another_zone_has_promised_of_a_host_counts() -> None:
    taken = Snapshot(elsewhere=(claim("x-web-1", "10.9.0.1", memory=15 * G), claim("x-web-2", "10.9.0.2", "kvm02", 15 * G)))
    assert "too little memory left" in refusals(plan([WEB], taken))["web"][0]
    # One that runs is not counted twice.
    seen = there("x-web-1", "10.9.0.1", zone="other", memory="15G")
    half = Snapshot(elsewhere=(claim("x-web-1", "10.9.0.1", memory=8 * G),))
    assert plan([{**WEB, "memory": "200M"}], half, {"kvm01": report(seen)}).refusals == ()


def test_a_name_that_another_zone_has_on_a_host_is_not_given_again() -> None:
    made = plan([WEB], Snapshot(elsewhere=(claim(address="10.9.0.1"),)))
    assert "is already that of web (container) of payments in another zone" in refusals(made)["web"][0]


def test_an_address_that_another_zone_has_promised_on_a_host_is_not_given_again() -> None:
    theirs = replace(claim("x-web-1", "10.20.101.1"), extra_addresses=("10.20.101.2",))
    made = plan([WEB, {**DB, "address": "10.20.101.2"}], Snapshot(elsewhere=(theirs,)))
    assert [item.address for item in made.claimed] == ["10.20.101.3"]
    told = "instances[1].address: 10.20.101.2 belongs to x-web-1 of web (container) of payments in another zone"
    assert refusals(made) == {"db": [told]}


MOVED_NETWORK: dict[str, Any] = {"network": {"cidr": "10.30.0.0/16", "gateway": "10.30.0.1", "bridge": "br0"}, "pools": [], "reserved": []}


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"network": {**ZONE["network"], "gateway": "10.20.101.1"}}, "is the gateway of the network"),
        (MOVED_NETWORK, "is not in the network 10.30.0.0/16"),
    ],
    ids=["gateway", "network"],
)
def test_what_a_changed_network_cannot_have_is_refused_and_others_go_on(change: dict[str, Any], why: str) -> None:
    first = plan([WEB])
    made = plan([WEB, DB], applied(first), run(first), **change)
    told = f"instances[0].address: '10.20.101.1' {why}; {WEB_1} has it, and an address is not changed, retire it first"
    assert refusals(made) == {"web": [told]}
    assert [(step.action, step.order is not None) for step in made.steps] == [("create", True)]


def test_what_is_to_go_goes_whatever_its_network_is_by_now() -> None:
    first = plan([WEB])
    (step,) = plan([{**WEB, "state": "absent"}], applied(first), run(first), **MOVED_NETWORK).steps
    assert step.order is not None
    assert (step.action, step.order["address"], "network" in step.order) == ("remove", "10.20.101.1", False)


def test_nothing_declared_is_not_taken_for_a_wish_to_remove_all() -> None:
    ledger = applied(plan([{**WEB, "count": 2}]))
    with pytest.raises(ZonalError, match="prune: no instance of zone idc01-dev is declared, so all 2 would be removed"):
        plan([], ledger, prune=True)
    assert set(actions(plan([{**WEB, "state": "absent", "count": 2}], ledger, prune=True)).values()) == {"remove"}


def test_a_host_that_left_with_instances_is_told() -> None:
    ledger = applied(plan([{**WEB, "count": 2}]))
    made = plan([{**WEB, "count": 2}], ledger, {"kvm01": report()})
    assert made.notes == ("host kvm02 left the zone; its 1 claims are kept: bring it back, or rebuild the ledger if it was renamed",)
    assert made.changed == ()


def test_a_quota_may_be_nothing() -> None:
    made = plan([WEB], quotas={"payments": {"memory": 0}})
    assert "quota: tenant payments may have 0 memory" in refusals(made)["web"][0]


KEYS: dict[str, tuple[Any, str]] = {
    "mapping": ([{"a": 1}], "ssh_keys[0]: {'a': 1} is not a public ssh key"),
    "number": (5, "ssh_keys: 5 is not a list"),
    "mixture": ([5, "x"], "ssh_keys[0]: 5 is not a public ssh key"),
}


@pytest.mark.parametrize("case", KEYS)
def test_keys_of_no_shape_are_refused(case: str) -> None:
    keys, message = KEYS[case]
    assert message in refusals(plan([{**WEB, "ssh_keys": keys}]))["web"][0]


def test_a_slip_of_the_keyboard_costs_a_message() -> None:
    assert "is more than the 65536 that one entry can have" in refusals(plan([{**WEB, "count": 10**9}]))["web"][0]
    lines = refusals(plan([{**WEB, "count": 20000}]))["web"]
    assert [line.partition(":")[0] for line in lines] == [
        "payments/web/container/000001 and 29 more",
        "payments/web/container/000031 and 19969 more",
    ]


def test_a_long_chain_of_affinity_is_planned() -> None:
    chain = [{**WEB, "app": f"a{n}", "disk": None, "affinity": [{"app": f"a{m}"} for m in range(max(0, n - 12), n)]} for n in range(30)]
    assert len(plan(chain, None, {"kvm01": report(cpus=999, memory=999 * G)}).claimed) == 30


def test_a_rebuild_claims_nothing_twice_and_tells_what_it_leaves() -> None:
    zone = parse_zone("idc01-dev", ZONE)
    found = hosts(there("a-1", "10.20.101.1"), there("b-1", "8.8.8.8"), there("c-1", "10.20.101.3"), second=[there("a-2", "10.20.101.1")])
    observation = read_observation(zone, found, {})
    lacking = rebuild_claims(zone, (), observation)
    assert [item.name for item in lacking] == ["c-1"]
    assert [line.partition(":")[0] for line in left_out(zone, lacking, observation)] == [
        "a-1 (10.20.101.1) on kvm01",
        "a-2 (10.20.101.1) on kvm02",
        "b-1 (8.8.8.8) on kvm01",
    ]


MOVED: dict[str, tuple[dict[str, Any], bool]] = {
    "its host was renamed": ({"kvm09": report(there(WEB_1, "10.20.101.1"))}, True),
    "it was migrated": (hosts(second=[there(WEB_1, "10.20.101.1")]), True),
    "it is on both": (hosts(there(WEB_1, "10.20.101.1"), second=[there(WEB_1, "10.20.101.1")]), False),
    "its host does not answer": ({"kvm01": None, "kvm02": report(there(WEB_1, "10.20.101.1"))}, False),
    "another address": ({"kvm09": report(there(WEB_1, "10.20.101.9"))}, False),
    "another zone": ({"kvm09": report(there(WEB_1, "10.20.101.1", zone="other"))}, False),
}


@pytest.mark.parametrize("case", MOVED)
def test_a_rebuild_follows_what_is_on_another_host(case: str) -> None:
    found, moved = MOVED[case]
    zone = parse_zone("idc01-dev", ZONE)
    assert bool(moved_claims(zone, [claim()], read_observation(zone, found, {}))) is moved


def test_many_are_matched() -> None:
    many = (there(f"x-{n}", f"10.20.{n // 250}.{n % 250 + 2}", tenant="payments", app="web") for n in range(9000))
    found = {"kvm01": report(*many, cpus=9999, memory=9999 * G)}
    made = plan([{**WEB, "count": 8000, "disk": None}, *({**WEB, "app": f"a{n}", "count": 0} for n in range(300))], None, found)
    assert Counter(step.action for step in made.steps) == {"adopt": 8000, "orphan": 1000}
