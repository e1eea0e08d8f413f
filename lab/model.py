# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Names and addresses of the lab: everything is derived from a host's number."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network

from lab.errors import LabError

NETWORK = IPv4Network("10.99.0.0/16")
ROUTER = IPv4Address("10.99.0.1")
RELAY_FIRST = IPv4Address("10.99.0.2")  # .2 to .9 stand for package mirrors
RELAY_MAX = 8
HOST_OFFSET = 10
MAX_HOSTS = 32
BRIDGE = "lab0"
BRIDGE_MAC = "02:7a:6c:62:00:01"
UPLINK = "vec0"  # the NIC's name inside a host
RELEASES = ("trixie", "bookworm")
FLAVOURS = ("prebaked", "bare")


@dataclass(frozen=True)
class Identity:
    """Who host number ``number`` (from 1) is on the lab's network."""

    number: int

    @property
    def name(self) -> str:
        """Host name, e.g. ``h1``."""
        return f"h{self.number}"

    @property
    def address(self) -> str:
        """IPv4 address without prefix length."""
        return str(NETWORK.network_address + HOST_OFFSET + self.number)

    @property
    def mac(self) -> str:
        """MAC of the host's uplink."""
        return f"02:7a:6c:62:00:{HOST_OFFSET + self.number:02x}"

    @property
    def tap(self) -> str:
        """Name of the host's tap device inside the lab's namespace."""
        return f"tap{self.number}"


def identity(name: str) -> Identity:
    """The identity behind a host name; LabError when it is not one of h1..h32."""
    digits = name[1:]
    if name[:1] == "h" and digits.isdecimal() and str(int(digits)) == digits and 1 <= int(digits) <= MAX_HOSTS:
        return Identity(int(digits))
    raise LabError(f"{name!r} is not a lab host: names are h1 to h{MAX_HOSTS}")


def address_of(name_or_address: str) -> str:
    """An IPv4 address for a host name (``h1``) or for an address inside the lab's network."""
    try:
        address = IPv4Address(name_or_address)
    except ValueError:
        return identity(name_or_address).address
    if address not in NETWORK:
        raise LabError(f"{address} is outside the lab's network {NETWORK}")
    return str(address)


def wanted_hosts(count: int, releases: str) -> dict[str, str]:
    """Host name -> release for ``count`` hosts; host i takes entry i mod len of a comma list."""
    names = [entry.strip() for entry in releases.split(",") if entry.strip()]
    unknown = sorted(set(names) - set(RELEASES))
    if unknown or not names:
        raise LabError(f"unknown release {', '.join(unknown) or '(none)'}: use {' or '.join(RELEASES)}")
    if not 1 <= count <= MAX_HOSTS:
        raise LabError(f"--hosts {count}: the lab has 1 to {MAX_HOSTS} hosts")
    return {Identity(i + 1).name: names[i % len(names)] for i in range(count)}


def mirror_addresses(hosts: Iterable[str]) -> dict[str, str]:
    """Package mirror's host name -> address under which the lab's router stands for it."""
    names = list(dict.fromkeys(hosts))[:RELAY_MAX]
    return {name: str(RELAY_FIRST + number) for number, name in enumerate(names)}


def machine_id(namespace: str, name: str) -> str:
    """systemd machine id (32 hex digits) of a host: same host and lab, same id."""
    return hashlib.sha256(f"{namespace}/{name}".encode()).hexdigest()[:32]


def hosts_file() -> str:
    """Text of /etc/hosts: every possible lab host by name, as the lab has no DNS."""
    lines = ["127.0.0.1 localhost", "::1 localhost ip6-localhost ip6-loopback"]
    hosts = (Identity(number) for number in range(1, MAX_HOSTS + 1))
    return "\n".join(lines + [f"{host.address} {host.name}" for host in hosts]) + "\n"
