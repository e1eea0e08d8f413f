# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A host's network in memory: links that obey the lines of ``ip -batch``, and a watchdog that waits for ``expire``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from ipaddress import ip_interface
from typing import Any

from ansible_collections.zonal.cloud.plugins.module_utils._domain.bridge import FOREVER, Address, BridgeConfig, Link, Route, Snapshot
from ansible_collections.zonal.cloud.plugins.module_utils._domain.bridge_found import Pending
from ansible_collections.zonal.cloud.plugins.module_utils._domain.errors import RefusedError
from ansible_collections.zonal.cloud.plugins.module_utils._ports import EngineError
from ansible_collections.zonal.cloud.plugins.module_utils._ports_network import FileChanges, Lines, NetworkFiles

FRESH_MAC = "02:00:00:00:ff:01"


class FakeLinks:
    """See ``Links`` in ``_ports_network.py``. ``fail_at`` makes the line with these words fail."""

    def __init__(self, *links: Link) -> None:
        self._links = {link.name: link for link in links}
        self.fail_at = ""

    def snapshot(self) -> Snapshot:
        return Snapshot(tuple(self._links[name] for name in sorted(self._links)))

    def change(self, lines: Lines) -> None:
        for line in lines:
            if self.fail_at and self.fail_at in " ".join(line):
                raise EngineError("run", "ip " + " ".join(line), "RTNETLINK answers: Invalid argument")
            kind, verb, *words = line
            getattr(self, f"_{kind}")(verb, list(words))

    def force(self, lines: Lines) -> None:
        """Like ``ip -force -batch``."""
        for line in lines:
            try:
                self.change([line])
            except EngineError:
                continue

    def _find(self, name: str) -> Link:
        if name not in self._links:
            raise EngineError("find", name, f'Cannot find device "{name}"')
        return self._links[name]

    def _put(self, link: Link) -> None:
        self._links[link.name] = link

    def _link(self, verb: str, words: list[str]) -> None:
        told = _pairs(words)
        if verb == "add":
            if told["name"] in self._links:
                raise EngineError("add", told["name"], "RTNETLINK answers: File exists")
            self._put(Link(told["name"], index=len(self._links) + 1, mac=told.get("address", FRESH_MAC), kind="bridge"))
        name = told.get("name") or told["dev"]
        link = self._find(name)
        if verb == "del":
            del self._links[name]
            for port in [port for port in self._links.values() if port.master == name]:
                self._put(replace(port, master=""))
            return
        stp = told["stp_state"] == "1" if "stp_state" in told else link.stp
        delay = int(told.get("forward_delay", link.forward_delay))
        if "forward_delay" in told and link.stp and not 200 <= delay <= 3000:
            raise EngineError("set", name, "RTNETLINK answers: Numerical result out of range")
        if "master" in told:
            self._find(told["master"])
        master = "" if "nomaster" in words else told.get("master", link.master)
        up = link.up or "up" in words
        mac, mtu = told.get("address", link.mac), int(told.get("mtu", link.mtu))
        self._put(replace(link, stp=stp, forward_delay=delay, master=master, up=up and "down" not in words, mac=mac, mtu=mtu))

    def _address(self, verb: str, words: list[str]) -> None:
        told = _pairs(words[1:] if verb != "flush" else words)
        link = self._find(told["dev"])
        if verb == "flush":
            return self._put(replace(link, addresses=(), routes=tuple(route for route in link.routes if route.ipv6)))
        peer = told.get("peer", "")
        cidr = f"{words[0]}/{128 if ':' in words[0] else 32}" if peer else words[0]
        others = tuple(address for address in link.addresses if address.key != (cidr, peer))
        if verb == "del":
            if others == link.addresses:
                raise EngineError("delete", cidr, "RTNETLINK answers: Cannot assign requested address")
            return self._put(_without(link, next(address for address in link.addresses if address not in others)))
        new = Address(
            cidr,
            peer,
            told.get("broadcast", ""),
            int(told.get("metric", 0)),
            "noprefixroute" not in words,
            int(told.get("valid_lft", FOREVER)),
            int(told.get("preferred_lft", FOREVER)),
        )
        return self._put(replace(link, addresses=_listed(link.addresses, new)))

    def _route(self, verb: str, words: list[str]) -> None:
        told = _pairs([word for word in words[1:] if word != "inet6"])
        link = self._find(told["dev"])
        new = Route(
            words[0],
            told.get("via", ""),
            int(told.get("metric", 1024 if ":" in words[0] else 0)),
            int(told.get("table", 254)),
            int(told.get("proto", 3)),
            int(told.get("scope", 0)),
            told.get("src", ""),
            "onlink" in words,
        )
        kept = tuple(route for route in link.routes if route.key != new.key)
        if verb == "del":
            if kept == link.routes:
                raise EngineError("delete", str(new), "RTNETLINK answers: No such process")
            return self._put(replace(link, routes=kept))
        networks = [ip_interface(address.cidr).network for address in link.addresses]
        if new.gateway and not new.onlink and not any(ip_interface(new.gateway).ip in network for network in networks):
            raise EngineError("add", str(new), "Error: Nexthop has invalid gateway.")
        return self._put(replace(link, routes=tuple(sorted((*kept, new)))))


class FakeWatchdog:
    """See ``Watchdog`` in ``_ports_network.py``; ``expire`` is the deadline."""

    def __init__(self, links: FakeLinks, files: NetworkFiles) -> None:
        self._links = links
        self._files = files
        self._pending: Pending | None = None
        self._restore: Lines = ()
        self._former: FileChanges = {}
        self._undone = ""
        self.fail = ""

    def pending(self, name: str) -> Pending | None:
        return self._pending

    def rolled_back(self, name: str) -> str:
        return self._undone

    def arm(self, name: str, wish: Mapping[str, Any], config: BridgeConfig | None, restore: Lines, seconds: int) -> None:
        if self.fail:
            raise EngineError("run", "systemd-run", self.fail)
        self._pending, self._undone = Pending("token", dict(wish), config, seconds), ""
        self._restore, self._former = restore, {}

    @contextmanager
    def claim(self, name: str, token: str) -> Iterator[None]:
        if self._pending is None or self._pending.token != token:
            raise RefusedError("confirm: the host undid the change")
        yield

    def protect(self, name: str, former: FileChanges) -> None:
        self._former = {**former, **self._former}

    def disarm(self, name: str) -> None:
        self._pending = None

    def undo(self, name: str) -> None:
        self._links.force(self._restore)
        self._files.write(self._former)
        self._pending, self._undone = None, "2030-01-01T00:00:00Z"

    def expire(self) -> None:
        if self._pending:
            self.undo("")


def _without(link: Link, gone: Address) -> Link:
    """A link as the kernel leaves it without promote_secondaries: the first address of a network takes the others with it, an address
    the routes whose source it is, and the last one of IPv4 all routes of it."""
    same = [address for address in link.addresses if not address.ipv6 and address.network == gone.network]
    taken = same if same[:1] == [gone] else [gone]
    addresses = tuple(address for address in link.addresses if address not in taken)
    last = all(address.ipv6 for address in addresses)
    sources = {address.cidr.split("/")[0] for address in taken}
    routes = tuple(route for route in link.routes if route.source not in sources and (route.ipv6 or not last))
    return replace(link, addresses=addresses, routes=routes)


def _listed(addresses: tuple[Address, ...], new: Address) -> tuple[Address, ...]:
    """Addresses as the kernel lists them: IPv4 first, a second one of a network after all others, and of IPv6 the newest first."""
    if any(address.key == new.key for address in addresses):
        return tuple(new if address.key == new.key else address for address in addresses)
    old, ipv6 = [address for address in addresses if not address.ipv6], [address for address in addresses if address.ipv6]
    if new.ipv6:
        return (*old, new, *ipv6)
    firsts: dict[object, Address] = {}
    for address in (*old, new):
        firsts.setdefault(address.network, address)
    primary = list(firsts.values())
    return (*primary, *(address for address in (*old, new) if address not in primary), *ipv6)


def _pairs(words: list[str]) -> dict[str, str]:
    """Option words of ip with their values; words without one get the next word, which nobody asks for."""
    return {words[number]: words[number + 1] for number in range(len(words) - 1)}
