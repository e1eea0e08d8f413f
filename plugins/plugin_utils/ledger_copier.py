# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: may change without notice.
"""What ``ledger_copy`` does on the controller: a zone's pages of the ledger into a JSON file, and back."""

from __future__ import annotations

import json
import os
import tempfile
from pathlib import Path
from typing import Any

from ..module_utils._domain.errors import SpecError, ZonalError
from ..module_utils._domain.zone_spec import Zone
from .ledger.store import Ledger
from .ledger.transfer import export_zone, import_zone, read_export
from .zone_pools import declare


def export(ledger: Ledger, zone: str, path: str, *, check_mode: bool) -> dict[str, Any]:
    """Write the zone's pages into a file, whole or not at all, unless it has them already."""
    if ledger.read_zone(zone) is None:
        raise SpecError("zone", zone, f"is not in the ledger {ledger.where}")
    pages = export_zone(zone, ledger.read(zone))
    text = json.dumps(pages, indent=2, sort_keys=True) + "\n"
    file = Path(path).expanduser()
    try:
        before = file.read_text(encoding="utf-8") if file.exists() else ""
        if before != text and not check_mode:
            _write(file, text)
    except (OSError, UnicodeDecodeError) as error:
        raise ZonalError(f"path: cannot write {file}: {error}") from error
    return {"changed": before != text, "claims": len(pages["claims"]), "diff": {"before": before, "after": text}}


def restore(ledger: Ledger, zone: Zone, path: str, *, check_mode: bool) -> dict[str, Any]:
    """Write the file's pages into a zone that has none; nothing changes when it has just these."""
    file = Path(path).expanduser()
    try:
        value = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise ZonalError(f"path: cannot read {file}: {error}") from error
    pages, known = read_export(value), ledger.read(zone.name)
    if value.get("zone") != zone.name:
        raise SpecError("zone", zone.name, f"is not the zone in {file}, which is {value.get('zone')!r}")
    changed = known.claims != pages.claims
    if changed and known.claims:
        raise ZonalError(f"zone: {zone.name} has {len(known.claims)} other claims in the ledger already; an import does not mix with them")
    if changed and not check_mode:
        with ledger.write(zone.name) as book:
            declare(book, zone)
            import_zone(book, value)
    names = {"before": [claim.name for claim in known.claims], "after": [claim.name for claim in pages.claims]}
    return {"changed": changed, "claims": len(pages.claims), "diff": names}


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
