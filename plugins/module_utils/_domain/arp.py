# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: may change without notice.
"""ARP (RFC 826) as one asks with it whether somebody has an address (RFC 5227). What is heard comes from anybody and may be anything."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass

from .pools import Ranges, ranges_of, show_address

# Destination, source and type of the Ethernet frame; hardware and protocol with their lengths, operation, sender, target.
_FRAME = struct.Struct("!6s6sH HHBBH 6sI 6sI")
_BROADCAST, _NOBODY = b"\xff" * 6, bytes(6)
_ARP, _IPV4_OVER_ETHERNET = 0x0806, (1, 0x0800, 6, 4)
_REQUEST, _REPLY = 1, 2
# RFC 5227, PROBE_MIN: seconds between two questions for the same address, so that one short outage does not swallow both.
_APART = 1.0
# Whoever invents MAC addresses fills no memory.
_MOST_MACS = 8


@dataclass(frozen=True)
class Pace:
    """How often each address is asked for, how many packets there are in a second, and the seconds to listen after the last."""

    rate: int
    tries: int
    wait: float

    def schedule(self, asked: Ranges) -> Iterator[tuple[float, int]]:
        """Yield the second and the address of each question: all addresses once, then all again."""
        turn = max(asked.size / self.rate, _APART)
        for number in range(self.tries):
            for place, address in enumerate(asked.lowest(())):
                yield number * turn + place / self.rate, address


class Answers:
    """Who has which of the addresses that are asked for, from the frames that come in; ``mac`` is our own."""

    def __init__(self, asked: Ranges, mac: bytes) -> None:
        self._asked = asked
        self._mac = mac
        self._found: dict[int, set[bytes]] = {}

    def take(self, frame: bytes) -> None:
        """Read one frame. Any ARP packet that an address is sent from tells who has it, whether it answers us or not."""
        if len(frame) < _FRAME.size:
            return
        _destination, source, ethertype, *kind, operation, sender, address, _mac, _target = _FRAME.unpack_from(frame)
        if (ethertype, *kind) != (_ARP, *_IPV4_OVER_ETHERNET) or operation not in (_REQUEST, _REPLY):
            return
        # Address 0 is what others who probe send from.
        if address and address in self._asked and self._mac not in (source, sender):
            macs = self._found.setdefault(address, set())
            if len(macs) < _MOST_MACS:
                macs.add(sender)

    def show(self) -> list[dict[str, object]]:
        """Return the addresses with their MACs, sorted."""
        found = sorted(self._found.items())
        return [{"address": show_address(address), "macs": sorted(mac.hex(":") for mac in macs)} for address, macs in found]

    def silent(self) -> Ranges:
        """Return the addresses that nobody has."""
        return self._asked.minus(ranges_of(self._found))


def build_probe(mac: bytes, address: int) -> bytes:
    """Return the frame that asks who has an address; it is sent from no address, so that it spoils nobody's cache."""
    return _FRAME.pack(_BROADCAST, mac, _ARP, *_IPV4_OVER_ETHERNET, _REQUEST, mac, 0, _NOBODY, address)
