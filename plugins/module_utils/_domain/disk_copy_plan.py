# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: may change without notice.
"""What is wanted of a disk's copy, what was found, and the way from one to the other."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from .disk_copy import RESTORED_TAG, DiskCopy, damaged, parse_copy_name, part_key, show_copy, tags_for, url_of
from .disk_part import count_parts
from .errors import RefusedError, SpecError
from .names import UNFINISHED
from .plan import Plan, Step
from .quantity import format_size
from .s3_bucket import parse_bucket
from .thin_pool import MIB, parse_name
from .volume import Volume

PRESENT, RESTORED, ABSENT = "present", "restored", "absent"
STORE, RESTORE, REMOVE, SWEEP = "store_copy", "restore_volume", "remove_copy", "remove_unfinished"


@dataclass(frozen=True)
class CopyWish:
    """What the user wants. ``source`` is the volume that the copy is of, ``volume`` the one on this host."""

    state: str
    name: str
    volume: str
    source: str
    group: str
    pool: str
    bucket: str
    overwrite: bool = False

    @property
    def url(self) -> str:
        return url_of(self.bucket, self.source, self.name)

    @property
    def target(self) -> str:
        return f"{self.group}/{self.volume}"

    @property
    def hidden(self) -> str:
        """The volume that is read or written meanwhile; a name that nobody else uses, so that it may be removed at any time."""
        return f"{self.volume}.{'restored' if self.state == RESTORED else 'copy'}{UNFINISHED}"


@dataclass(frozen=True)
class CopyState:
    """What was found: the copy or the ``problem`` with its description, the sizes of its ``parts`` by key, the volume, and whether
    there is an ``unfinished`` one. Of the volumes nothing is known when the copy is to be removed.
    """

    copy: DiskCopy | None = None
    problem: str = ""
    parts: Mapping[str, int] = field(default_factory=dict)
    volume: Volume | None = None
    is_open: bool = False
    unfinished: bool = False
    free: int = 0


def parse_wish(params: Mapping[str, Any]) -> CopyWish:
    """Turn the module's options into a wish; SpecError names the option."""
    volume = parse_name("volume", params["volume"])
    if params["source"] is not None and params["state"] != RESTORED:
        raise SpecError("source", params["source"], "belongs to state: restored; the copy is of the volume that volume names")
    return CopyWish(
        state=params["state"],
        name=parse_copy_name("name", params["name"]),
        volume=volume,
        source=volume if params["source"] is None else parse_name("source", params["source"]),
        group=parse_name("group", params["group"]),
        pool=parse_name("pool", params["pool"]),
        bucket=parse_bucket("bucket", params["bucket"]),
        overwrite=params["overwrite"],
    )


def plan_disk_copy(wish: CopyWish, found: CopyState) -> Plan[CopyState]:
    """Return the steps to what is wanted; RefusedError or SpecError when that cannot or must not be."""
    if wish.state == ABSENT:
        there = found.copy or found.problem or found.parts
        return Plan(CopyState(), (Step(REMOVE, wish.url, "not wanted", ("state",)),) if there else ())
    plan = _plan_restored(wish, found) if wish.state == RESTORED else _plan_present(wish, found)
    if found.unfinished and not plan.steps:
        return Plan(plan.after, (Step(SWEEP, f"{wish.group}/{wish.hidden}", "was left by a run that was cut off"),))
    return plan


def numbers_of(wish: CopyWish, found: CopyState) -> tuple[DiskCopy, list[int]]:
    """Return the copy and the numbers of its stored parts; RefusedError when they are not what its description says."""
    copy = found.copy
    if copy is None:
        if found.problem:
            raise damaged(wish.bucket, wish.source, wish.name, found.problem)
        raise SpecError("name", wish.name, f"is no copy of {wish.source} in the bucket {wish.bucket}; see zonal.cloud.disk_copy_info")
    numbers = [number for number in range(count_parts(copy.size)) if part_key(copy.volume, copy.name, number) in found.parts]
    if not len(numbers) == len(found.parts) == copy.parts or sum(found.parts.values()) != copy.stored:
        has = f"{len(numbers)} parts with {sum(found.parts.values())} bytes"
        raise damaged(wish.bucket, wish.source, wish.name, f"it has {has} instead of {copy.parts} with {copy.stored}")
    return copy, numbers


def check_room(wish: CopyWish, copy: DiskCopy, free: int) -> None:
    """RefusedError when the pool has no room for what a copy holds."""
    if copy.data > free:
        raise RefusedError(
            f"name: the copy {wish.url} holds {format_size(copy.data)}, but the thin pool {wish.group}/{wish.pool} has "
            f"{format_size(free // MIB * MIB)} free; make room, or enlarge the pool with zonal.cloud.thin_pool",
            field="name",
        )


def report(wish: CopyWish, state: CopyState) -> dict[str, Any]:
    """Return the state in the words of the module's options."""
    shown: dict[str, Any] = {"name": wish.name, "volume": wish.volume, "source": wish.source, "bucket": wish.bucket, "state": ABSENT}
    if state.copy is not None:
        shown = {**shown, **show_copy(state.copy), "volume": wish.volume, "state": PRESENT}
        if wish.state == RESTORED and _is_restored(state.copy, state.volume):
            shown["state"] = RESTORED
    return shown


def _plan_present(wish: CopyWish, found: CopyState) -> Plan[CopyState]:
    if found.copy or found.problem:
        numbers_of(wish, found)
        return Plan(found)
    volume = found.volume
    if volume is None:
        raise SpecError("volume", wish.volume, f"is not in the volume group {wish.group}")
    if not volume.pool:
        raise SpecError("volume", wish.volume, "is no thin volume, so that it cannot be copied as it is at one moment")
    planned = DiskCopy(wish.volume, wish.name, volume.size, tags=volume.tags)
    step = Step(STORE, wish.url, f"does not exist; {wish.target} has {format_size(volume.size)}", ("name",))
    return Plan(replace(found, copy=planned), (step,))


def _plan_restored(wish: CopyWish, found: CopyState) -> Plan[CopyState]:
    copy, _numbers = numbers_of(wish, found)
    volume = found.volume
    if volume is not None and not wish.overwrite:
        if _is_restored(copy, volume):
            return Plan(found)
        raise RefusedError(
            f"volume: {wish.target} exists and was not made of {wish.url}; nothing is overwritten: "
            "write overwrite: true to give up what it holds, or restore into another volume",
            field="volume",
        )
    if volume is not None and volume.pool != wish.pool:
        raise RefusedError(f"volume: {wish.target} is not in the pool {wish.pool}; choose another name", field="volume")
    if found.is_open:
        raise RefusedError(
            f"volume: {wish.target} is in use; stop the instance whose disk it is, or what else has opened it", field="volume"
        )
    if not found.unfinished:
        check_room(wish, copy, found.free)
    why = "is replaced by" if volume else "does not exist; is made of"
    step = Step(RESTORE, wish.target, f"{why} {wish.url}, {format_size(copy.size)}", ("overwrite",) if volume else ("volume",))
    made = Volume(wish.group, wish.volume, "", copy.size, wish.pool, tags=tags_for(copy, wish.volume))
    return Plan(replace(found, volume=made), (step,))


def _is_restored(copy: DiskCopy, volume: Volume | None) -> bool:
    return volume is not None and RESTORED_TAG + copy.sha256 in volume.tags
