# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is written of a zone: networks that are for hosts, and hosts that the zone has."""

from __future__ import annotations

import re
from typing import Any

import pytest

from ansible_collections.zonal.cloud.plugins.module_utils._domain.errors import ZonalError
from ansible_collections.zonal.cloud.plugins.module_utils._domain.zone_spec import check_hosts, parse_zone
from ansible_collections.zonal.cloud.tests.unit.plugins.fakes.zone import ZONE


def network(**changes: Any) -> dict[str, Any]:
    return {"network": {"cidr": "10.20.0.0/16", "bridge": "br0", **changes}, "pools": [], "reserved": []}


WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "multicast": (network(cidr="224.0.0.0/24"), "network.cidr: '224.0.0.0/24' is not for hosts; 224.0.0.0/4 is multicast"),
    "around multicast": (network(cidr="192.0.0.0/2"), "network.cidr: '192.0.0.0/2' is not for hosts"),
    "loopback": (network(cidr="127.0.0.0/24"), "network.cidr: '127.0.0.0/24' is not for hosts; 127.0.0.0/8 is the loopback"),
    "this network": (network(cidr="0.0.0.0/8"), "network.cidr: '0.0.0.0/8' is not for hosts"),
    "all": (network(cidr="0.0.0.0/0"), "network.cidr: '0.0.0.0/0' is not for hosts"),
    "an inverted mask": (network(cidr="10.20.0.0/0.0.255.255"), "network.cidr: '10.20.0.0/0.0.255.255' has no plain prefix length"),
    "a mask": (network(cidr="10.20.0.0/255.255.0.0"), "has no plain prefix length; write 10.20.0.0/16, if that is meant"),
    "a prefix with zeros": (network(cidr="10.20.0.0/016"), "network.cidr: '10.20.0.0/016' has no plain prefix length"),
    "no name server": (network(dns=["10.20.0.5", "0.0.0.0"]), "network.dns[1]: '0.0.0.0' is not the address of a name server"),
    "a multicast name server": (network(dns=["224.0.0.1"]), "network.dns[0]: '224.0.0.1' is not the address of a name server"),
    "reserved outside": ({"reserved": ["10.20.0.9", "11.0.0.0/8"]}, "reserved: '11.0.0.0-11.255.255.255' is outside the network"),
    "many digits": ({"hold": "9" * 5000}, "hold: '99999"),
    "beyond any ratio": ({"overcommit": {"vcpus": 10**400}}, "overcommit.vcpus: 10000"),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_is_refused(case: str) -> None:
    changes, message = WRONG[case]
    with pytest.raises(ZonalError, match=re.escape(message)):
        parse_zone("idc01-dev", {**ZONE, **changes})


def test_the_ends_of_the_network_may_be_reserved() -> None:
    assert parse_zone("idc01-dev", {**ZONE, "reserved": ["10.20.0.0/24", "10.20.255.255"]}).reserved.size == 257


def test_a_key_without_a_value_is_one_that_is_not_there() -> None:
    empty = dict.fromkeys(("pools", "reserved", "hold", "quotas", "overcommit", "ssh_keys", "cordoned", "failed", "devices"))
    assert parse_zone("idc01-dev", {**ZONE, **empty}) == parse_zone("idc01-dev", {key: ZONE[key] for key in ("hosts", "network")})


@pytest.mark.parametrize("key", ["cordoned", "failed", "devices"])
def test_a_host_that_the_zone_does_not_have_is_told(key: str) -> None:
    zone = parse_zone("idc01-dev", {**ZONE, key: {"kvm1": {"gpu": 1}} if key == "devices" else ["kvm01", "kvm1"]})
    with pytest.raises(ZonalError, match=f"{key}: 'kvm1' is not a host of zone idc01-dev; its hosts are kvm01, kvm02"):
        check_hosts(zone, ["kvm02", "kvm01"])
    check_hosts(zone, ["kvm1", "kvm01"])
