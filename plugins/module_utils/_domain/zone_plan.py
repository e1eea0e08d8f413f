# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: may change without notice.
"""The plan of a zone: from what is declared, promised and seen to the steps that lead there. Pure, so it can be replayed."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from .claims import PLANNED, REMOVING, Claim, Snapshot, digest, dump_rules
from .declared import Declarations, Declared
from .errors import RefusedError, ZonalError
from .naming import render_name
from .observation import Observation
from .placement import place
from .placement_types import App, Demand, Placed
from .pools import number_of, show_address
from .zone_faults import Faults
from .zone_quota import amounts, excess, show_quotas, usage
from .zone_slots import Slot, match_slots
from .zone_spec import Zone
from .zone_steps import PlanStep, kept_step, orphan_step, removal_step, stray_step


@dataclass(frozen=True)
class Refusal:
    """An app of which nothing is changed, and everything that is wrong with it."""

    tenant: str
    app: str
    problems: tuple[str, ...]

    def as_dict(self) -> dict[str, Any]:
        """Return it as JSON can carry it."""
        return {"tenant": self.tenant, "app": self.app, "problems": list(self.problems)}


@dataclass(frozen=True)
class ZonePlan:
    """The steps, and what the ledger has to write for them: new claims and changed ones."""

    zone: Zone
    steps: tuple[PlanStep, ...]
    refusals: tuple[Refusal, ...]
    claimed: tuple[Claim, ...]
    changed: tuple[Claim, ...]
    quota: dict[str, Any]
    basis: dict[str, Any]
    notes: tuple[str, ...] = ()

    @property
    def hash(self) -> str:
        """A text that is equal for two plans that do the same to the same world."""
        return digest([self.basis, [step.as_dict() for step in self.steps], [refusal.as_dict() for refusal in self.refusals]])


def plan_zone(zone: Zone, declarations: Declarations, snapshot: Snapshot, observation: Observation, *, prune: bool = False) -> ZonePlan:
    """Return the plan; the same input gives the same plan, whatever the order of its parts."""
    doomed = [claim for claim in snapshot.claims if claim.state != REMOVING and not claim.protected]
    if prune and doomed and not declarations.entries and not declarations.problems:
        # A file of variables that was not loaded looks just like this.
        raise RefusedError(
            f"prune: no instance of zone {zone.name} is declared, so all {len(doomed)} would be removed; "
            "if that is meant, declare them with state: absent"
        )
    planning = _Planning(zone, declarations, snapshot, observation)
    planning.refuse_what_cannot_be()
    planning.refuse_what_exceeds_a_quota()
    placed = planning.place()
    steps = [*planning.steps(placed), *planning.spare_steps(prune=prune)]
    claimed, changed = planning.claimed, planning.changed
    names = {claim.name for claim in changed}
    after = usage([*(claim for claim in snapshot.claims if claim.name not in names), *changed, *claimed])
    return ZonePlan(
        zone=zone,
        steps=tuple(sorted(steps, key=lambda step: (step.host, step.name))),
        refusals=tuple(Refusal(*batch, tuple(dict.fromkeys(lines))) for batch, lines in sorted(planning.refused.items())),
        claimed=tuple(sorted(claimed, key=lambda claim: number_of(claim.address))),
        changed=tuple(sorted(changed, key=lambda claim: claim.name)),
        quota=show_quotas(zone.quotas, usage(snapshot.claims), after),
        basis={"ledger": snapshot.digest(), "hosts": observation.digests(), "declared": _digest_declared(zone, declarations)},
        notes=(*observation.unread, *_unseen(snapshot, observation)),
    )


class _Planning:
    """One run of ``plan_zone``: each method refuses batches or turns the remaining ones into steps."""

    def __init__(self, zone: Zone, declarations: Declarations, snapshot: Snapshot, observation: Observation) -> None:
        self.refused: dict[App, list[str]] = defaultdict(list)
        for batch, lines in declarations.problems.items():
            self.refused[batch] += lines
        self.claimed: list[Claim] = []
        self.changed: list[Claim] = []
        self._zone = zone
        self._snapshot = snapshot
        self._observation = observation
        self._matching = match_slots(zone, declarations.entries, snapshot.claims, observation)
        self._held = {item.address: item for item in snapshot.held}
        self._owners = {claim.address: claim for claim in snapshot.claims}
        self._faults = Faults(zone, snapshot, observation)

    def _wanted(self) -> Iterator[tuple[App, tuple[Slot, ...]]]:
        """Yield the batches that are not refused, without the slots that are to be absent."""
        for batch in sorted(self._matching.slots):
            if batch not in self.refused:
                yield batch, tuple(slot for slot in self._matching.slots[batch] if slot.entry.state != "absent")

    def refuse_what_cannot_be(self) -> None:
        """Refuse batches whose names or addresses belong to others, and whose instances run where they should not."""
        for batch in sorted(self._matching.slots):
            lines = [line for slot in self._matching.slots[batch] for line in self._faults.of(slot)]
            if lines:
                self.refused[batch] += lines

    def refuse_what_exceeds_a_quota(self) -> None:
        """Refuse batches, in the order of their names, that ask for more than their tenant may have."""
        used = usage(self._snapshot.claims)
        for batch, slots in list(self._wanted()):
            asked: Counter[str] = Counter()
            for slot in slots:
                asked.update(amounts(_demand(slot)))
                if slot.claim is not None and not slot.adopted:
                    asked.subtract(amounts(slot.claim))
            lines = excess(batch[0], self._zone.quotas.get(batch[0], {}), used.get(batch[0], Counter()), asked)
            if lines:
                self.refused[batch] += lines
            else:
                used.setdefault(batch[0], Counter()).update(asked)

    def place(self) -> dict[str, Placed]:
        """Place the new slots and keep the others; refuse the batches that find no room."""
        running = [_occupied(claim, self._observation) for claim in self._snapshot.claims]
        others = self._snapshot.elsewhere
        # Names are unique in a zone only.
        running += [replace(_occupied(claim, self._observation), name=_key_of(claim.host, claim.name)) for claim in others]
        known = {(claim.name, claim.kind, claim.host) for claim in (*self._snapshot.claims, *others)}
        strange = (item for item in self._observation.instances() if (item.name, item.kind, item.host) not in known)
        running += [replace(item.demand(), name=_key_of(item.host, item.name)) for item in strange]
        demands = [_demand(slot) for _batch, slots in self._wanted() for slot in slots]
        answer = place(self._observation.placeable(), running, demands, self._zone.policy)
        batches = {_demand(slot).name: batch for batch, slots in self._wanted() for slot in slots}
        alike: dict[tuple[App, str], list[str]] = defaultdict(list)
        for refused in answer.refused:
            alike[batches[refused.name], refused.why].append(refused.name)
        for (batch, why), names in alike.items():
            self.refused[batch].append(f"{names[0]}{f' and {len(names) - 1} more' if names[1:] else ''}: {why}")
        return {item.name: item for item in answer.placed}

    def steps(self, placed: dict[str, Placed]) -> list[PlanStep]:
        """Return the steps of the batches that remain, and note what the ledger has to write for them."""
        steps: list[PlanStep] = []
        free = self._zone.usable.lowest({*map(number_of, (*self._owners, *self._held, *self._explicit(), *self._strange()))})
        for batch, slots in list(self._wanted()):
            made = self._claims(batch, slots, placed, free)
            for slot, claim in made:
                self._note(slot, claim)
                steps.append(kept_step(self._zone, slot, claim, placed[_demand(slot).name].why, self._observation))
            if batch in self.refused:
                continue
            for slot in self._matching.slots[batch]:
                if slot.entry.state == "absent" and slot.claim is not None:
                    steps.append(self._remove(slot.claim, "it is declared absent", adopted=slot.adopted))
        return steps

    def _claims(self, batch: App, slots: Sequence[Slot], placed: dict[str, Placed], free: Iterator[int]) -> list[tuple[Slot, Claim]]:
        """Return the claims that the slots of a batch have from now on; none when the batch is refused for one of them."""
        made = []
        for slot in slots:
            try:
                made.append((slot, self._claim(slot, placed[_demand(slot).name], free)))
            except ZonalError as error:
                self.refused[batch].append(str(error))
        return [] if batch in self.refused else made

    def _claim(self, slot: Slot, placed: Placed, free: Iterator[int]) -> Claim:
        demand, entry = _demand(slot), slot.entry
        if slot.claim is None:
            address = entry.address or self._next(free)
            claim = Claim(self._name(slot, address), address, placed.host, *entry.batch, entry.kind, slot.index, 0, 0, 0, PLANNED)
            self._faults.check_name(claim)
        return replace(
            slot.claim or claim,
            vcpus=demand.vcpus,
            memory=demand.memory,
            disk=demand.disk,
            rules=entry.rules,
            devices=entry.devices,
            protected=entry.protected,
        )

    def _name(self, slot: Slot, address: str) -> str:
        zone, entry = self._zone, slot.entry
        if entry.name:
            return entry.name
        words = {"zone": zone.name, "tenant": entry.tenant, "app": entry.app, "kind": entry.kind}
        return render_name(zone.template, words, index=slot.index, address=address)

    def _next(self, free: Iterator[int]) -> str:
        number = next(free, None)
        if number is None:
            rest = Counter(item.state for item in self._held.values())
            raise ZonalError(
                f"pools: no address is left of {self._zone.usable.size} in {', '.join(self._zone.usable.show()[:3])}: "
                f"{len(self._owners)} are claimed, {rest['released']} rest after a release, {rest['quarantined']} are quarantined"
            )
        return show_address(number)

    def _note(self, slot: Slot, claim: Claim) -> None:
        if slot.claim is None or slot.adopted:
            self.claimed.append(claim)
        elif claim != slot.claim:
            self.changed.append(claim)

    def _remove(self, claim: Claim, why: str, *, adopted: bool = False) -> PlanStep:
        if adopted:
            self.claimed.append(replace(claim, state=REMOVING))
        elif claim.state != REMOVING:
            self.changed.append(replace(claim, state=REMOVING))
        return removal_step(self._zone, claim, why)

    def spare_steps(self, *, prune: bool) -> list[PlanStep]:
        """Return the steps for what nothing declares: it is only told, or removed when that is asked for."""
        steps = []
        for claim, why in self._matching.spare_claims:
            if claim.state == REMOVING:
                steps.append(removal_step(self._zone, claim, "its removal is not confirmed yet"))
            # A batch with a mistake may well declare it: nothing of that batch is touched.
            elif prune and not claim.protected and (claim.tenant, claim.app) not in self.refused and ("", "") not in self.refused:
                steps.append(self._remove(claim, why))
            else:
                steps.append(orphan_step(self._zone, claim, why))
        return [*steps, *(stray_step(self._zone, seen, why) for seen, why in self._matching.spare_seen)]

    def _explicit(self) -> list[str]:
        return [slot.entry.address for slots in self._matching.slots.values() for slot in slots if slot.entry.address]

    def _strange(self) -> list[str]:
        """Return the addresses of all that runs, claimed or not."""
        return [item.spec["address"] for item in self._observation.instances() if "address" in item.spec]


def _demand(slot: Slot) -> Demand:
    """Return what a slot needs; what is not declared of one that exists stays as it is promised."""
    entry, claim, spec = slot.entry, slot.claim, slot.entry.spec
    vcpus = spec.get("vcpus", claim.vcpus if claim else 0)
    memory = spec.get("memory", claim.memory if claim else 0)
    disk = spec.get("disk", claim.disk if claim else 0)
    name = _key_of(claim.host, claim.name) if claim and slot.adopted else claim.name if claim else slot.key
    return Demand(name, entry.batch, entry.kind, vcpus, memory, disk, host=entry.host, rules=entry.rules, devices=entry.devices)


def _occupied(claim: Claim, observation: Observation) -> Demand:
    """Return what a claimed instance takes of its host: what it is promised or what it still has, if that is more."""
    demand = claim.demand()
    for seen in observation.of(claim):
        if seen.host == claim.host:
            has = seen.demand()
            vcpus, memory, disk = max(demand.vcpus, has.vcpus), max(demand.memory, has.memory), max(demand.disk, has.disk)
            demand = replace(demand, vcpus=vcpus, memory=memory, disk=disk)
    return demand


def _unseen(snapshot: Snapshot, observation: Observation) -> Iterator[str]:
    """Yield a line for each host with claims that is not among the zone's hosts any more, or that does not tell what it has."""
    hosts = {host.name for host in observation.hosts}
    lost = Counter(claim.host for claim in snapshot.claims if claim.host not in hosts)
    for host, count in sorted(lost.items()):
        yield f"host {host} left the zone; its {count} claims are kept: bring it back, or rebuild the ledger if it was renamed"
    for host, kind in sorted({(claim.host, claim.kind) for claim in snapshot.claims} & observation.blind):
        yield f"host {host}: the engine of {kind} does not run there, so what it has is not known; the claims are kept"


def _key_of(host: str, name: str) -> str:
    return f"{host}/{name}"


def _digest_declared(zone: Zone, declarations: Declarations) -> str:
    entries = sorted(digest(_show_entry(entry)) for entry in declarations.entries)
    shown = [dict(zone.network), zone.usable.spans, zone.template, repr(zone.policy), zone.quotas, zone.states, zone.devices]
    return digest([zone.name, shown, entries])


def _show_entry(entry: Declared) -> list[Any]:
    identity = [*entry.batch, entry.kind, entry.count, entry.state, entry.host, entry.address, entry.name, entry.protected]
    return [*identity, dump_rules(entry.rules), entry.devices, dict(entry.options)]
