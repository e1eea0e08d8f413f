# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: may change without notice.
"""The plan of a zone: from what is declared, promised and seen to the steps that lead there. Pure, so it can be replayed."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from .claims import REMOVING, Claim, Snapshot, digest, dump_rules
from .declared import Declarations, Declared
from .errors import RefusedError
from .observation import Observation, show_renamed
from .placement_types import App
from .pools import number_of
from .zone_faults import Faults
from .zone_provision import Provided, provide
from .zone_quota import show_quotas, usage
from .zone_slots import Slot, match_slots
from .zone_spec import Zone, check_hosts
from .zone_steps import ORPHAN, PlanStep, kept_step, orphan_step, removal_step, stray_step

_FAULTY = "nothing is removed as long as anything that is declared is wrong"


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


def plan_zone(
    zone: Zone,
    declarations: Declarations,
    snapshot: Snapshot,
    observation: Observation,
    *,
    prune: bool = False,
    unasked: Collection[str] = (),
) -> ZonePlan:
    """Return the plan; the same input gives the same plan, whatever the order of its parts.

    ``unasked`` are hosts that a run leaves out: nothing is pruned there, not even when they are asked again.
    """
    check_hosts(zone, {host.name for host in (*observation.hosts, *snapshot.hosts)})
    doomed = [claim for claim in snapshot.claims if claim.state != REMOVING and not claim.protected]
    if prune and doomed and not declarations.entries and not declarations.problems:
        # A file of variables that was not loaded looks just like this.
        raise RefusedError(
            f"prune: no instance of zone {zone.name} is declared, so all {len(doomed)} would be removed; "
            "if that is meant, declare them with state: absent"
        )
    planning = _Planning(zone, declarations, snapshot, observation)
    planning.refuse_what_cannot_be()
    planning.provide_for_the_rest()
    steps = [*planning.steps(), *planning.spare_steps(prune=prune, unasked=unasked)]
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
        notes=(*observation.unread, *_unseen(snapshot, observation), *planning.notes),
    )


class _Planning:
    """One run of ``plan_zone``: each method refuses batches or turns the remaining ones into steps."""

    def __init__(self, zone: Zone, declarations: Declarations, snapshot: Snapshot, observation: Observation) -> None:
        self.refused: dict[App, list[str]] = defaultdict(list)
        for batch, lines in declarations.problems.items():
            self.refused[batch] += lines
        self.claimed: list[Claim] = []
        self.changed: list[Claim] = []
        self.notes: list[str] = []
        self._zone = zone
        self._snapshot = snapshot
        self._observation = observation
        self._faulty = bool(declarations.problems)
        self._matching = match_slots(zone, declarations.entries, snapshot.claims, observation)
        self._provided: dict[App, list[Provided]] = {}

    def refuse_what_cannot_be(self) -> None:
        """Refuse batches whose names or addresses belong to others, and whose instances run where they should not."""
        faults = Faults(self._zone, self._snapshot, self._observation)
        for batch in sorted(self._matching.slots):
            lines = [line for slot in self._matching.slots[batch] for line in faults.of(slot)]
            if lines:
                self.refused[batch] += lines

    def provide_for_the_rest(self) -> None:
        """Give the other batches their hosts, addresses and names; refuse those for which there is not enough."""
        wanted = {
            batch: [slot for slot in slots if slot.entry.state != "absent"]
            for batch, slots in sorted(self._matching.slots.items())
            if batch not in self.refused
        }
        entries = [slot.entry for slots in self._matching.slots.values() for slot in slots]
        explicit = [address for entry in entries for address in (entry.address, *entry.extra_addresses) if address]
        answer = provide(self._zone, self._snapshot, self._observation, wanted, explicit)
        self._provided = answer.provided
        for batch, lines in answer.refused.items():
            self.refused[batch] += lines

    def steps(self) -> list[PlanStep]:
        """Return the steps of the batches that remain, and note what the ledger has to write for them."""
        steps: list[PlanStep] = []
        for batch, provided in self._provided.items():
            for item in provided:
                self._note(item.slot, item.claim)
                steps.append(kept_step(self._zone, item.slot, item.claim, item.why, self._observation))
            self._tell_of_pins([item.slot for item in provided])
            for slot in self._matching.slots[batch]:
                if slot.entry.state == "absent" and slot.claim is not None:
                    # Which ones are meant without a name depends on what the other entries mean.
                    sure = slot.entry.explicit or not self._faulty
                    why = "it is declared absent"
                    steps.append(self._remove(slot.claim, why, adopted=slot.adopted) if sure else orphan_step(slot.claim, why, _FAULTY))
        return steps

    def _tell_of_pins(self, slots: Sequence[Slot]) -> None:
        """Note which instances do not run where their entries pin them."""
        away: dict[tuple[str, str], list[str]] = defaultdict(list)
        for slot in slots:
            if slot.claim is not None and slot.entry.host not in (None, slot.claim.host):
                away[slot.entry.where, str(slot.entry.host)].append(f"{slot.claim.name} runs on {slot.claim.host}")
        for (where, host), lines in away.items():
            self.notes.append(f"{where}.host: {host!r} is asked for, but {', '.join(lines)}; a plan moves nothing that runs")

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

    def spare_steps(self, *, prune: bool, unasked: Collection[str]) -> list[PlanStep]:
        """Return the steps for what nothing declares: it is only told, or removed when that is asked for."""
        steps = []
        for claim, why in self._matching.spare_claims:
            kept = self._kept(claim, prune=prune, unasked=unasked)
            if claim.state == REMOVING:
                steps.append(removal_step(self._zone, claim, "its removal is not confirmed yet"))
            elif kept is None:
                steps.append(self._remove(claim, why))
            else:
                steps.append(orphan_step(claim, why, kept))
        if prune and self._faulty and any(step.action == ORPHAN for step in steps):
            self.notes.append(f"prune: {_FAULTY}")
        return [*steps, *(stray_step(self._zone, seen, why) for seen, why in self._matching.spare_seen)]

    def _kept(self, claim: Claim, *, prune: bool, unasked: Collection[str]) -> str | None:
        """Return why a claim that nothing declares is not removed, None when it is."""
        if claim.protected:
            return "it is protected"
        if not prune:
            return "it is removed with state: absent or zonal_prune: true"
        # An entry with a mistake may well mean it, and under another name than it seems.
        if self._faulty:
            return _FAULTY
        if claim.host in unasked:
            return f"its host {claim.host} is left out of this run, so it is not pruned"
        return "its app is refused" if (claim.tenant, claim.app) in self.refused else None


def _unseen(snapshot: Snapshot, observation: Observation) -> Iterator[str]:
    """Yield a line for each host with claims that is not among the zone's hosts any more, or that does not tell what it has."""
    hosts = {host.name for host in observation.hosts}
    lost = Counter(claim.host for claim in snapshot.claims if claim.host not in hosts)
    for host, count in sorted(lost.items()):
        yield f"host {host} left the zone; its {count} claims are kept: bring it back, or rebuild the ledger if it was renamed"
    for host, item in observation.renamed:
        yield f"{show_renamed(host, item)}, has {', '.join(item.addresses)}, which no other gets; give it its name back, or remove it"
    for host, kind in sorted({(claim.host, claim.kind) for claim in snapshot.claims} & observation.blind):
        yield f"host {host}: the engine of {kind} does not run there, so what it has is not known; the claims are kept"


def _digest_declared(zone: Zone, declarations: Declarations) -> str:
    entries = sorted(digest(_show_entry(entry)) for entry in declarations.entries)
    shown = [dict(zone.network), zone.usable.spans, zone.template, repr(zone.policy), zone.quotas, zone.states, zone.devices]
    return digest([zone.name, shown, entries])


def _show_entry(entry: Declared) -> list[Any]:
    identity = [*entry.batch, entry.kind, entry.count, entry.state, entry.host, entry.address, entry.name, entry.protected]
    return [*identity, dump_rules(entry.rules), entry.devices, dict(entry.options)]
