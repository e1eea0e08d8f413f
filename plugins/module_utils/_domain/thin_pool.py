# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: may change without notice.
"""A thin pool: what is wanted of it, what was found, and how both are shown. What to do is decided in thin_pool_plan.py."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from .errors import MissingError, SpecError
from .quantity import format_size, parse_size

KIB = 1024
MIB = 1024**2
GIB = 1024**3
# LVM's own default; a group that exists already may have another.
EXTENT_SIZE = 4 * MIB
# LVM leaves the first MiB of a device to its own metadata.
DEVICE_HEADER = MIB
SMALLEST_CHUNK = 64 * KIB
LARGEST_CHUNK = GIB
# The kernel cannot use more than 15.81 GiB.
LARGEST_METADATA = 15 * GIB
# A mapped chunk takes 48 to 64 bytes of metadata; twice that leaves room for what snapshots no longer share.
METADATA_PER_CHUNK = 128
# Marks a volume group as made, or taken over, by this collection.
OWNED = "zonal.cloud"
# The size that was asked for: a pool that is larger has grown by itself.
SIZE_TAG = "zonal.size="
RESERVED_TAGS = "zonal."

_NAME = re.compile(r"[A-Za-z0-9_+.][A-Za-z0-9_+.-]{0,59}", re.ASCII)
_TAG = re.compile(r"[A-Za-z0-9_+./=!:&#-]{1,128}", re.ASCII)
_PERCENT = re.compile(r"(\d{1,3}) ?%(VG)?", re.ASCII)
# LVM keeps these for volumes that it makes itself (lvm(8), "Valid names").
_RESERVED_NAME = re.compile(
    r"\.{1,2}|(snapshot|pvmove).*|.*(_cdata|_cmeta|_corig|_iorig|_mimage|_mlog|_pmspare|_rimage|_rmeta|_tdata|_tmeta|_vdata|_vorigin|_wcorig).*"
)


@dataclass(frozen=True)
class WantedSize:
    """Bytes, or if ``percent`` is not 0 that share of the volume group."""

    size: int = 0
    percent: int = 0

    def extents(self, group_extents: int, extent_size: int) -> int:
        if self.percent:
            return group_extents * self.percent // 100
        return -(-self.size // extent_size)

    @property
    def tag(self) -> str:
        return f"{SIZE_TAG}{self.percent}/100" if self.percent else f"{SIZE_TAG}{self.size}"

    def __str__(self) -> str:
        return f"{self.percent}%" if self.percent else format_size(self.size)


@dataclass(frozen=True)
class Autoextend:
    """When ``threshold`` percent of the pool are used it grows by ``percent`` of its size; a threshold of 100 is never."""

    threshold: int
    percent: int


@dataclass(frozen=True)
class ThinPoolSpec:
    """What the user wants; None means: leave as it is, or let the plan choose."""

    name: str
    group: str
    present: bool = True
    devices: tuple[str, ...] = ()
    size: WantedSize = WantedSize(percent=90)
    metadata_size: int | None = None
    chunk_size: int | None = None
    autoextend: Autoextend = Autoextend(80, 5)
    tags: frozenset[str] | None = None
    wipe: bool = False
    adopt: bool = False
    force: bool = False

    @property
    def target(self) -> str:
        return f"{self.group}/{self.name}"

    @property
    def profile(self) -> str:
        """The name of the pool's profile. With the group's hyphens doubled no other pool has it, since no name begins with one."""
        return f"zonal-{self.group.replace('-', '--')}-{self.name}"


@dataclass(frozen=True)
class Device:
    """A device that the user named. ``group`` is None for no physical volume and empty for one that is in no group.

    ``partitions`` are the paths of those on it.
    """

    given: str
    path: str
    problem: str = ""
    size: int = 0
    signatures: tuple[str, ...] = ()
    users: tuple[str, ...] = ()
    group: str | None = None
    partitions: tuple[str, ...] = ()

    def __str__(self) -> str:
        return self.given if self.given == self.path else f"{self.given} ({self.path})"


@dataclass(frozen=True)
class Group:
    """The volume group. ``volumes`` are its visible logical volumes, pools included.

    ``plain`` are the extents of an unused volume that has the pool's name and is no thin pool.
    ``twin`` are the devices of another group that has the same name, such as on a disk of another host.
    """

    extent_size: int
    extents: int
    free: int
    devices: frozenset[str]
    tags: frozenset[str] = frozenset()
    volumes: frozenset[str] = frozenset()
    missing: int = 0
    exported: bool = False
    plain: int = 0
    twin: frozenset[str] = frozenset()

    @property
    def cut_off(self) -> bool:
        """Tell whether a run was cut off while LVM made the pool: the spare and the metadata are there, as large as each other.

        LVM makes these first, the metadata as a plain volume with the pool's name. A group with anything else in it is another case.
        """
        return self.owned and self.plain > 0 and len(self.volumes) == 1 and self.extents - self.free == 2 * self.plain

    @property
    def owned(self) -> bool:
        return OWNED in self.tags


@dataclass(frozen=True)
class Pool:
    """The pool; sizes in bytes. The percentages are None while it is not active."""

    size: int
    metadata_size: int
    chunk_size: int
    tags: frozenset[str] = frozenset()
    profile: str = ""
    data_percent: Decimal | None = Decimal(0)
    metadata_percent: Decimal | None = Decimal(0)
    active: bool = True
    volumes: frozenset[str] = frozenset()
    open_volumes: frozenset[str] = frozenset()


@dataclass(frozen=True)
class ThinPoolState:
    """What is there: the devices that were asked for, the group and pool of the wanted names."""

    devices: tuple[Device, ...] = ()
    group: Group | None = None
    pool: Pool | None = None
    autoextend: Autoextend | None = None


def parse_spec(params: Mapping[str, Any]) -> ThinPoolSpec:
    """Turn the module's options into a spec; SpecError or MissingError names the option."""
    present = params["state"] == "present"
    if present and not params["devices"]:
        raise MissingError("devices", "name the block devices that the pool may take, such as /dev/disk/by-id/nvme-...")
    return ThinPoolSpec(
        name=parse_name("name", params["name"]),
        group=parse_name("group", params["group"]),
        present=present,
        devices=tuple(_parse_device(device) for device in params["devices"] or ()),
        size=parse_wanted_size("size", params["size"]),
        metadata_size=_parse_metadata_size(params["metadata_size"]),
        chunk_size=_parse_chunk_size(params["chunk_size"]),
        autoextend=Autoextend(
            _parse_range("autoextend_threshold", params["autoextend_threshold"], 50, 100),
            _parse_range("autoextend_percent", params["autoextend_percent"], 1, 100),
        ),
        tags=parse_tags("tags", params["tags"]),
        wipe=params["wipe"],
        adopt=params["adopt"],
        force=params["force"],
    )


def parse_name(field: str, value: str) -> str:
    """Return the name of a volume or group if LVM accepts it."""
    if not _NAME.fullmatch(value):
        raise SpecError(field, value, "is not a name for LVM; use up to 60 letters, digits and _ + . - and do not begin with -")
    if _RESERVED_NAME.fullmatch(value):
        raise SpecError(field, value, "is a name that LVM keeps for itself; choose another")
    return value


def parse_tags(field: str, value: Iterable[str] | None) -> frozenset[str] | None:
    """Return the user's tags; None when none were given."""
    if value is None:
        return None
    for tag in value:
        if not is_tag(tag):
            raise SpecError(field, tag, "is not a tag for LVM; use up to 128 letters, digits and _ + . - / = ! : & #")
        if tag.startswith(RESERVED_TAGS):
            raise SpecError(field, tag, f"begins with {RESERVED_TAGS}, which this collection keeps for itself; choose another")
    return frozenset(value)


def is_tag(value: str) -> bool:
    """Tell whether LVM takes a text as a tag."""
    return _TAG.fullmatch(value) is not None


def parse_wanted_size(field: str, value: str) -> WantedSize:
    """Return bytes for ``100G``, a share of the group for ``90%`` or ``90%VG``."""
    match = _PERCENT.fullmatch(value.strip())
    if match is not None:
        percent = _parse_range(field, int(match.group(1)), 1, 100)
        return WantedSize(percent=percent)
    if "%" in value:
        raise SpecError(field, value, "is not a size; write 100G, or 90% for a share of the whole volume group")
    return WantedSize(size=parse_size(field, value))


def read_size_tag(tag: str) -> WantedSize | None:
    """Return the size that a tag tells; None for any other tag."""
    match = re.fullmatch(rf"{re.escape(SIZE_TAG)}(?:(\d{{1,3}})/100|(\d{{1,19}}))", tag, re.ASCII)
    return WantedSize(int(match[2] or 0), int(match[1] or 0)) if match else None


def own_tags(tags: Iterable[str]) -> list[str]:
    """Return the user's part of an object's tags, sorted."""
    return sorted(tag for tag in tags if not tag.startswith(RESERVED_TAGS))


def report(spec: ThinPoolSpec, state: ThinPoolState) -> dict[str, Any]:
    """Return the state in the words of the module's options."""
    shown: dict[str, Any] = {"name": spec.name, "group": spec.group, "state": "present" if state.pool else "absent"}
    if state.group is not None:
        shown["devices"] = sorted(state.group.devices)
        shown["group_size"] = format_size(state.group.extents * state.group.extent_size)
        shown["group_free"] = format_size(state.group.free * state.group.extent_size) if state.group.free else "0"
    if state.pool is not None:
        pool = state.pool
        shown.update(
            size=format_size(pool.size),
            metadata_size=format_size(pool.metadata_size),
            chunk_size=format_size(pool.chunk_size),
            tags=own_tags(pool.tags),
            data_percent=None if pool.data_percent is None else float(pool.data_percent),
            metadata_percent=None if pool.metadata_percent is None else float(pool.metadata_percent),
            volumes=len(pool.volumes),
            autoextend_threshold=state.autoextend.threshold if state.autoextend else None,
            autoextend_percent=state.autoextend.percent if state.autoextend else None,
        )
    return shown


def _parse_device(value: str) -> str:
    if not value.startswith("/dev/") or "\0" in value or "\n" in value:
        raise SpecError("devices", value, "is not the path of a device; write it in full, such as /dev/disk/by-id/nvme-...")
    return value


def _parse_range(field: str, value: int, lowest: int, highest: int) -> int:
    if not lowest <= value <= highest:
        raise SpecError(field, value, f"is out of range; it must be from {lowest} to {highest} percent")
    return value


def _parse_chunk_size(value: str | None) -> int | None:
    if value is None:
        return None
    size = parse_size("chunk_size", value)
    if size % SMALLEST_CHUNK or not SMALLEST_CHUNK <= size <= LARGEST_CHUNK:
        raise SpecError("chunk_size", value, "is not possible; it must be a multiple of 64K, up to 1G")
    return size


def _parse_metadata_size(value: str | None) -> int | None:
    if value is None:
        return None
    size = parse_size("metadata_size", value)
    if not 2 * MIB <= size <= LARGEST_METADATA:
        raise SpecError("metadata_size", value, f"is not possible; it must be from 2M to {format_size(LARGEST_METADATA)}")
    return size
