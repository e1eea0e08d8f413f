# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: may change without notice.
"""The lines of ``ip -batch`` that lead from one state of the links to another; none means: it is as wanted."""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import ip_address, ip_network

from .bridge import FOREVER, MAIN_TABLE, Address, BridgeConfig, Link, Route, Snapshot, adding_order

Line = tuple[str, ...]


def address_words(address: Address, device: str) -> Line:
    """Words after ``ip`` that set an address; doing it twice is harmless."""
    words = ["address", "replace"]
    words += [address.cidr.split("/")[0], "peer", address.peer] if address.peer else [address.cidr]
    words += ["broadcast", address.broadcast] if address.broadcast else []
    words += ["dev", device]
    words += ["metric", str(address.metric)] if address.metric else []
    words += [] if address.prefix_route else ["noprefixroute"]
    # The address only changes its link, so there is no duplicate to look for, and it must serve at once.
    words += ["nodad"] if address.ipv6 else []
    for word, seconds in (("valid_lft", address.valid), ("preferred_lft", address.preferred)):
        if seconds != FOREVER:
            words += [word, str(seconds)]
    return tuple(words)


def route_words(route: Route, device: str, verb: str = "replace") -> Line:
    """Words after ``ip`` that set (or delete) a route."""
    words = ["route", verb, route.destination]
    if route.gateway:
        foreign_family = ":" in route.gateway and not route.ipv6
        words += ["via", *(["inet6"] if foreign_family else []), route.gateway]
    words += ["dev", device]
    words += ["metric", str(route.metric)] if route.metric else []
    words += ["table", str(route.table)] if route.table != MAIN_TABLE else []
    if verb == "del":
        return tuple(words)
    words += ["proto", str(route.protocol)]
    words += ["scope", str(route.scope)] if route.scope and not route.ipv6 else []
    words += ["src", route.source] if route.source else []
    words += [word for name, value in route.metrics for word in (name, str(value))]
    words += ["onlink"] if route.onlink else []
    words += ["expires", str(route.expires)] if route.expires else []
    return tuple(words)


def ordered(routes: Iterable[Route]) -> list[Route]:
    """Routes in an order in which the kernel takes them: those without a gateway make gateways reachable."""
    return sorted(routes, key=lambda route: (bool(route.gateway), route))


def present_commands(now: Snapshot, goal: BridgeConfig, former: BridgeConfig | None) -> list[Line]:
    """Lines that make the bridge of ``goal``; ``former`` is the configuration it had, for what must go."""
    bridge, uplink = now.find(goal.name), now.find(goal.uplink)
    lines = _bridge_link(bridge, goal)
    if uplink:
        if goal.mtu and uplink.mtu != goal.mtu:
            lines.append(("link", "set", "dev", uplink.name, "mtu", str(goal.mtu)))
        if uplink.master != goal.name:
            lines.append(("link", "set", "dev", uplink.name, "master", goal.name))
    # A fresh bridge takes the smallest MTU of its ports until it is told one, so it is told one always.
    if goal.mtu and (bridge is None or bridge.mtu != goal.mtu):
        lines.append(("link", "set", "dev", goal.name, "mtu", str(goal.mtu)))
    lines += [_up(name) for name, link in ((goal.uplink, uplink), (goal.name, bridge)) if name and not (link and link.up)]
    lines += _leave(uplink)
    lines += _settle(bridge, goal, uplink, former)
    return lines


def absent_commands(now: Snapshot, name: str, home: str) -> list[Line]:
    """Lines that remove the bridge and give its addresses and routes to ``home`` (to nobody when it is empty or gone)."""
    bridge = now.find(name)
    if bridge is None:
        return []
    lines: list[Line] = [("link", "set", "dev", home, "nomaster")] if home in now.ports(name) else []
    lines.append(("link", "del", "dev", name))
    if now.find(home):
        lines.append(_up(home))
        lines += [address_words(address, home) for address in adding_order(bridge.addresses)]
        lines += [route_words(route, home) for route in ordered(bridge.routes)]
    return lines


def restore_commands(before: Snapshot, name: str, uplinks: Iterable[str], goal: BridgeConfig | None = None) -> list[Line]:
    """Lines that bring back ``before`` from anywhere on the way to ``goal``; meant for ``ip -force``: some will fail."""
    bridge = before.find(name)
    ports = [link for link in (before.find(uplink) for uplink in uplinks) if link]
    lines: list[Line] = [("link", "set", "dev", link.name, "nomaster") for link in ports if link.master != name]
    if bridge is None:
        lines.append(("link", "del", "dev", name))
    else:
        # The bridge may still be there, then only this first line fails.
        lines.append(("link", "add", "name", name, "address", bridge.mac, "type", "bridge"))
        lines += _stp(name, stp=bridge.stp, delay=bridge.forward_delay)
        lines += [("link", "set", "dev", name, "address", bridge.mac)]
        known = {route.key for route in bridge.routes}
        lines += [route_words(route, name, "del") for route in (goal.routes if goal else ()) if route.key not in known]
        lines += [("address", "flush", "dev", name, "scope", "global")]
        lines += [("address", "flush", "dev", link.name, "scope", "global") for link in ports]
        lines += [("link", "set", "dev", link.name, "master", name) for link in ports if link.master == name]
    for link in [*ports, *([bridge] if bridge else [])]:
        lines.append(("link", "set", "dev", link.name, "mtu", str(link.mtu)))
        lines.append(_up(link.name) if link.up else ("link", "set", "dev", link.name, "down"))
        lines += [address_words(address, link.name) for address in adding_order(link.addresses)]
        lines += [route_words(route, link.name) for route in ordered(link.routes)]
    return lines


def _bridge_link(bridge: Link | None, goal: BridgeConfig) -> list[Line]:
    delay = goal.forward_delay * 100
    if bridge is None:
        mac = ("address", goal.mac) if goal.mac else ()
        settings = ("forward_delay", str(delay), "stp_state", str(int(goal.stp)))
        return [("link", "add", "name", goal.name, *mac, "type", "bridge", *settings)]
    lines: list[Line] = []
    if goal.mac and bridge.mac != goal.mac:
        lines.append(("link", "set", "dev", goal.name, "address", goal.mac))
    if bridge.stp != goal.stp or (bridge.forward_delay != delay and not (bridge.stp and bridge.led)):
        lines += _stp(goal.name, stp=goal.stp, delay=delay)
    return lines


def _stp(name: str, *, stp: bool, delay: int) -> list[Line]:
    """The kernel refuses a delay under two seconds while STP runs, so STP is off whenever the delay changes."""
    head = ("link", "set", "dev", name, "type", "bridge")
    lines: list[Line] = [(*head, "stp_state", "0"), (*head, "forward_delay", str(delay))]
    return [*lines, (*head, "stp_state", "1")] if stp else lines


def _leave(uplink: Link | None) -> list[Line]:
    if uplink is None:
        return []
    lines = [route_words(route, uplink.name, "del") for route in reversed(ordered(uplink.routes))]
    if uplink.addresses:
        # Not one by one: without promote_secondaries the kernel drops the rest of a subnet with its first address.
        lines.append(("address", "flush", "dev", uplink.name, "scope", "global"))
    return lines


def _settle(bridge: Link | None, goal: BridgeConfig, uplink: Link | None, former: BridgeConfig | None) -> list[Line]:
    own = bridge or Link(goal.name)
    wanted = {address.key: address for address in (*(uplink.addresses if uplink else ()), *goal.addresses)}
    routes = {route.key: route for route in (*(uplink.routes if uplink else ()), *goal.routes)}
    ours = {address.key for address in former.addresses} if former else set()
    # Those that the kernel would drop with the first one of their subnet go before it.
    gone = [address for address in reversed(own.addresses) if address.key in ours and address.key not in wanted]
    lines: list[Line] = [("address", "del", address.cidr, "dev", goal.name) for address in gone]
    again, ways = _lost_with(gone, own, wanted.values())
    wanted.update({address.key: address for address in again})
    routes.update({route.key: route for route in ways})
    has = {address.key for address in own.addresses} - {address.key for address in again}
    leads = {route.key for route in own.routes} - {route.key for route in ways}
    missing = adding_order(address for key, address in wanted.items() if key not in has)
    lines += [address_words(address, goal.name) for address in missing]
    lines += [route_words(route, goal.name) for route in ordered(routes.values()) if route.key not in leads]
    return lines


def _lost_with(gone: Iterable[Address], own: Link, wanted: Iterable[Address]) -> tuple[list[Address], list[Route]]:
    """What of a bridge is to be set again when addresses have gone: without promote_secondaries the kernel drops the rest of a subnet
    with its first address, and with the last address of IPv4, or the one that is their source, routes."""
    parted = [address for address in gone if not address.ipv6]
    if not parted:
        return [], []
    subnets = {address.network for address in parted}
    stay = [address for address in own.addresses if not address.ipv6 and address not in parted]
    near = [address.network for address in (*stay, *wanted) if address.prefix_route]
    near += [ip_network(route.destination) for route in own.routes if not route.gateway]
    sources = {address.cidr.split("/")[0] for address in parted}
    ways = [
        route
        for route in own.routes
        if not route.ipv6
        and route.source not in sources
        and (not route.gateway or route.onlink or ":" in route.gateway or any(ip_address(route.gateway) in network for network in near))
    ]
    return [address for address in stay if address.network in subnets], ways


def _up(name: str) -> Line:
    return ("link", "set", "dev", name, "up")
