# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: may change without notice.
"""Bridges of a host, from the JSON of ``ip -details address show``."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

# Ports that instances bring; any other port leads out of the host.
_INSTANCE_KINDS = frozenset({"tun", "veth"})


@dataclass(frozen=True)
class Bridge:
    """A Linux bridge. ``ports`` are all its interfaces, ``uplinks`` those that lead out of the host."""

    name: str
    mac: str
    mtu: int
    up: bool
    stp: bool
    forward_delay: float
    ports: tuple[str, ...]
    uplinks: tuple[str, ...]
    addresses: tuple[str, ...]


def find_bridges(links: Iterable[Mapping[str, Any]]) -> list[Bridge]:
    """Return the bridges, sorted by name."""
    known = list(links)
    return sorted((_bridge(link, known) for link in known if _kind(link) == "bridge"), key=lambda bridge: bridge.name)


def _bridge(link: Mapping[str, Any], links: list[Mapping[str, Any]]) -> Bridge:
    name = link["ifname"]
    data = link["linkinfo"].get("info_data", {})
    ports = [port for port in links if port.get("master") == name]
    addresses = [item for item in link.get("addr_info", []) if item.get("scope") == "global"]
    return Bridge(
        name=name,
        mac=link.get("address", ""),
        mtu=int(link.get("mtu", 0)),
        up="UP" in link.get("flags", []),
        stp=bool(data.get("stp_state", 0)),
        # The kernel counts in hundredths of a second.
        forward_delay=data.get("forward_delay", 0) / 100,
        ports=tuple(sorted(port["ifname"] for port in ports)),
        uplinks=tuple(sorted(port["ifname"] for port in ports if _kind(port) not in _INSTANCE_KINDS)),
        addresses=tuple(f"{item['local']}/{item['prefixlen']}" for item in addresses),
    )


def _kind(link: Mapping[str, Any]) -> str:
    return str(link.get("linkinfo", {}).get("info_kind", ""))
