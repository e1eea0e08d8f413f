# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: may change without notice.
"""Why a declared instance cannot be: its name or its address is another's, or it runs where it should not."""

from __future__ import annotations

from collections.abc import Iterator

from .claims import REMOVING, Claim, Snapshot
from .declared import Declared
from .errors import SpecError
from .observation import Observation, Seen
from .pools import number_of
from .zone_slots import Slot
from .zone_spec import Zone


class Faults:
    """What is known of a zone, and what of it stands against a slot."""

    def __init__(self, zone: Zone, snapshot: Snapshot, observation: Observation) -> None:
        self._zone = zone
        self._users = {item.spec["address"]: item for item in observation.instances() if "address" in item.spec}
        self._held = {item.address: item for item in snapshot.held}
        self._owners = {claim.address: claim for claim in snapshot.claims}
        self._there = {item.name: item for item in observation.instances()}
        self._elsewhere = {claim.name: claim for claim in snapshot.elsewhere}
        self._names = {claim.name: claim for claim in snapshot.claims}

    def check_name(self, claim: Claim) -> None:
        """SpecError when the name of a new claim is taken. A host has every name once, whatever zone it is of."""
        other = self._names.setdefault(claim.name, claim)
        if other is not claim:
            owner = f"{show_owner(other)} with {other.address}"
        elif claim.name in self._elsewhere:
            owner = f"{show_owner(self._elsewhere[claim.name])} in another zone"
        elif claim.name in self._there:
            owner = show_unclaimed(self._there[claim.name])
        else:
            return
        raise SpecError("name", claim.name, f"for {show_owner(claim)} with {claim.address} is already that of {owner}")

    def of(self, slot: Slot) -> Iterator[str]:
        """Yield a line for each reason."""
        entry, claim = slot.entry, slot.claim
        if claim is not None and (claim.tenant, claim.app, claim.kind) != (*entry.batch, entry.kind):
            yield f"{entry.where}: {claim.name} with {claim.address} belongs to {show_owner(claim)}, not to {show_owner(entry)}"
            return
        if claim is not None and entry.name not in (None, claim.name):
            yield f"{entry.where}.name: {entry.address} belongs to {claim.name}, so {entry.name!r} cannot have it"
        if claim is not None and entry.address not in (None, claim.address):
            yield f"{entry.where}.address: {claim.name} has {claim.address}; an address is not changed, retire it first"
        if entry.state == "absent":
            if claim is not None and (entry.protected or claim.protected):
                yield f"{entry.where}.state: {claim.name} is protected; declare it with protected: false first"
            return
        if claim is not None and claim.state == REMOVING:
            yield f"{entry.where}: {claim.name} is being removed; its host has not confirmed yet that it is gone"
        if claim is not None and slot.seen is not None and slot.seen.host != claim.host:
            yield f"{claim.name} runs on {slot.seen.host} but the ledger has it on {claim.host}; remove one or rebuild the ledger"
        if entry.address and claim is None:
            yield from self._address_faults(entry, entry.address)

    def _address_faults(self, entry: Declared, address: str) -> Iterator[str]:
        held, owner = self._held.get(address), self._owners.get(address)
        if number_of(address) in self._zone.reserved:
            yield f"{entry.where}.address: {address} is reserved in zone {self._zone.name}"
        if held is not None and held.state != "released":
            yield f"{entry.where}.address: {address} is quarantined since {held.since}: {held.why}"
        if owner is not None:
            yield f"{entry.where}.address: {address} belongs to {owner.name} of {show_owner(owner)}"
        elif address in self._users:
            yield f"{entry.where}.address: {address} is that of {show_unclaimed(self._users[address])}"


def show_unclaimed(item: Seen) -> str:
    """Return in words which instance it is that only its host knows."""
    return f"{item.kind} {item.name} on {item.host}, which the ledger of the zone does not have"


def show_owner(item: Claim | Declared) -> str:
    """Return in words whose it is."""
    return f"{item.app} ({item.kind}) of {item.tenant}"
