# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: may change without notice.
"""What the apps of a zone get: their share of a quota, hosts, addresses and names. An app for which one is lacking gets nothing."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from .claims import Claim, Snapshot
from .observation import Observation
from .placement import place
from .placement_types import App, Demand, Placed
from .zone_allotment import Allotment
from .zone_demands import demand_of, residents
from .zone_quota import amounts, excess, usage
from .zone_slots import Slot
from .zone_spec import Zone

_Lines = dict[App, list[str]]
_Wanted = Mapping[App, Sequence[tuple[Slot, Demand]]]


@dataclass(frozen=True)
class Provided:
    """One instance that is to be, the claim that it has from now on, and why it is on its host."""

    slot: Slot
    claim: Claim
    why: str


@dataclass(frozen=True)
class Provision:
    """What each app gets, and why the others get nothing."""

    provided: dict[App, list[Provided]]
    refused: _Lines


def provide(
    zone: Zone, snapshot: Snapshot, observation: Observation, slots: Mapping[App, Sequence[Slot]], explicit: Iterable[str]
) -> Provision:
    """Return what the apps get. ``explicit`` are addresses that are asked for by name, so that no other is given them.

    Quota, hosts and addresses are given one after the other. When an app is refused after it had some of them, it is out, and all
    others are asked again: what it was to have is theirs, and what it was to give (quota, a rule, company) they do not get.
    """
    providing = _Providing(zone, snapshot, observation, explicit)
    wanted: _Wanted = {batch: [(slot, demand_of(slot, observation)) for slot in items] for batch, items in slots.items()}
    out: _Lines = {}
    while True:
        excessive = providing.exceeding(wanted)
        placed, homeless = providing.place(_without(wanted, excessive))
        provided, nameless = providing.allot(_without(wanted, {**excessive, **homeless}), placed)
        late = nameless or homeless
        if not late:
            return Provision(provided, {**out, **excessive})
        out.update(late)
        wanted = _without(wanted, late)
        providing.give_back(provided)


class _Providing:
    """What there is, while apps are provided for."""

    def __init__(self, zone: Zone, snapshot: Snapshot, observation: Observation, explicit: Iterable[str]) -> None:
        self._zone = zone
        self._used = usage(snapshot.claims)
        self._hosts = observation.placeable()
        self._residents = residents(snapshot, observation)
        self._allotment = Allotment(zone, snapshot, observation, explicit)

    def exceeding(self, wanted: _Wanted) -> _Lines:
        """Return the batches that ask for more than their tenant may have; those that only give back come first."""
        used = {tenant: Counter(amount) for tenant, amount in self._used.items()}
        refused: _Lines = {}
        asks = {batch: _asked(items) for batch, items in wanted.items()}
        for batch, asked in sorted(asks.items(), key=lambda ask: any(amount > 0 for amount in ask[1].values())):
            lines = excess(batch[0], self._zone.quotas.get(batch[0], {}), used.get(batch[0], Counter()), asked)
            if lines:
                refused[batch] = lines
            else:
                used.setdefault(batch[0], Counter()).update(asked)
        return refused

    def place(self, wanted: _Wanted) -> tuple[dict[str, Placed], _Lines]:
        """Place the new slots and keep the others; return the batches that find no room too."""
        answer = place(self._hosts, self._residents, (demand for items in wanted.values() for _slot, demand in items), self._zone.policy)
        alike: dict[tuple[App, str], list[str]] = defaultdict(list)
        batches = {demand.name: batch for batch, items in wanted.items() for _slot, demand in items}
        for item in answer.refused:
            alike[batches[item.name], item.why].append(item.name)
        refused: _Lines = defaultdict(list)
        for (batch, why), names in alike.items():
            refused[batch].append(f"{names[0]}{f' and {len(names) - 1} more' if names[1:] else ''}: {why}")
        return {item.name: item for item in answer.placed}, refused

    def allot(self, wanted: _Wanted, placed: Mapping[str, Placed]) -> tuple[dict[App, list[Provided]], _Lines]:
        """Return what the batches have from now on, and those that get no address or no name."""
        provided: dict[App, list[Provided]] = {}
        refused: _Lines = {}
        for batch, items in wanted.items():
            new, lines = self._allotment.claims([(slot, placed[demand.name].host) for slot, demand in items if slot.claim is None])
            if lines:
                refused[batch] = lines
                continue
            claims = iter(new)
            provided[batch] = [
                Provided(slot, _sized(slot.claim or next(claims), slot, demand), placed[demand.name].why) for slot, demand in items
            ]
        return provided, refused

    def give_back(self, provided: Mapping[App, Sequence[Provided]]) -> None:
        """Take back the addresses and names of new instances."""
        self._allotment.give_back([item.claim for items in provided.values() for item in items if item.slot.claim is None])


def _without(wanted: _Wanted, refused: Mapping[App, object]) -> _Wanted:
    return {batch: items for batch, items in wanted.items() if batch not in refused}


def _asked(items: Sequence[tuple[Slot, Demand]]) -> Counter[str]:
    """Return what a batch asks for beside what it has; negative where it gives back."""
    asked: Counter[str] = Counter()
    for slot, demand in items:
        asked.update(amounts(demand))
        if slot.claim is not None and not slot.adopted:
            asked.subtract(amounts(slot.claim))
    return asked


def _sized(claim: Claim, slot: Slot, demand: Demand) -> Claim:
    """Return the claim as its entry wants it. One that does not say which it means takes no protection away by saying nothing of it."""
    if "extra_addresses" in slot.entry.spec:
        # One that does not tell its addresses may have them all.
        claim = claim.with_extra(slot.entry.extra_addresses, (slot.seen.addresses or None) if slot.seen else None)
    return replace(
        claim,
        vcpus=demand.vcpus,
        memory=demand.memory,
        disk=demand.disk,
        rules=slot.entry.rules,
        devices=tuple(sorted(demand.devices)),
        explicit=slot.entry.explicit,
        protected=bool(slot.entry.protected) or (slot.entry.protected is None and not slot.entry.explicit and claim.protected),
    )
