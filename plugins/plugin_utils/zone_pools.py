# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: may change without notice.
"""What a zone's definition says of its pools and what it leaves to the ledger, where ``ip_pool`` has written it."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from ..module_utils._domain.claims import RELEASED, Snapshot
from ..module_utils._domain.pools import check_within, usable
from ..module_utils._domain.zone_spec import Zone
from .ledger.book import MOMENT, Book, ZonePages

KEYS = ("pools", "reserved", "hold")


def left_to_ledger(definition: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the keys of pools that a definition does not have."""
    return tuple(key for key in KEYS if definition.get(key) is None)


def with_ledger(zone: Zone, pages: ZonePages | None, left: Collection[str]) -> Zone:
    """Return the zone with what the ledger has of the keys that are left to it; SpecError when it does not go with the network."""
    if pages is None or not left:
        return zone
    kept = replace(zone, **{key: getattr(pages, key) for key in left})
    gateway = kept.network["gateway"]
    routers = [*([gateway] if gateway else []), *kept.network["dns"]]
    kept = replace(kept, usable=usable(kept.network["cidr"], kept.pools, kept.reserved, routers))
    check_within("reserved", kept.reserved, kept.network["cidr"])
    return kept


def pages_of(zone: Zone) -> ZonePages:
    """Return the zone's network, pools and hold time as the ledger has them."""
    return ZonePages(dict(zone.network), zone.hold, zone.pools, zone.reserved)


def declare(book: Book, zone: Zone) -> None:
    """Write the zone's network, pools and hold time unless they are written so already."""
    if book.zone() != pages_of(zone):
        book.declare(zone.network, zone.hold, zone.pools, zone.reserved)


def rested(snapshot: Snapshot, hold: int, moment: datetime) -> Snapshot:
    """Return the snapshot as it is when addresses that have rested are free again."""
    before = (moment - timedelta(seconds=hold)).strftime(MOMENT)
    return replace(snapshot, held=tuple(item for item in snapshot.held if item.state != RELEASED or item.since > before))
