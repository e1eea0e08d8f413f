# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: may change without notice.
"""A disk as a resource: options in, its volume and the instance that has it behind, report out."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from contextlib import suppress
from typing import Any

from .._adapters.data_filesystems import DiskFilesystems
from .._adapters.docker_engine import DockerEngine
from .._adapters.guest_disks import MountedGuestDisks
from .._adapters.libvirt_engine import LibvirtEngine
from .._domain.disk import Disk, DiskSpec, check_room, filesystem_wanted, parse_disk_spec, plan_disk, show_disk
from .._domain.instance import Instance
from .._domain.instance_disks import DiskEntry, is_rbd
from .._domain.plan import Plan, Step
from .._ports import Command, ContainerEngine, EngineAbsent, VmEngine
from .._ports_disks import DataFilesystems, DiskImages
from .._ports_storage import Volumes
from .data_disks import DataDisks, forget_stand_ins, images_of, volumes_of
from .neighbours import containers_beside, vms_beside


class DiskResource:
    """See ``Resource`` in ``run.py``. ``containers`` and ``vms`` are asked who has the disk."""

    name = "disk"

    def __init__(
        self,
        spec: DiskSpec,
        volumes: Volumes,
        filesystems: DataFilesystems,
        containers: ContainerEngine,
        vms: VmEngine,
        images: DiskImages | None = None,
    ) -> None:
        self._spec = spec
        self._entry = DiskEntry(name=spec.name, store=spec.store)
        self._volumes = volumes
        self._data = DataDisks(volumes, filesystems, vms, images)
        self._containers = containers
        self._vms = vms
        self._is_there = False
        self._users: Collection[Instance] = ()

    def observe(self) -> Disk | None:
        # What nobody seems to have is removed, or given away.
        surely = self._data.are_there([self._entry])
        beside = [*containers_beside(self._containers, surely=surely), *vms_beside(self._vms, surely=surely)]
        self._users = [item for item in beside if any(map(self._is_it, item.spec.get("disks", ())))]
        found = self._data.find(self._entry, self._users)
        self._is_there = True
        return found

    def nothing(self) -> Disk | None:
        return None

    def plan(self, found: Disk | None) -> Plan[Disk | None]:
        plan = plan_disk(self._spec, found)
        if plan.steps and plan.after is not None and self._is_there and not is_rbd(self._entry):
            check_room("size", plan.after.size - (found.size if found else 0), self._volumes.free())
        return plan

    def apply(self, step: Step) -> None:
        size = self._spec.size or 0
        if step.action == "free_disk":
            self._data.free(self._entry)
        elif step.action == "make_disk":
            self._data.make(self._entry, size, filesystem_wanted(self._spec))
        elif step.action == "grow_disk":
            self._data.grow(self._entry, size, self._users)
        elif step.action == "remove_disk":
            if not is_rbd(self._entry):
                with suppress(EngineAbsent):
                    forget_stand_ins(self._containers, [self._spec.name])
            self._data.remove(self._entry)

    def _is_it(self, entry: DiskEntry) -> bool:
        return entry["name"] == self._spec.name and is_rbd(entry) == is_rbd(self._entry)

    def report(self, state: Disk | None) -> dict[str, Any]:
        return show_disk(self._spec, state)


def build_disk(params: Mapping[str, Any], command: Command) -> DiskResource:
    """Return the resource of the module's options."""
    filesystems = DiskFilesystems(command, MountedGuestDisks(command))
    spec, images = parse_disk_spec(params), images_of(params, command)
    return DiskResource(spec, volumes_of(params, command), filesystems, DockerEngine(), LibvirtEngine(), images)
