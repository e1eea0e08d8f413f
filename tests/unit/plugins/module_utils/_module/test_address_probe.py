# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What address_probe does, on an Ethernet with neighbours that is written down."""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import nullcontext
from itertools import chain, pairwise, repeat
from typing import Any

import pytest

from ansible_collections.zonal.cloud.plugins.module_utils._domain.errors import SpecError
from ansible_collections.zonal.cloud.plugins.module_utils._module.address_probe import probe_addresses
from ansible_collections.zonal.cloud.tests.unit.plugins.fakes.wire import FakeWire, arp

ONE, TWO = "52:54:00:00:00:01", "52:54:00:00:00:02"
DEFAULTS: dict[str, Any] = {"interface": "br0", "within": None, "rate": 200, "tries": 2, "wait": 1.0}
UP = {"link_type": "ether", "flags": ["BROADCAST", "UP", "LOWER_UP"]}
LINKS: list[dict[str, Any]] = [
    {"ifname": "lo", "link_type": "loopback", "flags": ["UP"], "addr_info": [{"family": "inet", "local": "127.0.0.1"}]},
    {"ifname": "br0", **UP, "addr_info": [{"family": "inet", "local": "10.0.0.2"}, {"family": "inet6", "local": "fd00::1"}]},
    {"ifname": "br1", **UP, "addr_info": [{"family": "inet", "local": "10.0.0.3"}, {"family": "inet", "local": "10.1.0.3"}]},
    {"ifname": "down0", "link_type": "ether", "flags": ["BROADCAST"]},
    {"ifname": "bare0", "link_type": "ether", "flags": ["NO-CARRIER", "UP"]},
    {},
]
MISTAKES: dict[str, tuple[dict[str, Any], str]] = {
    "no name": ({"interface": "a b"}, "^interface: 'a b' is not an interface name"),
    "not there": ({"interface": "br9"}, "^interface: 'br9' is no interface of this host"),
    "loopback": ({"interface": "lo"}, "^interface: 'lo' is not an Ethernet interface"),
    "down": ({"interface": "down0"}, "^interface: 'down0' is down; bring it up with: ip link set down0 up"),
    "no carrier": ({"interface": "bare0"}, "^interface: 'bare0' has no carrier"),
    "no address": ({"addresses": ["ten"]}, r"^addresses\[0\]: 'ten' is not an IPv4 address"),
    "no range": ({"within": ["10.0.0.9-10.0.0.1"]}, r"^within\[0\]: .* ends before it begins"),
    "too many": ({"addresses": ["10.0.0.0/16", "10.2.0.0"]}, r"^addresses: .* are 65537 addresses; at most 65536 are probed at once"),
    "a /8": ({"addresses": ["10.0.0.0/8"]}, r"^addresses: .* are 16777216 addresses"),
    "no rate": ({"rate": 0}, "^rate: 0 is not from 1 to 10000"),
    "too fast": ({"rate": 10001}, "^rate: 10001 is not from 1 to 10000"),
    "no tries": ({"tries": 0}, "^tries: 0 is not from 1 to 10"),
    "no time": ({"wait": -0.1}, "^wait: -0.1 is not from 0 to 60"),
    "not a time": ({"wait": float("nan")}, "^wait: nan is not from 0 to 60"),
}


def links(argv: Sequence[str], *, stdin: str | None = None, timeout: float = 120) -> str:
    return json.dumps(LINKS)


def probe(wire: FakeWire, **params: Any) -> dict[str, Any]:
    return probe_addresses({**DEFAULTS, **params}, links, open_to=lambda interface: nullcontext(wire), clock=wire.clock)


def targets(wire: FakeWire) -> list[int]:
    return [frame[41] for _moment, frame in wire.sent]


def test_who_has_what() -> None:
    wire = FakeWire({"10.0.0.4": [TWO, ONE], "10.0.0.9": [ONE]})
    assert probe(wire, addresses=["10.0.0.1-10.0.0.5"]) == {
        "answered": [{"address": "10.0.0.4", "macs": [ONE, TWO]}],
        "own": ["10.0.0.2", "10.0.0.3"],
        "silent": ["10.0.0.1", "10.0.0.5"],
        "probed": 3,
        "seconds": 2.0,
    }
    assert targets(wire) == [1, 4, 5, 1, 4, 5]


def test_only_within() -> None:
    wire = FakeWire({})
    found = probe(wire, addresses=["10.0.0.0/8"], within=["10.0.0.8-10.0.0.9", "11.0.0.0/8"])
    assert (targets(wire), found["silent"], found["own"]) == ([8, 9, 8, 9], ["10.0.0.8-10.0.0.9"], [])


def test_nothing_to_ask() -> None:
    assert probe(FakeWire({}), addresses=[]) == {"answered": [], "own": [], "silent": [], "probed": 0, "seconds": 1.0}


@pytest.mark.parametrize("noise", [None, b"", b"\0" * 42, arp(TWO, "10.0.0.200")], ids=str)
def test_noise_does_not_delay(noise: bytes | None) -> None:
    """Whatever others send, and however much: each packet leaves at its time, and the end comes in time."""
    wire = FakeWire({"10.0.0.4": [ONE]}, noise=noise)
    found = probe(wire, addresses=["10.0.0.4-10.0.0.103"], rate=100)
    assert found["answered"] == [{"address": "10.0.0.4", "macs": [ONE]}]
    assert found["seconds"] == 3.0
    moments = [moment for moment, _frame in wire.sent]
    assert all(later - sooner > 0.0099 for sooner, later in pairwise(moments))


def test_what_is_late_is_not_made_up_for_by_a_burst() -> None:
    wire = FakeWire({})
    slow = chain([0.0, 0.0], repeat(5.0))

    def clock() -> float:
        return wire.clock() + next(slow)

    params = {**DEFAULTS, "addresses": ["10.0.0.10-10.0.0.29"]}
    probe_addresses(params, links, open_to=lambda interface: nullcontext(wire), clock=clock)
    moments = [moment for moment, _frame in wire.sent]
    assert all(later - sooner > 0.0049 for sooner, later in pairwise(moments[1:]))


@pytest.mark.parametrize("case", MISTAKES)
def test_mistakes_are_one_message_before_anything_is_sent(case: str) -> None:
    params, message = MISTAKES[case]
    wire = FakeWire({})
    with pytest.raises(SpecError, match=message):
        probe(wire, **{"addresses": ["10.0.0.1"], **params})
    assert wire.sent == []
