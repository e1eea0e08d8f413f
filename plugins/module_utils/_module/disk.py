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
from .._domain.disk import DEFAULT_FILESYSTEM, Disk, DiskSpec, check_room, parse_disk_spec, plan_disk, show_disk
from .._domain.instance import Instance
from .._domain.instance_disks import disk_names
from .._domain.plan import Plan, Step
from .._ports import Command, ContainerEngine, EngineAbsent, VmEngine
from .._ports_disks import DataFilesystems
from .._ports_storage import Volumes
from .data_disks import DataDisks, forget_stand_ins, volumes_of
from .neighbours import containers_beside, vms_beside


class DiskResource:
    """See ``Resource`` in ``run.py``. ``containers`` and ``vms`` are asked who has the disk."""

    name = "disk"

    def __init__(self, spec: DiskSpec, volumes: Volumes, filesystems: DataFilesystems, containers: ContainerEngine, vms: VmEngine) -> None:
        self._spec = spec
        self._volumes = volumes
        self._data = DataDisks(volumes, filesystems, vms)
        self._containers = containers
        self._vms = vms
        self._is_there = False
        self._users: Collection[Instance] = ()

    def observe(self) -> Disk | None:
        beside = [*containers_beside(self._containers), *vms_beside(self._vms)]
        self._users = [item for item in beside if self._spec.name in disk_names(item.spec)]
        found = self._data.find(self._spec.name, self._users)
        self._is_there = True
        return found

    def nothing(self) -> Disk | None:
        return None

    def plan(self, found: Disk | None) -> Plan[Disk | None]:
        plan = plan_disk(self._spec, found)
        if plan.steps and plan.after is not None and self._is_there:
            check_room("size", plan.after.size - (found.size if found else 0), self._volumes.free())
        return plan

    def apply(self, step: Step) -> None:
        name, size = self._spec.name, self._spec.size or 0
        if step.action == "make_disk":
            self._data.make(name, size, self._spec.filesystem or DEFAULT_FILESYSTEM)
        elif step.action == "grow_disk":
            self._data.grow(name, size, self._users)
        elif step.action == "remove_disk":
            with suppress(EngineAbsent):
                forget_stand_ins(self._containers, [name])
            self._data.remove(name)

    def report(self, state: Disk | None) -> dict[str, Any]:
        return show_disk(self._spec, state)


def build_disk(params: Mapping[str, Any], command: Command) -> DiskResource:
    """Return the resource of the module's options."""
    filesystems = DiskFilesystems(command, MountedGuestDisks(command))
    return DiskResource(parse_disk_spec(params), volumes_of(params, command), filesystems, DockerEngine(), LibvirtEngine())
