# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: may change without notice.
"""What the ledger knows of one zone: who owns which address, name, MAC, host and share of a quota."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from .names import mac_of
from .placement_types import ACTIVE, Demand, Rule
from .pools import number_of

# planned: promised, not seen on its host yet. settled: seen there. removing: waits until its host confirms that it is gone.
PLANNED, SETTLED, REMOVING = "planned", "settled", "removing"
# released: an address that rests before it is given out again. quarantined: one that must not be given out.
RELEASED, QUARANTINED = "released", "quarantined"
SIZES = ("vcpus", "memory", "disk")
# What the ledger's columns hold, and more than any host has.
MOST_CPUS, MOST_BYTES = 2**31 - 1, 2**63 - 1
KINDS = ("container", "vm")
# The fields of a claim with addresses beside its own.
ADDRESS_LISTS = ("extra_addresses", "leaving")
# What files of older versions do not have.
LATER = (*ADDRESS_LISTS, "explicit")


@dataclass(frozen=True)
class Claim:
    """One instance's share of its zone; ``index`` counts the instances of a tenant's app and kind from 1.

    ``leaving`` are addresses that it was given beside its own and shall not have any more: they wait until its host confirms that.
    ``explicit`` is one that an entry means by its name or address.
    """

    name: str
    address: str
    host: str
    tenant: str
    app: str
    kind: str
    index: int
    vcpus: int
    memory: int
    disk: int
    state: str = PLANNED
    protected: bool = False
    rules: tuple[Rule, ...] = ()
    devices: tuple[tuple[str, int], ...] = ()
    extra_addresses: tuple[str, ...] = ()
    leaving: tuple[str, ...] = ()
    explicit: bool = False

    @property
    def addresses(self) -> tuple[str, ...]:
        """All that nobody else may have, its own first."""
        return (self.address, *self.extra_addresses, *self.leaving)

    @property
    def mac(self) -> str:
        """The MAC that follows from the address."""
        return mac_of(self.address)

    def with_extra(self, wanted: Collection[str], has: Collection[str] | None) -> Claim:
        """Return it with just these extra addresses; the others are leaving, those only that it ``has`` when that is known."""
        others = [address for address in self.addresses[1:] if address not in wanted and (has is None or address in has)]
        return replace(self, extra_addresses=tuple(wanted), leaving=tuple(sorted(others, key=number_of)))

    def demand(self) -> Demand:
        """Return what placement must know of it."""
        app = (self.tenant, self.app)
        return Demand(self.name, app, self.kind, self.vcpus, self.memory, self.disk, self.host, self.rules, self.devices)

    def as_dict(self) -> dict[str, Any]:
        """Return it as JSON can carry it."""
        return {**self._plain(), "mac": self.mac}

    def _plain(self) -> dict[str, Any]:
        extra = {"extra_addresses": list(self.extra_addresses), "leaving": list(self.leaving)}
        return {**vars(self), "rules": dump_rules(self.rules), "devices": dict(self.devices), **extra}

    def basis(self) -> list[Any]:
        """Return what a plan depends on: all but the state, which only tells how far the last plan has come."""
        return [value for key, value in self._plain().items() if key != "state"]


@dataclass(frozen=True)
class Held:
    """An address that no instance has and that is not given out: released (until it has rested) or quarantined."""

    address: str
    state: str
    why: str
    since: str


@dataclass(frozen=True)
class KnownHost:
    """A host as the ledger remembers it, so that an unreachable one still counts. Sizes are physical.

    ``addresses`` are those of its bridges in the zone's network.
    """

    name: str
    vcpus: int
    memory: int
    disk: int
    state: str = ACTIVE
    why: str = ""
    kinds: tuple[str, ...] = ("container", "vm")
    devices: Mapping[str, int] = field(default_factory=dict)
    addresses: tuple[str, ...] = ()


@dataclass(frozen=True)
class Snapshot:
    """One zone's pages of the ledger at one moment, each sorted by name or address.

    ``elsewhere`` are the claims that other zones have on its hosts, for a host may belong to several zones.
    """

    claims: tuple[Claim, ...] = ()
    held: tuple[Held, ...] = ()
    hosts: tuple[KnownHost, ...] = ()
    elsewhere: tuple[Claim, ...] = ()

    def digest(self) -> str:
        """Return a text that changes when anything in these pages does that a plan depends on."""
        claims = [claim.basis() for claim in self.claims]
        held = [[item.address, item.state] for item in self.held]
        hosts = [[host.name, host.state] for host in self.hosts]
        return digest([claims, held, hosts])


def digest(value: object) -> str:
    """Return a short fingerprint of a value that JSON can carry."""
    return hashlib.sha256(json.dumps(value, sort_keys=True, separators=(",", ":")).encode()).hexdigest()[:24]


def dump_rules(rules: tuple[Rule, ...]) -> list[dict[str, Any]]:
    """Return affinity rules as JSON can carry them."""
    return [{"tenant": rule.app[0], "app": rule.app[1], "together": rule.together, "required": rule.required} for rule in rules]


def load_rules(rules: list[dict[str, Any]]) -> tuple[Rule, ...]:
    """Return the rules that ``dump_rules`` wrote."""
    return tuple(Rule((rule["tenant"], rule["app"]), rule["together"], rule["required"]) for rule in rules)


def load_claim(value: Mapping[str, Any]) -> Claim:
    """Return the claim that ``as_dict`` wrote."""
    known = {key: item for key, item in value.items() if key != "mac"}
    read = {"rules": load_rules(known["rules"]), "devices": tuple(sorted(known["devices"].items()))}
    return Claim(**{**known, **read, **{key: tuple(known.get(key, ())) for key in ADDRESS_LISTS}})
