# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: may change without notice.
"""A thin volume with an optional filesystem: what is wanted, what was found, and the way from one to the other."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

from .errors import MissingError, RefusedError, SpecError
from .plan import Plan, Step
from .quantity import format_size, parse_size
from .thin_pool import EXTENT_SIZE, MIB, RESERVED_TAGS, own_tags, parse_name, parse_tags

NO_FILESYSTEM = "none"
# On a volume that is being made, with its filesystem; what is found on it is half of one.
UNFINISHED = "zonal.unfinished"
# mkfs.xfs refuses less.
SMALLEST_XFS = 300 * MIB
# A filesystem may leave the last, too small group of blocks unused.
UNUSED_TAIL = 16 * MIB


@dataclass(frozen=True)
class ThinVolumeSpec:
    """What the user wants. ``tags`` is None when they are left alone."""

    name: str
    group: str
    pool: str
    present: bool = True
    size: int = 0
    filesystem: str = NO_FILESYSTEM
    tags: frozenset[str] | None = None
    force: bool = False

    @property
    def target(self) -> str:
        return f"{self.group}/{self.name}"

    @property
    def path(self) -> str:
        return f"/dev/{self.group}/{self.name}"


@dataclass(frozen=True)
class ThinVolume:
    """A volume as found. ``filesystem_size`` is None when it is not known because nothing is mounted."""

    size: int
    pool: str
    extent_size: int = EXTENT_SIZE
    tags: frozenset[str] = frozenset()
    data_percent: Decimal | None = Decimal(0)
    active: bool = True
    in_use: bool = False
    signatures: tuple[str, ...] = ()
    mounts: tuple[str, ...] = ()
    filesystem_size: int | None = None


@dataclass(frozen=True)
class ThinVolumeState:
    """The volume, or None."""

    volume: ThinVolume | None = None


def parse_spec(params: Mapping[str, Any]) -> ThinVolumeSpec:
    """Turn the module's options into a spec; SpecError or MissingError names the option."""
    present = params["state"] == "present"
    if present and params["size"] is None:
        raise MissingError("size", "say how large the volume shall be, such as 100G")
    size = parse_size("size", params["size"]) if present else 0
    if params["filesystem"] == "xfs" and present and size < SMALLEST_XFS:
        raise SpecError("size", params["size"], f"is too small for xfs, which needs at least {format_size(SMALLEST_XFS)}")
    return ThinVolumeSpec(
        name=parse_name("name", params["name"]),
        group=parse_name("group", params["group"]),
        pool=parse_name("pool", params["pool"]),
        present=present,
        size=size,
        filesystem=params["filesystem"],
        tags=parse_tags("tags", params["tags"]),
        force=params["force"],
    )


def plan_thin_volume(spec: ThinVolumeSpec, found: ThinVolumeState) -> Plan[ThinVolumeState]:
    """Return the steps to the wanted volume; RefusedError when they would lose data."""
    if found.volume is not None and found.volume.pool != spec.pool:
        where = f"in the pool {found.volume.pool}" if found.volume.pool else "no thin volume"
        raise RefusedError(f"name: {spec.target} exists and is {where}, not in {spec.pool}; choose another name")
    if not spec.present:
        return _plan_absent(spec, found)
    if found.volume is None:
        return _plan_new(spec)
    return _plan_existing(spec, found.volume)


def report(spec: ThinVolumeSpec, state: ThinVolumeState) -> dict[str, Any]:
    """Return the state in the words of the module's options."""
    shown: dict[str, Any] = {"name": spec.name, "group": spec.group, "pool": spec.pool, "path": spec.path, "state": "absent"}
    if state.volume is not None:
        volume = state.volume
        shown.update(
            state="present",
            size=format_size(volume.size),
            filesystem=", ".join(volume.signatures) or NO_FILESYSTEM,
            tags=own_tags(volume.tags),
            mounts=sorted(volume.mounts),
            data_percent=None if volume.data_percent is None else float(volume.data_percent),
        )
    return shown


def _plan_new(spec: ThinVolumeSpec) -> Plan[ThinVolumeState]:
    size = _whole_extents(spec.size, EXTENT_SIZE)
    steps = [Step("create_volume", spec.target, f"does not exist; {format_size(size)}", ("size",))]
    volume = ThinVolume(size, spec.pool, tags=spec.tags or frozenset())
    if spec.filesystem != NO_FILESYSTEM:
        steps.append(_filesystem_step(spec))
        volume = replace(volume, signatures=(spec.filesystem,))
    return Plan(ThinVolumeState(volume), tuple(steps))


def _plan_existing(spec: ThinVolumeSpec, found: ThinVolume) -> Plan[ThinVolumeState]:
    if not found.active and UNFINISHED in found.tags:
        # LVM was cut off before the pool had made it, and cannot activate it any more.
        new = _plan_new(spec)
        return Plan(new.after, (Step("remove_volume", spec.target, "a run that was cut off has left half of it"), *new.steps))
    if not found.active:
        raise RefusedError(f"name: {spec.target} is not active, so its content is not known; activate it with 'lvchange -ay {spec.target}'")
    size = _whole_extents(spec.size, found.extent_size)
    if size < found.size:
        raise RefusedError(
            f"size: {spec.target} has {format_size(found.size)}, more than {format_size(spec.size)}; a volume is not made smaller: "
            f"write size: {format_size(found.size)}, or make another volume and move the data"
        )
    steps: list[Step] = []
    unfinished = UNFINISHED in found.tags
    if size > found.size:
        steps.append(Step("grow_volume", spec.target, f"from {format_size(found.size)} to {format_size(size)}", ("size",)))
    after = replace(found, size=size)
    if spec.filesystem != NO_FILESYSTEM:
        making = _plan_filesystem(spec, found, size)
        steps += making
        unfinished = unfinished and not any(step.action == "make_filesystem" for step in making)
        after = replace(after, signatures=(spec.filesystem,))
    tags = _wanted_tags(spec, found.tags)
    # The mark that is left of a run that was cut off would let the next filesystem be made over what came since.
    if unfinished or tags != found.tags - {UNFINISHED}:
        steps.append(Step("retag_volume", spec.target, f"has {', '.join(own_tags(found.tags)) or 'none'}", ("tags",)))
    return Plan(ThinVolumeState(replace(after, tags=tags)), tuple(steps))


def _plan_filesystem(spec: ThinVolumeSpec, found: ThinVolume, size: int) -> list[Step]:
    if found.mounts and found.signatures == (spec.filesystem,):
        # Filesystems grow while they are mounted; one that is not yet grows in the next run.
        if found.filesystem_size is not None and found.filesystem_size + UNUSED_TAIL < size:
            why = f"has {format_size(found.filesystem_size)} of {format_size(size)}"
            return [Step("grow_filesystem", spec.target, why, ("size",))]
        return []
    if UNFINISHED in found.tags or not found.signatures:
        if found.in_use:
            raise RefusedError(f"filesystem: {spec.target} is in use and carries no {spec.filesystem}; free it first")
        return [_filesystem_step(spec)]
    if found.signatures != (spec.filesystem,):
        raise RefusedError(
            f"filesystem: {spec.target} carries {', '.join(found.signatures)}, not {spec.filesystem}; nothing is overwritten: "
            f"remove the volume first (state: absent, force: true), or choose another name"
        )
    return []


def _plan_absent(spec: ThinVolumeSpec, found: ThinVolumeState) -> Plan[ThinVolumeState]:
    volume = found.volume
    if volume is None:
        return Plan(found)
    if volume.mounts:
        raise RefusedError(f"state: {spec.target} is mounted on {', '.join(volume.mounts)}; unmount it first")
    if volume.in_use:
        raise RefusedError(f"state: {spec.target} is in use; stop what uses it first")
    if volume.data_percent != 0 and not spec.force:
        raise RefusedError(f"state: {spec.target} holds data; set force: true to destroy it")
    return Plan(ThinVolumeState(), (Step("remove_volume", spec.target, "not wanted", ("state",)),))


def _filesystem_step(spec: ThinVolumeSpec) -> Step:
    return Step("make_filesystem", spec.target, f"carries no {spec.filesystem}", ("filesystem",))


def _wanted_tags(spec: ThinVolumeSpec, found: frozenset[str]) -> frozenset[str]:
    reserved = frozenset(tag for tag in found if tag.startswith(RESERVED_TAGS)) - {UNFINISHED}
    users = frozenset(own_tags(found)) if spec.tags is None else spec.tags
    return users | reserved


def _whole_extents(size: int, extent_size: int) -> int:
    return -(-size // extent_size) * extent_size
