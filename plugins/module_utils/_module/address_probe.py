# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: may change without notice.
"""What ``address_probe`` does on a host: ask by ARP who has which address, and listen all the while."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any

from .._adapters.arp_probe import open_wire
from .._adapters.host_links import read_links
from .._domain.arp import Answers, Pace, build_probe
from .._domain.errors import SpecError
from .._domain.names import parse_interface
from .._domain.pools import Ranges, parse_ranges, show_address
from .._ports import Command
from .._ports_network import Wire

MOST_ADDRESSES = 65536
_MOST_RATE, _MOST_TRIES, _LONGEST_WAIT = 10000, 10, 60
Clock = Callable[[], float]
Open = Callable[[str], AbstractContextManager[Wire]]


def probe_addresses(
    params: Mapping[str, Any], command: Command, *, open_to: Open = open_wire, clock: Clock = time.monotonic
) -> dict[str, Any]:
    """Return what the module returns; SpecError or EngineError when nobody can be asked."""
    interface = parse_interface("interface", params["interface"])
    wanted, pace = _parse_addresses(params), _parse_pace(params)
    links = read_links(command)
    _check_link(interface, links)
    own = parse_ranges("own", _own_addresses(links)).within(wanted)
    asked = wanted.minus(own)
    begin = clock()
    with open_to(interface) as wire:
        answers = probe(wire, clock, asked, pace)
    return {
        "answered": answers.show(),
        "own": [show_address(address) for address in own.lowest(())],
        "silent": answers.silent().show(),
        "probed": asked.size,
        "seconds": round(clock() - begin, 1),
    }


def probe(wire: Wire, clock: Clock, asked: Ranges, pace: Pace) -> Answers:
    """Send all questions, listening between them and for a while after the last."""
    answers = Answers(asked, wire.mac)
    start = clock()
    for due, address in pace.schedule(asked):
        # What is late stays late: no burst makes up for it.
        start = max(start, clock() - due)
        _listen(wire, clock, answers, start + due)
        wire.send(build_probe(wire.mac, address))
    _listen(wire, clock, answers, clock() + pace.wait)
    return answers


def _listen(wire: Wire, clock: Clock, answers: Answers, until: float) -> None:
    """Take what comes in; at least one frame, and however much comes in, no longer than it may take."""
    while True:
        left = until - clock()
        frame = wire.hear(max(left, 0.0))
        if frame is not None:
            answers.take(frame)
        if left <= 0:
            return


def _parse_addresses(params: Mapping[str, Any]) -> Ranges:
    wanted = parse_ranges("addresses", params["addresses"])
    if params["within"] is not None:
        wanted = wanted.within(parse_ranges("within", params["within"]))
    if wanted.size > MOST_ADDRESSES:
        raise SpecError("addresses", wanted.show(), f"are {wanted.size} addresses; at most {MOST_ADDRESSES} are probed at once")
    return wanted


def _parse_pace(params: Mapping[str, Any]) -> Pace:
    limits = {"rate": (1, _MOST_RATE), "tries": (1, _MOST_TRIES), "wait": (0, _LONGEST_WAIT)}
    for field, (least, most) in limits.items():
        # Written so that it also refuses what is not a number.
        if not least <= params[field] <= most:
            raise SpecError(field, params[field], f"is not from {least} to {most}")
    return Pace(params["rate"], params["tries"], params["wait"])


def _check_link(interface: str, links: Sequence[Mapping[str, Any]]) -> None:
    """SpecError unless ARP can be spoken on the interface; where nobody could answer, silence would prove nothing."""
    link = next((link for link in links if link.get("ifname") == interface), None)
    if link is None:
        raise SpecError("interface", interface, "is no interface of this host")
    flags = link.get("flags", [])
    if link.get("link_type") != "ether":
        raise SpecError("interface", interface, "is not an Ethernet interface, so nobody on it speaks ARP")
    if "UP" not in flags:
        raise SpecError("interface", interface, f"is down; bring it up with: ip link set {interface} up")
    if "NO-CARRIER" in flags:
        raise SpecError("interface", interface, "has no carrier: no cable or, if it is a bridge, no port that is up")


def _own_addresses(links: Sequence[Mapping[str, Any]]) -> list[str]:
    return [entry["local"] for link in links for entry in link.get("addr_info", []) if entry.get("family") == "inet"]
