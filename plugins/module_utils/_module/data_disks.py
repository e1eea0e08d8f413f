# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: may change without notice.
"""The data disks of a host, for the module disk and for the instances that have them: found, made, grown."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any, cast

from .._adapters.lvm import LvmVolumes
from .._adapters.rbd import RbdImages
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
from .._domain.domain_found import target_in
from .._domain.errors import RefusedError, SpecError
from .._domain.fields import Spec
from .._domain.instance import STOPPED, Instance
from .._domain.instance_disks import DiskEntry, is_rbd
from .._domain.names import UNFINISHED
from .._domain.rbd import RbdSource, parse_cluster
from .._domain.thin_pool import parse_name
from .._domain.thin_volume import NO_FILESYSTEM
from .._domain.volume import Volume, tag_value
from .._ports import Command, ContainerEngine, VmEngine
from .._ports_disks import DataFilesystems, DiskImages, DiskStore
from .._ports_storage import Volumes
from .remembered import remembered_images


class DataDisks:
    """``vms`` are those that may run with a disk, ``images`` the disks on Ceph, if there can be any; LVM and Ceph are asked only when disks
    of theirs are spoken of. Disks are named by entries, of which name and store count."""

    def __init__(self, volumes: Volumes, filesystems: DataFilesystems, vms: VmEngine, images: DiskImages | None = None) -> None:
        self._volumes = volumes
        self._filesystems = filesystems
        self._vms = vms
        self._on_ceph = images

    def find(self, entry: DiskEntry, users: Iterable[Instance]) -> Disk | None:
        """Return a disk that belongs to ``users``; None when there is none, nor anything left of one."""
        whole, hidden = self._look(entry)
        if whole is None:
            return Disk(0) if hidden else None
        users = list(users)
        reached = min([whole.size, *(self._reached(entry, whole, user) for user in users)] if users else [self._filled(whole)])
        names = tuple(sorted(user.name for user in users))
        holder = self._images.holder(whole.name) if is_rbd(entry) else None
        is_open = self._store(entry).is_open(whole.name)
        return Disk(whole.size, filesystem_of(whole), reached, names, is_open, holder, whole.extent_size)

    def are_there(self, disks: Iterable[DiskEntry]) -> bool:
        """Tell whether any of these disks is there, or something left of one."""
        return any(any(self._look(entry)) for entry in disks)

    def measured(self, instance: Instance) -> Instance:
        """Return an instance with the sizes of its disks: what it can use of them now."""
        if not instance.spec.get("disks"):
            return instance
        found = [(entry, self._look(entry)[0]) for entry in instance.spec["disks"]]
        sizes = {entry["name"]: self._reached(entry, volume, instance) for entry, volume in found if volume is not None}
        return with_sizes(instance, sizes)

    def sized(self, spec: Spec) -> Spec:
        """Return what is wanted, with the sizes that disks have for which none is wanted."""
        if not spec.get("disks"):
            return spec
        found = {entry["name"]: self._look(entry)[0] for entry in spec["disks"]}
        sizes = {name: volume.size for name, volume in found.items() if volume is not None}
        disks = [cast(DiskEntry, {**_size_of(sizes, entry["name"]), **entry}) for entry in spec["disks"]]
        return cast(Spec, {**spec, "disks": disks})

    def check_sizes(self, disks: Iterable[DiskEntry]) -> None:
        """SpecError when a disk is wanted to be smaller than it is, or larger than the pool has room for."""
        more = 0
        for number, entry in enumerate(disks):
            if "size" in entry:
                volume = self._look(entry)[0]
                if volume is not None:
                    check_larger(f"disks[{number}].size", entry["name"], entry["size"], volume)
                more += 0 if is_rbd(entry) else max(0, entry["size"] - (volume.size if volume else 0))
        check_room("disks", more, self._volumes.free() if more else 0)

    def check(self, kind: str, disks: Iterable[DiskEntry], *, there: bool = True) -> None:
        """SpecError when an instance of the kind cannot have these disks. In check mode an earlier task may have pretended to make one
        of them: only with ``there`` one that has no size must be there.
        """
        for number, entry in enumerate(disks):
            field, volume = f"disks[{number}].name", self._look(entry)[0]
            if volume is None and "size" not in entry and there:
                where = "on Ceph" if is_rbd(entry) else "of this host"
                raise SpecError(field, entry["name"], f"is no disk {where}; give it a size, or make it with zonal.cloud.disk")
            if kind == "container" and volume is not None and filesystem_of(volume) == NO_FILESYSTEM:
                raise SpecError(field, entry["name"], "was made without a file system, so only a VM can have it")

    def check_holders(self, disks: Iterable[DiskEntry]) -> None:
        """SpecError when an instance of another host has one of these disks."""
        for entry in filter(is_rbd, disks):
            holder = self._images.holder(disk_volume_of(entry["name"]))
            if holder is not None and not holder.here:
                raise SpecError(
                    "disks", entry["name"], f"belongs to {holder.instance} on the host {holder.host}; take it out of its disks first"
                )

    def check_free(self, disks: Iterable[DiskEntry]) -> None:
        """RefusedError when a disk that no instance has is in use nevertheless."""
        for entry in disks:
            if self._store(entry).is_open(disk_volume_of(entry["name"])):
                where = "somewhere" if is_rbd(entry) else "on this host"
                raise RefusedError(
                    f"disks: {entry['name']!r} is in use {where} although no instance has it, such as mounted by hand; free it first",
                    field="disks",
                    value=entry["name"],
                )

    def claim(self, instance: str, disks: Iterable[DiskEntry]) -> None:
        """Before a VM can have these disks: let the cluster know that it is this one who has those on Ceph; EngineError when it is not."""
        for entry in filter(is_rbd, disks):
            self._images.claim(disk_volume_of(entry["name"]), instance)

    def release(self, instance: str, disks: Iterable[DiskEntry]) -> None:
        """When a VM cannot have these disks any more: let the cluster know that those on Ceph are free."""
        for entry in filter(is_rbd, disks):
            name = disk_volume_of(entry["name"])
            holder = self._images.holder(name)
            if holder is not None and holder.here and holder.instance == instance:
                self._images.release(name, holder)

    def free(self, entry: DiskEntry) -> None:
        """Let nobody have a disk on Ceph, whoever is noted to have it."""
        name = disk_volume_of(entry["name"])
        holder = self._images.holder(name)
        if holder is not None:
            self._images.release(name, holder)

    def provide(self, instance: Instance) -> Mapping[str, Volume]:
        """Make the disks of an instance that are not there, let nobody else have them, let those grow that are too small, and return the
        volumes by disk."""
        found = {}
        for entry in instance.spec.get("disks", ()):
            size = entry.get("size", 0)
            if self._look(entry)[0] is None:
                self.make(entry, size, NO_FILESYSTEM if is_rbd(entry) else DEFAULT_FILESYSTEM)
            self.claim(instance.name, [entry])
            found[entry["name"]] = self.grow(entry, size, [instance])
        return found

    def make(self, entry: DiskEntry, size: int, filesystem: str) -> None:
        """Make a disk: under a hidden name, so that a crash leaves nothing half-made under the final one."""
        store, final = self._store(entry), disk_volume_of(entry["name"])
        hidden = final + UNFINISHED
        if self._look(entry)[1] is not None:
            store.remove(hidden)
        made = store.create(hidden, size, disk_tags(entry["name"], filesystem))
        if filesystem != NO_FILESYSTEM:
            self._filesystems.make(filesystem, made.path)
        store.rename(hidden, final)

    def grow(self, entry: DiskEntry, size: int, users: Iterable[Instance]) -> Volume:
        """Let a disk be at least ``size`` large, and those who have it see that; return its volume."""
        self._store(entry).grow(disk_volume_of(entry["name"]), size)
        volume, users = self._must_find(entry), list(users)
        for user in users:
            if self._seen(entry, volume, user) < volume.size:
                self._vms.resize(user.name, self._block(entry, volume, user)[1], volume.size)
        if all(user.kind == "container" for user in users) and self._filled(volume) < volume.size:
            self._filesystems.fill(filesystem_of(volume), volume.path)
        return volume

    def remove(self, entry: DiskEntry) -> None:
        """Remove a disk with its data, and what is left of making it."""
        for volume in (disk_volume_of(entry["name"]) + UNFINISHED, disk_volume_of(entry["name"])):
            self._store(entry).remove(volume)

    def sources(self, disks: Iterable[DiskEntry]) -> dict[str, str | RbdSource]:
        """Return what a VM has its disks by: their devices, or their images on Ceph."""
        named = [(entry, disk_volume_of(entry["name"])) for entry in disks]
        return {entry["name"]: self._images.source(name) if is_rbd(entry) else self._volumes.path(name) for entry, name in named}

    @property
    def _images(self) -> DiskImages:
        if self._on_ceph is None:
            raise RefusedError("disks: this host was not told of a Ceph cluster", field="disks")
        return self._on_ceph

    def _store(self, entry: DiskEntry) -> DiskStore:
        return self._images if is_rbd(entry) else self._volumes

    def _look(self, entry: DiskEntry) -> tuple[Volume | None, Volume | None]:
        """Return the volume of a disk and the one that is left of making it, see ``find_disk``."""
        name = disk_volume_of(entry["name"])
        if not is_rbd(entry):
            return find_disk(self._volumes.list(), entry["name"])
        return find_disk(filter(None, map(self._images.find, (name, name + UNFINISHED))), entry["name"])

    def _reached(self, entry: DiskEntry, volume: Volume, user: Instance) -> int:
        return self._seen(entry, volume, user) if user.kind == "vm" else self._filled(volume)

    def _seen(self, entry: DiskEntry, volume: Volume, user: Instance) -> int:
        """Return the bytes that a VM sees of a disk; all of it when it does not run with it."""
        if user.kind != "vm" or user.power == STOPPED:
            return volume.size
        told = self._vms.stats().get(user.name, {})
        blocks = [f"block.{number}." for number in range(told.get("block.count", 0))]
        key, value = self._block(entry, volume, user)
        sizes = [int(told.get(block + "capacity", 0)) for block in blocks if told.get(block + key) == value]
        return min([volume.size, *filter(None, sizes)])

    def _block(self, entry: DiskEntry, volume: Volume, user: Instance) -> tuple[str, str]:
        """Return by which of its statistics a VM's disk is known, and the value: libvirt knows no path of an image."""
        if not is_rbd(entry):
            return "path", volume.path
        domain = self._vms.find(user.name)
        return "name", target_in(domain.live_xml, entry["name"]) if domain is not None and domain.live_xml else ""

    def _filled(self, volume: Volume) -> int:
        """Return the bytes of a disk that its file system uses, as far as this host may let it grow."""
        kind = filesystem_of(volume)
        if kind == NO_FILESYSTEM:
            return volume.size
        return self._filesystems.reached(kind, volume.path, volume.size, busy=self._volumes.is_open(volume.name))

    def _must_find(self, entry: DiskEntry) -> Volume:
        volume = self._look(entry)[0]
        if volume is None:
            name = entry["name"]
            raise RefusedError(f"the disk {name} was removed while it was being changed; run again", field="disks", value=name)
        return volume


def volumes_of(params: Mapping[str, Any], command: Command) -> LvmVolumes:
    """Return the volumes of the group and the pool that a module is told of."""
    return LvmVolumes(command, parse_name("group", params["group"]), parse_name("pool", params["pool"]))


def images_of(params: Mapping[str, Any], command: Command) -> DiskImages:
    """Return the images of the Ceph pool that a module is told of, as ones that are not asked for twice."""
    return remembered_images(RbdImages(command, parse_cluster(params)))


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
