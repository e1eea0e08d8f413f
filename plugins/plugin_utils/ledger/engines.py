# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: may change without notice.
"""Where the two databases differ: how they are reached, how a zone is locked, and who holds the lock.

SQLite locks the whole file (``BEGIN IMMEDIATE``), PostgreSQL one zone and the hosts that it is planned on, which other zones may have
too (a transaction's advisory locks). Either belongs to the transaction, so it ends with the process that holds it, however that ends.
"""

from __future__ import annotations

import hashlib
import os
import sqlite3
from collections.abc import Collection
from contextlib import suppress
from pathlib import Path
from typing import Any, Protocol

from ...module_utils._domain.errors import SpecError

# Hosts' tests import every file without it; the actions say so when it is missing (schema.MISSING).
with suppress(ImportError):
    from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url, text
    from sqlalchemy.exc import ArgumentError, NoSuchModuleError, OperationalError
    from sqlalchemy.pool import NullPool

_BEGIN = "zonal_begin"
_DRIVERS = {"postgresql": "postgresql+psycopg", "postgres": "postgresql+psycopg"}
# What a URL's query may tell everybody; libpq also takes passwords there.
_OPEN_KEYS = frozenset({"host", "port", "dbname", "sslmode", "service", "connect_timeout"})
_ESCAPE = "in names and passwords, @ is written as %40, : as %3A, / as %2F and ? as %3F"
# lock_timeout is a whole number of milliseconds of 31 bits; 0 would mean to wait for ever.
_SHORTEST, _LONGEST = 1, 2**31 - 1
_HOST_LOCKS = 1024


class Database(Protocol):
    """One kind of database behind a ledger."""

    engine: Engine
    where: str

    def exists(self) -> bool:
        """Tell whether there is anything to read; never makes it."""

    def prepare(self) -> None:
        """Make the place where the database will be."""

    def locking(self) -> Connection:
        """Return a connection whose ``begin`` may wait for other writers."""

    def lock(self, connection: Connection, zone: str, hosts: Collection[str], timeout: float, who: str) -> bool:
        """Lock a zone, then hosts, in the transaction that has begun; False when another holds one for longer than ``timeout`` seconds."""

    def holder(self, zone: str, hosts: Collection[str]) -> str:
        """Return who holds one of the locks, in words."""

    def unlocked(self, zone: str) -> None:
        """Tidy up after the transaction."""


def open_database(where: str, timeout: float) -> Database:
    """Return the database at a path (SQLite) or URL; SpecError for one that cannot be used, without what may be a password."""
    if "://" not in where:
        return SqliteFile(_path_of(where), timeout)
    # Of what cannot be read nobody knows which part is the password.
    scheme = f"{where.partition('://')[0]}://..."
    try:
        url = make_url(where)
    except (ArgumentError, ValueError):
        raise SpecError("ledger", scheme, f"is not a usable database URL; {_ESCAPE}") from None
    if "@" in (url.host or ""):
        raise SpecError("ledger", scheme, f"is not a usable database URL: there is more than one @; {_ESCAPE}")
    shown = _shown(url)
    if url.get_backend_name() == "sqlite":
        if url.database in (None, "", ":memory:"):
            raise SpecError("ledger", shown, "names no file; write sqlite:///relative/path, sqlite:////absolute/path or only the path")
        return SqliteFile(_path_of(str(url.database)), timeout)
    url = url.set(drivername=_DRIVERS.get(url.drivername, url.drivername))
    if url.get_backend_name() != "postgresql":
        raise SpecError("ledger", shown, "is neither SQLite nor PostgreSQL")
    try:
        # Whatever a server's default is: what is read under the lock is what the holder before has left.
        return Postgres(create_engine(url, poolclass=NullPool, isolation_level="READ COMMITTED"), shown)
    except (ArgumentError, NoSuchModuleError, ModuleNotFoundError, ValueError) as error:
        raise SpecError("ledger", shown, f"is not a usable database URL ({error})") from error


def _shown(url: URL) -> str:
    """Return a URL for messages: without its password, and of its query only what is known to be none."""
    open_keys = {key: value if key in _OPEN_KEYS else "hidden" for key, value in url.query.items()}
    return url.set(query=open_keys).render_as_string(hide_password=True)


def _path_of(where: str) -> Path:
    try:
        path = Path(where).expanduser()
    except RuntimeError as error:
        raise SpecError("ledger", where, f"is not a path that can be used ({error})") from error
    if not path.name or "\0" in where:
        raise SpecError("ledger", where, "is not the path of a file")
    return path


class SqliteFile:
    """One file. The rollback journal, not WAL: one file to copy, and network file systems that cannot map shared memory."""

    def __init__(self, path: Path, timeout: float) -> None:
        # The driver counts in milliseconds of 31 bits, too, and of more it makes no patience at all.
        timeout = min(timeout, _LONGEST // 1000)
        self._path = path
        self._holder = path.with_name(f"{path.name}.holder")
        self.where = str(path)
        # Not by URL: a path may have every character, and an absolute one is never the name of a database in memory.
        self.engine = create_engine("sqlite://", poolclass=NullPool, creator=lambda: sqlite3.connect(path.absolute(), timeout=timeout))
        event.listen(self.engine, "connect", _connected)
        event.listen(self.engine, "begin", _begun)

    def exists(self) -> bool:
        try:
            self._path.stat()
        except (FileNotFoundError, NotADirectoryError):
            return False
        except OSError as error:
            raise SpecError("ledger", self.where, f"cannot be looked at ({error})") from error
        return True

    def prepare(self) -> None:
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            # It names tenants and what they have: for nobody else, until its owner says so.
            with suppress(FileExistsError):
                os.close(os.open(self._path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
        except OSError as error:
            raise SpecError(
                "ledger", self.where, f"cannot be made ({error}); name another place, in playbooks with zonal_ledger_url"
            ) from error

    def locking(self) -> Connection:
        return self.engine.connect().execution_options(**{_BEGIN: "BEGIN IMMEDIATE"})

    def lock(self, connection: Connection, zone: str, hosts: Collection[str], timeout: float, who: str) -> bool:
        # BEGIN IMMEDIATE has the lock. The file is only for the message that another process may have to write.
        with suppress(OSError):
            self._holder.write_text(f"{who}, for zone {zone}", encoding="utf-8")
        return True

    def holder(self, zone: str, hosts: Collection[str]) -> str:
        with suppress(OSError):
            return self._holder.read_text(encoding="utf-8") or "a process that did not say who it is"
        return "a process that did not say who it is"

    def unlocked(self, zone: str) -> None:
        # Before the lock is given up, or the next holder's name would go.
        with suppress(OSError):
            self._holder.unlink()


class Postgres:
    """A server. The name of the holder is the name of its session."""

    def __init__(self, engine: Engine, where: str) -> None:
        self.engine = engine
        self.where = where

    def exists(self) -> bool:
        return True

    def prepare(self) -> None:
        """Nothing: a server's database is made by its administrator."""

    def locking(self) -> Connection:
        return self.engine.connect()

    def lock(self, connection: Connection, zone: str, hosts: Collection[str], timeout: float, who: str) -> bool:
        # 63 bytes are what PostgreSQL keeps of such a name.
        connection.execute(text("SELECT set_config('application_name', :who, true)"), {"who": who[:63]})
        longest = min(max(int(timeout * 1000), _SHORTEST), _LONGEST)
        connection.execute(text("SELECT set_config('lock_timeout', :timeout, true)"), {"timeout": f"{longest}ms"})
        try:
            # One after the other in the order of the array.
            connection.execute(
                text("SELECT pg_advisory_xact_lock(key) FROM unnest(CAST(:keys AS bigint[])) AS key"), {"keys": _keys(zone, hosts)}
            )
        except OperationalError as error:
            if getattr(error.orig, "sqlstate", None) == "55P03":
                # Or those that it has got by then would seem to be what it waits for.
                connection.rollback()
                return False
            raise
        connection.execute(text("SELECT set_config('lock_timeout', '0', true)"))
        return True

    def holder(self, zone: str, hosts: Collection[str]) -> str:
        query = text(
            "SELECT application_name, client_addr, backend_start FROM pg_stat_activity JOIN pg_locks USING (pid)"
            " WHERE locktype = 'advisory' AND granted AND classid::bigint << 32 | objid::bigint = ANY(:keys)"
        )
        with self.engine.connect() as connection:
            row = connection.execute(query, {"keys": _keys(zone, hosts)}).first()
        return f"{row[0]}, connected from {row[1] or 'this machine'} since {row[2]:%H:%M:%S}" if row else "nobody any more; try again"

    def unlocked(self, zone: str) -> None:
        """Nothing: the session ends with its name."""


def is_busy(error: OperationalError) -> bool:
    """Tell whether SQLite gave up waiting for another writer."""
    return "locked" in str(error.orig)


def _keys(zone: str, hosts: Collection[str]) -> list[int]:
    """Return what is to be locked, in this order.

    Nobody who holds a host waits for a zone, and hosts come in one order for all, so none waits for one who waits for it. They share
    few locks: a server has room for some thousands.
    """
    return [_key(zone), *sorted({_key(f"* host {_key(host) % _HOST_LOCKS}") for host in hosts})]


def _key(name: str) -> int:
    return int.from_bytes(hashlib.sha256(f"zonal.cloud {name}".encode()).digest()[:8], "big") >> 1


def _connected(connection: Any, _record: object) -> None:
    # The driver shall not begin transactions by itself: it would begin them without a lock.
    connection.isolation_level = None
    try:
        connection.execute("PRAGMA foreign_keys = ON")
        connection.execute("PRAGMA synchronous = FULL")
    except sqlite3.Error:
        connection.close()
        raise


def _begun(connection: Connection) -> None:
    connection.exec_driver_sql(str(connection.get_execution_options().get(_BEGIN, "BEGIN")))
