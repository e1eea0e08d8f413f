# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: may change without notice.
"""Which host takes which instance. A pure function: the same hosts and instances give the same answer, in whatever order."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import TypeVar

from .placement_order import Circle, in_order
from .placement_types import REASONS, Demand, Host, Placed, Placements, Policy, Refused
from .quantity import format_size
from .room import Room

_MIB = 1024**2
Answer = TypeVar("Answer", Placed, Refused)
# The hosts by reason, and the same as one line.
_Explained = tuple[dict[str, tuple[str, ...]], str]


def place(hosts: Iterable[Host], running: Iterable[Demand], wanted: Iterable[Demand], policy: Policy | None = None) -> Placements:
    """Give every wanted instance a host, or say for each host why not; an app whose instances do not all fit gets nothing.

    What runs stays where it is; a wanted instance with the name of a running one keeps its host, which must have room for
    what it grows by. Hosts and instances must have names of their own.
    """
    policy = policy or Policy()
    wishes = list(wanted)
    residents = {demand.name: demand for demand in running}
    placing = _Placing(Room(hosts, _ruled(residents, wishes), policy), residents, policy)
    order = in_order(wishes, placing.room)
    for batch in order.batches:
        placing.place(batch, order.circles.get(batch[0].app, ()))
    return Placements(_by_name(placing.placed), _by_name(placing.refused))


class _Placing:
    """One run of ``place``."""

    def __init__(self, room: Room, residents: Mapping[str, Demand], policy: Policy) -> None:
        self.room = room
        self.placed: list[Placed] = []
        self.refused: list[Refused] = []
        self._residents = residents
        self._policy = policy
        self._explained: tuple[object, _Explained] = (None, ({}, ""))

    def place(self, batch: Sequence[Demand], circle: Circle) -> None:
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
        self._restore_rules(batch)
        failed = ", ".join(sorted(item.name for item in refused)[:3])
        self.refused += [_in_circle(item, circle) for item in refused] if self._is_stuck(circle) else refused
        self.refused += [Refused(item.name, {}, f"its app is refused as a whole because of {failed}") for item in placed]

    def _is_stuck(self, circle: Circle) -> bool:
        """Tell whether each app of a circle must be with one of which there is no instance yet."""
        return bool(circle) and not any(self.room.holds(app) for app in circle)

    def _restore_rules(self, batch: Sequence[Demand]) -> None:
        """Let what runs of a refused app have the rules that it had."""
        for demand in batch:
            before = self._residents.get(demand.name)
            number = self.room.numbers.get(before.host or "") if before else None
            if before is not None and number is not None and before.rules != demand.rules:
                self.room.take(number, replace(before, rules=demand.rules), -1)
                self.room.take(number, before)

    def _keep(self, demand: Demand, taken: list[tuple[int, Demand]]) -> Placed | Refused:
        """Keep an instance where it runs. What it shrinks by is not given away before it has shrunk."""
        before = self._residents[demand.name]
        host = before.host or ""
        fault = self._pin_fault(demand.host) if demand.host not in (None, host) else None
        if fault is not None:
            return Refused(demand.name, {}, f"{fault}, and it runs on {host}")
        number = self.room.numbers.get(host)
        kept = Placed(demand.name, host, "it stays where it is", kept=True)
        more = _growth(before, demand)
        if number is None or more is None:
            return kept
        short = self.room.shortages(number, more)
        if short:
            lines = [_told(reason, more, self.room, [number]) for reason in short]
            return Refused(demand.name, dict.fromkeys(short, (host,)), f"cannot grow on {host}: {'; '.join(lines)}")
        self._take(number, more, taken)
        return kept

    def _pin_fault(self, host: str | None) -> str | None:
        """Return what is wrong with a pin, whatever room its host has."""
        if not self._policy.admin:
            return f"host: {host!r} is asked for, which only an administrator may (zonal_admin: true)"
        return None if host in self.room.numbers else f"host: {host!r} is asked for, which is not a host of the zone"

    def _pin(self, demand: Demand, taken: list[tuple[int, Demand]]) -> Placed | Refused:
        host = demand.host or ""
        fault = self._pin_fault(host)
        if fault is not None:
            return Refused(demand.name, {}, fault)
        number = self.room.numbers[host]
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

    def _explain(self, shape: Demand) -> _Explained:
        """Return why no host takes a demand: the last answer again when nothing has changed since, for many may ask alike."""
        only, banned = self.room.required(shape)
        key = (self.room.changes, shape.shape, None if only is None else frozenset(only), frozenset(banned))
        if self._explained[0] != key:
            self._explained = (key, self._ask_every_host(shape))
        return self._explained[1]

    def _ask_every_host(self, shape: Demand) -> _Explained:
        found = self.room.obstacles(shape)
        if not found:
            return {}, "the zone has no host"
        told = [f"{len(found[reason])} x {_told(reason, shape, self.room, found[reason])}" for reason in REASONS if reason in found]
        return {reason: tuple(self.room.hosts[n].name for n in found[reason]) for reason in REASONS if reason in found}, (
            f"no host fits: {'; '.join(told)}"
        )


def _ruled(residents: Mapping[str, Demand], wishes: Iterable[Demand]) -> list[Demand]:
    """Return what runs, with the rules that it is to have from now on."""
    ruled = dict(residents)
    for wish in wishes:
        before = residents.get(wish.name)
        if before is not None and before.rules != wish.rules:
            ruled[wish.name] = replace(before, rules=wish.rules)
    return list(ruled.values())


def _growth(before: Demand, demand: Demand) -> Demand | None:
    """Return by how much more a demand is than before, None when by nothing."""
    sizes = {part: max(0, getattr(demand, part) - getattr(before, part)) for part in ("vcpus", "memory", "disk")}
    had = dict(before.devices)
    devices = tuple((name, count - had.get(name, 0)) for name, count in demand.devices if count > had.get(name, 0))
    if not any(sizes.values()) and not devices:
        return None
    # The app is already counted there once; its own instance must not be counted twice.
    return replace(demand, app=("", demand.name), rules=(), devices=devices, **sizes)


def _in_circle(refused: Refused, circle: Circle) -> Refused:
    """Return a refusal that tells of the circle, when it is for the lack of one to be with."""
    if "affinity" not in refused.hosts:
        return refused
    names = " with ".join("/".join(app) for app in (*circle, circle[0]))
    return replace(refused, why=f"{refused.why}; affinity goes in a circle ({names}), so none can be first: make one required: false")


def _told(reason: str, demand: Demand, room: Room, numbers: Sequence[int]) -> str:
    if reason == "devices":
        left = {name: max(room.devices_left(number, name) for number in numbers) for name, _count in demand.devices}
        short = [f"{name}: {count} wanted, {max(0, left[name])} left at most" for name, count in demand.devices]
        return f"{REASONS[reason]} ({', '.join(short)})"
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


def _by_name(items: Iterable[Answer]) -> tuple[Answer, ...]:
    return tuple(sorted(items, key=lambda item: item.name))
