# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: may change without notice.
"""A zone's pages of the ledger as JSON, and back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from ...module_utils._domain.claims import QUARANTINED, RELEASED, Held, KnownHost, Snapshot, load_claim
from ...module_utils._domain.errors import RefusedError, SpecError
from .book import Book

FORMAT = "zonal.cloud ledger 1"


def export_zone(zone: str, snapshot: Snapshot) -> dict[str, Any]:
    """Return a zone as JSON can carry it."""
    return {
        "format": FORMAT,
        "zone": zone,
        "hosts": [{**asdict(host), "kinds": list(host.kinds)} for host in snapshot.hosts],
        "claims": [claim.as_dict() for claim in snapshot.claims],
        "held": [asdict(item) for item in snapshot.held],
    }


def import_zone(book: Book, value: Mapping[str, Any]) -> None:
    """Write what ``export_zone`` returned into a zone that is declared and has no claims yet."""
    pages, known = read_export(value), book.snapshot()
    if known.claims or known.held:
        raise RefusedError(f"ledger: zone {value['zone']} already has {len(known.claims)} claims; an import does not mix with them")
    why = "imported"
    book.claim(pages.claims, why)
    # An address that was resting when it was exported begins its rest again: when it began there may be long ago or not.
    for state in (RELEASED, QUARANTINED):
        book.hold([item.address for item in pages.held if item.state == state], state, why)
    book.know(pages.hosts, ())


def read_export(value: object) -> Snapshot:
    """Return the pages that ``export_zone`` wrote; SpecError when it is something else, for a file may hold anything."""
    told = value.get("format") if isinstance(value, Mapping) else value
    if not isinstance(value, Mapping) or told != FORMAT:
        raise SpecError("path", told, f"is not the format of an export, which is {FORMAT!r}")
    try:
        return Snapshot(
            claims=tuple(load_claim(item) for item in value["claims"]),
            held=tuple(Held(**item) for item in value["held"]),
            hosts=tuple(KnownHost(**{**item, "kinds": tuple(item["kinds"])}) for item in value["hosts"]),
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise SpecError("path", value.get("zone"), f"is the zone of an export that was changed or cut off ({error})") from error
