# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""An Ethernet with neighbours, and the time that passes on it."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence

from ansible_collections.zonal.cloud.plugins.module_utils._domain.pools import number_of
from ansible_collections.zonal.cloud.tests.unit.plugins.contracts.wire import OWN


def packed(mac: str) -> bytes:
    return bytes.fromhex(mac.replace(":", ""))


def arp(mac: str, address: str, *, operation: int = 2, kind: str = "0806 0001 0800 06 04", source: str = "") -> bytes:
    """An ARP packet from a MAC and an address, to us; ``kind`` is the types and lengths, ``source`` another Ethernet sender."""
    head = packed(OWN) + packed(source or mac) + bytes.fromhex(kind) + operation.to_bytes(2, "big")
    return head + packed(mac) + number_of(address).to_bytes(4, "big") + packed(OWN) + bytes(4)


class FakeWire:
    """See ``Wire`` in ``_ports_network.py``; ``neighbours`` are addresses with the MACs that have them, which answer at once.

    It is also the clock, which goes on while one listens, a little with each frame.
    """

    mac = packed(OWN)

    def __init__(self, neighbours: Mapping[str, Sequence[str]], *, noise: bytes | None = None) -> None:
        self._neighbours = {number_of(address): (address, macs) for address, macs in neighbours.items()}
        self._noise = noise
        self._waiting: deque[bytes] = deque()
        self._now = 0.0
        self.sent: list[tuple[float, bytes]] = []

    def clock(self) -> float:
        return self._now

    def send(self, frame: bytes) -> None:
        self.sent.append((self._now, frame))
        address, macs = self._neighbours.get(int.from_bytes(frame[38:42], "big"), ("", ()))
        self._waiting += [arp(mac, address) for mac in macs]

    def hear(self, seconds: float) -> bytes | None:
        frame = self._waiting.popleft() if self._waiting else self._noise
        self._now += seconds if frame is None else 0.001
        return frame
