# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: may change without notice.
"""The steps of a zone's plan: what is done to one instance, and the description that its host is given of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from .claims import Claim
from .fields import FIELDS, RECREATE, RESTART, Spec, differences, of_stopped
from .names import mac_of
from .observation import Observation, Seen
from .plan import Difference
from .zone_slots import Slot
from .zone_spec import Zone

CREATE, ADOPT, KEEP, RESIZE, RESTARTED, RECREATED = "create", "adopt", "keep", "resize", "restart", "recreate"
STOP, START, PAUSE, REMOVE, ORPHAN = "stop", "start", "pause", "remove", "orphan"
_STOPPED, _PAUSED = "stopped", "paused"
_OPTIONS = {field.name: field.option for field in FIELDS}
_UNREPORTED = {"ssh_keys", *(field.name for field in FIELDS if field.secret)}


@dataclass(frozen=True)
class PlanStep:
    """What is done to one instance and why; ``order`` is its description for its host, None when the host is told nothing."""

    action: str
    instance: str
    kind: str
    host: str
    address: str
    name: str
    reason: str
    order: dict[str, Any] | None = None
    extra_addresses: tuple[str, ...] = ()

    @property
    def changes(self) -> bool:
        """Whether anything happens."""
        return self.action not in (KEEP, ORPHAN)

    def as_dict(self) -> dict[str, Any]:
        """Return the step as JSON can carry it."""
        return {
            "action": self.action,
            "instance": self.instance,
            "kind": self.kind,
            "host": self.host,
            "address": self.address,
            "extra_addresses": list(self.extra_addresses),
            "mac": mac_of(self.address) if self.address else "",
            "name": self.name,
            "reason": self.reason,
        }


def kept_step(zone: Zone, slot: Slot, claim: Claim, why: str, observation: Observation) -> PlanStep:
    """Return the step of an instance that is wanted."""
    action, reason = _judge(slot, claim, why, observation)
    order = {**slot.entry.options, "state": slot.entry.state, **_identity(zone, claim)}
    return _step(action, claim, reason, order)


def forced_fields(slot: Slot) -> str:
    """Return the fields in which an instance differs that only making it anew can change; empty when there are none."""
    if slot.claim is None or slot.seen is None:
        return ""
    return ", ".join(_OPTIONS[item.field] for item in _differing(slot, slot.claim, slot.seen) if item.mend == RECREATE)


def removal_step(zone: Zone, claim: Claim, why: str) -> PlanStep:
    """Return the step of an instance that is to go."""
    identity = _identity(zone, claim)
    # The network may be another one by now, in which the host would refuse the address.
    del identity["network"]
    return _step(REMOVE, claim, why, {"state": "absent", "ssh_keys": [], **_words(zone, claim), **identity})


def orphan_step(claim: Claim, why: str, kept: str) -> PlanStep:
    """Return the step of a claim that nothing declares: it is only told, and why it is kept."""
    return _step(ORPHAN, claim, f"{why}; {kept}", None)


def stray_step(zone: Zone, seen: Seen, why: str) -> PlanStep:
    """Return the step of something that runs in the zone and should not: it is only told."""
    spec = seen.spec
    instance = f"{spec.get('tenant', 'none')}/{spec.get('app', 'none')}"
    return PlanStep(
        ORPHAN, instance, seen.kind, seen.host, spec.get("address", ""), seen.name, f"it is there in zone {zone.name}, but {why}"
    )


def _judge(slot: Slot, claim: Claim, why: str, observation: Observation) -> tuple[str, str]:
    """Return the action and the reason: the heaviest mend that a difference needs decides."""
    if slot.claim is None:
        return CREATE, why
    if claim.host not in observation.answered:
        return KEEP, f"its host {claim.host} does not answer; its claim is kept"
    if slot.seen is None and not observation.sees(claim.host, claim.kind):
        return KEEP, f"the engine of {claim.kind} on its host {claim.host} does not run; its claim is kept"
    if slot.seen is None:
        return CREATE, f"it is claimed but not on its host {claim.host}"
    differing = _differing(slot, claim, slot.seen)
    mends = {item.mend for item in differing}
    fields = ", ".join(_OPTIONS[item.field] for item in differing)
    wanted, power = slot.entry.state, slot.seen.power
    if slot.adopted:
        return ADOPT, "it runs as declared, but the ledger did not know it" + (f"; {fields} differ" if fields else "")
    if RECREATE in mends:
        return RECREATED, f"{forced_fields(slot)} can only be changed by making it anew, which must be allowed"
    if _STOPPED == wanted != power:
        return STOP, "it is declared stopped"
    if RESTART in mends and power != _STOPPED:
        return RESTARTED, f"{fields} takes effect at a restart, which must be allowed"
    if wanted != power:
        return PAUSE if wanted == _PAUSED else START, f"it is declared {wanted}"
    return (RESIZE, f"{fields} differs from what is declared") if differing else (KEEP, "it is as declared")


def _differing(slot: Slot, claim: Claim, seen: Seen) -> list[Difference]:
    """Return the fields that differ. What hosts do not report, or as ssh keys only that there are none, is left to them."""
    wanted: Spec = {**slot.entry.spec, "address": claim.address}
    found = of_stopped(claim.kind, seen.spec, wanted) if seen.power == _STOPPED else seen.spec
    return [item for item in differences(claim.kind, wanted, found) if item.field not in _UNREPORTED]


def _identity(zone: Zone, claim: Claim) -> dict[str, Any]:
    return {
        "name": claim.name,
        "kind": claim.kind,
        "index": claim.index,
        "address": claim.address,
        "network": dict(zone.network),
    }


def _words(zone: Zone, claim: Claim) -> dict[str, Any]:
    return {"zone": zone.name, "tenant": claim.tenant, "app": claim.app}


def _step(action: str, claim: Claim, reason: str, order: dict[str, Any] | None) -> PlanStep:
    instance = f"{claim.tenant}/{claim.app}/{claim.index}"
    return PlanStep(action, instance, claim.kind, claim.host, claim.address, claim.name, reason, order, claim.extra_addresses)
