# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: may change without notice.
"""What placement must know of a zone: what its declared instances need, and what all that is there takes of the hosts."""

from __future__ import annotations

from dataclasses import replace

from .claims import Claim, Snapshot
from .instance_disks import bytes_of
from .observation import Observation, pci_of
from .placement_types import Demand, is_pci
from .zone_slots import Slot


def demand_of(slot: Slot, observation: Observation) -> Demand:
    """Return what a slot needs; what is not declared of one that exists stays as it is promised.

    One that cannot be seen now, because its host or engine does not answer, cannot be made smaller now.
    """
    entry, claim, spec = slot.entry, slot.claim, slot.entry.spec
    vcpus = spec.get("vcpus", claim.vcpus if claim else 0)
    memory = spec.get("memory", claim.memory if claim else 0)
    disk = bytes_of(spec, claim.disk if claim else 0)
    if claim and not observation.sees(claim.host, claim.kind):
        vcpus, memory, disk = max(vcpus, claim.vcpus), max(memory, claim.memory), max(disk, claim.disk)
    name = _key_of(claim.host, claim.kind, claim.name) if claim and slot.adopted else claim.name if claim else slot.key
    has = tuple(item for item in claim.devices if is_pci(item[0])) if claim else ()
    devices = (*entry.devices, *(pci_of(spec) if "pci_devices" in spec else has))
    return Demand(name, entry.batch, entry.kind, vcpus, memory, disk, host=entry.host, rules=entry.rules, devices=devices)


def residents(snapshot: Snapshot, observation: Observation) -> list[Demand]:
    """Return all that takes room on the hosts: claims of this zone and of others, and what runs without one."""
    running = [_occupied(claim, observation) for claim in snapshot.claims]
    others = snapshot.elsewhere
    # Names are unique in a zone only.
    running += [replace(_occupied(claim, observation), name=_key_of(claim.host, claim.kind, claim.name)) for claim in others]
    known = {(claim.name, claim.kind, claim.host) for claim in (*snapshot.claims, *others)}
    strange = (item for item in observation.instances() if (item.name, item.kind, item.host) not in known)
    return running + [replace(item.demand(), name=_key_of(item.host, item.kind, item.name)) for item in strange]


def _occupied(claim: Claim, observation: Observation) -> Demand:
    """Return what a claimed instance takes of its host: what it is promised or what it still has, if that is more."""
    demand = claim.demand()
    for seen in observation.of(claim):
        if seen.host == claim.host:
            has = seen.demand()
            vcpus, memory, disk = max(demand.vcpus, has.vcpus), max(demand.memory, has.memory), max(demand.disk, has.disk)
            devices = tuple(sorted({**dict(has.devices), **dict(demand.devices)}.items()))
            demand = replace(demand, vcpus=vcpus, memory=memory, disk=disk, devices=devices)
    return demand


def _key_of(host: str, kind: str, name: str) -> str:
    return f"{host}/{kind}/{name}"
