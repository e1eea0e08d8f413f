# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: may change without notice.
"""One zone's pages of the ledger while its lock is held: each method is one statement, or few of one transaction."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import groupby
from typing import Any, TypeVar

from ...module_utils._domain.claims import RELEASED, Claim, Held, KnownHost, Snapshot
from ...module_utils._domain.errors import RefusedError
from ...module_utils._domain.pools import Ranges, number_of, show_address
from .rows import claim_row, extra_rows, extra_states, held_row, read_claim, read_extra

# Hosts' tests import every file without it; the actions say so when it is missing (schema.MISSING).
with suppress(ImportError):
    from sqlalchemy import Connection, delete, insert, or_, select, update

    from .schema import CLAIMS, EVENTS, HOSTS, POOLS, ZONES

MOMENT = "%Y-%m-%dT%H:%M:%SZ"
# SQLite takes 32766 values in one statement.
_PORTION = 5000
# What the column of an event's target holds.
_LONGEST = 255
_POOL, _RESERVED = "pool", "reserved"
Value = TypeVar("Value", int, str)


@dataclass(frozen=True)
class ZonePages:
    """A zone's network, how many seconds a released address rests, its pools and reserved ranges."""

    network: Mapping[str, Any]
    hold: int
    pools: Ranges
    reserved: Ranges


class Book:
    """The pages of one zone, open for writing."""

    def __init__(self, connection: Connection, zone: str, moment: datetime, who: str) -> None:
        self.connection = connection
        self.zone_name = self._zone = zone
        self._now = moment
        self._moment = moment.strftime(MOMENT)
        self._who = who

    def snapshot(self, hosts: Collection[str] = ()) -> Snapshot:
        """Return what is written now, with the claims of other zones on ``hosts``."""
        return read_snapshot(self.connection, self._zone, hosts)

    def zone(self) -> ZonePages | None:
        """Return the zone's network, pools, reserved ranges and hold time; None when it was never declared."""
        return read_zone(self.connection, self._zone)

    def declare(self, network: Mapping[str, Any], hold: int, pools: Ranges, reserved: Ranges, why: str = "declared") -> None:
        """Write the zone's network, pools, reserved ranges and hold time (seconds)."""
        before, after = self.zone(), ZonePages(dict(network), hold, pools, reserved)
        values = {"network": dict(network), "hold": hold}
        done = self.connection.execute(update(ZONES).where(ZONES.c.name == self._zone).values(values))
        if done.rowcount == 0:
            self.connection.execute(insert(ZONES).values(name=self._zone, **values))
        self.connection.execute(delete(POOLS).where(POOLS.c.zone == self._zone))
        spans = [(_POOL, *span) for span in pools.spans] + [(_RESERVED, *span) for span in reserved.spans]
        if spans:
            rows = [{"zone": self._zone, "purpose": purpose, "first": first, "last": last} for purpose, first, last in spans]
            self.connection.execute(insert(POOLS), rows)
        shown = _show_pages(before) if before else {}
        self.record("declare", [f"{part}: {text}" for part, text in _show_pages(after).items() if shown.get(part) != text], why)

    def rest(self, hold: int) -> None:
        """Forget released addresses that have rested for ``hold`` seconds; one that claims to come later than now begins to rest now."""
        before = (self._now - timedelta(seconds=hold)).strftime(MOMENT)
        self._delete(CLAIMS.c.state == RELEASED, CLAIMS.c.since <= before)
        # The clock was ahead when it was released; it would rest until that comes true.
        ahead = CLAIMS.c.zone == self._zone, CLAIMS.c.state == RELEASED, CLAIMS.c.since > self._moment
        self.connection.execute(update(CLAIMS).where(*ahead).values(since=self._moment))

    def claim(self, claims: Collection[Claim], why: str) -> None:
        """Write new claims. An address that rests after a release may be claimed; any other that is taken is an IntegrityError."""
        self._wake(address for claim in claims for address in claim.addresses)
        if claims:
            self.connection.execute(insert(CLAIMS), [claim_row(self._zone, claim, self._moment) for claim in claims])
        self._add_extra(claims)
        self.record("claim", [f"{claim.name} {' '.join(claim.addresses)} {claim.host}" for claim in claims], why)

    def change(self, claims: Iterable[Claim], why: str) -> None:
        """Write claims anew that are known by their name; RefusedError for one that is not."""
        changed, moved, had = [], [], self._extra()
        for claim in claims:
            row = claim_row(self._zone, claim, self._moment)
            done = self.connection.execute(update(CLAIMS).where(CLAIMS.c.zone == self._zone, CLAIMS.c.name == claim.name).values(row))
            if done.rowcount != 1:
                raise RefusedError(f"ledger: zone {self._zone} has no claim of {claim.name}")
            changed.append(f"{claim.name} {claim.state}")
            if had.get(claim.name, {}) != extra_states(claim):
                moved.append(claim)
        self.record("change", changed, why)
        self._change_extra(moved, had, why)

    def release(self, claims: Collection[Claim], why: str) -> None:
        """End claims; their addresses rest."""
        for some in _portions([claim.name for claim in claims]):
            self._delete(or_(CLAIMS.c.name.in_(some), CLAIMS.c.owner.in_(some)))
        self.hold([address for claim in claims for address in claim.addresses], RELEASED, why)
        self.record("release", [f"{claim.name} {' '.join(claim.addresses)}" for claim in claims], why)

    def hold(self, addresses: Collection[str], state: str, why: str) -> None:
        """Let addresses rest or quarantine them. One that an instance has is an IntegrityError."""
        self._let_go(addresses)
        if addresses:
            self.connection.execute(insert(CLAIMS), [held_row(self._zone, address, state, why, self._moment) for address in addresses])
        if state != RELEASED:
            self.record(state, addresses, why)

    def keep(self, held: Collection[Held], why: str) -> None:
        """Write addresses that rest or are quarantined as they were written elsewhere, with their own reasons and moments."""
        if held:
            rows = [held_row(self._zone, item.address, item.state, item.why, item.since) for item in held]
            self.connection.execute(insert(CLAIMS), rows)
        self.record("hold", [f"{item.address} {item.state}" for item in held], why)

    def restore(self, addresses: Collection[str], why: str) -> None:
        """Put addresses that rest or are quarantined back into use."""
        self._let_go(addresses)
        self.record("restore", addresses, why)

    def know(self, hosts: Collection[KnownHost], seen: Collection[str]) -> None:
        """Write the hosts of the zone, all of them; ``seen`` names those that have just answered."""
        before = {row.name: row for row in self.connection.execute(select(HOSTS).where(HOSTS.c.zone == self._zone))}
        self.connection.execute(delete(HOSTS).where(HOSTS.c.zone == self._zone))
        rows = [
            {
                "zone": self._zone,
                "name": host.name,
                "state": host.state,
                "why": host.why,
                "vcpus": host.vcpus,
                "memory": host.memory,
                "disk": host.disk,
                "kinds": list(host.kinds),
                "devices": dict(host.devices),
                "addresses": list(host.addresses),
                "seen": self._moment if host.name in seen else getattr(before.get(host.name), "seen", None),
            }
            for host in hosts
        ]
        if rows:
            self.connection.execute(insert(HOSTS), rows)
        states = {host.name: host.state for host in hosts}
        changed = [name for name, state in states.items() if name not in before or before[name].state != state]
        self.record("host", [f"{name} {states[name]}" for name in changed], "the state that is declared for it")
        self.record("host", [f"{name} left" for name in sorted(before.keys() - states.keys())], "it is not in the zone any more")

    def record(self, action: str, targets: Collection[str], why: str) -> None:
        """Write who did what, when and why."""
        common = {"moment": self._moment, "zone": self._zone, "who": self._who, "action": action, "why": why}
        if targets:
            self.connection.execute(insert(EVENTS), [{**common, "target": target[:_LONGEST]} for target in targets])

    def erase(self) -> None:
        """Forget all claims, held addresses and hosts of the zone; the events stay."""
        self._delete()
        self.connection.execute(delete(HOSTS).where(HOSTS.c.zone == self._zone))

    def _extra(self) -> dict[str, dict[str, str]]:
        """Return by the name of each instance its extra addresses, each with its state."""
        rows = self.connection.execute(select(CLAIMS).where(CLAIMS.c.zone == self._zone, CLAIMS.c.owner.is_not(None)))
        return read_extra(rows)

    def _add_extra(self, claims: Iterable[Claim]) -> None:
        rows = extra_rows(self._zone, claims, self._moment)
        if rows:
            self.connection.execute(insert(CLAIMS), rows)

    def _change_extra(self, claims: Collection[Claim], had: Mapping[str, Mapping[str, str]], why: str) -> None:
        """Write the extra addresses of claims anew; those that they held and do not any more rest."""
        for some in _portions([claim.name for claim in claims]):
            self._delete(CLAIMS.c.owner.in_(some))
        coming = {address for claim in claims for address in claim.addresses[1:]}
        self._wake(coming)
        self._add_extra(claims)
        self.hold([address for claim in claims for address in had.get(claim.name, ()) if address not in coming], RELEASED, why)
        self.record("change", [f"{claim.name} {' '.join(claim.addresses)}" for claim in claims], why)

    def _wake(self, addresses: Iterable[str]) -> None:
        """Forget that addresses rest, so that they can be claimed."""
        for some in _portions([number_of(address) for address in addresses]):
            self._delete(CLAIMS.c.state == RELEASED, CLAIMS.c.address.in_(some))

    def _let_go(self, addresses: Collection[str]) -> None:
        """Forget that addresses rest or are quarantined."""
        for some in _portions([number_of(address) for address in addresses]):
            self._delete(CLAIMS.c.name.is_(None), CLAIMS.c.owner.is_(None), CLAIMS.c.address.in_(some))

    def _delete(self, *conditions: Any) -> None:
        self.connection.execute(delete(CLAIMS).where(CLAIMS.c.zone == self._zone, *conditions))


def read_snapshot(connection: Connection, zone: str, shared: Collection[str] = ()) -> Snapshot:
    """Return a zone's pages, with the claims of other zones on the hosts that are ``shared`` with them."""
    # Sorted here: databases have orders of their own for names.
    rows = connection.execute(select(CLAIMS).where(CLAIMS.c.zone == zone)).all()
    hosts = sorted(connection.execute(select(HOSTS).where(HOSTS.c.zone == zone)), key=lambda row: str(row.name))
    held = [Held(show_address(row.address), row.state, row.why, row.since) for row in rows if row.name is None and row.owner is None]
    extra = read_extra(row for row in rows if row.owner is not None)
    claims = (read_claim(row, extra.get(row.name, {})) for row in rows if row.name is not None)
    return Snapshot(
        claims=tuple(sorted(claims, key=lambda claim: claim.name)),
        held=tuple(sorted(held, key=lambda item: number_of(item.address))),
        hosts=tuple(
            KnownHost(row.name, row.vcpus, row.memory, row.disk, row.state, row.why, tuple(row.kinds), row.devices, tuple(row.addresses))
            for row in hosts
        ),
        elsewhere=tuple(_elsewhere(connection, zone, sorted(shared))),
    )


def _elsewhere(connection: Connection, zone: str, hosts: Sequence[str]) -> Iterator[Claim]:
    if not hosts:
        return
    others = select(CLAIMS).where(CLAIMS.c.zone != zone, CLAIMS.c.owner.is_not(None)).order_by(CLAIMS.c.zone)
    extra = {other: read_extra(rows) for other, rows in groupby(connection.execute(others), key=lambda row: str(row.zone))}
    for some in _portions(hosts):
        taken = CLAIMS.c.zone != zone, CLAIMS.c.name.is_not(None), CLAIMS.c.host.in_(some)
        rows = connection.execute(select(CLAIMS).where(*taken).order_by(CLAIMS.c.zone, CLAIMS.c.name))
        yield from (read_claim(row, extra.get(row.zone, {}).get(row.name, {})) for row in rows)


def read_events(connection: Connection, zone: str, limit: int) -> list[dict[str, str]]:
    """Return the last events of a zone, the newest first."""
    shown = (EVENTS.c.moment, EVENTS.c.who, EVENTS.c.action, EVENTS.c.target, EVENTS.c.why)
    rows = connection.execute(select(*shown).where(EVENTS.c.zone == zone).order_by(EVENTS.c.id.desc()).limit(limit))
    return [dict(row._mapping) for row in rows]


def _show_pages(pages: ZonePages) -> dict[str, str]:
    """Return what is declared of a zone as its events tell it."""
    network = {key: ", ".join(value) if isinstance(value, list) else str(value) for key, value in sorted(pages.network.items()) if value}
    ranges = {"pools": ", ".join(pages.pools.show()) or "the whole network", "reserved": ", ".join(pages.reserved.show()) or "nothing"}
    return {**network, **ranges, "hold": str(pages.hold)}


def read_zones(connection: Connection) -> tuple[str, ...]:
    """Return the names of all zones, sorted in the same way on every database."""
    return tuple(sorted(connection.scalars(select(ZONES.c.name))))


def read_zone(connection: Connection, zone: str) -> ZonePages | None:
    """Return what a zone's pools are."""
    found = connection.execute(select(ZONES).where(ZONES.c.name == zone)).first()
    if found is None:
        return None
    rows = connection.execute(select(POOLS).where(POOLS.c.zone == zone).order_by(POOLS.c.first)).all()
    spans = {purpose: tuple((row.first, row.last) for row in rows if row.purpose == purpose) for purpose in (_POOL, _RESERVED)}
    return ZonePages(found.network, found.hold, Ranges(spans[_POOL]), Ranges(spans[_RESERVED]))


def _portions(values: Sequence[Value]) -> Iterable[Sequence[Value]]:
    return (values[start : start + _PORTION] for start in range(0, len(values), _PORTION))
