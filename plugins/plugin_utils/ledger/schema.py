# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: may change without notice.
"""The tables of the ledger as they are now. What must be unique is unique here, in the database, whatever code says.

A change of a table is a change here and a step in ``migrations.py``.
"""

from __future__ import annotations

try:
    from sqlalchemy import JSON, BigInteger, Boolean, Column, ForeignKey, Integer, MetaData, String, Table, Text, UniqueConstraint
except ImportError as error:
    MISSING: ImportError | None = error
else:
    MISSING = None
    METADATA = MetaData()
    # Moments are UTC in ISO 8601, such as 2026-11-22T20:30:00Z: they sort as text and read the same in every database.
    _MOMENT = String(20)
    _NAME = String(253)

    def _zone(*, key: bool = False) -> Column[str]:
        return Column("zone", _NAME, ForeignKey("zones.name", ondelete="CASCADE"), nullable=False, primary_key=key)

    VERSION = Table("ledger_version", METADATA, Column("version", Integer, nullable=False))
    ZONES = Table(
        "zones",
        METADATA,
        Column("name", _NAME, primary_key=True),
        Column("network", JSON, nullable=False),
        Column("hold", Integer, nullable=False),
    )
    POOLS = Table(
        "pools",
        METADATA,
        _zone(key=True),
        Column("purpose", String(8), primary_key=True),  # pool or reserved
        Column("first", BigInteger, primary_key=True, autoincrement=False),
        Column("last", BigInteger, nullable=False),
    )
    CLAIMS = Table(
        "claims",
        METADATA,
        Column("id", BigInteger().with_variant(Integer, "sqlite"), primary_key=True),
        _zone(),
        Column("address", BigInteger, nullable=False),
        # An address that no instance has (released, quarantined) is a row without the columns from here to explicit.
        Column("name", _NAME),
        # So is one that an instance has beside its own; this is the name of that instance.
        Column("owner", _NAME),
        Column("mac", String(17)),
        Column("host", _NAME),
        Column("tenant", _NAME),
        Column("app", _NAME),
        Column("kind", String(9)),
        Column("index", Integer),
        Column("vcpus", Integer),
        Column("memory", BigInteger),
        Column("disk", BigInteger),
        Column("rules", JSON),
        Column("devices", JSON),
        Column("protected", Boolean),
        # Whether an entry means it by its name or address; nothing where no plan has told yet.
        Column("explicit", Boolean),
        Column("state", String(11), nullable=False),
        Column("why", Text, nullable=False, default=""),
        Column("since", _MOMENT, nullable=False),
        UniqueConstraint("zone", "address"),
        UniqueConstraint("zone", "name"),
        UniqueConstraint("zone", "mac"),
        UniqueConstraint("zone", "tenant", "app", "kind", "index"),
    )
    HOSTS = Table(
        "hosts",
        METADATA,
        _zone(key=True),
        Column("name", _NAME, primary_key=True),
        Column("state", String(8), nullable=False),
        Column("why", Text, nullable=False, default=""),
        Column("vcpus", Integer, nullable=False),
        Column("memory", BigInteger, nullable=False),
        Column("disk", BigInteger, nullable=False),
        Column("kinds", JSON, nullable=False),
        Column("devices", JSON, nullable=False),
        Column("addresses", JSON, nullable=False),
        Column("seen", _MOMENT),
    )
    EVENTS = Table(
        "events",
        METADATA,
        Column("id", BigInteger().with_variant(Integer, "sqlite"), primary_key=True),
        Column("moment", _MOMENT, nullable=False, index=True),
        Column("zone", _NAME, nullable=False),
        Column("who", String(255), nullable=False),
        Column("action", String(32), nullable=False),
        Column("target", String(255), nullable=False),
        Column("why", Text, nullable=False),
    )
