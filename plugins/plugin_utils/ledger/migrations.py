# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: may change without notice.
"""The way of a ledger from any older version to the present one.

A step is a function that changes the tables of one version into those of the next. It is never edited once released, and it
names tables by SQL, not by ``schema.py``, which moves on. The first one alone makes the tables as they are now, so every later one
looks whether what it adds is there.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress

from ...module_utils._domain.errors import RefusedError

# Hosts' tests import every file without it; the actions say so when it is missing (schema.MISSING).
with suppress(ImportError):
    from sqlalchemy import Connection, insert, inspect, select, text, update

    from .schema import METADATA, VERSION

Step = Callable[["Connection"], None]


def _first_tables(connection: Connection) -> None:
    METADATA.create_all(connection)


def _extra_addresses(connection: Connection) -> None:
    if "owner" not in {column["name"] for column in inspect(connection).get_columns("claims")}:
        connection.execute(text("ALTER TABLE claims ADD COLUMN owner VARCHAR(253)"))


def _explicit(connection: Connection) -> None:
    if "explicit" not in {column["name"] for column in inspect(connection).get_columns("claims")}:
        connection.execute(text("ALTER TABLE claims ADD COLUMN explicit BOOLEAN"))


STEPS: Sequence[Step] = (_first_tables, _extra_addresses, _explicit)


def version_of(connection: Connection, where: str, steps: Sequence[Step] = STEPS) -> int | None:
    """Return the version of a ledger's tables, None when there are none; RefusedError for one that is not known."""
    if not inspect(connection).has_table(VERSION.name):
        return None
    versions = connection.scalars(select(VERSION.c.version)).all()
    if len(versions) != 1:
        raise RefusedError(
            f"ledger: {where} does not say which version it has, so it is damaged; restore a copy, or move it away and rebuild it"
        )
    if versions[0] > len(steps):
        raise RefusedError(
            f"ledger: {where} has version {versions[0]}, made by a newer zonal.cloud; this one knows {len(steps)}: update it"
        )
    return int(versions[0])


def migrate(connection: Connection, where: str, steps: Sequence[Step] = STEPS) -> int:
    """Bring the tables to the newest version within the caller's transaction; return the version they had."""
    found = version_of(connection, where, steps)
    version = found or 0
    for step in steps[version:]:
        step(connection)
    if found is None:
        connection.execute(insert(VERSION).values(version=len(steps)))
    elif version < len(steps):
        connection.execute(update(VERSION).values(version=len(steps)))
    return version
