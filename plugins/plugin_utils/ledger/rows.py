# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: may change without notice.
"""Claims as rows of the ledger, and back: one for the instance, and one for each address that it has beside its own."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import suppress
from typing import Any

from ...module_utils._domain.claims import REMOVING, Claim, dump_rules, load_rules
from ...module_utils._domain.pools import number_of, show_address

# Hosts' tests import every file without it; the actions say so when it is missing (schema.MISSING).
with suppress(ImportError):
    from sqlalchemy import Row

# The state of the row of an extra address; that of one that is leaving is REMOVING.
_EXTRA = "extra"


def claim_row(zone: str, claim: Claim, since: str) -> dict[str, Any]:
    """Return the row of the instance."""
    return {
        "zone": zone,
        "address": number_of(claim.address),
        "name": claim.name,
        "mac": claim.mac,
        "host": claim.host,
        "tenant": claim.tenant,
        "app": claim.app,
        "kind": claim.kind,
        "index": claim.index,
        "vcpus": claim.vcpus,
        "memory": claim.memory,
        "disk": claim.disk,
        "rules": dump_rules(claim.rules),
        "devices": dict(claim.devices),
        "protected": claim.protected,
        "explicit": claim.explicit,
        "state": claim.state,
        "why": "",
        "since": since,
    }


def extra_rows(zone: str, claims: Iterable[Claim], since: str) -> list[dict[str, Any]]:
    """Return the rows of the addresses that instances have beside their own."""
    return [
        {**held_row(zone, address, state, "", since), "owner": claim.name}
        for claim in claims
        for address, state in extra_states(claim).items()
    ]


def held_row(zone: str, address: str, state: str, why: str, since: str) -> dict[str, Any]:
    """Return the row of an address that is not given out."""
    return {"zone": zone, "address": number_of(address), "state": state, "why": why, "since": since}


def extra_states(claim: Claim) -> dict[str, str]:
    """Return the addresses that an instance has beside its own, with the states of their rows."""
    return {**dict.fromkeys(claim.extra_addresses, _EXTRA), **dict.fromkeys(claim.leaving, REMOVING)}


def read_extra(rows: Iterable[Row[Any]]) -> dict[str, dict[str, str]]:
    """Return the same by the name of each instance that has any, from their rows in any order."""
    extra: dict[str, dict[str, str]] = {}
    for row in sorted(rows, key=lambda row: int(row.address)):
        extra.setdefault(row.owner, {})[show_address(row.address)] = row.state
    return extra


def read_claim(row: Row[Any], extra: Mapping[str, str]) -> Claim:
    """Return what the row of an instance tells, with the addresses that it has beside its own."""
    return Claim(
        name=row.name,
        address=show_address(row.address),
        host=row.host,
        tenant=row.tenant,
        app=row.app,
        kind=row.kind,
        # A row is a tuple, whose own method index has the name of the column.
        index=row._mapping["index"],
        vcpus=row.vcpus,
        memory=row.memory,
        disk=row.disk,
        state=row.state,
        protected=row.protected,
        explicit=bool(row.explicit),
        rules=load_rules(row.rules),
        devices=tuple(sorted(row.devices.items())),
        extra_addresses=tuple(address for address, state in extra.items() if state != REMOVING),
        leaving=tuple(address for address, state in extra.items() if state == REMOVING),
    )
