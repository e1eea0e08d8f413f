# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: may change without notice.
"""What ``ip_pool`` does on the controller: declare a zone's pools, take addresses out of use and back, and tell what is used."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from ..module_utils._domain.addresses import parse_ipv4
from ..module_utils._domain.claims import QUARANTINED, RELEASED, Held, Snapshot
from ..module_utils._domain.errors import MissingError, RefusedError
from ..module_utils._domain.field_values import parse_text
from ..module_utils._domain.fields import parse_spec
from ..module_utils._domain.names import parse_label
from ..module_utils._domain.pools import Ranges, check_within, number_of, parse_ranges, ranges_of, usable
from ..module_utils._domain.zone_spec import DEFAULT_HOLD, parse_count
from .ledger.book import Book, ZonePages
from .ledger.store import Ledger, now
from .zone_pools import rested

WITHDRAWN, AVAILABLE = "withdrawn", "available"


@dataclass(frozen=True)
class PoolWish:
    """What is wanted of a zone's pools: None leaves a part as it is; ``addresses`` are taken out of use or put back."""

    zone: str
    network: Mapping[str, Any] | None
    pools: Ranges | None
    reserved: Ranges | None
    hold: int | None
    state: str
    addresses: tuple[str, ...]
    reason: str


def parse_wish(params: Mapping[str, Any]) -> PoolWish:
    """Return the wish that the module's parameters tell; SpecError or MissingError names the first bad one."""
    if params["state"] in (WITHDRAWN, AVAILABLE) and not params["addresses"]:
        raise MissingError("addresses", f"state {params['state']} needs to know which")
    spec = parse_spec({key: params[key] for key in ("cidr", "gateway", "dns")})
    network = {"cidr": spec["cidr"], "gateway": spec.get("gateway"), "dns": spec.get("dns", [])} if params["cidr"] else None
    pools, reserved = params["pools"], params["reserved"]
    return PoolWish(
        zone=parse_label("zone", params["zone"]),
        network=network,
        pools=None if pools is None else parse_ranges("pools", pools),
        reserved=None if reserved is None else parse_ranges("reserved", reserved),
        hold=None if params["hold"] is None else parse_count("hold", params["hold"]),
        state=params["state"],
        addresses=tuple(dict.fromkeys(str(parse_ipv4(f"addresses[{index}]", item)) for index, item in enumerate(params["addresses"]))),
        reason=parse_text("reason", params["reason"]),
    )


def keep_pool(ledger: Ledger, wish: PoolWish, *, check_mode: bool) -> tuple[dict[str, Any], dict[str, Any]]:
    """Bring the pools to what is wanted; return them before and after in the words of the options."""
    if check_mode:
        return _keep(ledger.read_zone(wish.zone), ledger.read(wish.zone), wish, None)
    with ledger.write(wish.zone) as book:
        return _keep(book.zone(), book.snapshot(), wish, book)


def _keep(found: ZonePages | None, snapshot: Snapshot, wish: PoolWish, book: Book | None) -> tuple[dict[str, Any], dict[str, Any]]:
    wanted = _wanted(found, wish)
    usable(wanted.network["cidr"], wanted.pools, wanted.reserved, _routers(wanted))
    check_within("reserved", wanted.reserved, wanted.network["cidr"])
    if wish.state == WITHDRAWN:
        check_within("addresses", ranges_of(map(number_of, wish.addresses)), wanted.network["cidr"])
    owners = {address: claim for claim in snapshot.claims for address in claim.addresses}
    held = {item.address: item for item in snapshot.held}
    if wish.state == WITHDRAWN:
        claimed = {address: owners[address].name for address in wish.addresses if address in owners}
        if claimed:
            faults = [f"{address} belongs to {name} on {owners[address].host}" for address, name in claimed.items()]
            raise RefusedError(f"addresses: {'; '.join(faults)}; retire it first", claimed=claimed)
    withdrawn = [address for address in wish.addresses if wish.state == WITHDRAWN and _state(held.get(address)) != QUARANTINED]
    restored = [address for address in wish.addresses if wish.state == AVAILABLE and address in held]
    if book is not None:
        if wanted != found:
            book.declare(wanted.network, wanted.hold, wanted.pools, wanted.reserved, wish.reason)
        book.hold(withdrawn, QUARANTINED, wish.reason)
        book.restore(restored, wish.reason)
    moment = now()
    states = {address: state for address, state in _lasting(snapshot, wanted, moment).items() if address not in restored}
    states.update(dict.fromkeys(withdrawn, QUARANTINED))
    before = show_pool(found, list(owners), _lasting(snapshot, found, moment) if found else {})
    return before, show_pool(wanted, list(owners), states)


def _wanted(found: ZonePages | None, wish: PoolWish) -> ZonePages:
    if found is None:
        if wish.network is None:
            raise MissingError("cidr", f"zone {wish.zone} is not in the ledger yet")
        found = ZonePages({}, DEFAULT_HOLD, Ranges(), Ranges())
    # The bridge is the zone plan's word; pools do not know of it.
    network = found.network if wish.network is None else {**found.network, **wish.network}
    return replace(
        found,
        network=network,
        pools=found.pools if wish.pools is None else wish.pools,
        reserved=found.reserved if wish.reserved is None else wish.reserved,
        hold=found.hold if wish.hold is None else wish.hold,
    )


def show_pool(pages: ZonePages | None, owned: Sequence[str], held: Mapping[str, str]) -> dict[str, Any]:
    """Return the pools and what is left of them. ``free`` is what the next instances can have at once."""
    if pages is None:
        return {}
    ranges = usable(pages.network["cidr"], pages.pools, pages.reserved, _routers(pages))
    used = ranges.count(map(number_of, owned))
    resting = [address for address, state in held.items() if state == RELEASED]
    quarantined = [address for address, state in held.items() if state == QUARANTINED]
    return {
        "cidr": pages.network["cidr"],
        "gateway": pages.network.get("gateway"),
        "dns": pages.network.get("dns") or [],
        "pools": pages.pools.show(),
        "reserved": pages.reserved.show(),
        "hold": pages.hold,
        "total": ranges.size,
        "used": used,
        "free": ranges.size - used - ranges.count(map(number_of, held)),
        "resting": sorted(resting, key=number_of),
        "quarantined": sorted(quarantined, key=number_of),
        "unallocated": ranges.minus(ranges_of(map(number_of, (*owned, *quarantined)))).show(),
    }


def _lasting(snapshot: Snapshot, pages: ZonePages, moment: datetime) -> dict[str, str]:
    """Return the states of addresses that are not given out; what has rested is free, though only the next plan writes that down."""
    return {item.address: item.state for item in rested(snapshot, pages.hold, moment).held}


def _routers(pages: ZonePages) -> list[str]:
    gateway = pages.network.get("gateway")
    return [*([gateway] if gateway else []), *(pages.network.get("dns") or [])]


def _state(held: Held | None) -> str:
    return held.state if held is not None else ""
