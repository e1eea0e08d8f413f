# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reports of hosts are text from outside: what cannot be used is told, hides nothing, and stops nobody else."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.zonal.cloud.plugins.module_utils._domain.observation import Observation, read_observation
from ansible_collections.zonal.cloud.plugins.module_utils._domain.zone_spec import parse_zone
from ansible_collections.zonal.cloud.tests.unit.plugins.fakes.zone import ZONE, report

ITEM: dict[str, Any] = {"name": "web-1", "kind": "container", "state": "running", "zone": "idc01-dev", "address": "10.20.101.1"}


def read(reported: Any) -> Observation:
    return read_observation(parse_zone("idc01-dev", ZONE), {"kvm01": reported, "kvm02": report()}, {})


def hardware(count: Any, total: Any = 1) -> dict[str, Any]:
    return {**report(), "hardware": {"cpus": {"count": count}, "memory": {"total": total}}}


UNUSABLE: dict[str, tuple[Any, str]] = {
    "text": ("x", "report: 'x' is not a mapping"),
    "list": ([1], "report: [1] is not a mapping"),
    "flag": (True, "report: True is not a mapping"),
    "hardware as text": ({**report(), "hardware": "x"}, "hardware.cpus.count: None is not a whole number"),
    "nothing": (hardware(None), "hardware.cpus.count: None is not"),
    "word": (hardware("many"), "hardware.cpus.count: 'many' is not"),
    "flag as number": (hardware(True), "hardware.cpus.count: True is not"),
    "negative": (hardware(-4), "hardware.cpus.count: -4 is not"),
    "huge": (hardware(10**30), "hardware.cpus.count: 1000000000000000000000000000000 is not"),
    "not a number": (hardware(4, float("nan")), "hardware.memory.total: nan is not"),
    "beyond a database": (hardware(4, 2**63), "hardware.memory.total: 9223372036854775808 is not"),
    "storage as text": ({**report(), "storage": "x"}, "storage.pools: None is not a list"),
    "pool without size": ({**report(), "storage": {"pools": [{"group": "zonal", "name": "pool"}]}}, "storage.pools.size: None is not"),
    "instances not gathered": ({**report(), "instances": None}, "instances: is missing; without it an instance that is not told would"),
    "engines not gathered": ({"instances": []}, "engines: is missing; "),
    "instances as number": ({**report(), "instances": 5}, "instances: 5 is not a list"),
    "instances as text": ({**report(), "instances": "abc"}, "instances: 'abc' is not a list"),
}


@pytest.mark.parametrize("case", UNUSABLE)
def test_a_host_whose_report_cannot_be_used_is_told_and_counts_as_silent(case: str) -> None:
    reported, message = UNUSABLE[case]
    observation = read(reported)
    assert observation.answered == {"kvm02"}
    (line,) = observation.unread
    assert line.startswith("host kvm01 is taken as one that does not answer, because of its report: ")
    assert message in line


STRANGE: dict[str, Any] = {
    "nothing": None,
    "number": 5,
    "list": [],
    "no name": {"kind": "vm"},
    "name of no shape": {**ITEM, "name": []},
    "foreign name": {**ITEM, "name": "My_VM"},
    "kind of no shape": {**ITEM, "kind": {}},
    "unknown kind": {**ITEM, "kind": "x" * 99},
}


@pytest.mark.parametrize("case", STRANGE)
def test_what_cannot_be_ours_is_passed_over(case: str) -> None:
    observation = read({**report(), "instances": [STRANGE[case], ITEM]})
    assert [item.name for item in observation.instances()] == ["web-1"]


BROKEN: dict[str, dict[str, Any]] = {
    "memory": {"memory": "lots"},
    "network": {"network": "br0"},
    "many digits": {"vcpus": "9" * 5000},
    "address of the gateway": {"network": {"cidr": "10.20.0.0/16", "gateway": "10.20.101.1"}},
    "address outside": {"network": {"cidr": "10.99.0.0/16"}},
}


@pytest.mark.parametrize("case", BROKEN)
def test_a_broken_field_hides_neither_the_instance_nor_its_address(case: str) -> None:
    (seen,) = read({**report(), "instances": [{**ITEM, **BROKEN[case]}]}).instances()
    assert (seen.name, seen.spec["address"], seen.spec["zone"]) == ("web-1", "10.20.101.1", "idc01-dev")


@pytest.mark.parametrize("engines", [["docker"], {"docker": "yes"}, {"docker": {"running": "no"}}])
def test_an_engine_runs_only_when_its_host_says_so(engines: Any) -> None:
    assert read({**report(), "engines": engines}).placeable()[0].kinds == frozenset()


BRIDGES: dict[str, tuple[Any, list[str]]] = {
    "none": ([], []),
    "two": ([{"name": "br0", "addresses": ["10.20.0.2/16", "10.20.0.3/32"]}, {"name": "br1", "addresses": ["10.20.9.9"]}], ["2", "3", "9"]),
    "another network": ([{"name": "br0", "addresses": ["10.21.0.2/16"]}], []),
    "another family": ([{"name": "br0", "addresses": ["fd00::2/64", "10.20.0.4/16"]}], ["4"]),
    "no list": ("br0", []),
    "no mappings": (["br0", None, 7], []),
    "addresses of no shape": ([{"name": "br0", "addresses": "10.20.0.2/16"}, {"addresses": [None, {}, 5, "x" * 999]}], []),
}


@pytest.mark.parametrize("case", BRIDGES)
def test_addresses_of_the_hosts_themselves_are_taken(case: str) -> None:
    bridges, ends = BRIDGES[case]
    observation = read({**report(), "network": {"bridges": bridges}})
    assert [address.rpartition(".")[2] for address in observation.taken] == ends
    assert set(observation.taken.values()) <= {"host kvm01"}
    assert observation.answered == {"kvm01", "kvm02"}


@pytest.mark.parametrize("network", ["x", 5, [], {"bridges": None}, None], ids=str)
def test_a_network_of_no_shape_takes_nothing(network: Any) -> None:
    assert read({**report(), "network": network}).taken == {}
