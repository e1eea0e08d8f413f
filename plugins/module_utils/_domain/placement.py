# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: may change without notice.
"""Which host takes which instance. A pure function: the same hosts and instances give the same answer, in whatever order."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import TypeVar

from .errors import ZonalError
from .placement_types import REASONS, App, Demand, Host, Placed, Placements, Policy, Refused
from .quantity import format_size
from .room import Room

_MIB = 1024**2
Answer = TypeVar("Answer", Placed, Refused)


def place(hosts: Iterable[Host], running: Iterable[Demand], wanted: Iterable[Demand], policy: Policy | None = None) -> Placements:
    """Give every wanted instance a host, or say for each host why not; an app whose instances do not all fit gets nothing.

    What runs stays where it is; a wanted instance with the name of a running one keeps its host, which must have room for
    what it grows by. Hosts and instances must have names of their own.
    """
    policy = policy or Policy()
    residents = {demand.name: demand for demand in running}
    placing = _Placing(Room(hosts, residents.values(), policy), residents, policy)
    for batch in _in_order(wanted, placing.room):
        placing.place(batch)
    return Placements(_by_name(placing.placed), _by_name(placing.refused))


class _Placing:
    """One run of ``place``."""

    def __init__(self, room: Room, residents: Mapping[str, Demand], policy: Policy) -> None:
        self.room = room
        self.placed: list[Placed] = []
        self.refused: list[Refused] = []
        self._residents = residents
        self._policy = policy

    def place(self, batch: Sequence[Demand]) -> None:
        """Place all instances of an app, or none."""
        taken: list[tuple[int, Demand]] = []
        placed: list[Placed] = []
        refused: list[Refused] = []
        groups: dict[tuple[object, ...], list[Demand]] = defaultdict(list)
        for demand in batch:
            if demand.name in self._residents:
                _sort_out(self._keep(demand, taken), placed, refused)
            elif demand.host is not None:
                _sort_out(self._pin(demand, taken), placed, refused)
            else:
                groups[demand.shape].append(demand)
        for group in groups.values():
            self._choose(group[0], [demand.name for demand in group], taken, placed, refused)
        if not refused:
            self.placed += placed
            return
        for number, demand in taken:
            self.room.take(number, demand, -1)
        failed = ", ".join(sorted(item.name for item in refused)[:3])
        self.refused += refused
        self.refused += [Refused(item.name, {}, f"its app is refused as a whole because of {failed}") for item in placed]

    def _keep(self, demand: Demand, taken: list[tuple[int, Demand]]) -> Placed | Refused:
        """Keep an instance where it runs. What it shrinks by is not given away before it has shrunk."""
        before = self._residents[demand.name]
        number = self.room.numbers.get(before.host or "")
        why = "it stays where it is"
        if number is None:
            return Placed(demand.name, before.host or "", why, kept=True)
        growth = {part: max(0, getattr(demand, part) - getattr(before, part)) for part in ("vcpus", "memory", "disk")}
        free = self.room.free(number)
        short = [part for part, size in growth.items() if size and size > free[part]]
        if short:
            lines = [_too_large(part, growth[part], free[part]) for part in short]
            return Refused(demand.name, dict.fromkeys(short, (before.host or "",)), f"cannot grow on {before.host}: {'; '.join(lines)}")
        if any(growth.values()):
            # The app is already counted there once; its own instance must not be counted twice.
            more = replace(demand, app=("", demand.name), rules=(), devices=(), **growth)
            self.room.take(number, more)
            taken.append((number, more))
        return Placed(demand.name, before.host or "", why, kept=True)

    def _pin(self, demand: Demand, taken: list[tuple[int, Demand]]) -> Placed | Refused:
        host = demand.host or ""
        number = self.room.numbers.get(host)
        if not self._policy.admin:
            return Refused(demand.name, {}, f"host: {host!r} is asked for, which only an administrator may (zonal_admin: true)")
        if number is None:
            return Refused(demand.name, {}, f"host: {host!r} is asked for, which is not a host of the zone")
        reason = self.room.obstacle(number, demand, pinned=True)
        if reason:
            return Refused(demand.name, {reason: (host,)}, f"host: {host} is asked for but {_told(reason, demand, self.room, [number])}")
        self._take(number, demand, taken)
        return Placed(demand.name, host, "it is pinned to this host")

    def _choose(
        self, shape: Demand, names: Sequence[str], taken: list[tuple[int, Demand]], placed: list[Placed], refused: list[Refused]
    ) -> None:
        """Place equal instances of one app: only the host that was just taken changes its rank among the candidates."""
        found = self.room.candidates(shape)
        together = any(rule.together and rule.required and rule.app == shape.app for rule in shape.rules)
        fitting = found.count()
        for position, name in enumerate(names):
            number = found.best()
            if number is None:
                hosts, why = self._explain(shape)
                refused += [Refused(each, hosts, why) for each in names[position:]]
                return
            neighbours = self.room.same_app(number, shape.app)
            self._take(number, shape, taken)
            placed.append(Placed(name, self.room.hosts[number].name, self._reason(number, shape, fitting, neighbours)))
            if together or not self.room.keeps_reserve(shape):
                found = self.room.candidates(shape)
            else:
                self.room.rescore(found, number, shape)

    def _take(self, number: int, demand: Demand, taken: list[tuple[int, Demand]]) -> None:
        self.room.take(number, demand)
        taken.append((number, demand))

    def _reason(self, number: int, shape: Demand, fitting: int, neighbours: int) -> str:
        vcpus, memory = self.room.load(number)
        others = f"{neighbours} of its app there" if neighbours else "none of its app there"
        return f"best of {fitting} hosts that fit: {others}, then vCPUs {vcpus:.0%} and memory {memory:.0%} promised"

    def _explain(self, shape: Demand) -> tuple[dict[str, tuple[str, ...]], str]:
        found: dict[str, list[int]] = defaultdict(list)
        for number in range(len(self.room.hosts)):
            found[self.room.obstacle(number, shape) or "reserve"].append(number)
        if not found:
            return {}, "the zone has no host"
        told = [f"{len(found[reason])} x {_told(reason, shape, self.room, found[reason])}" for reason in REASONS if reason in found]
        return {reason: tuple(self.room.hosts[n].name for n in found[reason]) for reason in REASONS if reason in found}, (
            f"no host fits: {'; '.join(told)}"
        )


def _told(reason: str, demand: Demand, room: Room, numbers: Sequence[int]) -> str:
    if reason not in ("vcpus", "memory", "disk"):
        return REASONS[reason]
    return _too_large(reason, getattr(demand, reason), max(room.free(number)[reason] for number in numbers))


def _too_large(part: str, wanted: int, free: int) -> str:
    show = str if part == "vcpus" else lambda size: format_size(size // _MIB * _MIB) if size >= _MIB else "0"
    return f"{REASONS[part]} ({show(wanted)} wanted, {show(free)} left at most)"


def _sort_out(answer: Placed | Refused, placed: list[Placed], refused: list[Refused]) -> None:
    if isinstance(answer, Refused):
        refused.append(answer)
    else:
        placed.append(answer)


def _in_order(wanted: Iterable[Demand], room: Room) -> list[list[Demand]]:
    """Return the batches, one for each app: what others must be with first, then pinned ones, then large before small."""
    batches: dict[App, list[Demand]] = defaultdict(list)
    names = set()
    for demand in wanted:
        if demand.name in names:
            raise ZonalError(f"instances: {demand.name!r} is wanted twice; names must be unique")
        names.add(demand.name)
        batches[demand.app].append(demand)
    shares = {}
    for app, batch in batches.items():
        batch.sort(key=lambda demand: (-room.share(demand), demand.shape, demand.name))
        shares[app] = room.share(batch[0])
    depths = _depths(batches)
    pinned = {app: any(demand.host for demand in batch) for app, batch in batches.items()}
    return [batches[app] for app in sorted(batches, key=lambda app: (depths[app], not pinned[app], -shares[app], app))]


def _depths(batches: Mapping[App, Sequence[Demand]]) -> dict[App, int]:
    """Return how long the chain of required affinity below each app is; a circle is cut open at one of its apps."""
    needs = {
        app: ({rule.app for demand in batch for rule in demand.rules if rule.together and rule.required} & batches.keys()) - {app}
        for app, batch in batches.items()
    }
    depths: dict[App, int] = {}
    depth = 0
    while needs:
        ready = [app for app, needed in needs.items() if not needed & needs.keys()] or [_in_circle(needs)]
        for app in ready:
            depths[app] = depth
            del needs[app]
        depth += 1
    return depths


def _in_circle(needs: Mapping[App, set[App]]) -> App:
    """Return one app of a circle, always the same; every app needs another."""
    app, seen = min(needs), set()
    while app not in seen:
        seen.add(app)
        app = min(needs[app] & needs.keys())
    return app


def _by_name(items: Iterable[Answer]) -> tuple[Answer, ...]:
    return tuple(sorted(items, key=lambda item: item.name))
