# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Bridges from the JSON of ip."""

from __future__ import annotations

from typing import Any

from ansible_collections.zonal.cloud.plugins.module_utils._domain.host_network import Bridge, find_bridges

UPLINK = {"ifname": "enp1s0", "master": "br0"}
VLAN = {"ifname": "enp1s0.7", "master": "br0", "linkinfo": {"info_kind": "vlan"}}
TAP = {"ifname": "zv1c9f02ab", "master": "br0", "linkinfo": {"info_kind": "tun"}}
VETH = {"ifname": "veth1", "master": "br0", "linkinfo": {"info_kind": "veth"}}
OTHER = {"ifname": "enp2s0", "linkinfo": {}}
BRIDGE: dict[str, Any] = {
    "ifname": "br0",
    "flags": ["BROADCAST", "MULTICAST", "UP", "LOWER_UP"],
    "mtu": 9000,
    "address": "02:00:00:00:00:11",
    "linkinfo": {"info_kind": "bridge", "info_data": {"forward_delay": 1500, "stp_state": 1}},
    "addr_info": [
        {"family": "inet", "local": "10.20.0.11", "prefixlen": 16, "scope": "global"},
        {"family": "inet6", "local": "fe80::1", "prefixlen": 64, "scope": "link"},
    ],
}


def test_a_bridge_with_uplinks_and_instances() -> None:
    assert find_bridges([VETH, BRIDGE, OTHER, TAP, VLAN, UPLINK]) == [
        Bridge(
            name="br0",
            mac="02:00:00:00:00:11",
            mtu=9000,
            up=True,
            stp=True,
            forward_delay=15.0,
            ports=("enp1s0", "enp1s0.7", "veth1", "zv1c9f02ab"),
            uplinks=("enp1s0", "enp1s0.7"),
            addresses=("10.20.0.11/16",),
        )
    ]


def test_a_bare_bridge_and_order() -> None:
    bare = {"ifname": "a0", "linkinfo": {"info_kind": "bridge"}}
    found = find_bridges([BRIDGE, bare])
    assert [bridge.name for bridge in found] == ["a0", "br0"]
    assert found[0] == Bridge("a0", "", 0, False, False, 0.0, (), (), ())


def test_ports_of_another_bridge_are_not_counted() -> None:
    assert find_bridges([BRIDGE, {**UPLINK, "master": "br1"}])[0].ports == ()
