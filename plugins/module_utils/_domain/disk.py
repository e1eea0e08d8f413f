# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: may change without notice.
"""Disks: volumes with a life of their own, which instances have one after the other. What is wanted, what was found, and the way there."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from .errors import MissingError, RefusedError, SpecError
from .names import UNFINISHED, parse_label
from .plan import Plan, Step
from .quantity import format_size, parse_size
from .rbd import RBD, THIN, Holder
from .thin_pool import EXTENT_SIZE, MIB, parse_name
from .thin_volume import NO_FILESYSTEM, SMALLEST_XFS
from .volume import Volume, tag_value

DISK_TAG = "zonal.disk="
FILESYSTEM_TAG = "zonal.filesystem="
DEFAULT_FILESYSTEM = "ext4"
# mkfs.ext4 makes no journal on less than 8 MiB.
_SMALLEST = 16 * MIB


@dataclass(frozen=True)
class DiskSpec:
    """What the user wants of a disk. ``size`` and ``filesystem`` are None when they are left as they are. ``lost_host`` is one that never
    runs again, whatever it has of the disk."""

    name: str
    group: str
    pool: str
    present: bool = True
    size: int | None = None
    filesystem: str | None = None
    store: str = THIN
    lost_host: str = ""


@dataclass(frozen=True)
class Disk:
    """A disk as found, or as a plan leaves it. A ``size`` of 0 is all that a run has left which was cut off.

    ``reached`` are the bytes of it that its file system and a VM that runs with it have got so far, ``used_by`` the instances of this host
    that have it. ``holder`` is who has one on Ceph as the cluster knows.
    """

    size: int
    filesystem: str = NO_FILESYSTEM
    reached: int = 0
    used_by: tuple[str, ...] = ()
    is_open: bool = False
    holder: Holder | None = None
    extent_size: int = EXTENT_SIZE

    @property
    def users(self) -> list[str]:
        """Return who has it."""
        away = [f"{self.holder.instance} on {self.holder.host}"] if self.holder is not None and not self.holder.here else []
        return [*self.used_by, *away]


def disk_volume_of(name: str) -> str:
    """Return the logical volume that is the disk ``name``."""
    return f"disk-{name}"


def is_disk(volume: Volume, name: str) -> bool:
    """Tell whether a volume was made to be the disk ``name``, whole or not."""
    return DISK_TAG + name in volume.tags


def filesystem_of(volume: Volume) -> str:
    """Return which file system was made on a disk's volume."""
    return tag_value(volume, FILESYSTEM_TAG) or NO_FILESYSTEM


def disk_tags(name: str, filesystem: str) -> list[str]:
    """Return the tags of a disk's volume."""
    return [DISK_TAG + name, FILESYSTEM_TAG + filesystem]


def find_disk(volumes: Iterable[Volume], name: str) -> tuple[Volume | None, Volume | None]:
    """Return the volume of a disk and the one that is left of making it; RefusedError when one of them is of somebody else."""
    found = {volume.name: volume for volume in volumes}
    whole, hidden = found.get(disk_volume_of(name)), found.get(disk_volume_of(name) + UNFINISHED)
    for volume, suffix in ((whole, ""), (hidden, UNFINISHED)):
        # An image of Ceph gets its size when it says what it is.
        if volume is not None and not is_disk(volume, name) and not (suffix and volume.size == 0):
            raise RefusedError(
                f"name: the volume {disk_volume_of(name)}{suffix} was not made by zonal.cloud as a disk, so it is not touched; "
                "rename one of the two",
                field="name",
                value=name,
            )
    return whole, hidden


def parse_disk_spec(params: Mapping[str, Any]) -> DiskSpec:
    """Turn the module's options into a spec; SpecError names the option."""
    size = None if params["size"] is None else parse_disk_size("size", params["size"])
    if params["filesystem"] == "xfs" and size is not None and size < SMALLEST_XFS:
        raise SpecError("size", params["size"], f"is too small for xfs, which needs at least {format_size(SMALLEST_XFS)}")
    if params["store"] == RBD and params["filesystem"] not in (None, NO_FILESYSTEM):
        raise SpecError("filesystem", params["filesystem"], "is for disks of a thin pool; on one with store: rbd the guest makes its own")
    if params["lost_host"] is not None and params["store"] != RBD:
        raise SpecError("lost_host", params["lost_host"], "is for disks with store: rbd, which other hosts can have")
    return DiskSpec(
        name=parse_label("name", params["name"]),
        group=parse_name("group", params["group"]),
        pool=parse_name("pool", params["pool"]),
        present=params["state"] == "present",
        size=size,
        filesystem=params["filesystem"],
        store=params["store"],
        lost_host=params["lost_host"] or "",
    )


def plan_disk(spec: DiskSpec, found: Disk | None) -> Plan[Disk | None]:
    """Return the steps to the wanted disk; RefusedError or SpecError when it must not be."""
    target = f"disk {spec.name}"
    freed = _plan_freeing(spec, found, target)
    if freed and found is not None:
        rest = plan_disk(spec, replace(found, holder=None))
        return replace(rest, steps=(*freed, *rest.steps))
    if not spec.present:
        return _plan_absent(spec, found, target)
    if found is None or not found.size:
        if spec.size is None:
            raise MissingError("size", f"it is needed to make the disk {spec.name}, such as 100G")
        filesystem = filesystem_wanted(spec)
        size = _whole_extents(spec.size, EXTENT_SIZE)
        made = Disk(size, filesystem, size)
        return Plan(made, (Step("make_disk", target, f"does not exist; {format_size(spec.size)}, {filesystem}", ("size",)),))
    return _plan_existing(spec, found, target)


def filesystem_wanted(spec: DiskSpec) -> str:
    """Return what a disk is made with."""
    return spec.filesystem or (NO_FILESYSTEM if spec.store == RBD else DEFAULT_FILESYSTEM)


def _plan_freeing(spec: DiskSpec, found: Disk | None, target: str) -> tuple[Step, ...]:
    """Return the step that lets the cluster know that nobody has a disk; none when somebody has, or it knows."""
    holder = None if found is None else found.holder
    if found is None or holder is None:
        return ()
    if holder.here:
        if found.used_by or found.is_open:
            return ()
        reason = "a run was cut off"
    elif spec.lost_host != holder.host:
        return ()
    elif found.is_open:
        raise RefusedError(
            f"lost_host: the disk {spec.name} is open, so {holder.instance} on {holder.host} may run yet; end it there first"
        )
    else:
        reason = "its host never runs again"
    return (Step("free_disk", target, f"{holder.instance} on {holder.host} has it no more: {reason}"),)


def _plan_existing(spec: DiskSpec, found: Disk, target: str) -> Plan[Disk | None]:
    if spec.filesystem not in (None, found.filesystem):
        raise RefusedError(
            f"filesystem: the disk {spec.name} was made with {found.filesystem}, not {spec.filesystem}; nothing is overwritten: "
            "remove the disk with its data first (state: absent), or choose another name"
        )
    size = found.size if spec.size is None else spec.size
    check_larger("size", spec.name, size, found)
    size = max(_whole_extents(size, found.extent_size), found.size)
    if size <= found.reached:
        return Plan(found)
    if found.holder is not None and not found.holder.here:
        raise RefusedError(f"size: the disk {spec.name} belongs to {found.users[-1]}, whose guest must see it grow; let it grow there")
    seen = f"from {format_size(found.size)} to {format_size(size)}"
    if size == found.size:
        seen = f"only {format_size(found.reached)} of {format_size(size)} can be used"
    return Plan(replace(found, size=size, reached=size), (Step("grow_disk", target, seen, ("size",)),))


def _plan_absent(spec: DiskSpec, found: Disk | None, target: str) -> Plan[Disk | None]:
    if found is None:
        return Plan(None)
    if found.users:
        raise RefusedError(f"state: the disk {spec.name} belongs to {', '.join(found.users)}; take it out of its option disks first")
    if found.is_open:
        where = "somewhere" if spec.store == RBD else "on this host"
        raise RefusedError(f"state: the disk {spec.name} is in use {where}, such as mounted by hand; free it first")
    return Plan(None, (Step("remove_disk", target, "it is wanted to be absent", ("state",)),))


def show_disk(spec: DiskSpec, disk: Disk | None) -> dict[str, Any]:
    """Return a disk in the words of the module's options."""
    shown: dict[str, Any] = {"name": spec.name, "state": "absent"}
    if disk is not None and disk.size:
        shown.update(state="present", size=format_size(disk.size), filesystem=disk.filesystem, used_by=disk.users)
    return shown


def check_larger(field: str, name: str, size: int, found: Disk | Volume) -> None:
    """SpecError when a disk would have to be made smaller."""
    if found.size - size >= found.extent_size:
        raise SpecError(field, format_size(size), f"is smaller than the disk {name}, {format_size(found.size)}; a disk is never shrunk")


def check_room(field: str, more: int, free: int) -> None:
    """SpecError when ``more`` bytes than are ``free`` are wanted; no pool has none, and its absence is told by what needs it."""
    if 0 < free < more:
        raise SpecError(field, format_size(more), f"does not fit: the thin pool of this host has {format_size(free // MIB * MIB)} free")


def parse_disk_size(field: str, value: object) -> int:
    """Return the bytes of a disk; SpecError when it is too small for any."""
    size = parse_size(field, value)
    if size < _SMALLEST:
        raise SpecError(field, value, f"is too small for a disk; the least is {format_size(_SMALLEST)}")
    return size


def _whole_extents(size: int, extent_size: int) -> int:
    return -(-size // extent_size) * extent_size
