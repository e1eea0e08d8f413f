# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: may change without notice.
"""Why a declared instance cannot be: its name or its address is another's, or it runs where it should not."""

from __future__ import annotations

from collections.abc import Iterator

from .addresses import check_addresses
from .claims import REMOVING, Claim, Snapshot
from .declared import Declared
from .errors import SpecError
from .observation import Observation, Seen
from .pools import number_of
from .zone_slots import Slot
from .zone_spec import Zone
from .zone_steps import forced_fields

_RENAME = "give it its name back, or remove it"
_UNPROTECT = "declare it with protected: false first"


class Faults:
    """What is known of a zone, and what of it stands against a slot."""

    def __init__(self, zone: Zone, snapshot: Snapshot, observation: Observation) -> None:
        self._zone = zone
        self._observation = observation
        self._users = {address: item for item in observation.instances() for address in item.addresses}
        self._held = {item.address: item for item in snapshot.held}
        self._owners = {address: claim for claim in snapshot.claims for address in claim.addresses}
        # A host gives no two of its instances one address, whatever zones they are of.
        self._elsewhere = {address: claim for claim in snapshot.elsewhere for address in claim.addresses}
        self._names = {claim.name: claim for claim in snapshot.claims}

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
                yield f"{entry.where}.state: {claim.name} is protected; {_UNPROTECT}"
            return
        if claim is None and (leaving := self._leaving(entry)):
            yield f"{entry.where}: {leaving.name} is being removed; its host has not confirmed yet that it is gone"
            return
        if claim is not None and (entry.protected or claim.protected) and (forced := forced_fields(slot)):
            yield f"{entry.where}: {claim.name} is protected, but {forced} can only be changed by making it anew; {_UNPROTECT}"
        if claim is not None and slot.seen is not None and slot.seen.host != claim.host:
            yield f"{claim.name} runs on {slot.seen.host} but the ledger has it on {claim.host}; remove one or rebuild the ledger"
        if claim is not None and slot.seen is None and self._observation.sees(claim.host, claim.kind):
            yield from self._lost_faults(claim)
        yield from self._asked_faults(entry, claim)

    def _lost_faults(self, claim: Claim) -> Iterator[str]:
        """Yield who has the addresses of an instance that would be made now: its own host knows only what itself runs."""
        renamed = self._observation.renamed_of(claim)
        if renamed:
            yield f"{claim.name} is not on its host {claim.host}, and its address is that of {renamed}; {_RENAME}"
        for address in claim.addresses:
            user = self._users.get(address)
            beside = user is not None and (user.host == claim.host or user.spec.get("zone") in (None, self._zone.name))
            if user is not None and beside and (user.name, user.kind) != (claim.name, claim.kind):
                yield f"{claim.name} is not on its host {claim.host}, and {user.kind} {user.name} on {user.host} has {address}; retire one"

    def _leaving(self, entry: Declared) -> Claim | None:
        """Return what is being removed and has the name or the address that an entry asks for."""
        found = (self._names.get(entry.name or ""), self._owners.get(entry.address or ""))
        return next((claim for claim in found if claim is not None and claim.state == REMOVING), None)

    def _asked_faults(self, entry: Declared, claim: Claim | None) -> Iterator[str]:
        """Yield what stands against the addresses that an entry asks for and its instance does not have yet, and against the one it has."""
        name, had = (claim.name, claim.addresses[1:]) if claim is not None else ("", ())
        if claim is not None:
            # The zone's network may be another one by now, and of an order that does not fit it a host does nothing at all.
            try:
                check_addresses({**self._zone.network, "address": claim.address})
            except SpecError as error:
                yield f"{entry.where}.{error}; {name} has it, and an address is not changed, retire it first"
        elif entry.address:
            yield from self._address_faults(entry, "address", entry.address, name)
        for address in entry.extra_addresses:
            if address not in had:
                yield from self._address_faults(entry, "extra_addresses", address, name)

    def _address_faults(self, entry: Declared, field: str, address: str, name: str) -> Iterator[str]:
        """Yield what stands against one address; ``name`` is that of the instance which is to have it."""
        held, owner, user = self._held.get(address), self._owners.get(address), self._users.get(address)
        where = f"{entry.where}.{field}: {address}"
        if number_of(address) in self._zone.reserved:
            yield f"{where} is reserved in zone {self._zone.name}"
        if address in self._zone.network["dns"]:
            yield f"{where} is a name server of zone {self._zone.name}"
        if address in self._observation.taken:
            yield f"{where} is that of {self._observation.taken[address]}"
        if held is not None and held.state != "released":
            yield f"{where} is quarantined since {held.since}: {held.why}"
        if owner is not None:
            yield f"{where} belongs to {owner.name} of {show_owner(owner)}"
        elif address in self._elsewhere:
            yield f"{where} belongs to {self._elsewhere[address].name} of {show_owner(self._elsewhere[address])} in another zone"
        elif user is not None and user.name != name:
            yield f"{where} is that of {show_unclaimed(user)}"


def show_unclaimed(item: Seen) -> str:
    """Return in words which instance it is that only its host knows."""
    return f"{item.kind} {item.name} on {item.host}, which the ledger of the zone does not have"


def show_owner(item: Claim | Declared) -> str:
    """Return in words whose it is."""
    return f"{item.app} ({item.kind}) of {item.tenant}"
