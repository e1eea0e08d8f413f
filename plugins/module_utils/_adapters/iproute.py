# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: may change without notice.
"""The kernel's links, addresses and routes through iproute2: two processes to read all, one to change all."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from .._domain.bridge import FOREVER, MAIN_TABLE, Address, Link, Route, Snapshot
from .._ports import Command, EngineError
from .._ports_network import Lines

_KERNEL = "2"  # RTPROT_KERNEL: prefix and local routes, which come and go with their address
_ROUTE_KEYS = frozenset(
    "dst gateway via dev protocol scope prefsrc metric flags pref table metrics expires cache".split()
)  # a route with anything else is beyond what can be moved faithfully


class IpRoute:
    """See ``Links`` in ``_ports_network.py``."""

    def __init__(self, command: Command) -> None:
        self._command = command

    def snapshot(self) -> Snapshot:
        links = self._json(["ip", "-j", "-d", "address", "show"])
        routes: dict[str, list[Route]] = {}
        strange: dict[str, list[str]] = {}
        for row in self._json(["ip", "-j", "-N", "route", "show", "table", "all"]):
            if "type" in row or str(row.get("protocol")) == _KERNEL:
                continue
            devices = [row["dev"]] if "dev" in row else [hop["dev"] for hop in row.get("nexthops", []) if "dev" in hop]
            for device in devices:
                if _moves(row):
                    routes.setdefault(device, []).append(_route(row))
                else:
                    strange.setdefault(device, []).append(_words(row))
        # `ip -j` prints an empty object for a link that vanished between two of its own questions.
        rows = [row for row in links if row.get("ifname")]
        return Snapshot(
            tuple(
                _link(row, tuple(sorted(routes.get(row["ifname"], []))), tuple(strange.get(row["ifname"], ())))
                for row in sorted(rows, key=lambda row: str(row["ifname"]))
            )
        )

    def change(self, lines: Lines) -> None:
        self._command(["ip", "-batch", "-"], stdin=batch_text(lines))

    def _json(self, argv: list[str]) -> list[dict[str, Any]]:
        output = self._command(argv)
        try:
            rows = json.loads(output or "[]")
        except ValueError as error:
            raise EngineError("read the output of", " ".join(argv), str(error)) from error
        return [row for row in rows if isinstance(row, dict)]


def batch_text(lines: Lines) -> str:
    """The input of ``ip -batch``."""
    return "".join(" ".join(line) + "\n" for line in lines)


def _link(row: Mapping[str, Any], routes: tuple[Route, ...], strange: tuple[str, ...]) -> Link:
    info = row.get("linkinfo", {})
    data = info.get("info_data", {}) if info.get("info_kind") == "bridge" else {}
    addresses = (_address(entry) for entry in row.get("addr_info", []) if entry.get("scope") == "global")
    return Link(
        name=row["ifname"],
        index=int(row.get("ifindex", 0)),
        mac=row.get("address", ""),
        mtu=int(row.get("mtu", 0)),
        max_mtu=int(row.get("max_mtu", 0)),
        kind=info.get("info_kind", ""),
        ethernet=row.get("link_type") == "ether",
        master=row.get("master", ""),
        up="UP" in row.get("flags", []),
        stp=bool(data.get("stp_state", 0)),
        forward_delay=int(data.get("forward_delay", 0)),
        led=bool(data.get("root_port", 0)),
        vlan_filtering=bool(data.get("vlan_filtering", 0)),
        addresses=tuple(addresses),
        routes=routes,
        strange_routes=strange,
    )


def _address(entry: Mapping[str, Any]) -> Address:
    length = entry["prefixlen"]
    peer = entry.get("address", "")
    own_length = (128 if ":" in entry["local"] else 32) if peer else length
    return Address(
        cidr=f"{entry['local']}/{own_length}",
        peer=f"{peer}/{length}" if peer else "",
        broadcast=entry.get("broadcast", ""),
        metric=int(entry.get("metric", 0)),
        prefix_route=not entry.get("noprefixroute", False),
        valid=int(entry.get("valid_life_time", FOREVER)),
        preferred=int(entry.get("preferred_life_time", FOREVER)),
    )


def _moves(row: Mapping[str, Any]) -> bool:
    """Tell whether a route can be moved faithfully; a congestion control or a feature is a metric without a number."""
    return set(row) <= _ROUTE_KEYS and all(isinstance(value, int) for entry in row.get("metrics", []) for value in entry.values())


def _route(row: Mapping[str, Any]) -> Route:
    gateway = row.get("gateway") or row.get("via", {}).get("host", "")
    # Only IPv6 routes carry a router preference; it tells the families apart where no address does.
    ipv6 = "pref" in row or (":" in gateway and "via" not in row) or ":" in row.get("prefsrc", "")
    destination = row["dst"]
    if destination == "default":
        destination = "::/0" if ipv6 else "0.0.0.0/0"
    elif "/" not in destination:
        destination += "/128" if ":" in destination else "/32"
    metrics = [(name, int(value)) for entry in row.get("metrics", []) for name, value in entry.items()]
    return Route(
        destination=destination,
        gateway=gateway,
        metric=int(row.get("metric", 0)),
        table=int(row.get("table", MAIN_TABLE)),
        protocol=int(row.get("protocol", 3)),
        scope=int(row.get("scope", 0)),
        source=row.get("prefsrc", ""),
        onlink="onlink" in row.get("flags", []),
        expires=int(row.get("expires", 0)),
        metrics=tuple(sorted(metrics)),
    )


def _words(row: Mapping[str, Any]) -> str:
    return " ".join(f"{key} {value}" for key, value in sorted(row.items()) if value not in ("", [], None))
