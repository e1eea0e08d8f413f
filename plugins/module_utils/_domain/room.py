# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: may change without notice.
"""What is left on each host while a batch is placed.

The sums are whole numbers, so that the order in which instances are counted cannot change an answer.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from math import inf

from .placement_types import ACTIVE, FAILED, App, Demand, Host, Policy

# Free vCPUs, memory and disk; the score's factors of a demand's vCPUs and memory, and of their squares; the host's number.
_Row = tuple[int, int, int, float, float, float, float, int]
_Counts = dict[App, dict[int, int]]
_Devices = tuple[tuple[str, int], ...]
# The score of load stays below 8, so an instance of the same app outweighs any load, and a broken preference any number of those.
_NEIGHBOUR = 8.0
_BROKEN = _NEIGHBOUR * 2**16


@dataclass
class _View:
    """The rows of the hosts that one kind of demand may use, and where the row of each host is."""

    rows: list[_Row]
    place: Mapping[int, int]


@dataclass
class Candidates:
    """The hosts that can take a demand, each with its score: less is better, infinite is impossible."""

    scores: list[float]
    numbers: list[int]
    place: Mapping[int, int]

    def count(self) -> int:
        """Return how many hosts are left."""
        return len(self.scores) - self.scores.count(inf)

    def best(self) -> int | None:
        """Return the number of the best host, of equal ones the first by name; None when none is left."""
        least = min(self.scores, default=inf)
        return None if least == inf else self.numbers[self.scores.index(least)]


class Room:
    """The hosts in the order of their names, each with what its instances leave."""

    def __init__(self, hosts: Iterable[Host], running: Iterable[Demand], policy: Policy) -> None:
        self.hosts = sorted(hosts, key=lambda host: host.name)
        self.numbers = {host.name: number for number, host in enumerate(self.hosts)}
        self._policy = policy
        self._caps = [(int(h.vcpus * policy.vcpus), int(h.memory * policy.memory), int(h.disk * policy.disk)) for h in self.hosts]
        self._totals = [sum(caps) for caps in zip(*self._caps)]
        self._free = [list(caps) for caps in self._caps]
        self._devices: list[Counter[str]] = [Counter() for _host in self.hosts]
        self._apps: _Counts = defaultdict(dict)
        self._shunned: _Counts = defaultdict(dict)
        self._views: dict[tuple[str, _Devices], _View] = {}
        # How often anything was put or taken off: what was true of the hosts is true until this grows.
        self.changes = 0
        for demand in running:
            number = self.numbers.get(demand.host or "")
            if number is not None:
                self._count(number, demand, 1)
        self._slack = self._reserve()

    def take(self, number: int, demand: Demand, sign: int = 1) -> None:
        """Put an instance onto a host, or with ``sign`` -1 take it off again."""
        self.changes += 1
        self._count(number, demand, sign)
        if self.hosts[number].state == ACTIVE:
            self._slack = [left - sign * part for left, part in zip(self._slack, (demand.vcpus, demand.memory, demand.disk))]
        for (_kind, devices), view in self._views.items():
            if number in view.place:
                view.rows[view.place[number]] = self._row(number, devices)

    def same_app(self, number: int, app: App) -> int:
        """Return how many instances of the app are on the host."""
        return self._apps.get(app, {}).get(number, 0)

    def load(self, number: int) -> tuple[float, float]:
        """Return the share of vCPUs and memory that is promised."""
        (vcpus, memory, _disk), (free_vcpus, free_memory, _free) = self._caps[number], self._free[number]
        return 1 - free_vcpus / vcpus if vcpus else 1.0, 1 - free_memory / memory if memory else 1.0

    def holds(self, app: App) -> bool:
        """Tell whether any host has an instance of the app."""
        return bool(self._apps.get(app))

    def free(self, number: int) -> dict[str, int]:
        """Return what may still be promised."""
        return dict(zip(("vcpus", "memory", "disk"), self._free[number]))

    def devices_left(self, number: int, name: str) -> int:
        """Return how many of a device may still be promised."""
        return self.hosts[number].offers(name) - self._devices[number][name]

    def share(self, demand: Demand) -> float:
        """Return how large a demand is: its largest part of what all hosts have together."""
        parts = (demand.vcpus, demand.memory, demand.disk)
        return max((part / total for part, total in zip(parts, self._totals) if total), default=0.0)

    def obstacle(self, number: int, demand: Demand, *, pinned: bool = False) -> str | None:
        """Return the first reason against the host, None when it fits; a pin overrules all but what the host cannot do."""
        reason = self._lack(number, demand, pinned=pinned)
        if reason or pinned:
            return reason
        return _ruled_out(number, *self.required(demand)) or (None if self.keeps_reserve(demand) else "reserve")

    def obstacles(self, demand: Demand) -> dict[str, list[int]]:
        """Return the hosts by the first reason against each, for a demand that none of them can take."""
        only, banned = self.required(demand)
        found: dict[str, list[int]] = defaultdict(list)
        for number in range(len(self.hosts)):
            found[self._lack(number, demand) or _ruled_out(number, only, banned) or "reserve"].append(number)
        return found

    def shortages(self, number: int, more: Demand) -> list[str]:
        """Return all reasons against growing by ``more`` on a host; what does not grow needs no room."""
        parts = zip(("vcpus", "memory", "disk"), self._free[number], (more.vcpus, more.memory, more.disk))
        reserved = self.hosts[number].state == ACTIVE and not self.keeps_reserve(more)
        return [
            *(["devices"] if self._lacks_device(number, more.devices) else []),
            *(part for part, free, size in parts if size and size > free),
            *(["reserve"] if reserved else []),
        ]

    def keeps_reserve(self, demand: Demand) -> bool:
        """Tell whether the demand leaves enough room to lose the largest host; always when no reserve is asked for."""
        parts = (demand.vcpus, demand.memory, demand.disk)
        return not self._policy.reserve or all(not part or left >= part for left, part in zip(self._slack, parts))

    def candidates(self, demand: Demand) -> Candidates:
        """Return the hosts with their scores for the demand."""
        view = self._view(demand)
        vcpus, memory, disk = demand.vcpus, demand.memory, demand.disk
        vcpus2, memory2 = vcpus * vcpus, memory * memory
        base, extra = self._penalties(demand)
        # One pass over plain tuples into plain floats: this is the whole cost of placement.
        scores = [
            base + vcpus * a + memory * b + vcpus2 * c + memory2 * d
            if free_vcpus >= vcpus and free_memory >= memory and free_disk >= disk
            else inf
            for free_vcpus, free_memory, free_disk, a, b, c, d, _number in view.rows
        ]
        numbers = [row[-1] for row in view.rows]
        only, banned = self.required(demand)
        if not self.keeps_reserve(demand):
            only = set()
        if only is not None:
            scores = [score if number in only else inf for score, number in zip(scores, numbers)]
        for number in banned & view.place.keys():
            scores[view.place[number]] = inf
        for number in extra.keys() & view.place.keys():
            scores[view.place[number]] += extra[number]
        return Candidates(scores, numbers, view.place)

    def rescore(self, found: Candidates, number: int, demand: Demand) -> None:
        """Bring the score of one host up to date."""
        score = inf
        if self.obstacle(number, demand) is None:
            base, extra = self._penalties(demand)
            *_free, a, b, c, d, _number = self._row(number)
            score = base + demand.vcpus * a + demand.memory * b + demand.vcpus * demand.vcpus * c + demand.memory * demand.memory * d
            score += extra.get(number, 0.0)
        found.scores[found.place[number]] = score

    def _count(self, number: int, demand: Demand, sign: int) -> None:
        free = self._free[number]
        free[0] -= sign * demand.vcpus
        free[1] -= sign * demand.memory
        free[2] -= sign * demand.disk
        _add(self._apps[demand.app], number, sign)
        for rule in demand.rules:
            if rule.required and not rule.together:
                _add(self._shunned[rule.app], number, sign)
        for name, count in demand.devices:
            self._devices[number][name] += sign * count

    def _reserve(self) -> list[int]:
        """Return the room beyond what the largest host has.

        When host h is lost, the others must take its instances: sum(free) - free(h) >= used(h), that is sum(free) >= cap(h).
        """
        active = [number for number, host in enumerate(self.hosts) if host.state == ACTIVE]
        frees = [self._free[number] for number in active]
        largest = [max(caps, default=0) for caps in zip(*(self._caps[number] for number in active))] or [0, 0, 0]
        sums = [sum(column) for column in zip(*frees)] or [0, 0, 0]
        return [have - keep for have, keep in zip(sums, largest)]

    def _lack(self, number: int, demand: Demand, *, pinned: bool = False) -> str | None:
        """Return the first reason for which the host by itself cannot take a demand. Many hosts are asked, so it is plain."""
        host = self.hosts[number]
        vcpus, memory, disk = self._free[number]
        if host.state == FAILED:
            return "failed"
        if host.state != ACTIVE and not pinned:
            return "cordoned"
        if demand.kind not in host.kinds:
            return "kind"
        if demand.devices and self._lacks_device(number, demand.devices):
            return "devices"
        if vcpus < demand.vcpus:
            return "vcpus"
        if memory < demand.memory:
            return "memory"
        return "disk" if disk < demand.disk else None

    def _lacks_device(self, number: int, devices: _Devices) -> bool:
        return any(self.devices_left(number, name) < count for name, count in devices)

    def _row(self, number: int, devices: _Devices = ()) -> _Row:
        """Return a host's row. The score is the growth of the sum of squares of the loads: least for what evens them out."""
        (vcpus, memory, _disk), (free_vcpus, free_memory, free_disk) = self._caps[number], self._free[number]
        a, c = (2 * (vcpus - free_vcpus) / vcpus**2, 1 / vcpus**2) if vcpus else (0.0, 0.0)
        b, d = (2 * (memory - free_memory) / memory**2, 1 / memory**2) if memory else (0.0, 0.0)
        # A host whose devices are used up has room for none that needs them.
        return (-1 if self._lacks_device(number, devices) else free_vcpus, free_memory, free_disk, a, b, c, d, number)

    def _view(self, demand: Demand) -> _View:
        key = (demand.kind, demand.devices)
        if key not in self._views:
            numbers = [
                number
                for number, host in enumerate(self.hosts)
                if host.state == ACTIVE and demand.kind in host.kinds and all(host.offers(name) >= count for name, count in demand.devices)
            ]
            rows = [self._row(number, demand.devices) for number in numbers]
            self._views[key] = _View(rows, {number: place for place, number in enumerate(numbers)})
        return self._views[key]

    def required(self, demand: Demand) -> tuple[set[int] | None, set[int]]:
        """Return the only hosts that required affinity leaves (None: all), and those that anti-affinity of either side bans."""
        only: set[int] | None = None
        banned = set(self._shunned.get(demand.app, ()))
        for rule in demand.rules:
            if not rule.required:
                continue
            holders = self._apps.get(rule.app, {})
            if not rule.together:
                banned |= holders.keys()
            # The first of an app that keeps together has nothing to be with.
            elif holders or rule.app != demand.app:
                only = set(holders) if only is None else only & holders.keys()
        return only, banned

    def _penalties(self, demand: Demand) -> tuple[float, dict[int, float]]:
        """Return the penalty of every host, and what single hosts have beyond it."""
        base, spread = 0.0, True
        extra: dict[int, float] = {}
        for rule in demand.rules:
            holders = self._apps.get(rule.app, {})
            if rule.together and rule.app == demand.app:
                spread = False
            if rule.required or not holders:
                continue
            base += _BROKEN if rule.together else 0.0
            for number in holders:
                extra[number] = extra.get(number, 0.0) + (-_BROKEN if rule.together else _BROKEN)
        if spread:
            for number, count in self._apps.get(demand.app, {}).items():
                extra[number] = extra.get(number, 0.0) + count * _NEIGHBOUR
        return base, extra


def _ruled_out(number: int, only: Collection[int] | None, banned: Collection[int]) -> str | None:
    if only is not None and number not in only:
        return "affinity"
    return "anti_affinity" if number in banned else None


def _add(counts: dict[int, int], number: int, sign: int) -> None:
    left = counts.get(number, 0) + sign
    if left:
        counts[number] = left
    else:
        counts.pop(number, None)
