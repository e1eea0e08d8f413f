# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""How the JSON of iproute2 is read; what the kernel itself does is proved in tests/integration/engines/test_bridge.py."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import pytest

from ansible_collections.zonal.cloud.plugins.module_utils._adapters.iproute import IpRoute, batch_text
from ansible_collections.zonal.cloud.plugins.module_utils._domain.bridge import Address, Link, Route
from ansible_collections.zonal.cloud.plugins.module_utils._ports import EngineError

FOREVER = {"valid_life_time": 4294967295, "preferred_life_time": 4294967295}
CARD = {
    "ifindex": 2,
    "ifname": "eth0",
    "flags": ["BROADCAST", "UP", "LOWER_UP"],
    "mtu": 1500,
    "max_mtu": 9000,
    "link_type": "ether",
    "address": "02:00:00:00:00:01",
    "master": "br0",
    "addr_info": [
        {"local": "10.0.0.20", "prefixlen": 24, "scope": "global", **FOREVER},
        {"local": "10.0.0.2", "prefixlen": 24, "broadcast": "10.0.0.255", "scope": "global", "label": "eth0", **FOREVER},
        {"local": "10.0.0.9", "address": "10.0.0.8", "prefixlen": 32, "scope": "global", "metric": 7, "noprefixroute": True, **FOREVER},
        {"local": "fd00::7", "prefixlen": 64, "scope": "global", "dynamic": True, "valid_life_time": 9, "preferred_life_time": 8},
        {"local": "fe80::1", "prefixlen": 64, "scope": "link", **FOREVER},
    ],
}
BRIDGE = {
    "ifname": "br0",
    "link_type": "ether",
    "linkinfo": {"info_kind": "bridge", "info_data": {"stp_state": 1, "forward_delay": 1500, "vlan_filtering": 1}},
}
KERNEL = {"dst": "10.0.0.0/24", "dev": "eth0", "protocol": "2", "scope": "253", "flags": []}
LOCAL = {"type": "2", "dst": "10.0.0.2", "dev": "eth0", "table": "255", "protocol": "2", "scope": "254", "flags": []}
ROUTES = {
    "default": ({"dst": "default", "gateway": "10.0.0.1", "protocol": "4"}, Route("0.0.0.0/0", "10.0.0.1", protocol=4)),
    "IPv6 default": ({"dst": "default", "gateway": "fe80::1", "metric": 1024, "pref": "medium"}, Route("::/0", "fe80::1", 1024)),
    "IPv6 default without gateway": ({"dst": "default", "metric": 5, "pref": "high"}, Route("::/0", "", 5)),
    "one host": ({"dst": "10.1.1.1", "scope": "253"}, Route("10.1.1.1/32", scope=253)),
    "one IPv6 host": ({"dst": "fd00::1", "pref": "medium"}, Route("fd00::1/128")),
    "over IPv6": ({"dst": "10.1.0.0/16", "via": {"family": "inet6", "host": "fe80::1"}}, Route("10.1.0.0/16", "fe80::1")),
    "default over IPv6": ({"dst": "default", "via": {"family": "inet6", "host": "fe80::1"}}, Route("0.0.0.0/0", "fe80::1")),
    "table and source": ({"dst": "10.1.0.0/16", "table": "100", "prefsrc": "10.0.0.2"}, Route("10.1.0.0/16", table=100, source="10.0.0.2")),
    "on link": ({"dst": "10.1.0.0/16", "gateway": "192.0.2.1", "flags": ["onlink"]}, Route("10.1.0.0/16", "192.0.2.1", onlink=True)),
    "metrics": ({"dst": "10.1.0.0/16", "metrics": [{"mtu": 1400}]}, Route("10.1.0.0/16", metrics=(("mtu", 1400),))),
    "for a time": ({"dst": "fd01::/64", "expires": 90, "pref": "medium"}, Route("fd01::/64", expires=90)),
}
STRANGE = {
    "multipath": {"dst": "default", "nexthops": [{"dev": "eth0", "gateway": "10.0.0.1"}, {"dev": "eth1", "gateway": "10.1.0.1"}]},
    "tunnel": {"dst": "10.1.0.0/16", "dev": "eth0", "encap": "mpls"},
    "congestion control": {"dst": "10.1.0.0/16", "dev": "eth0", "metrics": [{"mtu": 1400, "congestion": "reno"}]},
    "feature": {"dst": "10.1.0.0/16", "dev": "eth0", "metrics": [{"ecn": None}]},
    "by source": {"dst": "default", "from": "fd00::/64", "dev": "eth0", "pref": "medium"},
}
NO_JSON = {"cut off": '[{"ifname"', "words": "Object type unknown"}


class Ip:
    """Answers the two questions and keeps what is to be changed."""

    def __init__(self, links: list[dict[str, Any]], routes: list[dict[str, Any]], text: str = "") -> None:
        self.answers = {"address": text or json.dumps(links), "route": text or json.dumps(routes)}
        self.batch: str | None = None

    def __call__(self, argv: Sequence[str], *, stdin: str | None = None, timeout: float = 120) -> str:
        self.batch = stdin if "-batch" in argv else self.batch
        return next((answer for word, answer in self.answers.items() if word in argv), "")


def card(routes: list[dict[str, Any]]) -> Link:
    link = IpRoute(Ip([CARD], routes)).snapshot().find("eth0")
    assert link
    return link


def test_a_card_with_its_addresses() -> None:
    assert card([KERNEL, LOCAL]) == Link(
        "eth0",
        2,
        "02:00:00:00:00:01",
        1500,
        9000,
        master="br0",
        up=True,
        addresses=(
            Address("10.0.0.20/24"),  # the kernel's order
            Address("10.0.0.2/24", broadcast="10.0.0.255"),
            Address("10.0.0.9/32", "10.0.0.8/32", metric=7, prefix_route=False),
            Address("fd00::7/64", valid=9, preferred=8),
        ),
    )


def test_a_bridge() -> None:
    link = IpRoute(Ip([BRIDGE, {}], [])).snapshot().find("br0")
    assert link
    assert (link.kind, link.stp, link.forward_delay, link.vlan_filtering, link.addresses) == ("bridge", True, 1500, True, ())


@pytest.mark.parametrize(("row", "route"), ROUTES.values(), ids=ROUTES.keys())
def test_a_route(row: dict[str, Any], route: Route) -> None:
    assert card([{"flags": [], **row, "dev": "eth0"}]).routes == (route,)


@pytest.mark.parametrize("row", STRANGE.values(), ids=STRANGE.keys())
def test_a_route_that_cannot_be_moved_faithfully_is_told(row: dict[str, Any]) -> None:
    link = card([row])
    assert (link.routes, len(link.strange_routes)) == ((), 1)


@pytest.mark.parametrize("text", NO_JSON.values(), ids=NO_JSON.keys())
def test_no_json_is_an_error(text: str) -> None:
    with pytest.raises(EngineError, match="Cannot read the output of ip -j -d address show"):
        IpRoute(Ip([], [], text)).snapshot()


def test_a_change_is_one_batch() -> None:
    ip = Ip([], [])
    IpRoute(ip).change([("link", "add", "name", "br0"), ("link", "set", "dev", "br0", "up")])
    assert (
        ip.batch
        == "link add name br0\nlink set dev br0 up\n"
        == batch_text([("link", "add", "name", "br0"), ("link", "set", "dev", "br0", "up")])
    )
