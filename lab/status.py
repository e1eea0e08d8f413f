# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the lab looks like right now; reads only."""

from __future__ import annotations

from typing import Any

from lab import netns, state
from lab.model import identity
from lab.paths import Paths

COLUMNS = ("name", "address", "release", "flavour", "pid", "state", "ssh")


def rows(paths: Paths) -> list[dict[str, Any]]:
    """One dictionary for each host, in the order of their numbers."""
    book = state.load(paths.book)
    found = []
    for name in sorted(book.hosts, key=lambda entry: identity(entry).number):
        record, host = book.hosts[name], identity(name)
        alive = record.process is not None and record.process.alive()
        ssh = alive and netns.exists(paths.namespace) and netns.ssh_answers(paths.namespace, host.address)
        found.append(
            {
                "name": name,
                "address": host.address,
                "mac": host.mac,
                "release": record.release,
                "flavour": record.flavour,
                "pid": record.process.pid if alive and record.process else None,
                "state": "running" if ssh else "booting" if alive else "stopped",
                "ssh": ssh,
            }
        )
    return found


def table(found: list[dict[str, Any]]) -> str:
    """The rows for people."""
    if not found:
        return "no hosts: zonal-lab up makes some"
    cells = [list(COLUMNS)] + [[_cell(row[column]) for column in COLUMNS] for row in found]
    widths = [max(len(line[i]) for line in cells) for i in range(len(COLUMNS))]
    return "\n".join("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in cells)


def _cell(value: object) -> str:
    if isinstance(value, bool):
        return "ok" if value else "no"
    return "-" if value is None else str(value)
