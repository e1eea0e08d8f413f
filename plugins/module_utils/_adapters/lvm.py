# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: may change without notice.
"""LVM through its own programs and their JSON reports."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from decimal import Decimal, InvalidOperation
from typing import Any

from .._ports import Command, EngineAbsent, EngineError
from .._ports_storage import Volume

# First letter of lv_attr: pools and their parts, which nobody stores data in directly.
_NOT_ORDINARY = frozenset("tTeCdD")
_SECTOR = 512
_Rows = list[dict[str, str]]
_VOLUME_FIELDS = ("vg_name", "lv_name", "lv_path", "lv_size", "pool_lv", "origin", "lv_tags", "lv_attr", "vg_extent_size")


def parse_report(command: Command, argv: Sequence[str]) -> list[dict[str, Any]]:
    """Run one of LVM's reporting programs and return its reports: one a group, each of named lists of rows."""
    try:
        text = command(argv)
    except EngineAbsent:
        raise EngineAbsent("ask", "LVM", f"the program {argv[0]} is not installed; it is in the package lvm2") from None
    try:
        # lvm.conf may have it print a line before the report.
        document = json.loads(text[text.index("{") :], strict=False)
        return [dict(report) for report in document["report"]]
    except (ValueError, KeyError, TypeError) as error:
        raise EngineError("read the report of", " ".join(argv), f"{error!r} in {text[:200]!r}") from error


def read_volumes(command: Command, fields: Sequence[str], selection: str) -> _Rows:
    """Return the rows that ``lvs`` reports of the selected volumes; sizes are bytes without a unit."""
    argv = ["lvs", "--reportformat", "json", "--units", "b", "--nosuffix", "--options", ",".join(fields), "--select", selection]
    rows = [row for report in parse_report(command, argv) for row in report.get("lv", [])]
    try:
        return [{field: str(row[field]) for field in fields} for row in rows]
    except (KeyError, TypeError) as error:
        raise EngineError("read the report of", " ".join(argv), f"{error!r} in {str(rows)[:200]}") from error


def split_list(text: str) -> list[str]:
    """Return the items of a report's list, such as tags."""
    return [item for item in text.split(",") if item]


def parse_percent(text: str) -> Decimal | None:
    """Return a percentage; None when the report has none because the volume is not active."""
    try:
        return Decimal(text)
    except InvalidOperation:
        return None


def size_in_sectors(size: int) -> str:
    """Return a size as LVM takes it: bytes, but only whole sectors."""
    return f"{-(-size // _SECTOR) * _SECTOR}b"


def tag_options(option: str, tags: Iterable[str]) -> list[str]:
    """Return the words that add or remove tags in one command."""
    return [word for tag in sorted(tags) for word in (option, tag)]


class LvmVolumes:
    """``Volumes`` of the thin pool ``pool`` in the volume group ``group``."""

    def __init__(self, command: Command, group: str, pool: str) -> None:
        self._command = command
        self._group = group
        self._pool = pool

    def find(self, name: str) -> Volume | None:
        rows = self._rows(f' && lv_name="{name}"')
        return _volume(rows[0]) if rows else None

    def list(self) -> list[Volume]:
        return [_volume(row) for row in self._rows()]

    def path(self, name: str) -> str:
        return f"/dev/{self._group}/{name}"

    def create(self, name: str, size: int, tags: Iterable[str]) -> Volume:
        # A new thin volume reads as zeroes, so there is no old signature to look for.
        kind = ("--type", "thin", "--thinpool", self._pool, "--virtualsize", size_in_sectors(size), "--wipesignatures", "n")
        return self._make(name, tags, *kind, self._group)

    def clone(self, origin: str, name: str, tags: Iterable[str], size: int = 0) -> Volume:
        snapshot = ("--snapshot", "--permission", "rw", f"{self._group}/{origin}")
        if not size:
            return self._make(name, tags, *snapshot)
        # Growing is ten times faster while nothing has to be suspended for it.
        made = self._make(name, tags, "--activate", "n", *snapshot)
        if made.size < size:
            self._extend(name, size)
            made = self._must_find(name)
        self._command(["lvchange", "--yes", "--activate", "y", f"{self._group}/{name}"])
        return made

    def preserve(self, origin: str, name: str, tags: Iterable[str]) -> Volume:
        return self._make(name, tags, "--activate", "n", "--snapshot", "--permission", "r", f"{self._group}/{origin}", skip="y")

    def grow(self, name: str, size: int) -> None:
        # lvextend fails when there is nothing to extend.
        if self._must_find(name).size < size:
            self._extend(name, size)

    def rename(self, name: str, new_name: str) -> None:
        self._command(["lvrename", "--yes", self._group, name, new_name])

    def retag(self, name: str, add: Iterable[str], remove: Iterable[str]) -> None:
        options = tag_options("--addtag", add) + tag_options("--deltag", remove)
        if options:
            self._command(["lvchange", "--yes", *options, f"{self._group}/{name}"])

    def resume(self, name: str) -> None:
        self._command(["lvchange", "--refresh", f"{self._group}/{name}"])

    def set_read_only(self, name: str) -> None:
        rows = self._rows(f' && lv_name="{name}"')
        # lvchange fails when the volume is read-only already.
        if not rows or rows[0]["lv_attr"][1:2] == "w":
            self._command(["lvchange", "--yes", "--permission", "r", f"{self._group}/{name}"])

    def remove(self, name: str) -> None:
        # With a selection it is no error that nothing matches.
        self._command(["lvremove", "--yes", "--select", f'{self._selection()} && lv_name="{name}"'])

    def is_open(self, name: str) -> bool:
        rows = read_volumes(self._command, ("lv_device_open",), f'{self._selection()} && lv_name="{name}"')
        return any(row["lv_device_open"] == "open" for row in rows)

    def free(self) -> int:
        fields = ("lv_size", "data_percent")
        rows = read_volumes(self._command, fields, f'{self._selection()} && lv_name="{self._pool}"')
        if not rows:
            return 0
        used = parse_percent(rows[0]["data_percent"])
        if used is None:
            raise EngineError("read the usage of", f"{self._group}/{self._pool}", "the pool is not active")
        return int(int(rows[0]["lv_size"]) * (100 - used) / 100)

    def _extend(self, name: str, size: int) -> None:
        self._command(["lvextend", "--yes", "--size", size_in_sectors(size), f"{self._group}/{name}"])

    def _make(self, name: str, tags: Iterable[str], *arguments: str, skip: str = "n") -> Volume:
        # Without the option thin snapshots would be skipped when volumes are activated: now, and at each boot.
        options = ["--setactivationskip", skip, "--name", name, *tag_options("--addtag", tags)]
        self._command(["lvcreate", "--yes", *options, *arguments])
        return self._must_find(name)

    def _selection(self) -> str:
        return f'vg_name="{self._group}"'

    def _rows(self, condition: str = "") -> _Rows:
        # A selection instead of an argument: a group that does not exist is then an empty report, not an error.
        rows = read_volumes(self._command, _VOLUME_FIELDS, self._selection() + condition)
        return [row for row in rows if row["lv_attr"][:1] not in _NOT_ORDINARY]

    def _must_find(self, name: str) -> Volume:
        volume = self.find(name)
        if volume is None:
            raise EngineError("find", f"{self._group}/{name}", "there is no such volume")
        return volume


def _volume(row: dict[str, str]) -> Volume:
    return Volume(
        group=row["vg_name"],
        name=row["lv_name"],
        path=row["lv_path"],
        size=int(row["lv_size"]),
        pool=row["pool_lv"],
        origin=row["origin"],
        tags=frozenset(split_list(row["lv_tags"])),
        extent_size=int(row["vg_extent_size"]),
    )
