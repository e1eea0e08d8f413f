# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: may change without notice.
"""What ``ledger_copy`` does on the controller: a zone's pages of the ledger into a JSON file, and back."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..module_utils._domain.claims import Snapshot
from ..module_utils._domain.errors import SpecError, ZonalError
from ..module_utils._domain.zone_spec import check_keys, parse_zone
from .ledger.store import Ledger
from .ledger.transfer import check_empty, export_zone, import_zone, read_export
from .zone_pools import KEYS, declare, left_to_ledger, pages_of


def export(ledger: Ledger, zone: str, path: str, *, check_mode: bool) -> dict[str, Any]:
    """Write the zone's pages into a file, whole or not at all, unless it has them already."""
    declared = ledger.read_zone(zone)
    if declared is None:
        raise SpecError("zone", zone, f"is not in the ledger {ledger.where}")
    pages = export_zone(zone, declared, ledger.read(zone))
    text = json.dumps(pages, indent=2, sort_keys=True) + "\n"
    file = Path(os.path.expanduser(path))
    try:
        before = file.read_text(encoding="utf-8") if file.exists() else ""
        if before != text and not check_mode:
            _write(file, text)
    except (OSError, UnicodeDecodeError) as error:
        raise ZonalError(f"path: cannot write {file}: {error}") from error
    return {"changed": before != text, "claims": len(pages["claims"]), "diff": {"before": before, "after": text}}


def restore(ledger: Ledger, name: str, definition: Mapping[str, Any], path: str, *, check_mode: bool) -> dict[str, Any]:
    """Write the file's pages into a zone that has none; nothing changes when it has just these."""
    file = Path(os.path.expanduser(path))
    try:
        value = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise ZonalError(f"path: cannot read {file}: {error}") from error
    zone = parse_zone(name, {**definition, **_pools_of(value, definition)})
    pages, known = read_export(value, zone.network["cidr"]), ledger.read(zone.name)
    if value.get("zone") != zone.name:
        raise SpecError("zone", zone.name, f"is not the zone in {file}, which is {value.get('zone')!r}")
    promised = known.claims or known.held
    # Hosts and pools alone are no reason to import again: every plan writes them as they are then.
    bare = not promised and (known.hosts != pages.hosts or ledger.read_zone(zone.name) != pages_of(zone))
    changed = bare or (known.claims, known.held) != (pages.claims, pages.held)
    if changed:
        check_empty(zone.name, known)
    if changed and not check_mode:
        with ledger.write(zone.name) as book:
            declare(book, zone)
            import_zone(book, pages)
    return {"changed": changed, "claims": len(pages.claims), "diff": {"before": _lines(known), "after": _lines(pages)}}


def _pools_of(value: object, definition: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a definition leaves to the ledger of its pools and the file has; files of older versions have none of it."""
    told = value.get("pools") if isinstance(value, Mapping) else None
    if told is None:
        return {}
    return {key: item for key, item in check_keys("path: pools", told, KEYS).items() if key in left_to_ledger(definition)}


def _lines(pages: Snapshot) -> list[str]:
    return [claim.name for claim in pages.claims] + [f"{item.address} {item.state}" for item in pages.held]


def _write(file: Path, text: str) -> None:
    # It holds the names of tenants, so it is for its owner, as mkstemp makes it.
    number, name = tempfile.mkstemp(prefix=f".{file.name}.", dir=file.parent)
    try:
        with open(number, "w", encoding="utf-8") as stream:
            stream.write(text)
            stream.flush()
            os.fsync(stream.fileno())
        os.replace(name, file)
    except BaseException:
        os.unlink(name)
        raise
