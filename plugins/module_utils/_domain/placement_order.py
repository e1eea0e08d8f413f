# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: may change without notice.
"""In which order apps are placed: what others must be with comes before them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from .errors import ZonalError
from .placement_types import App, Demand
from .room import Room

Circle = tuple[App, ...]


@dataclass(frozen=True)
class Order:
    """The batches, one for each app, and by app the circles of required affinity, in which every app waits for another."""

    batches: list[list[Demand]]
    circles: Mapping[App, Circle]


def in_order(wanted: Iterable[Demand], room: Room) -> Order:
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
    depths, circles = _depths(batches, room)
    pinned = {app: any(demand.host for demand in batch) for app, batch in batches.items()}
    in_turn = sorted(batches, key=lambda app: (depths[app], not pinned[app], -shares[app], app))
    return Order([batches[app] for app in in_turn], circles)


def _depths(batches: Mapping[App, Sequence[Demand]], room: Room) -> tuple[dict[App, int], dict[App, Circle]]:
    """Return how long the chain of required affinity below each app is, and the circles, each cut open at one of its apps.

    It is no circle when what one of its apps needs runs already.
    """
    needs = {
        app: ({rule.app for demand in batch for rule in demand.rules if rule.together and rule.required} & batches.keys()) - {app}
        for app, batch in batches.items()
    }
    depths: dict[App, int] = {}
    circles: dict[App, Circle] = {}
    depth = 0
    while needs:
        waits = {app: needed & needs.keys() for app, needed in needs.items()}
        ready = [app for app, needed in waits.items() if not needed]
        ready = ready or [app for app, needed in waits.items() if all(map(room.holds, needed))]
        if not ready:
            circle = _circle(waits)
            circles.update({app: circle for app in circle if app not in circles})
            ready = [circle[0]]
        for app in ready:
            depths[app] = depth
            del needs[app]
        depth += 1
    return depths, circles


def _circle(waits: Mapping[App, set[App]]) -> Circle:
    """Return the apps of a circle, always the same, each before one that it needs; every app needs another."""
    path = [min(waits)]
    while True:
        app = min(waits[path[-1]])
        if app in path:
            circle = path[path.index(app) :]
            first = circle.index(min(circle))
            return (*circle[first:], *circle[:first])
        path.append(app)
