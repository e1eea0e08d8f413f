# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: may change without notice.
"""VMs as their domains and volumes tell of them: what is defined, and what runs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

from .._domain.domain_found import parse_domain, renamed_vm
from .._domain.errors import RefusedError
from .._domain.facts import with_printed
from .._domain.fields import Spec
from .._domain.instance import STOPPED, Instance, Renamed
from .._domain.instance_disks import DiskEntry, attached_disks
from .._domain.names import mac_of, volume_of
from .._domain.rbd import RBD
from .._domain.volume import Volume
from .._ports import Domain, VmEngine
from .._ports_storage import Volumes
from .vm_host import host_cpus

_RUNNING_FIELDS = (
    "memory",
    "max_memory",
    "vcpus",
    "max_vcpus",
    "cpu_policy",
    "boot",
    "hugepages",
    "pci_devices",
    "io_limits",
    "bridge",
    "link",
    "bandwidth",
    "restart_policy",
)


def read_vm(domain: Domain, volume: Volume | None = None, wanted: Spec | None = None) -> Instance:
    """Return the instance that a domain and its volume tell of.

    Memory, CPUs, bridge and disks are those of the running VM; what is only defined takes effect at its next start.
    """
    parsed = parse_domain(domain.xml)
    # One that was stopped on purpose does not start with its host, whatever is declared of it.
    autostart = domain.autostart or (domain.power == STOPPED and parsed.spec.get("autostart", False))
    spec: Spec = {**parsed.spec, "autostart": autostart}
    if domain.power == STOPPED and parsed.cpus and not parsed.cpus <= host_cpus():
        # It would not start, bound to what the host has not any more; and that is neither policy.
        spec["cpu_policy"] = cast(str, None)
    attached, mac = parsed.attached, parsed.mac
    if domain.live_xml:
        running = parse_domain(domain.live_xml)
        spec, attached, mac = _running_spec(spec, running.spec), running.attached, running.mac
    if attached or "disks" in spec:
        spec["disks"] = attached_disks(spec.get("disks", []), attached)
    leaving = [DiskEntry(name=name, store=RBD, leaving=True) for name in parsed.held if name not in attached]
    if leaving and "disks" in (wanted or {}):
        # In whatever way disks are wanted it differs from that, until the cluster knows.
        spec["disks"] = [*spec.get("disks", []), *leaving]
    if volume is not None:
        size = (wanted or {}).get("disk", volume.size)
        spec["disk"] = size if 0 <= volume.size - size < volume.extent_size else volume.size
    if wanted is not None:
        spec = with_printed(spec, parsed.facts, wanted)
        if mac and "address" in spec and mac != mac_of(spec["address"]) and "bridge" in spec:
            # That has no field of its own: somebody's other address is mended as another bridge would be.
            spec["bridge"] += f", with the MAC address {mac}"
    # A clone of one of ours, which somebody has made, has its metadata.
    ours = parsed.facts.get("name") == domain.name
    return Instance("vm", domain.name, domain.power, spec, ours=ours, whole=volume is not None)


def _running_spec(defined: Spec, live: Spec) -> Spec:
    """Return the spec of a VM that runs. Of memory within one maximum the definition tells what was asked of the guest, which hands it
    back when it can, or never if it has no balloon."""
    fields = set(_RUNNING_FIELDS)
    if _most_memory(live) == _most_memory(defined):
        fields -= {"memory", "max_memory"}
    kept = {field: value for field, value in defined.items() if field not in fields}
    return cast(Spec, {**kept, **{field: value for field, value in live.items() if field in fields}})


def _most_memory(spec: Spec) -> int:
    return spec.get("max_memory", spec.get("memory", 0))


def half_restored(name: str) -> RefusedError:
    """Return the refusal of a VM whose root disk a run that was cut off has not put back yet."""
    return RefusedError(
        f"name: a snapshot of {name} was being restored when a run was cut off, so it has no volume {volume_of(name)}; "
        "finish that first with zonal.cloud.snapshot, state: restored",
        field="name",
    )


def without_disk(name: str) -> RefusedError:
    """Return the refusal of a VM without its root disk: no run that was cut off leaves that, and an empty one would take its place."""
    return RefusedError(
        f"group: the VM {name} is there, but its volume {volume_of(name)} is not in the given volume group; "
        "name the right group, or remove the VM first with state: absent"
    )


def list_vms(engine: VmEngine, volumes: Volumes, renamed: list[Renamed] | None = None) -> list[Instance]:
    """Return all VMs of this collection on the host; ``renamed`` gets those that have addresses under another name."""
    disks: Mapping[str, Volume] = {volume.name: volume for volume in volumes.list()}
    domains = engine.domains()
    if renamed is not None:
        renamed += filter(None, (renamed_vm(domain.name, parse_domain(domain.xml)) for domain in domains))
    found = (read_vm(domain, disks.get(volume_of(domain.name))) for domain in domains)
    return sorted((item for item in found if item.ours), key=lambda item: item.name)
