# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: may change without notice.
"""The ledger: the durable book of a zone's promises. It is read freely, and written by one process for each zone at a time."""

from __future__ import annotations

import getpass
import os
import socket
from collections.abc import Callable, Collection, Iterator
from contextlib import ExitStack, contextmanager, suppress
from datetime import datetime, timedelta, timezone
from typing import TypeVar

from ...module_utils._domain.claims import Snapshot
from ...module_utils._domain.errors import RefusedError, ZonalError
from .book import Book, ZonePages, read_events, read_snapshot, read_zone, read_zones
from .engines import is_busy, open_database
from .migrations import STEPS, migrate, version_of

# Hosts' tests import every file without it; the actions say so when it is missing (schema.MISSING).
with suppress(ImportError):
    from sqlalchemy import Connection
    from sqlalchemy.exc import DBAPIError, IntegrityError, OperationalError

DEFAULT_TIMEOUT = 60.0
_UTC = timezone(timedelta())
# No zone has this name: it locks the tables themselves.
_ALL_ZONES = "*"
Pages = TypeVar("Pages")
Clock = Callable[[], datetime]


class LedgerError(ZonalError):
    """The database did not do what was asked; nothing was changed."""

    def __init__(self, tried: str, where: str, cause: object) -> None:
        text = " ".join(str(cause).split())
        super().__init__(f"ledger: cannot {tried} {where}: {text}; nothing was changed", tried=tried, where=where)


class LedgerBusy(ZonalError):
    """Another process plans in the same zone, or on hosts of it, for longer than we wait."""

    def __init__(self, zone: str, where: str, timeout: float, holder: str) -> None:
        super().__init__(
            f"ledger: zone {zone} in {where}, or a host of it, has been locked for more than {timeout:g} s by {holder}; "
            "nothing was changed, try again later",
            zone=zone,
            holder=holder,
        )


def now() -> datetime:
    """Return the present moment in UTC."""
    return datetime.now(_UTC)


def who_am_i() -> str:
    """Return who runs this, for the lock's message and the events: an AWX job says its number."""
    job = os.environ.get("JOB_ID")
    try:
        user = getpass.getuser()
    except (KeyError, OSError):
        # A container may run as a user that has no name.
        user = f"uid {os.getuid()}"
    return f"{user}@{socket.gethostname()}" + (f" (AWX job {job})" if job else f" (process {os.getpid()})")


class Ledger:
    """A ledger at a path or URL."""

    def __init__(self, where: str, *, timeout: float = DEFAULT_TIMEOUT, clock: Clock = now, who: str | None = None) -> None:
        self._database = open_database(where, timeout)
        self._timeout = timeout
        self._clock = clock
        self._who = who or who_am_i()
        self._ready = False

    @property
    def where(self) -> str:
        """The place of the ledger, without a password."""
        return self._database.where

    def zones(self) -> tuple[str, ...] | None:
        """Return the names of all zones, sorted; None when there is no ledger at all."""
        return self._read(read_zones, None)

    def read(self, zone: str, hosts: Collection[str] = ()) -> Snapshot:
        """Return a zone's pages as they are committed; an empty snapshot when there is none. Writes nothing at all.

        With ``hosts`` it also has the claims of other zones on these.
        """
        return self._read(lambda connection: read_snapshot(connection, zone, hosts), Snapshot())

    def read_zone(self, zone: str) -> ZonePages | None:
        """Return what a zone's pools are; None when it is not in the ledger."""
        return self._read(lambda connection: read_zone(connection, zone), None)

    def events(self, zone: str, limit: int) -> list[dict[str, str]]:
        """Return who did what, when and why in a zone: the last ``limit`` events, the newest first."""
        return self._read(lambda connection: read_events(connection, zone, limit), [])

    def _read(self, read: Callable[[Connection], Pages], nothing: Pages) -> Pages:
        if not self._database.exists():
            return nothing
        with self._told("read"), self._database.engine.connect() as connection, connection.begin():
            version = version_of(connection, self.where)
            if version is None:
                return nothing
            if version != len(STEPS):
                raise RefusedError(
                    f"ledger: {self.where} has version {version}, needed is {len(STEPS)}; a run without check mode updates it"
                )
            return read(connection)

    @contextmanager
    def write(self, zone: str, hosts: Collection[str] = ()) -> Iterator[Book]:
        """Lock a zone and give its pages; all that is written in the block is kept together, or nothing when it raises.

        With ``hosts`` no other zone is planned on these meanwhile.
        """
        self._prepare()
        with ExitStack() as stack:
            stack.enter_context(self._told("write"))
            yield stack.enter_context(self._locked(zone, hosts))

    def _prepare(self) -> None:
        """Make or update the tables when they are not of this version, once in a process."""
        if self._ready:
            return
        self._database.prepare()
        with self._told("open"):
            with self._database.engine.connect() as connection, connection.begin():
                version = version_of(connection, self.where)
            if version != len(STEPS):
                with self._locked(_ALL_ZONES) as book:
                    migrate(book.connection, self.where)
        self._ready = True

    @contextmanager
    def _locked(self, zone: str, hosts: Collection[str] = ()) -> Iterator[Book]:
        try:
            with self._database.locking() as connection, connection.begin():
                if not self._database.lock(connection, zone, hosts, self._timeout, self._who):
                    raise LedgerBusy(zone, self.where, self._timeout, self._database.holder(zone, hosts))
                yield Book(connection, zone, self._clock(), self._who)
                self._database.unlocked(zone)
        except OperationalError as error:
            if is_busy(error):
                raise LedgerBusy(zone, self.where, self._timeout, self._database.holder(zone, hosts)) from error
            raise

    @contextmanager
    def _told(self, tried: str) -> Iterator[None]:
        try:
            yield
        except IntegrityError as error:
            raise LedgerError(f"{tried} what is already taken in", self.where, error.orig) from error
        except DBAPIError as error:
            raise LedgerError(tried, self.where, error.orig) from error
        except UnicodeEncodeError as error:
            # A name that came from bytes which are no text.
            raise LedgerError(tried, self.where, error) from error
