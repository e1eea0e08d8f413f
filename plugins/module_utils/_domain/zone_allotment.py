# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: may change without notice.
"""The addresses and names of new instances; what an app was to have that is refused, others may have."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from heapq import heappop, heappush

from .claims import PLANNED, QUARANTINED, RELEASED, Claim, Snapshot
from .errors import SpecError, ZonalError
from .naming import render_name
from .observation import Observation
from .pools import number_of, show_address
from .zone_faults import show_owner, show_unclaimed
from .zone_slots import Slot
from .zone_spec import Zone

# What inventories call by these names is not one machine.
_WORDS = ("all", "localhost", "ungrouped")


class Allotment:
    """What is left of a zone's addresses and names while its apps are planned one after the other."""

    def __init__(self, zone: Zone, snapshot: Snapshot, observation: Observation, explicit: Iterable[str]) -> None:
        self._zone = zone
        self._held = Counter(item.state for item in snapshot.held)
        self._names = {claim.name: claim for claim in snapshot.claims}
        self._elsewhere = {claim.name: claim for claim in snapshot.elsewhere}
        self._there = {item.name: item for item in observation.instances()}
        self._hosts = {host.name for host in observation.hosts}
        strange = (address for item in observation.instances() for address in item.addresses)
        held = (item.address for item in snapshot.held)
        owned = (address for claim in (*snapshot.claims, *snapshot.elsewhere) for address in claim.addresses)
        self._free = zone.usable.lowest(map(number_of, {*owned, *held, *explicit, *strange, *observation.taken}))
        self._given: set[int] = set()
        self._returned: list[int] = []

    def claims(self, placed: Sequence[tuple[Slot, str]]) -> tuple[list[Claim], list[str]]:
        """Return the claims of an app's new instances, each with its host; none, but all that stands against them, if anything does."""
        made: list[Claim] = []
        lines: list[str] = []
        addresses: list[str] = []
        owned = len(self._names)
        for slot, host in placed:
            try:
                addresses.append(slot.entry.address or self._next(owned))
                made.append(self._claim(slot, host, addresses[-1]))
            except ZonalError as error:
                lines.append(str(error))
        if not lines:
            return made, []
        self.give_back(made)
        self._put_back(addresses)
        return [], lines

    def give_back(self, claims: Sequence[Claim]) -> None:
        """Let others have what these were to have."""
        for claim in claims:
            del self._names[claim.name]
        self._put_back(claim.address for claim in claims)

    def _put_back(self, addresses: Iterable[str]) -> None:
        for number in map(number_of, addresses):
            if number in self._given:
                self._given.remove(number)
                heappush(self._returned, number)

    def _next(self, owned: int) -> str:
        """Return the lowest free address; those that were put back are lower than any that was not given yet."""
        number = heappop(self._returned) if self._returned else next(self._free, None)
        if number is None:
            raise ZonalError(
                f"pools: no address is left of {self._zone.usable.size} in {', '.join(self._zone.usable.show()[:3])}: "
                f"{owned} are claimed, {self._held[RELEASED]} rest after a release, {self._held[QUARANTINED]} are quarantined"
            )
        self._given.add(number)
        return show_address(number)

    def _claim(self, slot: Slot, host: str, address: str) -> Claim:
        """Return the claim of a new slot, still without its sizes; its name is taken from now on."""
        zone, entry = self._zone, slot.entry
        words = {"zone": zone.name, "tenant": entry.tenant, "app": entry.app, "kind": entry.kind}
        name = entry.name or render_name(zone.template, words, index=slot.index, address=address)
        claim = Claim(name, address, host, *entry.batch, entry.kind, slot.index, 0, 0, 0, PLANNED)
        owner = self._owner(name)
        if owner is not None:
            raise SpecError("name", name, f"for {show_owner(claim)} with {address} is already that of {owner}")
        self._names[name] = claim
        return claim

    def _owner(self, name: str) -> str | None:
        """Return in words who has a name. A host has every name once, whatever zone it is of, and so has an inventory."""
        if name in self._names:
            return f"{show_owner(self._names[name])} with {self._names[name].address}"
        if name in self._elsewhere:
            return f"{show_owner(self._elsewhere[name])} in another zone"
        if name in self._there:
            return show_unclaimed(self._there[name])
        if name in self._hosts:
            return f"host {name} of the zone"
        return f"what every inventory calls {name}" if name in _WORDS else None
