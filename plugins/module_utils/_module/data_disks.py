# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: may change without notice.
"""The data disks of a host, for the module disk and for the instances that have them: found, made, grown."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any, cast

from .._adapters.lvm import LvmVolumes
from .._domain.container_config import docker_volume_of, is_volume_of
from .._domain.disk import (
    DEFAULT_FILESYSTEM,
    DISK_TAG,
    Disk,
    check_larger,
    check_room,
    disk_tags,
    disk_volume_of,
    filesystem_of,
    find_disk,
)
from .._domain.errors import RefusedError, SpecError
from .._domain.fields import Spec
from .._domain.instance import STOPPED, Instance
from .._domain.instance_disks import DiskEntry
from .._domain.names import UNFINISHED
from .._domain.thin_pool import parse_name
from .._domain.thin_volume import NO_FILESYSTEM
from .._domain.volume import Volume, tag_value
from .._ports import Command, ContainerEngine, VmEngine
from .._ports_disks import DataFilesystems
from .._ports_storage import Volumes


class DataDisks:
    """``vms`` are those that may run with a disk; LVM is asked only when disks are spoken of."""

    def __init__(self, volumes: Volumes, filesystems: DataFilesystems, vms: VmEngine) -> None:
        self._volumes = volumes
        self._filesystems = filesystems
        self._vms = vms

    def find(self, name: str, users: Iterable[Instance]) -> Disk | None:
        """Return a disk that belongs to ``users``; None when there is none, nor anything left of one."""
        whole, hidden = find_disk(self._volumes.list(), name)
        if whole is None:
            return Disk(0) if hidden else None
        users = list(users)
        reached = min([whole.size, *(self._reached(whole, user) for user in users)] if users else [self._filled(whole)])
        names = tuple(sorted(user.name for user in users))
        return Disk(whole.size, filesystem_of(whole), reached, names, self._volumes.is_open(whole.name))

    def measured(self, instance: Instance) -> Instance:
        """Return an instance with the sizes of its disks: what it can use of them now."""
        if not instance.spec.get("disks"):
            return instance
        found = {entry["name"]: find_disk(self._volumes.list(), entry["name"])[0] for entry in instance.spec["disks"]}
        sizes = {name: self._reached(volume, instance) for name, volume in found.items() if volume is not None}
        return with_sizes(instance, sizes)

    def sized(self, spec: Spec) -> Spec:
        """Return what is wanted, with the sizes that disks have for which none is wanted."""
        if not spec.get("disks"):
            return spec
        sizes = volume_sizes(self._volumes)
        disks = [cast(DiskEntry, {**_size_of(sizes, entry["name"]), **entry}) for entry in spec["disks"]]
        return cast(Spec, {**spec, "disks": disks})

    def check_sizes(self, disks: Iterable[DiskEntry]) -> None:
        """SpecError when a disk is wanted to be smaller than it is, or larger than the pool has room for."""
        more = 0
        for number, entry in enumerate(disks):
            if "size" in entry:
                volume = find_disk(self._volumes.list(), entry["name"])[0]
                has = volume.size if volume else 0
                check_larger(f"disks[{number}].size", entry["name"], entry["size"], has)
                more += max(0, entry["size"] - has)
        check_room("disks", more, self._volumes.free() if more else 0)

    def check(self, kind: str, disks: Iterable[DiskEntry], *, there: bool = True) -> None:
        """SpecError when an instance of the kind cannot have these disks. In check mode an earlier task may have pretended to make one
        of them: only with ``there`` one that has no size must be there.
        """
        for number, entry in enumerate(disks):
            field, volume = f"disks[{number}].name", find_disk(self._volumes.list(), entry["name"])[0]
            if volume is None and "size" not in entry and there:
                raise SpecError(field, entry["name"], "is no disk of this host; give it a size, or make it with zonal.cloud.disk")
            if kind == "container" and volume is not None and filesystem_of(volume) == NO_FILESYSTEM:
                raise SpecError(field, entry["name"], "was made without a file system, so only a VM can have it")

    def check_free(self, names: Iterable[str]) -> None:
        """RefusedError when a disk that no instance has is in use nevertheless."""
        for name in names:
            if self._volumes.is_open(disk_volume_of(name)):
                raise RefusedError(
                    f"disks: {name!r} is in use on this host although no instance has it, such as mounted by hand; free it first",
                    field="disks",
                    value=name,
                )

    def provide(self, instance: Instance) -> Mapping[str, Volume]:
        """Make the disks of an instance that are not there, let those grow that are too small, and return the volumes by disk."""
        found = {}
        for entry in instance.spec.get("disks", ()):
            name, size = entry["name"], entry.get("size", 0)
            if find_disk(self._volumes.list(), name)[0] is None:
                self.make(name, size, DEFAULT_FILESYSTEM)
            found[name] = self.grow(name, size, [instance])
        return found

    def make(self, name: str, size: int, filesystem: str) -> None:
        """Make a disk: under a hidden name, so that a crash leaves nothing half-made under the final one."""
        final = disk_volume_of(name)
        hidden = final + UNFINISHED
        if find_disk(self._volumes.list(), name)[1] is not None:
            self._volumes.remove(hidden)
        made = self._volumes.create(hidden, size, disk_tags(name, filesystem))
        if filesystem != NO_FILESYSTEM:
            self._filesystems.make(filesystem, made.path)
        self._volumes.rename(hidden, final)

    def grow(self, name: str, size: int, users: Iterable[Instance]) -> Volume:
        """Let a disk be at least ``size`` large, and those who have it see that; return its volume."""
        self._volumes.grow(disk_volume_of(name), size)
        volume, users = self._must_find(name), list(users)
        for user in users:
            if self._seen(volume, user) < volume.size:
                self._vms.resize(user.name, volume.path, volume.size)
        if all(user.kind == "container" for user in users) and self._filled(volume) < volume.size:
            self._filesystems.fill(filesystem_of(volume), volume.path)
        return volume

    def remove(self, name: str) -> None:
        """Remove a disk with its data, and what is left of making it."""
        for volume in (disk_volume_of(name) + UNFINISHED, disk_volume_of(name)):
            self._volumes.remove(volume)

    def _reached(self, volume: Volume, user: Instance) -> int:
        return self._seen(volume, user) if user.kind == "vm" else self._filled(volume)

    def _seen(self, volume: Volume, user: Instance) -> int:
        """Return the bytes that a VM sees of a disk; all of it when it does not run with it."""
        if user.kind != "vm" or user.power == STOPPED:
            return volume.size
        told = self._vms.stats().get(user.name, {})
        blocks = [f"block.{number}." for number in range(told.get("block.count", 0))]
        sizes = [int(told.get(block + "capacity", 0)) for block in blocks if told.get(block + "path") == volume.path]
        return min([volume.size, *filter(None, sizes)])

    def _filled(self, volume: Volume) -> int:
        """Return the bytes of a disk that its file system uses, as far as this host may let it grow."""
        kind = filesystem_of(volume)
        if kind == NO_FILESYSTEM:
            return volume.size
        return self._filesystems.reached(kind, volume.path, volume.size, busy=self._volumes.is_open(volume.name))

    def _must_find(self, name: str) -> Volume:
        volume = find_disk(self._volumes.list(), name)[0]
        if volume is None:
            raise RefusedError(f"the disk {name} was removed while it was being changed; run again", field="disks", value=name)
        return volume


def volumes_of(params: Mapping[str, Any], command: Command) -> LvmVolumes:
    """Return the volumes of the group and the pool that a module is told of."""
    return LvmVolumes(command, parse_name("group", params["group"]), parse_name("pool", params["pool"]))


def with_sizes(instance: Instance, sizes: Mapping[str, int]) -> Instance:
    """Return an instance with the given sizes of its disks."""
    disks = [cast(DiskEntry, {**entry, **_size_of(sizes, entry["name"])}) for entry in instance.spec.get("disks", ())]
    return replace(instance, spec=cast(Spec, {**instance.spec, "disks": disks})) if disks else instance


def volume_sizes(volumes: Volumes) -> dict[str, int]:
    """Return the sizes of all disks of the host by their names."""
    named = ((tag_value(volume, DISK_TAG), volume) for volume in volumes.list())
    return {name: volume.size for name, volume in named if volume.name == disk_volume_of(name)}


def stand_ins(docker: ContainerEngine, names: Iterable[str]) -> list[str]:
    """Return docker's volumes that stand for these disks; RefusedError when one was made by somebody else."""
    found = {name: docker.volume(docker_volume_of(name)) for name in names}
    for name, body in found.items():
        if body is not None and not is_volume_of(body, name):
            raise RefusedError(
                f"disks: the docker volume {docker_volume_of(name)} was not made by zonal.cloud for the disk {name}, so it is not touched; "
                "remove it first",
                field="disks",
                value=name,
            )
    return [docker_volume_of(name) for name, body in found.items() if body is not None]


def forget_stand_ins(docker: ContainerEngine, names: Iterable[str]) -> None:
    """Remove docker's volumes that stand for disks which no container has: docker never looks again what a volume of that name is."""
    for volume in stand_ins(docker, names):
        docker.remove_volume(volume)


def _size_of(sizes: Mapping[str, int], name: str) -> dict[str, int]:
    return {"size": sizes[name]} if name in sizes else {}
