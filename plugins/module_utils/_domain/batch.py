# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: may change without notice.
"""Several instances of one host in one run: what they may not share, in which order they go, and what is told of each."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from .errors import SpecError
from .instance import ABSENT, Instance, Wish, show_instance
from .instance_disks import disk_names
from .plan import Plan, Step


@dataclass(frozen=True)
class Outcome:
    """What became of one instance: ``after`` is how it is now, or in check mode would be. ``done`` are the steps before an ``error``."""

    kind: str
    name: str
    before: Instance
    after: Instance
    plan: Plan[Instance]
    done: tuple[Step, ...] = ()
    error: str = ""

    @property
    def changed(self) -> bool:
        return bool(self.done)

    def as_dict(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "kind": self.kind,
            "changed": self.changed,
            "plan": [step.as_dict() for step in self.done],
            "pending": [difference.as_dict() for difference in self.plan.pending],
            "error": self.error,
            "instance": show_instance(self.after),
        }


def check_batch(wishes: Collection[Wish]) -> None:
    """SpecError when two instances have one name, or two that shall be there one address, disk or PCI device."""
    names: set[str] = set()
    owners: dict[str, str] = {}
    having: dict[tuple[str, str], str] = {}
    for wish in wishes:
        if wish.name in names:
            raise SpecError("instances", wish.name, "is the name of two of them")
        names.add(wish.name)
        for address in () if wish.power == ABSENT else (wish.spec.get("address", ""), *wish.spec.get("extra_addresses", ())):
            if address in owners:
                raise SpecError("instances", address, f"is the address of {owners[address]} and of {wish.name}")
            if address:
                owners[address] = wish.name
        parts = [("disk", name) for name in disk_names(wish.spec)] + [("PCI device", name) for name in wish.spec.get("pci_devices", ())]
        for part in () if wish.power == ABSENT else parts:
            if part in having:
                raise SpecError("instances", part[1], f"is a {part[0]} of {having[part]} and of {wish.name}")
            having[part] = wish.name


def in_turns(wishes: Sequence[Wish]) -> tuple[list[int], list[int]]:
    """Return the positions of those that shall go, and of the others: what goes makes room for what comes."""
    going = [number for number, wish in enumerate(wishes) if wish.power == ABSENT]
    return going, [number for number in range(len(wishes)) if number not in set(going)]


def told_lines(outcomes: Iterable[Outcome]) -> list[str]:
    """Return a line for each instance that was changed, or failed, for people."""
    lines = []
    for outcome in outcomes:
        steps = ", ".join(step.action for step in outcome.done)
        if outcome.error:
            lines.append(f"{outcome.kind} {outcome.name}: FAILED{f' after {steps}' if steps else ''}: {outcome.error}")
        elif steps:
            lines.append(f"{outcome.kind} {outcome.name}: {steps}")
    return lines
