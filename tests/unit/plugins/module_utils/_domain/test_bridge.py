# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Options of the module bridge: what is taken, and what is refused with which words."""

from __future__ import annotations

import json
from typing import Any

import pytest

from ansible_collections.zonal.cloud.plugins.module_utils._domain.bridge import (
    Address,
    BridgeConfig,
    Route,
    bridge_spec,
)
from ansible_collections.zonal.cloud.plugins.module_utils._domain.errors import ZonalError

PLAIN: dict[str, Any] = {
    "name": "br0",
    "state": "present",
    "uplink": None,
    "addresses": None,
    "mac": None,
    "stp": False,
    "forward_delay": None,
    "mtu": None,
    "backend": "auto",
    "confirm_timeout": 60,
    "confirm": False,
}
BAD = {
    "empty name": ({"name": ""}, "name: is missing; name an interface, such as br0"),
    "long name": ({"name": "b" * 16}, "name: 'bbbbbbbbbbbbbbbb' is not an interface name: 1 to 15"),
    "slash": ({"name": "br/0"}, "name: 'br/0' is not an interface name"),
    "space": ({"name": "br 0"}, "name: 'br 0' is not an interface name"),
    "line end": ({"name": "br0\n"}, "name: 'br0\\n' is not an interface name"),
    "dot": ({"name": "."}, "name: '.' is not an interface name"),
    "two dots": ({"name": ".."}, "name: '..' is not an interface name"),
    "option": ({"name": "-batch"}, "name: '-batch' is not an interface name"),
    "glob": ({"name": "br*"}, "name: 'br*' is not an interface name"),
    "shell": ({"name": "br0;reboot"}, "name: 'br0;reboot' is not an interface name"),
    "kernel's own": ({"name": "all"}, "name: 'all' is not an interface name"),
    "uplink with slash": ({"uplink": "../eth0"}, "uplink: '../eth0' is not an interface name"),
    "uplink is the bridge": ({"uplink": "br0"}, "uplink: 'br0' is the bridge itself"),
    "addresses with uplink": (
        {"uplink": "eth0", "addresses": ["10.0.0.1/24"]},
        "addresses: ['10.0.0.1/24'] is for a bridge without uplink",
    ),
    "no prefix length": ({"addresses": ["10.0.0.1"]}, "addresses: '10.0.0.1' has no prefix length; write it as 10.0.0.2/24"),
    "no address": ({"addresses": ["10.0.0.256/24"]}, "addresses: '10.0.0.256/24' is not an address with prefix length"),
    "multicast address": ({"addresses": ["224.0.0.1/24"]}, "addresses: '224.0.0.1/24' is not an address that an interface can have"),
    "loopback": ({"addresses": ["::1/128"]}, "addresses: '::1/128' is not an address that an interface can have"),
    "short MAC": ({"mac": "02:00:00:00:01"}, "mac: '02:00:00:00:01' is not a MAC address"),
    "multicast MAC": ({"mac": "03:00:00:00:00:01"}, "mac: '03:00:00:00:00:01' is a multicast address (its first octet is odd)"),
    "empty MAC": ({"mac": "00:00:00:00:00:00"}, "mac: '00:00:00:00:00:00' is not a MAC address"),
    "small MTU": ({"mtu": 575}, "mtu: 575 is out of range; it must be from 576 to 65535"),
    "zero MTU": ({"mtu": 0}, "mtu: 0 is out of range"),
    "large MTU": ({"mtu": 65536}, "mtu: 65536 is out of range"),
    "delay with STP": ({"stp": True, "forward_delay": 1}, "forward_delay: 1 is out of range; with stp it must be from 2 to 30"),
    "long delay": ({"forward_delay": 31}, "forward_delay: 31 is out of range; it must be from 0 to 30"),
    "negative delay": ({"forward_delay": -1}, "forward_delay: -1 is out of range"),
    "unknown backend": ({"backend": "netplan"}, "backend: 'netplan' is not auto, networkd or ifupdown"),
    "negative timeout": ({"confirm_timeout": -1}, "confirm_timeout: -1 is out of range; it must be from 0 to 3600"),
    "long timeout": ({"confirm_timeout": 3601}, "confirm_timeout: 3601 is out of range"),
}
GOOD = {
    "longest name": ({"name": "b" * 15}, "name", "b" * 15),
    "VLAN as uplink": ({"uplink": "bond0.100"}, "uplink", "bond0.100"),
    "MAC with hyphens": ({"mac": "02-00-0A-00-00-FF"}, "mac", "02:00:0a:00:00:ff"),
    "smallest MTU": ({"mtu": 576}, "mtu", 576),
    "largest MTU": ({"mtu": 65535}, "mtu", 65535),
    "no delay without STP": ({}, "forward_delay", 0),
    "usual delay with STP": ({"stp": True}, "forward_delay", 15),
    "least delay with STP": ({"stp": True, "forward_delay": 2}, "forward_delay", 2),
    "no addresses": ({"addresses": []}, "addresses", ()),
    "addresses as they are": ({}, "addresses", None),
    "addresses in one spelling": ({"addresses": ["FD00:0::1/64", "fd00::1/64"]}, "addresses", (Address("fd00::1/64"),)),
}
CONFIG = BridgeConfig(
    "br0",
    "networkd",
    "eth0",
    "02:00:00:00:00:01",
    9000,
    True,
    15,
    (Address("10.0.0.2/24", metric=5), Address("10.0.0.9/32", "10.0.0.8/32")),
    (Route("0.0.0.0/0", "10.0.0.1", metrics=(("mtu", 1400),)),),
    ("DNS=10.0.0.3",),
    ("VLAN=eth0.7",),
)
SHOWN = {
    "default via 10.0.0.1": Route("0.0.0.0/0", "10.0.0.1"),
    "default via fe80::1 metric 1024": Route("::/0", "fe80::1", 1024),
    "10.1.0.0/16": Route("10.1.0.0/16", scope=253),
    "10.1.0.0/16 via 10.0.0.7 metric 3 table 100": Route("10.1.0.0/16", "10.0.0.7", 3, 100),
}


@pytest.mark.parametrize(("options", "message"), BAD.values(), ids=BAD.keys())
def test_a_bad_option_is_named_with_its_value(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ZonalError) as caught:
        bridge_spec({**PLAIN, **options})
    assert str(caught.value).startswith(message)


@pytest.mark.parametrize(("options", "field", "value"), GOOD.values(), ids=GOOD.keys())
def test_a_good_option_is_taken(options: dict[str, Any], field: str, value: object) -> None:
    assert getattr(bridge_spec({**PLAIN, **options}), field) == value


def test_a_wish_is_the_same_however_it_is_confirmed() -> None:
    assert bridge_spec({**PLAIN, "confirm": True, "confirm_timeout": 5}).wish() == bridge_spec(PLAIN).wish()
    assert bridge_spec({**PLAIN, "mtu": 1400}).wish() != bridge_spec(PLAIN).wish()


def test_a_configuration_comes_back_from_json() -> None:
    assert BridgeConfig.from_dict(json.loads(json.dumps(CONFIG.as_dict()))) == CONFIG


@pytest.mark.parametrize(("text", "route"), SHOWN.items(), ids=SHOWN.keys())
def test_a_route_is_shown_as_ip_shows_it(text: str, route: Route) -> None:
    assert str(route) == text
