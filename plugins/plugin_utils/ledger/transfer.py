# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: may change without notice.
"""A zone's pages of the ledger as JSON, and back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from ...module_utils._domain.claims import Snapshot
from ...module_utils._domain.copied import read_pages
from ...module_utils._domain.errors import RefusedError, SpecError
from .book import Book, ZonePages

FORMAT = "zonal.cloud ledger 1"


def export_zone(zone: str, pages: ZonePages, snapshot: Snapshot) -> dict[str, Any]:
    """Return a zone as JSON can carry it."""
    return {
        "format": FORMAT,
        "zone": zone,
        "pools": {"pools": pages.pools.show(), "reserved": pages.reserved.show(), "hold": pages.hold},
        "hosts": [{**asdict(host), "kinds": list(host.kinds)} for host in snapshot.hosts],
        "claims": [claim.as_dict() for claim in snapshot.claims],
        "held": [asdict(item) for item in snapshot.held],
    }


def import_zone(book: Book, pages: Snapshot) -> None:
    """Write what ``read_export`` returned into a zone that is declared and has no claims yet."""
    check_empty(book.zone_name, book.snapshot())
    why = "imported"
    book.claim(pages.claims, why)
    book.keep(pages.held, why)
    book.know(pages.hosts, ())


def check_empty(zone: str, known: Snapshot) -> None:
    """Raise RefusedError when a zone has claims or addresses that are not given out."""
    if known.claims or known.held:
        raise RefusedError(
            f"zone: {zone} has {len(known.claims)} claims and {len(known.held)} resting or quarantined addresses in the ledger already,"
            " and not those of the file; an import does not mix with them"
        )


def read_export(value: object, cidr: str) -> Snapshot:
    """Return the pages that ``export_zone`` wrote; ZonalError with all that is wrong, for a file may hold anything."""
    told = value.get("format") if isinstance(value, Mapping) else value
    if not isinstance(value, Mapping) or told != FORMAT:
        raise SpecError("path", told, f"is not the format of an export, which is {FORMAT!r}")
    return read_pages(value, cidr)
