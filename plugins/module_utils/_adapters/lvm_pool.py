# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: may change without notice.
"""Volume groups and thin pools through LVM's own programs."""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from .._domain.thin_pool import OWNED, Autoextend, Group, Pool
from .._ports import Command, EngineError
from .lvm import parse_percent, parse_report, size_in_sectors, split_list, tag_options

PROFILES = "/etc/lvm/profile"
_FIELDS = {
    "vg": "vg_name,vg_extent_size,vg_extent_count,vg_free_count,vg_tags,vg_missing_pv_count,vg_exported",
    "pv": "pv_name,vg_name",
    "lv": "lv_name,lv_size,lv_metadata_size,lv_tags,lv_profile,lv_active,lv_device_open,data_percent,metadata_percent,pool_lv",
    "seg": "lv_name,segtype,chunk_size",
    # Not needed, but LVM reports it at length unless told otherwise.
    "pvseg": "pvseg_start",
}
_Row = Mapping[str, str]


@dataclass(frozen=True)
class Inventory:
    """What LVM knows: the group of each physical volume by real path (empty: none), our group, our pool."""

    group_of: Mapping[str, str] = field(default_factory=dict)
    group: Group | None = None
    pool: Pool | None = None


class LvmPool:
    """The thin pool ``name`` in the volume group ``group``."""

    def __init__(self, command: Command, group: str, name: str) -> None:
        self._command = command
        self._group = group
        self._name = name
        self._target = f"{group}/{name}"

    def read(self) -> Inventory:
        """Return what there is, in one start of one program."""
        argv = ["lvm", "fullreport", "--reportformat", "json", "--units", "b", "--nosuffix", "--foreign"]
        for section, fields in _FIELDS.items():
            argv += ["--configreport", section, "--options", fields]
        reports = parse_report(self._command, argv)
        try:
            return _inventory(reports, self._group, self._name)
        except (KeyError, ValueError, TypeError, AttributeError) as error:
            raise EngineError("read the report of", " ".join(argv), repr(error)) from error

    def create_group(self, devices: Iterable[str]) -> None:
        # Without --yes LVM refuses a device on which it finds a signature after all, as nobody answers its question.
        self._command(["vgcreate", "--addtag", OWNED, self._group, *sorted(devices)])

    def adopt_group(self) -> None:
        self._command(["vgchange", "--addtag", OWNED, self._group])

    def extend_group(self, device: str) -> None:
        self._command(["vgextend", self._group, device])

    def remove_group(self) -> None:
        self._command(["vgremove", self._group])

    def clear_device(self, device: str) -> None:
        self._command(["pvremove", device])

    def create(self, goal: Pool, group: Group) -> None:
        # Chunks are zeroed before use: a tenant must not read what another one left behind.
        argv = ["lvcreate", "--yes", "--type", "thin-pool", "--zero", "y", "--discards", "passdown"]
        argv += ["--name", self._name, "--extents", str(goal.size // group.extent_size)]
        argv += ["--poolmetadatasize", size_in_sectors(goal.metadata_size), "--chunksize", size_in_sectors(goal.chunk_size)]
        argv += ["--metadataprofile", goal.profile, *tag_options("--addtag", goal.tags), self._group]
        self._command(argv)

    def activate(self) -> None:
        # Parts that are active by themselves, since LVM was cut off while it made the pool of them, prohibit it.
        self._command(["lvchange", "--activate", "n", f"{self._target}_tmeta", f"{self._target}_tdata"])
        self._command(["lvchange", "--activate", "y", self._target])

    def extend(self, goal: Pool, group: Group) -> None:
        self._command(["lvextend", "--extents", str(goal.size // group.extent_size), self._target])

    def extend_metadata(self, goal: Pool) -> None:
        self._command(["lvextend", "--poolmetadatasize", size_in_sectors(goal.metadata_size), self._target])

    def set_profile(self, goal: Pool) -> None:
        self._command(["lvchange", "--metadataprofile", goal.profile, self._target])

    def retag(self, add: Iterable[str], remove: Iterable[str]) -> None:
        self._command(["lvchange", *tag_options("--addtag", add), *tag_options("--deltag", remove), self._target])

    def remove(self) -> None:
        """Remove the pool with all volumes in it."""
        self._command(["lvremove", "--yes", self._target])


class LvmProfiles:
    """LVM's profile files: settings of one pool, which its own monitor reads when the pool fills up."""

    def __init__(self, folder: str = PROFILES) -> None:
        self._folder = folder

    def read(self, name: str) -> Autoextend | None:
        """Return what the profile says; None when there is none, or another than ours."""
        try:
            with open(self._path(name), encoding="utf-8", errors="replace") as handle:
                text = handle.read()
        except FileNotFoundError:
            return None
        values = dict(re.findall(r"^\s*thin_pool_autoextend_(threshold|percent)\s*=\s*(\d+)\s*$", text, re.MULTILINE))
        if len(values) != 2:
            return None
        found = Autoextend(int(values["threshold"]), int(values["percent"]))
        return found if text == profile_text(found) else None

    def write(self, name: str, wanted: Autoextend) -> None:
        """Replace the profile in one go, so that the monitor never reads half of it."""
        try:
            handle, path = tempfile.mkstemp(prefix=".zonal-", dir=self._folder)
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                file.write(profile_text(wanted))
                os.fchmod(file.fileno(), 0o644)
                file.flush()
                os.fsync(file.fileno())
            os.replace(path, self._path(name))
        except OSError as error:
            raise EngineError("write", self._path(name), str(error)) from error

    def remove(self, name: str) -> None:
        """Remove the profile; no error when it is already gone."""
        try:
            os.unlink(self._path(name))
        except FileNotFoundError:
            return
        except OSError as error:
            raise EngineError("remove", self._path(name), str(error)) from error

    def _path(self, name: str) -> str:
        return os.path.join(self._folder, f"{name}.profile")


def profile_text(wanted: Autoextend) -> str:
    """Return the text of a profile."""
    return (
        "# Written by Ansible (zonal.cloud.thin_pool); changes are overwritten.\n"
        "activation {\n"
        f"\tthin_pool_autoextend_threshold={wanted.threshold}\n"
        f"\tthin_pool_autoextend_percent={wanted.percent}\n"
        "}\n"
    )


def _inventory(reports: Iterable[Mapping[str, Any]], group_name: str, pool_name: str) -> Inventory:
    group_of: dict[str, str] = {}
    group: Group | None = None
    pool: Pool | None = None
    for report in reports:
        for row in report.get("pv", []):
            group_of[os.path.realpath(row["pv_name"])] = row["vg_name"]
        for row in report.get("vg", []):
            if row["vg_name"] == group_name and group is not None:
                group = replace(group, twin=group.twin | _group(row, report.get("pv", []), ()).devices)
            elif row["vg_name"] == group_name:
                volumes = report.get("lv", [])
                chunks = {line["lv_name"]: int(line["chunk_size"]) for line in report.get("seg", []) if line["segtype"] == "thin-pool"}
                group = replace(_group(row, report.get("pv", []), volumes), plain=_plain_extents(row, volumes, chunks, pool_name))
                pool = _pool(volumes, chunks, pool_name)
    return Inventory(group_of, group, pool)


def _group(row: _Row, devices: Iterable[_Row], volumes: Iterable[_Row]) -> Group:
    return Group(
        extent_size=int(row["vg_extent_size"]),
        extents=int(row["vg_extent_count"]),
        free=int(row["vg_free_count"]),
        devices=frozenset(os.path.realpath(device["pv_name"]) for device in devices),
        tags=frozenset(split_list(row["vg_tags"])),
        volumes=frozenset(volume["lv_name"] for volume in volumes),
        missing=int(row["vg_missing_pv_count"]),
        exported=bool(row["vg_exported"]),
    )


def _plain_extents(group: _Row, volumes: Iterable[_Row], chunks: Mapping[str, int], name: str) -> int:
    found = [row for row in volumes if row["lv_name"] == name and name not in chunks and row["lv_device_open"] != "open"]
    return int(found[0]["lv_size"]) // int(group["vg_extent_size"]) if found else 0


def _pool(volumes: Iterable[_Row], chunks: Mapping[str, int], name: str) -> Pool | None:
    if name not in chunks:
        return None
    row = next(volume for volume in volumes if volume["lv_name"] == name)
    inside = [volume for volume in volumes if volume["pool_lv"] == name]
    return Pool(
        size=int(row["lv_size"]),
        metadata_size=int(row["lv_metadata_size"]),
        chunk_size=chunks[name],
        tags=frozenset(split_list(row["lv_tags"])),
        profile=row["lv_profile"],
        data_percent=parse_percent(row["data_percent"]),
        metadata_percent=parse_percent(row["metadata_percent"]),
        active=row["lv_active"] == "active",
        volumes=frozenset(volume["lv_name"] for volume in inside),
        open_volumes=frozenset(volume["lv_name"] for volume in inside if volume["lv_device_open"] == "open"),
    )
