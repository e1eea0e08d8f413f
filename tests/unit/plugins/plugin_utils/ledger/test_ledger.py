# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The ledger on SQLite: the contract, what is particular to a file, and the way of its tables through versions."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, create_engine, inspect, text

from ansible_collections.zonal.cloud.plugins.module_utils._domain.claims import Snapshot
from ansible_collections.zonal.cloud.plugins.module_utils._domain.errors import ZonalError
from ansible_collections.zonal.cloud.plugins.plugin_utils.ledger.migrations import STEPS, migrate
from ansible_collections.zonal.cloud.plugins.plugin_utils.ledger.schema import METADATA
from ansible_collections.zonal.cloud.plugins.plugin_utils.ledger.store import Ledger, who_am_i
from ansible_collections.zonal.cloud.tests.unit.plugins.contracts.ledger import CONTRACT, OTHER_ZONE, ZONE, Make, opened

BAD_PLACES = {
    "mysql://user:secret@db/zonal": "is not a usable database URL|is neither SQLite nor PostgreSQL",
    "ledger://x": "is not a usable database URL|is neither SQLite nor PostgreSQL",
    "postgresql://db:port/zonal": "is not a usable database URL",
    "postgresql://user:se@cret@db/zonal": "is not a usable database URL: there is more than one @",
    "postgresql://user:se@cret@db:port/zonal": "is not a usable database URL; in names and passwords, @ is written as %40",
    "postgresql://user:1@secret:x@db/zonal": "is not a usable database URL",
    "postgresql+none://user:secret@db/zonal": "is not a usable database URL",
    "sqlite://": "names no file; write sqlite:///relative/path",
    "sqlite:///:memory:": "names no file",
    "./": "^ledger: './' is not the path of a file",
    "/": "is not the path of a file",
    "sqlite:///.": "is not the path of a file",
    "a\0b.db": "is not the path of a file",
}
SHOWN = {
    "postgresql://user:secret@db/zonal": "postgresql://user:***@db/zonal",
    "postgresql://db/zonal?user=user&password=secret": "postgresql://db/zonal?password=hidden&user=hidden",
    "postgres://user:se%40cret@/zonal?host=/run&passfile=secret&sslpassword=secret": (
        "postgres://user:***@/zonal?host=%2Frun&passfile=hidden&sslpassword=hidden"
    ),
}


@pytest.fixture
def make(tmp_path: Path) -> Make:
    def make_ledger(**options: Any) -> Ledger:
        return Ledger(str(tmp_path / "zone" / "ledger.db"), **options)

    return make_ledger


@pytest.mark.parametrize("check", CONTRACT, ids=lambda check: check.__name__)
def test_contract(check: Callable[[Make], None], make: Make) -> None:
    check(make)


def test_reading_makes_no_file(tmp_path: Path) -> None:
    assert Ledger(str(tmp_path / "ledger.db")).read(ZONE) == Snapshot()
    assert list(tmp_path.iterdir()) == []


def test_nothing_but_the_file_stays(make: Make, tmp_path: Path) -> None:
    opened(make)
    assert [path.name for path in (tmp_path / "zone").iterdir()] == ["ledger.db"]


@pytest.mark.parametrize("where", BAD_PLACES)
def test_bad_place(where: str) -> None:
    with pytest.raises(ZonalError, match=BAD_PLACES[where]) as error:
        Ledger(where)
    assert "cret" not in str(error.value) + str(error.value.details)


@pytest.mark.parametrize("where", SHOWN)
def test_a_password_is_not_shown(where: str) -> None:
    assert Ledger(where).where == SHOWN[where]


@pytest.mark.parametrize("name", ["a?b.db", "a%20b#c.db", ":memory:", "file:x.db?mode=memory", "ä b.db"])
def test_a_path_is_a_path(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    opened(lambda **options: Ledger(name, **options))
    assert [path.name for path in tmp_path.iterdir()] == [name]
    assert Ledger(str(tmp_path / name)).zones() == Ledger(name).zones() == (ZONE, OTHER_ZONE)


def test_a_home_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    opened(lambda **options: Ledger("~/zone/ledger.db", **options))
    assert (tmp_path / "zone" / "ledger.db").exists()
    with pytest.raises(ZonalError, match=r"ledger: .~no-such-user/x\.db. is not a path that can be used"):
        Ledger("~no-such-user/x.db")


def test_a_path_that_no_file_can_have() -> None:
    with pytest.raises(ZonalError, match=r"^ledger: '/x+\.\.\. cannot be looked at \("):
        Ledger("/" + "x" * 999).read(ZONE)


def test_a_place_that_takes_no_file_is_told_with_what_names_another(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As a project folder of AWX that is read-only; root writes there all the same."""

    def refuse(*_arguments: object) -> int:
        raise PermissionError(13, "Permission denied")

    ledger = Ledger(str(tmp_path / "ledger.db"))
    monkeypatch.setattr("os.open", refuse)
    with (
        pytest.raises(ZonalError, match=r"cannot be made \(.*denied\); name another place, in playbooks with zonal_ledger_url$"),
        ledger.write(ZONE),
    ):
        pass


def test_a_file_that_is_no_ledger(tmp_path: Path) -> None:
    (tmp_path / "ledger.db").write_text("no database", encoding="utf-8")
    with pytest.raises(ZonalError, match=r"cannot read .*ledger\.db: file is not a database"):
        Ledger(str(tmp_path / "ledger.db")).read(ZONE)


@pytest.mark.parametrize(("umask", "mode"), [(0o022, 0o600), (0, 0o600)])
def test_a_new_ledger_is_for_its_owner(umask: int, mode: int, make: Make, tmp_path: Path) -> None:
    before = os.umask(umask)
    try:
        opened(make)
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "zone" / "ledger.db").stat().st_mode) == mode


def test_a_user_without_a_name_has_a_number(monkeypatch: pytest.MonkeyPatch) -> None:
    def nobody() -> str:
        raise KeyError("getpwuid(): uid not found: 1000660000")

    monkeypatch.setattr("getpass.getuser", nobody)
    assert who_am_i().startswith(f"uid {os.getuid()}@")


def test_a_folder_is_no_ledger(tmp_path: Path) -> None:
    with pytest.raises(ZonalError, match=r"ledger: cannot open .* unable to open database file"), Ledger(str(tmp_path)).write(ZONE):
        pass


@pytest.fixture
def memory() -> Iterator[Connection]:
    engine = create_engine("sqlite://")
    with engine.connect() as connection:
        yield connection
    engine.dispose()


def test_all_steps_lead_to_the_schema(memory: Connection) -> None:
    migrate(memory, "memory")
    tables = inspect(memory)
    assert set(tables.get_table_names()) == set(METADATA.tables)
    for table in METADATA.tables.values():
        assert {column["name"] for column in tables.get_columns(table.name)} == {column.name for column in table.columns}


def _add_colour(connection: Connection) -> None:
    connection.execute(text("ALTER TABLE zones ADD COLUMN colour VARCHAR(9)"))


def test_an_old_ledger_is_brought_up_to_date_once(memory: Connection) -> None:
    assert migrate(memory, "memory") == 0
    newer = (*STEPS, _add_colour)
    assert migrate(memory, "memory", newer) == len(STEPS)
    assert migrate(memory, "memory", newer) == len(newer)
    with pytest.raises(ZonalError, match=f"has version {len(newer)}, made by a newer"):
        migrate(memory, "memory")


VERSIONS = {
    "UPDATE ledger_version SET version = 9": "has version 9, made by a newer zonal.cloud; this one knows 3: update it",
    "UPDATE ledger_version SET version = 0": "has version 0, needed is 3; a run without check mode updates it",
    "DELETE FROM ledger_version": "does not say which version it has, so it is damaged; restore a copy, or move it away and rebuild it",
    "INSERT INTO ledger_version VALUES (1)": "does not say which version it has",
}


@pytest.mark.parametrize("change", VERSIONS)
def test_a_strange_version_is_told(change: str, make: Make, tmp_path: Path) -> None:
    opened(make)
    engine = create_engine(f"sqlite:///{tmp_path}/zone/ledger.db")
    with engine.begin() as connection:
        connection.execute(text(change))
    engine.dispose()
    with pytest.raises(ZonalError, match=VERSIONS[change]):
        make().read(ZONE)
