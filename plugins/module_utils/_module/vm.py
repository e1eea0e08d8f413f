# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: may change without notice.
"""A VM: the libvirt half of an instance, with its root disk on the thin pool."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import replace
from functools import partial
from typing import Any, Callable

from .._adapters.boot_files import BootFolder
from .._adapters.data_filesystems import DiskFilesystems
from .._adapters.docker_engine import DockerEngine
from .._adapters.guest_disks import MountedGuestDisks
from .._adapters.kernel import is_bridge
from .._adapters.libvirt_engine import LibvirtEngine
from .._domain.domain_found import attached_in, parse_domain, pinned_in
from .._domain.domain_type import LXC, check_fields
from .._domain.domain_xml import Hardware, most_vcpus, render_domain
from .._domain.errors import RefusedError, SpecError
from .._domain.field_values import PINNED
from .._domain.fields import Spec, complete, pick
from .._domain.guest_files import vm_files
from .._domain.instance import ABSENT, STOPPED, Instance, Wish, taken_name
from .._domain.instance_disks import is_rbd
from .._domain.names import UNFINISHED, replaced_of, restored_of, volume_of
from .._domain.plan import Plan, Step
from .._domain.volume import CLOUD_INIT_TAG, Volume, find_golden, instance_tags, is_disk_of, is_snapshot_of
from .._ports import Command, ContainerEngine, Domain, VmEngine
from .._ports_storage import GuestDisks, Volumes
from .data_disks import DataDisks, images_of, volumes_of
from .instance import InstanceResource
from .instance_options import read_wish
from .neighbours import container_cpus, containers_beside, read_neighbour
from .vm_boot import VmBoot
from .vm_disks import plug
from .vm_found import half_restored, read_vm, without_disk
from .vm_host import check_cpu_model, check_huge_pages, check_pci_devices, check_root, check_user_data, choose_pins, host_cpus, root_size
from .vm_live import after_definition, before_definition
from .vm_type import domain_type_of


class VmResource(InstanceResource):
    """An instance that is a VM. ``domain_type`` tells of which type a new one is, ``given`` are the CPUs that other instances of this run
    have got."""

    name = "vm"

    def __init__(
        self,
        wish: Wish,
        engine: VmEngine,
        containers: ContainerEngine,
        volumes: Volumes,
        disks: GuestDisks,
        data: DataDisks,
        boot: BootFolder,
        domain_type: Callable[[], str],
        stop_timeout: int,
        given: list[frozenset[int]] | None = None,
    ) -> None:
        super().__init__(wish, engine, data, stop_timeout)
        self._given = [] if given is None else given
        self._engine = engine
        self._containers = containers
        self._volumes = volumes
        self._disks = disks
        self._boot = VmBoot(disks, volumes, boot)
        self._domain_type = domain_type
        self._seen: Mapping[str, Volume] = {}
        self._domains: Collection[Domain] = ()
        self._cpus: frozenset[int] = frozenset()
        self._diskless = self._adopting = self._exchanged = False
        self._volume = volume_of(wish.name)
        self._hidden = self._volume + UNFINISHED
        # What a restored snapshot has left, see ``VmDisk``.
        self._others = (restored_of(wish.name), replaced_of(wish.name))

    def _look(self) -> Instance:
        domains = {domain.name: domain for domain in self._engine.domains()}
        volumes = self._look_at_volumes()
        self._domains = domains.values()
        domain, volume, hidden = domains.get(self._wish.name), volumes.get(self._volume), volumes.get(self._hidden)
        self._adopting = volume is not None and domain is None
        half_made = hidden is not None and self._owns(hidden)
        self._exchanged = volume is None and not half_made and any(self._owns(volumes[name]) for name in self._others if name in volumes)
        if domain is not None:
            self._diskless = volume is None and not half_made
            return read_vm(domain, volume, self._wish.spec)
        if volume is not None or half_made or self._exchanged:
            return Instance("vm", self._wish.name, STOPPED, ours=volume is None or self._owns(volume), whole=False)
        return self.nothing()

    def _left_snapshots(self) -> Collection[str]:
        return sorted(volume.name for volume in self._seen.values() if is_snapshot_of(self._wish.name, volume))

    def _neighbours(self) -> Iterator[Instance]:
        return (item for item in map(read_neighbour, self._domains) if item.ours and item.name != self._wish.name)

    def plan(self, found: Instance) -> Plan[Instance]:
        plan = super().plan(found)
        if self._exchanged and plan.after.power != ABSENT:
            raise half_restored(self._wish.name)
        if self._diskless and plan.after.power != ABSENT:
            raise without_disk(self._wish.name)
        return plan

    def apply(self, step: Step) -> None:
        if "network.bridge" in step.fields:
            # Asked before it is stopped for the change: without the bridge it would not start again.
            self._check_bridge(self._target)
        if "pci_devices" in step.fields:
            check_pci_devices(self._wish.name, self._target, self._domains)
        if "boot" in step.fields:
            self._boot.check_change(self._wish.name, self._target, self._volumes.find(self._volume))
        if step.action == "start":
            self._data.claim(self._wish.name, self._target.get("disks", ()))
        if step.action == "stop" and self._wish.power == STOPPED:
            # First: after a crash it runs and differs.
            self._engine.set_autostart(self._wish.name, False)
        super().apply(step)
        if step.action == "start":
            self._engine.set_autostart(self._wish.name, self._target["autostart"])

    def _create(self, spec: Spec) -> None:
        golden, kernel, initrd = self._check(spec)
        left = self._engine.find(self._wish.name)
        if left is not None and read_vm(left).ours:
            # A definition without a disk, from a run that was cut off: it may have another zone, and so another UUID.
            self._engine.remove(self._wish.name)
        # What has the final name already had a domain once, and may hold a guest's data.
        fresh = self._volume not in self._seen
        if fresh:
            self._make_volume(spec, golden)
        else:
            self._volumes.grow(self._volume, spec.get("disk", 0))
        self._data.provide(Instance(self.name, self._wish.name, STOPPED, spec))
        disk = self._volumes.path(self._volume)
        self._boot.provide(spec, self._volumes.path(self._hidden) if fresh else disk)
        data = self._data.sources(spec.get("disks", ()))
        hardware = Hardware(disk, kernel, initrd, self._domain_type(), golden.is_block, data, cpus=self._cpus)
        self._define(spec, hardware, "")
        if fresh:
            # Last of all: had it this name before, a run with another address could not tell it from a disk that was used.
            self._volumes.rename(self._hidden, self._volume)

    def _look_at_volumes(self) -> Mapping[str, Volume]:
        self._seen = {volume.name: volume for volume in self._volumes.list()}
        return self._seen

    def _check_hidden(self) -> bool:
        volume = self._seen.get(self._hidden)
        if volume is not None and not self._owns(volume):
            raise taken_name(self._wish, f"volume {self._hidden}")
        return volume is not None

    def _discard_hidden(self) -> None:
        if self._check_hidden():
            self._volumes.remove(self._hidden)

    def _owns(self, volume: Volume) -> bool:
        """Tell whether a volume was made for just this VM."""
        return is_disk_of(self._wish.name, volume)

    def _elsewhere(self, *, surely: bool = False) -> list[Instance]:
        return containers_beside(self._containers, surely=surely)

    def _foresee(self, actions: Collection[str]) -> None:
        super()._foresee(actions)
        if {"create", "update"}.isdisjoint(actions):
            return
        check_fields(self._engine.driver(), self._target)
        kept = [parse_domain(domain.xml) for domain in self._domains if domain.name == self._wish.name and "create" not in actions]
        model = self._wish.spec.get("cpu_model")
        if model is not None and model == self._target.get("cpu_model"):
            check_cpu_model(self._engine, model, kept[0].domain_type if kept else self._domain_type())
        self._cpus = kept[0].cpus & host_cpus() if kept and kept[0].cpus else frozenset()
        if self._target.get("cpu_policy") == PINNED and len(self._cpus) != most_vcpus(self._target):
            # Now, since all instances of a run are planned before the first is made: each shall get others.
            vms = [pinned_in(domain.xml) for domain in self._domains if domain.name != self._wish.name]
            self._cpus = choose_pins(self._target, [*vms, *container_cpus(self._containers), *self._given])
            self._given.append(self._cpus)
        check_huge_pages(self._target)

    def _check_host(self, spec: Spec) -> None:
        golden = find_golden(self._seen.values(), spec["image"])
        if golden is not None:
            check_user_data(spec, golden)
            check_root(self._volumes, spec, golden, self._seen.get(self._volume), stays=self._adopting)

    def _check_target(self, spec: Spec) -> None:
        root_size(self._volumes, spec, self._check(spec)[0], self._seen.get(self._volume))

    def _check(self, spec: Spec) -> tuple[Volume, str, str]:
        """Return golden volume, kernel and initial ramdisk of the image; SpecError when a VM cannot be made on this host."""
        self._domain_type()
        self._check_bridge(spec)
        check_pci_devices(self._wish.name, spec, self._domains)
        self._data.check(self.name, spec.get("disks", ()))
        golden = find_golden(self._look_at_volumes().values(), spec["image"])
        if golden is None:
            raise SpecError("image", spec["image"], "is not on this host as a golden volume; bring it there with zonal.cloud.image")
        check_user_data(spec, golden)
        return (golden, *self._boot.check(spec, golden))

    def _check_bridge(self, spec: Spec) -> None:
        if not is_bridge(spec["bridge"]):
            raise SpecError("network.bridge", spec["bridge"], "is not a bridge on this host; make it with zonal.cloud.bridge")

    def _make_volume(self, spec: Spec, golden: Volume) -> None:
        """Prepare the root disk under a hidden name, so that a crash leaves nothing half-made under the final one."""
        size = root_size(self._volumes, spec, golden, None)
        self._discard_hidden()
        # One that need not grow is made in one go.
        grown = size if size > golden.size else 0
        clone = self._volumes.clone(golden.name, self._hidden, instance_tags(self._wish.name, golden), grown)
        self._disks.personalise(clone.path, vm_files(self._wish.name, spec, cloud_init=CLOUD_INIT_TAG in golden.tags))

    def _update(self, options: Collection[str]) -> None:
        domain, volume = self._engine.find(self._wish.name), self._volumes.find(self._volume)
        if domain is None or volume is None:
            raise RefusedError(f"VM {self._wish.name} was removed while it was being changed; run again")
        parsed = parse_domain(domain.xml)
        spec = complete(self._wish.name, {"autostart": domain.autostart, **parsed.spec, **pick(self._wish.spec, options)})
        if "disk" in options:
            self._volumes.grow(self._volume, spec["disk"])
            if parsed.domain_type == LXC:
                # Nobody inside can let the file system grow.
                self._disks.personalise(volume.path, ())
        if "boot" in options:
            self._boot.provide(spec, volume.path)
        if "disks" in options:
            # With the sizes of those for which none is wanted.
            spec["disks"] = self._target["disks"]
            self._data.check(self.name, spec["disks"])
            self._data.provide(Instance(self.name, self._wish.name, domain.power, spec))
        data = self._data.sources(spec.get("disks", ()))
        had = {entry["name"]: entry for entry in read_neighbour(domain).spec["disks"] if is_rbd(entry)}
        gone = {name: entry for name, entry in had.items() if name not in data}
        # One that boots from its disk knows of no kernel.
        kernel, initrd = (parsed.kernel, parsed.initrd) if parsed.kernel else self._boot.paths(volume)
        hardware = Hardware(volume.path, kernel, initrd, parsed.domain_type, volume.is_block, data, gone, self._cpus)
        if domain.live_xml:
            before_definition(self._engine, self._wish.name, spec, options)
        self._define(spec, hardware, parsed.uuid, parsed.facts)
        if domain.live_xml:
            after_definition(self._engine, self._wish.name, spec, options)
            if "disks" in options:
                plug(self._engine, self._wish.name, attached_in(domain.live_xml), data, is_block=volume.is_block)
        if gone and "disks" in options:
            self._data.release(self._wish.name, gone.values())
            self._define(spec, replace(hardware, held=()), parsed.uuid, parsed.facts)

    def _define(self, spec: Spec, hardware: Hardware, uuid: str, known: Mapping[str, str] | None = None) -> None:
        self._engine.define(render_domain(self._wish.name, spec, hardware, known, uuid=uuid))
        self._engine.set_autostart(self._wish.name, spec["autostart"] and self._wish.power != STOPPED)

    def _remove(self) -> None:
        """Hide the disk first, so that after a crash its old content is never taken for that of a new VM; its snapshots are gone then."""
        found = self._engine.find(self._wish.name)
        if found is not None:
            self._engine.stop(self._wish.name, self._stop_timeout)
        seen = self._look_at_volumes()
        for volume in seen.values():
            if volume.name.startswith(f"{self._volume}.") and is_snapshot_of(self._wish.name, volume):
                self._volumes.remove(volume.name)
        for name in self._others:
            if name in seen and self._owns(seen[name]):
                self._volumes.remove(name)
        self._discard_hidden()
        if self._volume in self._seen:
            self._volumes.rename(self._volume, self._hidden)
        if found is not None:
            self._data.release(self._wish.name, read_neighbour(found).spec["disks"])
            self._engine.remove(self._wish.name)
        self._volumes.remove(self._hidden)


def build_vm(params: dict[str, Any], command: Command) -> VmResource:
    """Return the resource for the module's parameters."""
    volumes, libvirt, disks = volumes_of(params, command), LibvirtEngine(), MountedGuestDisks(command)
    return VmResource(
        read_wish("vm", params),
        libvirt,
        DockerEngine(),
        volumes,
        disks,
        DataDisks(volumes, DiskFilesystems(command, disks), libvirt, images_of(params, command)),
        BootFolder(),
        partial(domain_type_of, params["domain_type"], libvirt, command),
        params["stop_timeout"],
    )
