# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: may change without notice.
"""What ``zone_plan`` does on the controller: read the ledger, plan, and write the claims, all under the zone's lock."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from ..module_utils._domain.claims import PLANNED, QUARANTINED, REMOVING, SETTLED, Claim, Snapshot
from ..module_utils._domain.declared import Declarations
from ..module_utils._domain.errors import RefusedError
from ..module_utils._domain.observation import POOL, Observation, read_observation
from ..module_utils._domain.zone_page import show_plan
from ..module_utils._domain.zone_plan import ZonePlan, plan_zone
from ..module_utils._domain.zone_slots import left_out, match_slots, moved_claims, rebuild_claims
from ..module_utils._domain.zone_spec import Zone
from .ledger.book import Book
from .ledger.store import Ledger, now
from .zone_pools import declare, rested, with_ledger

_NOTHING = Declarations((), {})


@dataclass(frozen=True)
class Outcome:
    """What was or would be done: the result of the module beside ``changed`` and the difference that is shown."""

    changed: bool
    result: dict[str, Any]
    before: dict[str, str]
    after: dict[str, str]


def planned(
    ledger: Ledger,
    zone: Zone,
    declarations: Declarations,
    reports: object,
    *,
    prune: bool = False,
    unasked: Collection[str] = (),
    expected: Mapping[str, Any] | None = None,
    check_mode: bool = False,
    assume_ready: bool = False,
    left: Collection[str] = (),
    pool: tuple[str, str] = POOL,
) -> Outcome:
    """Plan the zone and claim what the plan needs; RefusedError when it is not the plan that is expected.

    ``left`` are the keys of the zone's pools of addresses that are as the ledger has them, ``pool`` is that of the hosts' disks.
    Nothing is pruned on hosts that are ``unasked``.
    """
    plan_of = partial(_plan, declarations=declarations, prune=prune, unasked=unasked, expected=expected)
    hosts = _hosts(reports)
    if check_mode:
        zone = with_ledger(zone, ledger.read_zone(zone.name), left)
        snapshot = rested(ledger.read(zone.name, hosts), zone.hold, now())
        observation = _observe(zone, snapshot, reports, pool, assume_ready=assume_ready)
        return _outcome(plan_of(zone, snapshot, observation), snapshot)
    if assume_ready:
        raise RefusedError("assume_ready: hosts are taken for ready in check mode only; bootstrap them first")
    with ledger.write(zone.name, hosts) as book:
        zone = with_ledger(zone, book.zone(), left)
        declare(book, zone)
        book.rest(zone.hold)
        snapshot = book.snapshot(hosts)
        observation = _observe(zone, snapshot, reports, pool)
        plan = plan_of(zone, snapshot, observation)
        if snapshot.hosts != observation.hosts:
            book.know(observation.hosts, observation.answered)
        why = f"plan {plan.hash}"
        _claim(book, snapshot, plan.claimed, why)
        book.change(plan.changed, why)
    return _outcome(plan, snapshot)


def settled(ledger: Ledger, zone: Zone, reports: object, *, check_mode: bool = False) -> Outcome:
    """Write down what the hosts confirm: planned instances that are there, removed ones that are gone."""
    if check_mode:
        return _settle(ledger.read(zone.name), zone, reports, None)
    with ledger.write(zone.name) as book:
        return _settle(book.snapshot(), zone, reports, book)


def released(
    ledger: Ledger,
    zone: Zone,
    reports: object,
    names: Sequence[str],
    declarations: Declarations = _NOTHING,
    *,
    check_mode: bool = False,
) -> Outcome:
    """End the claims of the instances that are named: at once where their hosts confirm that they are gone, else when they do.

    RefusedError for those that the ledger or a declaration protects.
    """
    if check_mode:
        return _release(ledger.read(zone.name), zone, reports, names, declarations, None)
    with ledger.write(zone.name) as book:
        return _release(book.snapshot(), zone, reports, names, declarations, book)


def rebuilt(
    ledger: Ledger,
    zone: Zone,
    reports: object,
    *,
    check_mode: bool = False,
    left: Collection[str] = (),
    pool: tuple[str, str] = POOL,
) -> Outcome:
    """Claim what runs in the zone and the ledger lacks, as after the loss of its file; what it has is left alone."""
    if check_mode:
        zone = with_ledger(zone, ledger.read_zone(zone.name), left)
        return _rebuild(ledger.read(zone.name), zone, reports, pool, None)
    with ledger.write(zone.name, _hosts(reports)) as book:
        zone = with_ledger(zone, book.zone(), left)
        declare(book, zone)
        return _rebuild(book.snapshot(), zone, reports, pool, book)


def _rebuild(snapshot: Snapshot, zone: Zone, reports: object, pool: tuple[str, str], book: Book | None) -> Outcome:
    observation = _observe(zone, snapshot, reports, pool)
    lacking = [replace(claim, state=SETTLED) for claim in rebuild_claims(zone, snapshot.claims, observation)]
    moved = moved_claims(zone, snapshot.claims, observation)
    after = {claim.name: claim for claim in (*snapshot.claims, *moved, *lacking)}
    if book is not None:
        if snapshot.hosts != observation.hosts:
            book.know(observation.hosts, observation.answered)
        book.change(moved, "a scan of the hosts found it there")
        _claim(book, snapshot, lacking, "rebuilt from a scan of the hosts")
    silent = sorted(host.name for host in observation.hosts if host.name not in observation.answered)
    strange = [*observation.unread, *left_out(zone, list(after.values()), observation)]
    result = {"rebuilt": _names([*moved, *lacking]), "left_out": strange, "silent": silent}
    return Outcome(bool(moved or lacking), result, _lines(snapshot.claims), _lines(after.values()))


def _hosts(reports: object) -> list[str]:
    return [str(host) for host in reports] if isinstance(reports, Mapping) else []


def _observe(zone: Zone, snapshot: Snapshot, reports: object, pool: tuple[str, str] = POOL, *, assume_ready: bool = False) -> Observation:
    return read_observation(zone, reports, {host.name: host for host in snapshot.hosts}, assume_ready=assume_ready, pool=pool)


def _plan(
    zone: Zone,
    snapshot: Snapshot,
    observation: Observation,
    *,
    declarations: Declarations,
    prune: bool,
    unasked: Collection[str],
    expected: Mapping[str, Any] | None,
) -> ZonePlan:
    plan = plan_zone(zone, declarations, snapshot, observation, prune=prune, unasked=unasked)
    if expected is not None and expected.get("hash") != plan.hash:
        raise RefusedError(f"expected: {_moved(expected, plan)}; nothing was changed, make a new plan", hash=plan.hash)
    return plan


def _moved(expected: Mapping[str, Any], plan: ZonePlan) -> str:
    """Return in words what is no longer as it was when the expected plan was made."""
    before = expected.get("basis")
    if not isinstance(before, Mapping):
        return "this is not a plan that zone_plan has made"
    told, present = before.get("hosts"), plan.basis["hosts"]
    then = told if isinstance(told, Mapping) else {}
    hosts = sorted(name for name in {*then, *present} if then.get(name) != present.get(name))
    moved = [word for key, word in (("ledger", "the ledger"), ("declared", "what is declared")) if before.get(key) != plan.basis[key]]
    moved += [f"host {name}" for name in hosts]
    return f"since the plan {expected.get('hash')} was made, {', '.join(moved) or 'its result'} has moved"


def _outcome(plan: ZonePlan, snapshot: Snapshot) -> Outcome:
    orders: dict[str, list[dict[str, Any]]] = {}
    for step in plan.steps:
        if step.order is not None:
            orders.setdefault(step.host, []).append(step.order)
    shown = {
        "zone": plan.zone.name,
        "hash": plan.hash,
        "basis": plan.basis,
        "steps": [step.as_dict() for step in plan.steps],
        "summary": dict(sorted(Counter(step.action for step in plan.steps).items())),
        "refusals": [refusal.as_dict() for refusal in plan.refusals],
        "notes": list(plan.notes),
        "quota": plan.quota,
        "per_host": orders,
    }
    after = {claim.name: claim for claim in (*snapshot.claims, *plan.claimed, *plan.changed)}
    unsettled = _names(claim for claim in after.values() if claim.state != SETTLED or claim.leaving)
    result = {"plan": shown, "page": show_plan(shown), "unsettled": unsettled}
    return Outcome(bool(plan.claimed or plan.changed), result, _lines(snapshot.claims), _lines(after.values()))


def _settle(snapshot: Snapshot, zone: Zone, reports: object, book: Book | None) -> Outcome:
    observation = _observe(zone, snapshot, reports)
    gone = [claim for claim in snapshot.claims if claim.state == REMOVING and _is_gone(claim, observation)]
    going = {claim.name for claim in gone}
    left = [(claim, _confirmed(claim, observation)) for claim in snapshot.claims if claim.name not in going]
    there = [claim for before, claim in left if claim.state != before.state]
    changed = [claim for before, claim in left if claim != before]
    waiting = [claim for _before, claim in left if claim.state in (PLANNED, REMOVING) or claim.leaving]
    if book is not None:
        book.change(changed, "its host confirms it")
        book.release(gone, "its host confirms that it is gone")
    result = {"settled": _names(there), "released": _names(gone), "waiting": _names(waiting)}
    return Outcome(bool(changed or gone), result, _lines(snapshot.claims), _lines(claim for _before, claim in left))


def _release(
    snapshot: Snapshot, zone: Zone, reports: object, names: Sequence[str], declarations: Declarations, book: Book | None
) -> Outcome:
    observation = _observe(zone, snapshot, reports)
    named = [claim for claim in snapshot.claims if claim.name in set(names)]
    protected = {*names} & _protected(snapshot, zone, observation, declarations)
    if protected:
        raise RefusedError(f"names: {', '.join(sorted(protected))} protected; declare protected: false and provision first")
    faulty = [claim.name for claim in named if ("", "") in declarations.problems or (claim.tenant, claim.app) in declarations.problems]
    if faulty:
        raise RefusedError(f"names: {', '.join(faulty)} may be protected by an entry that has a mistake; plan, and mend what is told")
    gone = [claim for claim in named if _is_gone(claim, observation)]
    waiting = [claim for claim in named if claim not in gone]
    marked = [replace(claim, state=REMOVING) for claim in waiting if claim.state != REMOVING]
    if book is not None:
        book.release(gone, "retired")
        book.change(marked, "retired")
    there = {*observation.seen, *(claim.name for claim in snapshot.claims)}
    unknown = sorted({*names} - there)
    result = {"settled": [], "released": _names(gone), "waiting": _names(waiting), "unknown": unknown}
    left = {claim.name: claim for claim in (*snapshot.claims, *marked) if claim not in gone}
    return Outcome(bool(gone or marked), result, _lines(snapshot.claims), _lines(left.values()))


def _claim(book: Book, snapshot: Snapshot, claims: Collection[Claim], why: str) -> None:
    """Write new claims. Only an adopted one has an address in quarantine: who was found there is an instance of the zone."""
    quarantined = {item.address for item in snapshot.held if item.state == QUARANTINED}
    known = [address for claim in claims for address in claim.addresses if address in quarantined]
    if known:
        book.restore(known, why)
    book.claim(claims, why)


def _protected(snapshot: Snapshot, zone: Zone, observation: Observation, declarations: Declarations) -> set[str]:
    """Return the names of what is protected; a ledger that was rebuilt knows it only after the next plan."""
    slots = match_slots(zone, declarations.entries, snapshot.claims, observation).slots.values()
    declared = {slot.claim.name for items in slots for slot in items if slot.claim is not None and slot.entry.protected}
    return declared | {claim.name for claim in snapshot.claims if claim.protected}


def _is_on(claim: Claim, observation: Observation) -> bool:
    return any(seen.host == claim.host for seen in observation.of(claim))


def _confirmed(claim: Claim, observation: Observation) -> Claim:
    """Return the claim as its host confirms it: that the instance is there, and does not have addresses any more that are leaving."""
    if claim.state == PLANNED and _is_on(claim, observation):
        claim = replace(claim, state=SETTLED)
    there = observation.of(claim)
    # One that does not tell its addresses may have them all.
    if claim.leaving and observation.sees(claim.host, claim.kind) and all(seen.addresses for seen in there):
        claim = claim.with_extra(claim.extra_addresses, [address for seen in there for address in seen.addresses])
    return claim


def _is_gone(claim: Claim, observation: Observation) -> bool:
    """Tell whether its host confirms that it is gone, and that nothing has its addresses there under another name."""
    return observation.sees(claim.host, claim.kind) and not observation.of(claim) and not observation.renamed_of(claim)


def _names(claims: Iterable[Claim]) -> list[str]:
    return sorted(claim.name for claim in claims)


def _lines(claims: Iterable[Claim]) -> dict[str, str]:
    """Return the claims as both sides of a difference show them."""
    return {
        claim.name: f"{claim.kind} on {claim.host}, {', '.join(claim.addresses)}, {claim.vcpus} vCPUs, {claim.state}" for claim in claims
    }
