# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: may change without notice.
"""The way from what was found to the thin pool that is wanted, or the reason why there is none."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from .errors import RefusedError, SpecError
from .plan import Plan, Step
from .quantity import format_size
from .thin_pool import (
    DEVICE_HEADER,
    EXTENT_SIZE,
    LARGEST_METADATA,
    METADATA_PER_CHUNK,
    OWNED,
    RESERVED_TAGS,
    SIZE_TAG,
    SMALLEST_CHUNK,
    Device,
    Group,
    Pool,
    ThinPoolSpec,
    ThinPoolState,
    read_size_tag,
)

_PHYSICAL_VOLUME = "LVM2_member"
_SMALLEST_METADATA = 4 * 1024**2


def plan_thin_pool(spec: ThinPoolSpec, found: ThinPoolState) -> Plan[ThinPoolState]:
    """Return the steps to the wanted pool; RefusedError or SpecError when they would do harm or cannot be done."""
    if found.group is not None and found.group.twin:
        raise RefusedError(
            f"group: two volume groups of this host are called {spec.group}, one on {_listed(found.group.devices)} and one on "
            f"{_listed(found.group.twin)}; see 'vgs --options vg_name,vg_uuid,pv_name' and rename one with 'vgrename UUID NAME'"
        )
    if not spec.present:
        return _plan_absent(spec, found)
    if found.group is not None:
        _check_group(spec, found.group, found)
    _check_devices(spec, found.devices)
    new = [device for device in found.devices if device.group != spec.group]
    wipes = [Step("wipe_device", device.path, f"carries {_listed(foreign)}") for device in new if (foreign := _foreign_signatures(device))]
    group, group_steps = _plan_group(spec, found.group, new)
    profile_steps = _plan_profile(spec, found)
    if found.pool is None:
        pool, pool_steps = _plan_new_pool(spec, replace(group, free=group.extents) if group.cut_off else group)
        if group.cut_off:
            # The spare stays, and is that of the new pool.
            pool_steps.insert(0, Step("discard_volume", spec.target, "a run was cut off while it was made a thin pool"))
            group = replace(group, free=group.extents, plain=0)
    else:
        pool, pool_steps = _plan_pool(spec, group, found.pool)
    group = replace(group, free=group.free - _used_extents(pool, group) + _used_extents(found.pool, group))
    after = ThinPoolState(found.devices, group, pool, spec.autoextend)
    return Plan(after, (*wipes, *group_steps, *profile_steps, *pool_steps))


def chunk_size_for(pool_size: int) -> int:
    """Return the smallest chunk with which the metadata of such a pool does not reach its limit."""
    chunk = SMALLEST_CHUNK
    while pool_size // chunk * METADATA_PER_CHUNK > LARGEST_METADATA:
        chunk *= 2
    return chunk


def metadata_size_for(pool_size: int, chunk_size: int) -> int:
    """Return how much metadata a pool should have."""
    return min(max(_SMALLEST_METADATA, pool_size // chunk_size * METADATA_PER_CHUNK), LARGEST_METADATA)


def _check_group(spec: ThinPoolSpec, group: Group, found: ThinPoolState) -> None:
    if group.exported:
        raise RefusedError(f"group: {spec.group} is exported, so another host may own it; import it with 'vgimport {spec.group}' first")
    if group.missing:
        raise RefusedError(
            f"group: {spec.group} lacks {group.missing} of its devices; attach them again, or give them and their data up "
            f"with 'vgreduce --removemissing {spec.group}'"
        )
    if not group.owned and not spec.adopt:
        holds = f"holds {_listed(group.volumes)}" if group.volumes else "is empty"
        raise RefusedError(
            f"group: {spec.group} exists and was not made by this collection (it {holds}); two owners of one pool destroy it. "
            f"Choose another group, or set adopt: true to take it over"
        )
    extra = group.devices - {device.path for device in found.devices}
    if extra:
        raise RefusedError(
            f"devices: {spec.group} also has {_listed(extra)}; list it too, or empty it with pvmove and take it out with vgreduce"
        )
    if found.pool is None and spec.name in group.volumes and not group.cut_off:
        raise RefusedError(f"name: {spec.target} exists and is not a thin pool; choose another name")


def _check_devices(spec: ThinPoolSpec, devices: tuple[Device, ...]) -> None:
    names: dict[str, str] = {}
    for device in devices:
        if device.problem:
            raise SpecError("devices", device.given, device.problem)
        if device.path in names:
            raise SpecError("devices", device.given, f"is the same device as {names[device.path]} ({device.path}); name it once")
        names[device.path] = device.given
    for device in devices:
        for partition in device.partitions:
            if partition in names:
                raise SpecError("devices", names[partition], f"is a partition of {device}; name one of the two")
        if device.group != spec.group:
            _check_new_device(spec, device)


def _check_new_device(spec: ThinPoolSpec, device: Device) -> None:
    if device.group:
        raise RefusedError(f"devices: {device} belongs to the volume group {device.group}; name another device, or remove that group first")
    if device.users:
        raise RefusedError(f"devices: {device} is in use: {_listed(device.users)}; name another device, or free this one first")
    foreign = _foreign_signatures(device)
    if foreign and not spec.wipe:
        raise RefusedError(f"devices: {device} carries {_listed(foreign)}; name another device, or set wipe: true to destroy what is on it")
    if device.size < DEVICE_HEADER + EXTENT_SIZE:
        raise SpecError("devices", device.given, f"is too small ({device.size} bytes) to hold a volume")


def _foreign_signatures(device: Device) -> list[str]:
    # A physical volume that is in no group holds no data: it is what an interrupted run leaves behind.
    return [name for name in device.signatures if not (name == _PHYSICAL_VOLUME and device.group == "")]


def _plan_group(spec: ThinPoolSpec, found: Group | None, new: list[Device]) -> tuple[Group, list[Step]]:
    paths = frozenset(device.path for device in new)
    if found is None:
        extents = _extents(new, EXTENT_SIZE)
        step = Step("create_group", spec.group, f"does not exist; made of {_listed(paths)}", ("group", "devices"))
        return Group(EXTENT_SIZE, extents, extents, paths, frozenset({OWNED})), [step]
    steps = [] if found.owned else [Step("adopt_group", spec.group, "was not made by this collection", ("adopt",))]
    steps += [Step("extend_group", device.path, f"is not in {spec.group} yet", ("devices",)) for device in new]
    added = _extents(new, found.extent_size)
    return (
        replace(
            found,
            extents=found.extents + added,
            free=found.free + added,
            devices=found.devices | paths,
            tags=found.tags | {OWNED},
        ),
        steps,
    )


def _plan_profile(spec: ThinPoolSpec, found: ThinPoolState) -> list[Step]:
    if found.autoextend == spec.autoextend:
        return []
    why = f"grows by {spec.autoextend.percent}% when {spec.autoextend.threshold}% are used"
    return [Step("write_profile", spec.target, why, ("autoextend_threshold", "autoextend_percent"))]


def _plan_new_pool(spec: ThinPoolSpec, group: Group) -> tuple[Pool, list[Step]]:
    size = _wanted_size(spec, group)
    chunk = spec.chunk_size or chunk_size_for(size)
    metadata = _whole_extents(spec.metadata_size or metadata_size_for(size, chunk), group)
    pool = Pool(size, metadata, chunk, _wanted_tags(spec, frozenset()), spec.profile)
    _check_room(spec, group, pool, None)
    return pool, [Step("create_pool", spec.target, f"does not exist; {format_size(size)}", ("size",))]


def _plan_pool(spec: ThinPoolSpec, group: Group, found: Pool) -> tuple[Pool, list[Step]]:
    if spec.chunk_size not in (None, found.chunk_size):
        made = format_size(found.chunk_size)
        raise RefusedError(f"chunk_size: {spec.target} was made with {made}, which cannot be changed; write chunk_size: {made}")
    size = _wanted_size(spec, group)
    tags = _wanted_tags(spec, found.tags)
    if size < _asked_size(group, found) and spec.size.tag not in found.tags:
        raise RefusedError(
            f"size: {spec.target} has {format_size(found.size)}, more than {spec.size}; a thin pool cannot be made smaller: "
            f"write size: {format_size(found.size)}, or remove it first"
        )
    grows = size > found.size
    metadata = spec.metadata_size or (metadata_size_for(size, found.chunk_size) if grows else 0)
    after = replace(
        found,
        size=max(size, found.size),
        metadata_size=max(_whole_extents(metadata, group), found.metadata_size),
        tags=tags,
        profile=spec.profile,
        active=True,
    )
    _check_room(spec, group, after, found)
    return after, _pool_steps(spec, found, after)


def _pool_steps(spec: ThinPoolSpec, found: Pool, after: Pool) -> list[Step]:
    steps: list[Step] = []
    if not found.active:
        steps.append(Step("activate_pool", spec.target, "is not active", ("state",)))
    if after.metadata_size != found.metadata_size:
        why = f"from {format_size(found.metadata_size)} to {format_size(after.metadata_size)}"
        steps.append(Step("extend_metadata", spec.target, why, ("metadata_size",)))
    if after.size != found.size:
        steps.append(Step("extend_pool", spec.target, f"from {format_size(found.size)} to {format_size(after.size)}", ("size",)))
    if after.profile != found.profile:
        steps.append(Step("set_profile", spec.target, f"has {found.profile or 'none'}", ("autoextend_threshold", "autoextend_percent")))
    if after.tags != found.tags:
        steps.append(Step("retag_pool", spec.target, f"has {_listed(found.tags) or 'none'}", ("tags",)))
    return steps


def _plan_absent(spec: ThinPoolSpec, found: ThinPoolState) -> Plan[ThinPoolState]:
    steps: list[Step] = []
    group, pool = found.group, found.pool
    if group is not None:
        if not group.owned:
            raise RefusedError(f"group: {spec.group} was not made by this collection, so it is not removed; remove it by hand")
        if pool is not None:
            _check_removal(spec, pool)
            why = f"not wanted; with {_listed(pool.volumes)}" if pool.volumes else "not wanted; holds no volumes"
            steps.append(Step("remove_pool", spec.target, why, ("state",)))
        elif group.cut_off:
            steps.append(Step("discard_volume", spec.target, "a run was cut off while it was made a thin pool", ("state",)))
        rest = group.volumes - (pool.volumes | {spec.name} if pool else {spec.name} if group.cut_off else frozenset())
        if rest:
            group = replace(group, volumes=rest)
        else:
            steps.append(Step("remove_group", spec.group, "holds nothing else", ("state",)))
            steps += [Step("clear_device", path, "was part of the group", ("state",)) for path in sorted(group.devices)]
            group = None
    steps += [Step("clear_device", device.path, "is in no group", ("state",)) for device in found.devices if device.group == ""]
    if found.autoextend is not None:
        steps.append(Step("remove_profile", spec.target, "not wanted", ("state",)))
    return Plan(ThinPoolState(found.devices, group), tuple(steps))


def _check_removal(spec: ThinPoolSpec, pool: Pool) -> None:
    if pool.open_volumes:
        raise RefusedError(f"state: {spec.target} cannot be removed: {_listed(pool.open_volumes)} is in use; unmount or stop it first")
    if pool.volumes and not spec.force:
        raise RefusedError(
            f"state: {spec.target} holds {len(pool.volumes)} volumes with their data: {_listed(pool.volumes)}; "
            f"remove them first, or set force: true to destroy them"
        )


def _check_room(spec: ThinPoolSpec, group: Group, after: Pool, found: Pool | None) -> None:
    needed = _used_extents(after, group) - _used_extents(found, group)
    if needed > group.free:
        size, free = (format_size(extents * group.extent_size) if extents else "0" for extents in (needed, group.free))
        raise RefusedError(
            f"size: {spec.size} of {spec.group} needs {size} more, metadata and its spare included, but only {free} are free; "
            f"write a smaller size or add a device"
        )


def _used_extents(pool: Pool | None, group: Group) -> int:
    # LVM keeps a spare as large as the metadata, for repairs.
    return 0 if pool is None else (pool.size + 2 * pool.metadata_size) // group.extent_size


def _wanted_size(spec: ThinPoolSpec, group: Group) -> int:
    extents = spec.size.extents(group.extents, group.extent_size)
    if extents < 1:
        raise SpecError("size", str(spec.size), f"is less than one extent ({format_size(group.extent_size)}) of {spec.group}")
    return extents * group.extent_size


def _asked_size(group: Group, found: Pool) -> int:
    """Return the size that was asked for last: what the pool has beyond that it has grown by itself, or by a run that was cut off."""
    asked = [size.extents(group.extents, group.extent_size) * group.extent_size for size in map(read_size_tag, found.tags) if size]
    return min([found.size, *asked])


def _wanted_tags(spec: ThinPoolSpec, found: frozenset[str]) -> frozenset[str]:
    users = frozenset(tag for tag in found if not tag.startswith(RESERVED_TAGS)) if spec.tags is None else spec.tags
    others = frozenset(tag for tag in found if tag.startswith(RESERVED_TAGS) and not tag.startswith(SIZE_TAG))
    return users | others | {spec.size.tag}


def _extents(devices: Iterable[Device], extent_size: int) -> int:
    return sum((device.size - DEVICE_HEADER) // extent_size for device in devices)


def _whole_extents(size: int, group: Group) -> int:
    return -(-size // group.extent_size) * group.extent_size


def _listed(names: Iterable[str]) -> str:
    return ", ".join(sorted(names))
