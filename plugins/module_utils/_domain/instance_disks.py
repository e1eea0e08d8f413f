# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: may change without notice.
"""The disks of an instance as they are written and found; the volumes behind them have a life of their own (disk.py)."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypedDict, cast

from .disk import parse_disk_size
from .errors import MissingError, SpecError
from .names import parse_label
from .quantity import format_size
from .rbd import RBD, THIN

# What a VM's machine has slots for, beside the devices that all have.
MOST_DISKS = 8
_KEYS = ("name", "size", "mount", "store")
_PATH = re.compile(r"/[^\x00-\x1f\x7f]{1,254}")
# Of the kernel: nothing is mounted there.
_NOT_TO_COVER = ("dev", "proc", "sys")
# So long is the serial number of a virtio disk at most.
_SERIAL = 20


class DiskEntry(TypedDict, total=False):
    """A disk that an instance has: ``size`` in bytes, ``mount`` where a container has it, ``store`` when that is not the thin pool.

    ``leaving`` is one on Ceph that a VM has no more, but the cluster was not told yet.
    """

    name: str
    size: int
    mount: str
    store: str
    leaving: bool


def serial_of(name: str) -> str:
    """Return the serial number that a VM's guest finds the disk by: its name, when that is too long its beginning and a digest."""
    if len(name) <= _SERIAL:
        return name
    return f"{name[:11]}-{hashlib.sha256(name.encode()).hexdigest()[:8]}"


def parse_disks(field: str, items: Sequence[Any]) -> list[DiskEntry]:
    """Return the disks of an instance in their normal form; SpecError names the first bad value."""
    if len(items) > MOST_DISKS:
        raise SpecError(field, len(items), f"is more than the {MOST_DISKS} disks that an instance can have")
    disks = [_parse_entry(f"{field}[{number}]", item) for number, item in enumerate(items)]
    for key in ("name", "mount"):
        values = [entry[key] for entry in cast("list[dict[str, Any]]", disks) if key in entry]
        for value in values:
            if values.count(value) > 1:
                raise SpecError(field, value, f"is the {key} of two of them")
    return disks


def check_mounts(kind: str, disks: Iterable[DiskEntry]) -> None:
    """MissingError when a container is not told where it has a disk; SpecError for one that it cannot have at all."""
    for number, entry in enumerate(disks):
        if kind == "container" and is_rbd(entry):
            raise SpecError(f"disks[{number}].store", RBD, "is for VMs only: a container has disks of its host's thin pool")
        if kind == "container" and "mount" not in entry:
            raise MissingError(f"disks[{number}].mount", f"a container must know where it has the disk {entry['name']}, such as /srv/data")


def show_disks(disks: Iterable[DiskEntry]) -> list[dict[str, Any]]:
    """Return disks in the words and units of the options."""
    shown = [{**entry, **({"size": format_size(entry["size"])} if "size" in entry else {})} for entry in disks]
    return [{key: value for key, value in entry.items() if key in _KEYS} for entry in shown]


def is_rbd(entry: DiskEntry) -> bool:
    """Tell whether a disk is on Ceph."""
    return entry.get("store") == RBD


def check_stores(wanted: Iterable[DiskEntry], found: Iterable[DiskEntry]) -> None:
    """SpecError when a disk is wanted elsewhere than it was found: its data would not come along."""
    had = {entry["name"]: entry for entry in found}
    for number, entry in enumerate(wanted):
        if is_rbd(entry) != is_rbd(had.get(entry["name"], entry)):
            why = f"is not where the disk {entry['name']} is, and its data does not come along; take it out first, or choose another name"
            raise SpecError(f"disks[{number}].store", entry.get("store", THIN), why)


def placed(disks: Iterable[DiskEntry] | None, kind: str = "vm") -> list[DiskEntry]:
    """Return which disks an instance has and where, without their sizes; those of a container by name, since it knows no order of them."""
    entries = [cast(DiskEntry, {key: value for key, value in entry.items() if key != "size"}) for entry in disks or ()]
    return sorted(entries, key=lambda entry: entry["name"]) if kind == "container" else entries


def grown(wanted: Iterable[DiskEntry], found: Iterable[DiskEntry] | None) -> bool:
    """Tell whether a disk is wanted to be larger than it was found."""
    sizes = {entry["name"]: entry.get("size", 0) for entry in found or ()}
    return any(entry.get("size", 0) > sizes.get(entry["name"], 0) for entry in wanted)


def disk_names(spec: Mapping[str, Any]) -> list[str]:
    """Return the names of an instance's disks."""
    return [entry["name"] for entry in spec.get("disks", ())]


def bytes_of(spec: Mapping[str, Any], promised: int = 0) -> int:
    """Return the bytes that an instance takes of its host's pool with its own disk and its data disks there; at least what is
    ``promised`` when nothing is said of its own."""
    data = sum(int(entry.get("size", 0)) for entry in spec.get("disks", ()) if not is_rbd(entry))
    return int(spec["disk"]) + data if "disk" in spec else max(promised, data)


def attached_disks(declared: Sequence[DiskEntry], attached: Mapping[str, DiskEntry]) -> list[DiskEntry]:
    """Return the disks that a VM has attached, in the order in which they are declared; those that are not come last."""
    known = [entry for entry in declared if entry["name"] in attached]
    names = {entry["name"] for entry in known}
    return known + [entry for name, entry in attached.items() if name not in names]


def _parse_entry(field: str, item: Any) -> DiskEntry:
    if not isinstance(item, Mapping):
        raise SpecError(field, item, "is not a disk such as {name: data, size: 100G}")
    for key in item:
        if key not in _KEYS:
            raise SpecError(f"{field}.{key}", item[key], f"is none of {', '.join(_KEYS)}")
    if item.get("name") is None:
        raise MissingError(f"{field}.name", "it says which disk is meant")
    entry = DiskEntry(name=parse_label(f"{field}.name", item["name"]))
    if item.get("size") is not None:
        entry["size"] = parse_disk_size(f"{field}.size", item["size"])
    if item.get("mount") is not None:
        entry["mount"] = _parse_mount(f"{field}.mount", item["mount"])
    if item.get("store") not in (None, THIN, RBD):
        raise SpecError(f"{field}.store", item["store"], f"is neither {THIN} nor {RBD}")
    if item.get("store") == RBD:
        entry["store"] = RBD
    return entry


def _parse_mount(field: str, value: object) -> str:
    parts = [part for part in str(value).split("/") if part not in ("", ".")]
    if not isinstance(value, str) or not _PATH.fullmatch(value) or ".." in parts or not parts:
        raise SpecError(field, value, "is not a folder for a disk; write an absolute path without '..', such as /srv/data")
    if parts[0] in _NOT_TO_COVER:
        raise SpecError(field, value, f"is in /{parts[0]}, which belongs to the kernel; choose another folder")
    return "/" + "/".join(parts)
