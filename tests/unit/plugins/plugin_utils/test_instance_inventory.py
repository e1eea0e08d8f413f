# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Instances from reports, and their names; the ledger and Ansible's part are in ../inventory/test_instances.py."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.zonal.cloud.plugins.module_utils._domain.errors import SpecError
from ansible_collections.zonal.cloud.plugins.plugin_utils.instance_inventory import Source, name_hosts, read_report, variables_of

G = 1024**3
NETWORK = {"bridge": "br0", "cidr": "10.20.0.0/16"}
WEB: dict[str, Any] = {"name": "web-1", "kind": "container", "state": "running", "zone": "idc01", "app": "web"}
FULL = {**WEB, "tenant": "payments", "vcpus": 2, "memory": "4G", "disk": "20G", "address": "10.20.0.1", "mac": "x", "network": NETWORK}
NAMES = {"name": "web-1", "kind": "container", "host": "kvm01", "state": "running", "zone": "idc01", "tenant": "none", "app": "web"}
REPORTS: dict[str, tuple[Any, dict[str, Any]]] = {
    "all that it can tell": (
        FULL,
        {**NAMES, "tenant": "payments", "vcpus": 2, "memory": 4 * G, "disk": 20 * G, "address": "10.20.0.1", "mac": "02:42:0a:14:00:01"},
    ),
    "no more than who it is": (WEB, NAMES),
    "values that are not there": ({**WEB, "vcpus": None, "address": None, "network": None}, NAMES),
}
LEFT_OUT = {
    "instance: 5 is not a mapping": 5,
    "instance: None is not a mapping": None,
    "name: '../x' is not a valid name": {**WEB, "name": "../x"},
    "name: None is not a valid name": {key: value for key, value in WEB.items() if key != "name"},
    "zone: is missing; this collection gives each": {**WEB, "zone": None},
    "kind: 'jail' is none of container, vm": {**WEB, "kind": "jail"},
    "state: ['running'] is none of running, stopped, paused": {**WEB, "state": ["running"]},
    "tenant: {'a': 1} is not a valid name": {**WEB, "tenant": {"a": 1}},
    "memory: 'lots' is not a size": {**WEB, "memory": "lots"},
    "address: '127.0.0.1; reboot' is not": {**WEB, "address": "127.0.0.1; reboot"},
}


@pytest.mark.parametrize("case", REPORTS)
def test_an_instance_of_a_report(case: str) -> None:
    item, facts = REPORTS[case]
    assert read_report({"kvm01": {"instances": [item]}}) == Source([facts], ["kvm01"], [])


@pytest.mark.parametrize("why", LEFT_OUT)
def test_what_cannot_be_ours_is_left_out(why: str) -> None:
    source = read_report({"kvm01": {"instances": [LEFT_OUT[why], WEB, LEFT_OUT[why]]}})
    assert source.instances == [NAMES]
    (warning,) = source.warnings
    assert warning.startswith(f"report: host kvm01: left out are 2 instances; the first because of {why}")


@pytest.mark.parametrize("report", [None, [], "text", {}, {"instances": None}, {"instances": {"a": 1}}])
def test_a_host_that_reports_no_instances(report: object) -> None:
    assert read_report({"kvm01": report}) == Source([], ["kvm01"], [])


def test_a_file_that_is_no_report() -> None:
    with pytest.raises(SpecError, match=r"^report: \[\] is not a mapping of hosts"):
        read_report([])


def facts(name: str, zone: str, host: str = "kvm01") -> dict[str, Any]:
    return {"name": name, "zone": zone, "host": host, "kind": "vm"}


def test_a_name_goes_to_the_first_zone_whatever_the_order() -> None:
    wanted = [facts("a", "z2"), facts("b", "z2"), facts("a", "z3"), facts("a", "z1")]
    for some in (wanted, wanted[::-1]):
        hosts, warnings = name_hosts(some, {}, {})
        assert {name: item["zone"] for name, item in hosts.items()} == {"a": "z1", "z2.a": "z2", "b": "z2", "z3.a": "z3"}
        assert warnings == [
            f"a is an instance of zone z1 and one of zone {zone}; the latter is named {zone}.a here" for zone in ("z2", "z3")
        ]


def test_a_name_that_another_file_gave() -> None:
    assert list(name_hosts([facts("a", "z1")], {"a": "z1"}, {})[0]) == ["a"]
    assert list(name_hosts([facts("a", "z1")], {"a": "z0"}, {})[0]) == ["z1.a"]


def test_one_name_twice_in_a_zone() -> None:
    hosts, warnings = name_hosts([facts("a", "z1", "kvm02"), facts("a", "z1", "kvm01")], {}, {})
    assert hosts == {"a": facts("a", "z1", "kvm01")}
    assert warnings == ["a of zone z1 is on kvm01 and on kvm02; the latter is left out"]


@pytest.mark.parametrize(("taken", "left"), [("a", ["z2.a", "b"]), ("z2.a", ["a", "b"])])
def test_a_name_that_is_taken_is_left_out(taken: str, left: list[str]) -> None:
    hosts, warnings = name_hosts([facts("a", "z1"), facts("a", "z2"), facts("b", "z3")], {}, {taken: "a group"})
    assert list(hosts) == left
    zone = "z2" if taken == "z2.a" else "z1"
    assert f"instance {taken} of zone {zone} on kvm01 is left out: it has the name of a group; rename one of them" in warnings


def test_variables() -> None:
    assert variables_of({"name": "web-1", "zone": "idc01"}) == {"zonal_zone": "idc01"}
    assert variables_of({"address": "10.20.0.1"}) == {"ansible_host": "10.20.0.1", "zonal_address": "10.20.0.1"}
