# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: may change without notice.
"""The words of placement: hosts with what they offer, demands with what they need, and the answers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

ACTIVE, CORDONED, FAILED = "active", "cordoned", "failed"
HOST_STATES = (ACTIVE, CORDONED, FAILED)
# Why a host cannot take an instance, in the order in which a host is asked.
REASONS = {
    "failed": "has failed or does not answer",
    "cordoned": "is cordoned",
    "kind": "has no engine for it",
    "devices": "lacks a device",
    "vcpus": "too few vCPUs left",
    "memory": "too little memory left",
    "disk": "too little pool space left",
    "affinity": "holds none of the apps it must be with",
    "anti_affinity": "holds an app it must be apart from",
    "reserve": "would use the room kept for the loss of a host",
}
# A tenant and its app: what is spread over hosts, and what affinity speaks of.
App = tuple[str, str]


@dataclass(frozen=True)
class Host:
    """What a host offers; sizes are physical, the policy's ratios make of them what may be promised."""

    name: str
    vcpus: int
    memory: int
    disk: int
    state: str = ACTIVE
    kinds: frozenset[str] = frozenset({"vm", "container"})
    devices: Mapping[str, int] = field(default_factory=dict)

    def offers(self, device: str) -> int:
        """Return how many of a device there are. Of a PCI device that is named by its address there is one, if any: only the host knows."""
        return 1 if is_pci(device) else self.devices.get(device, 0)


def is_pci(device: str) -> bool:
    """Tell whether a device is named by its PCI address; no other name has a colon."""
    return ":" in device


@dataclass(frozen=True)
class Rule:
    """Affinity (``together``) or anti-affinity with the instances of an app; one that is not required is a preference."""

    app: App
    together: bool
    required: bool


@dataclass(frozen=True)
class Demand:
    """What one instance needs. ``host`` is where a running one is, and where an administrator pins a wanted one."""

    name: str
    app: App
    kind: str
    vcpus: int
    memory: int
    disk: int
    host: str | None = None
    rules: tuple[Rule, ...] = ()
    devices: tuple[tuple[str, int], ...] = ()

    @property
    def shape(self) -> tuple[object, ...]:
        """What two instances of one app have in common when any host suits both or none; it can be sorted."""
        rules = tuple((rule.app, rule.together, rule.required) for rule in self.rules)
        return (self.kind, self.vcpus, self.memory, self.disk, rules, self.devices)


@dataclass(frozen=True)
class Policy:
    """How much of a host may be promised, and what is kept.

    ``reserve`` keeps as much room free as the largest active host has (N+1). ``admin`` permits pinned hosts.
    """

    vcpus: float = 4.0
    memory: float = 0.95
    disk: float = 1.0
    reserve: bool = False
    admin: bool = False


@dataclass(frozen=True)
class Placed:
    """A demand and its host; ``kept`` when it ran there before."""

    name: str
    host: str
    why: str
    kept: bool = False


@dataclass(frozen=True)
class Refused:
    """A demand without a host: the hosts by the reason for which each cannot take it, and all of it as one line."""

    name: str
    hosts: Mapping[str, tuple[str, ...]]
    why: str


@dataclass(frozen=True)
class Placements:
    """The answer to one batch, both parts sorted by name."""

    placed: tuple[Placed, ...]
    refused: tuple[Refused, ...]
