# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: may change without notice.
"""Address pools: ranges of addresses as bounds, never as lists, so that a /8 costs as much as a /30."""

from __future__ import annotations

import ipaddress
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from .addresses import parse_cidr, parse_ipv4
from .errors import SpecError

_Span = tuple[int, int]
# Networks of which no interface may carry an address (RFC 1122, RFC 5771).
_NOT_FOR_HOSTS = {"0.0.0.0/8": "this network", "127.0.0.0/8": "the loopback of every host", "224.0.0.0/4": "multicast"}


@dataclass(frozen=True)
class Ranges:
    """A set of addresses as whole numbers: closed spans, sorted, neither overlapping nor touching."""

    spans: tuple[_Span, ...] = ()

    def __contains__(self, address: object) -> bool:
        place = bisect_right(self.spans, (address, 2**32)) - 1
        return place >= 0 and isinstance(address, int) and address <= self.spans[place][1]

    @property
    def size(self) -> int:
        """How many addresses there are."""
        return sum(last - first + 1 for first, last in self.spans)

    def minus(self, other: Ranges) -> Ranges:
        """Return the addresses that are not in ``other``; costs as much as the two have spans."""
        left: list[_Span] = []
        taken, place = other.spans, 0
        for first, last in self.spans:
            while place < len(taken) and taken[place][1] < first:
                place += 1
            reach = place
            while reach < len(taken) and taken[reach][0] <= last:
                if first < taken[reach][0]:
                    left.append((first, taken[reach][0] - 1))
                first = taken[reach][1] + 1
                reach += 1
            if first <= last:
                left.append((first, last))
        return Ranges(tuple(left))

    def within(self, other: Ranges) -> Ranges:
        """Return the addresses that are also in ``other``."""
        return self.minus(self.minus(other))

    def lowest(self, taken: Iterable[int]) -> Iterator[int]:
        """Yield the addresses that are not taken, the lowest first; costs as much as is taken and consumed."""
        skip = set(taken)
        for first, last in self.spans:
            for address in range(first, last + 1):
                if address not in skip:
                    yield address

    def count(self, addresses: Iterable[int]) -> int:
        """Return how many of the addresses are in the ranges."""
        return sum(address in self for address in addresses)

    def show(self) -> list[str]:
        """Return the ranges as users write them."""
        return [show_address(first) if first == last else f"{show_address(first)}-{show_address(last)}" for first, last in self.spans]


def parse_ranges(field: str, values: object) -> Ranges:
    """Return the union of ``first-last``, networks in CIDR notation and single addresses; SpecError names the bad one."""
    if not isinstance(values, (list, tuple)):
        raise SpecError(field, values, "is not a list of ranges such as 10.20.101.1-10.20.101.254, networks or addresses")
    return Ranges(_joined(_parse_range(f"{field}[{index}]", value) for index, value in enumerate(values)))


def usable(cidr: str, pools: Ranges, reserved: Ranges, routers: Sequence[str]) -> Ranges:
    """Return what may be handed out: the pools within the network, without its ends, reserved ones, gateway and name servers.

    Without pools it is the whole network.
    """
    network = parse_cidr("network.cidr", cidr)
    for other, what in _NOT_FOR_HOSTS.items():
        if network.overlaps(ipaddress.IPv4Network(other)):
            raise SpecError("network.cidr", cidr, f"is not for hosts; {other} is {what}")
    hosts = Ranges(((int(network.network_address) + 1, int(network.broadcast_address) - 1),))
    outside = pools.minus(hosts)
    if outside.spans:
        raise SpecError("pools", outside.show()[0], f"is outside the addresses that {cidr} has for hosts")
    return (pools if pools.spans else hosts).minus(reserved).minus(ranges_of(map(number_of, routers)))


def check_within(field: str, ranges: Ranges, cidr: str) -> None:
    """SpecError when some of the addresses are not in the network."""
    network = parse_cidr("network.cidr", cidr)
    outside = ranges.minus(Ranges(((int(network.network_address), int(network.broadcast_address)),)))
    if outside.spans:
        raise SpecError(field, outside.show()[0], f"is outside the network {cidr}")


def ranges_of(addresses: Iterable[int]) -> Ranges:
    """Return single addresses as ranges."""
    return Ranges(_joined((address, address) for address in addresses))


def number_of(address: str) -> int:
    """Return an address as a whole number."""
    return int(parse_ipv4("address", address))


def show_address(number: int) -> str:
    """Return a whole number as a dotted quad."""
    return str(ipaddress.IPv4Address(number))


def _parse_range(field: str, value: object) -> _Span:
    text = str(value).strip()
    if "/" in text:
        try:
            network = ipaddress.IPv4Network(text)
        except ValueError as error:
            raise SpecError(field, value, f"is not an IPv4 network ({error})") from None
        return int(network.network_address), int(network.broadcast_address)
    first, dash, last = text.partition("-")
    low = int(parse_ipv4(field, first.strip()))
    high = int(parse_ipv4(field, last.strip())) if dash else low
    if high < low:
        raise SpecError(field, value, "ends before it begins")
    return low, high


def _joined(spans: Iterable[_Span]) -> tuple[_Span, ...]:
    joined: list[_Span] = []
    for first, last in sorted(spans):
        if joined and first <= joined[-1][1] + 1:
            joined[-1] = (joined[-1][0], max(last, joined[-1][1]))
        else:
            joined.append((first, last))
    return tuple(joined)
