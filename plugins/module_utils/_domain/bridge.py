# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: may change without notice.
"""What a bridge is: the wish of the user, the links of the host, and the configuration that is kept."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from .errors import MissingError, SpecError

BACKENDS = ("networkd", "ifupdown")
FOREVER = 4294967295  # the kernel's word for a lifetime without end
MAIN_TABLE = 254
# RFC 791: every host takes datagrams of 576 octets; RFC 8200: IPv6 needs a link MTU of 1280.
SMALLEST_MTU, SMALLEST_IPV6_MTU, LARGEST_MTU = 576, 1280, 65535
# IEEE 802.1D: the bounds that the kernel enforces while STP runs, in seconds.
STP_FORWARD_DELAY, USUAL_STP_FORWARD_DELAY = range(2, 31), 15
LONGEST_TIMEOUT = 3600

# Stricter than the kernel: also safe in file names, in [Match] globs and in the shell lines of ifupdown.
_INTERFACE = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,14}", re.ASCII)
_RESERVED = ("all", "default", "lo")  # directories of /proc/sys/net, and the loopback
_MAC = re.compile(r"[0-9a-f]{2}(:[0-9a-f]{2}){5}", re.ASCII)


@dataclass(frozen=True, order=True)
class Address:
    """An address with its prefix length, such as ``10.0.0.2/24``, and the attributes that move with it."""

    cidr: str
    peer: str = ""
    broadcast: str = ""
    metric: int = 0
    prefix_route: bool = True
    valid: int = FOREVER
    preferred: int = FOREVER

    @property
    def key(self) -> tuple[str, str]:
        """What makes two addresses the same one."""
        return self.cidr, self.peer

    @property
    def network(self) -> ipaddress.IPv4Network | ipaddress.IPv6Network:
        """The network that it reaches; addresses of IPv4 with one and the same are a first one and its secondaries."""
        return ipaddress.ip_interface(self.peer or self.cidr).network

    @property
    def static(self) -> bool:
        """False for an address that DHCP or a router advertisement gave for a time."""
        return self.valid == FOREVER

    @property
    def ipv6(self) -> bool:
        return ":" in self.cidr


def adding_order(addresses: Iterable[Address]) -> list[Address]:
    """The order in which to add addresses so that the kernel lists them as they are here: it puts a new one of IPv6 first."""
    listed = list(addresses)
    return [address for address in listed if not address.ipv6] + [address for address in reversed(listed) if address.ipv6]


@dataclass(frozen=True, order=True)
class Route:
    """A route through one link; ``protocol``, ``scope`` and ``table`` are the kernel's numbers."""

    destination: str
    gateway: str = ""
    metric: int = 0
    table: int = MAIN_TABLE
    protocol: int = 3
    scope: int = 0
    source: str = ""
    onlink: bool = False
    expires: int = 0
    metrics: tuple[tuple[str, int], ...] = ()

    @property
    def key(self) -> tuple[str, str, int, int]:
        """What makes two routes the same one."""
        return self.destination, self.gateway, self.metric, self.table

    @property
    def static(self) -> bool:
        """True for a route that an administrator made (unspec, boot, static); daemons bring theirs again by themselves."""
        return self.protocol in (0, 3, 4) and not self.expires

    @property
    def ipv6(self) -> bool:
        return ":" in self.destination

    def __str__(self) -> str:
        words = ["default" if self.destination in ("0.0.0.0/0", "::/0") else self.destination]
        words += ["via", self.gateway] if self.gateway else []
        words += ["metric", str(self.metric)] if self.metric else []
        words += ["table", str(self.table)] if self.table != MAIN_TABLE else []
        return " ".join(words)


@dataclass(frozen=True)
class Link:
    """A network interface; ``forward_delay`` is in hundredths of a second, as the kernel counts it, and that of the root of the
    spanning tree while ``led`` tells that another bridge is it.

    ``addresses`` are in the kernel's order: of IPv4 the primary ones first, of IPv6 the newest first.
    """

    name: str
    index: int = 0
    mac: str = ""
    mtu: int = 1500
    max_mtu: int = 0
    kind: str = ""
    ethernet: bool = True
    master: str = ""
    up: bool = False
    stp: bool = False
    forward_delay: int = 0
    led: bool = False
    vlan_filtering: bool = False
    addresses: tuple[Address, ...] = ()
    routes: tuple[Route, ...] = ()
    strange_routes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Snapshot:
    """The links of the host at one moment, with their global addresses and the routes through them."""

    links: tuple[Link, ...] = ()

    def find(self, name: str) -> Link | None:
        return next((link for link in self.links if link.name == name), None)

    def ports(self, bridge: str) -> tuple[str, ...]:
        return tuple(sorted(link.name for link in self.links if link.master == bridge))


@dataclass(frozen=True)
class BridgeConfig:
    """What is kept in the host's files. ``forward_delay`` is in seconds; ``mac`` and ``mtu`` may be empty: the system's choice.

    ``bridge_lines`` and ``uplink_lines`` come from the former configuration of both (DNS servers, VLANs, link settings).
    """

    name: str
    backend: str
    uplink: str = ""
    mac: str = ""
    mtu: int = 0
    stp: bool = False
    forward_delay: int = 0
    addresses: tuple[Address, ...] = ()
    routes: tuple[Route, ...] = ()
    bridge_lines: tuple[str, ...] = ()
    uplink_lines: tuple[str, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> BridgeConfig:
        """Read back what ``as_dict`` gave, also after a way through JSON."""
        values = dict(data)
        values["addresses"] = tuple(Address(**entry) for entry in data["addresses"])
        values["routes"] = tuple(
            Route(**{**entry, "metrics": tuple((str(name), int(value)) for name, value in entry["metrics"])}) for entry in data["routes"]
        )
        values["bridge_lines"] = tuple(data["bridge_lines"])
        values["uplink_lines"] = tuple(data["uplink_lines"])
        return cls(**values)


@dataclass(frozen=True)
class BridgeSpec:
    """What the user asks for; None leaves a thing as it is. Made by ``bridge_spec`` only."""

    name: str
    present: bool = True
    uplink: str = ""
    addresses: tuple[Address, ...] | None = None
    mac: str = ""
    stp: bool = False
    forward_delay: int = 0
    mtu: int = 0
    backend: str = "auto"
    confirm_timeout: int = 60
    confirm: bool = False

    def wish(self) -> dict[str, Any]:
        """What is asked for without how it is confirmed: equal for two runs that want the same."""
        wish = asdict(self)
        return {key: wish[key] for key in sorted(wish) if not key.startswith("confirm")}


def bridge_spec(params: Mapping[str, Any]) -> BridgeSpec:
    """Check the options of the module; SpecError or MissingError for the first one that is not acceptable."""
    name = _interface("name", params["name"])
    uplink = _interface("uplink", params["uplink"]) if params["uplink"] else ""
    if uplink == name:
        raise SpecError("uplink", uplink, "is the bridge itself; name the network card that becomes its port")
    if uplink and params["addresses"] is not None:
        raise SpecError("addresses", params["addresses"], "is for a bridge without uplink; with one, the uplink's addresses move")
    if params["backend"] not in ("auto", *BACKENDS):
        raise SpecError("backend", params["backend"], "is not auto, networkd or ifupdown")
    return BridgeSpec(
        name=name,
        present=params["state"] == "present",
        uplink=uplink,
        addresses=_addresses(params["addresses"]),
        mac=_mac(params["mac"]) if params["mac"] else "",
        stp=bool(params["stp"]),
        forward_delay=_forward_delay(params["forward_delay"], stp=bool(params["stp"])),
        mtu=_within("mtu", params["mtu"], SMALLEST_MTU, LARGEST_MTU) if params["mtu"] is not None else 0,
        backend=params["backend"],
        confirm_timeout=_within("confirm_timeout", params["confirm_timeout"], 0, LONGEST_TIMEOUT),
        confirm=bool(params["confirm"]),
    )


def _interface(field: str, value: str) -> str:
    if not value:
        raise MissingError(field, "name an interface, such as br0")
    if not _INTERFACE.fullmatch(value) or value in _RESERVED:
        raise SpecError(field, value, "is not an interface name: 1 to 15 letters, digits, '_', '.' or '-', not starting with '.' or '-'")
    return value


def _within(field: str, value: int, low: int, high: int) -> int:
    if not low <= value <= high:
        raise SpecError(field, value, f"is out of range; it must be from {low} to {high}")
    return value


def _mac(value: str) -> str:
    mac = value.strip().lower().replace("-", ":")
    if not _MAC.fullmatch(mac) or mac == "00:00:00:00:00:00":
        raise SpecError("mac", value, "is not a MAC address, such as 02:42:0a:00:00:02")
    if int(mac[:2], 16) & 1:
        raise SpecError("mac", value, "is a multicast address (its first octet is odd), which no interface may have")
    return mac


def _forward_delay(value: int | None, *, stp: bool) -> int:
    if value is None:
        return USUAL_STP_FORWARD_DELAY if stp else 0
    if stp and value not in STP_FORWARD_DELAY:
        raise SpecError("forward_delay", value, "is out of range; with stp it must be from 2 to 30 seconds")
    return _within("forward_delay", value, 0, 30)


def _addresses(values: list[str] | None) -> tuple[Address, ...] | None:
    if values is None:
        return None
    found = []
    for value in values:
        if "/" not in value:
            raise SpecError("addresses", value, "has no prefix length; write it as 10.0.0.2/24")
        try:
            address = ipaddress.ip_interface(value)
        except ValueError:
            raise SpecError("addresses", value, "is not an address with prefix length, such as 10.0.0.2/24") from None
        if address.ip.is_multicast or address.ip.is_loopback or address.ip.is_unspecified:
            raise SpecError("addresses", value, "is not an address that an interface can have")
        found.append(Address(address.with_prefixlen))
    return tuple(sorted(set(found)))
