# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The ledger on real databases: the contract on PostgreSQL, and on both many controllers at once, some of which are killed."""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import create_engine, text

from ansible_collections.zonal.cloud.plugins.module_utils._domain.pools import Ranges
from ansible_collections.zonal.cloud.plugins.plugin_utils.ledger.store import Ledger
from ansible_collections.zonal.cloud.tests.integration.engines.planners import SHARED_QUOTA, faults, kill, start, start_neighbours
from ansible_collections.zonal.cloud.tests.integration.engines.postgres import postgres, programs
from ansible_collections.zonal.cloud.tests.unit.plugins.contracts.ledger import (
    CONTRACT,
    Make,
    who_waits_long_sees_what_was_written_meanwhile,
)

CONTROLLERS, BATCH, ROUNDS = 16, 42, 3
ZONE = "idc01-dev"


@pytest.fixture(scope="session")
def server() -> Iterator[str]:
    assert programs() is not None, "no PostgreSQL here; make setup installs it"
    with postgres() as url:
        yield url


@pytest.fixture
def database(server: str) -> Iterator[str]:
    """An empty database on the server."""
    admin = create_engine(server.replace("postgresql:", "postgresql+psycopg:"), isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:
        connection.execute(text("CREATE DATABASE zonal"))
    yield server.replace("@/postgres?", "@/zonal?")
    with admin.connect() as connection:
        connection.execute(text("DROP DATABASE zonal WITH (FORCE)"))
    admin.dispose()


@pytest.fixture(params=["sqlite", "postgresql"])
def where(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty ledger on either database."""
    return str(tmp_path / "ledger.db") if request.param == "sqlite" else str(request.getfixturevalue("database"))


@pytest.mark.parametrize("check", CONTRACT, ids=lambda check: check.__name__)
def test_contract(check: Callable[[Make], None], database: str) -> None:
    def make(**options: Any) -> Ledger:
        return Ledger(database, **options)

    check(make)


@pytest.mark.parametrize("level", ["repeatable read", "serializable"])
def test_a_server_that_isolates_more_by_itself(level: str, database: str) -> None:
    """There a transaction that waits for the lock would read what was true before."""
    admin = create_engine(database.replace("postgresql:", "postgresql+psycopg:"), isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:
        connection.execute(text(f"ALTER DATABASE zonal SET default_transaction_isolation = '{level}'"))
    admin.dispose()
    who_waits_long_sees_what_was_written_meanwhile(lambda **options: Ledger(database, **options))


def test_many_controllers_give_nothing_twice(where: str) -> None:
    processes = start(where, CONTROLLERS, BATCH, ROUNDS)
    for process in processes:
        process.join()
    assert [process.exitcode for process in processes] == [0] * CONTROLLERS
    claims = Ledger(where).read(ZONE).claims
    assert faults(claims, BATCH) == []
    tenants = Counter(claim.tenant for claim in claims)
    assert tenants["own"] == CONTROLLERS * BATCH * ROUNDS >= 2000
    # More was wanted than there is, and what batches of four leave is less than four.
    assert tenants["shared"] >= SHARED_QUOTA - 3


def test_zones_that_have_hosts_together_promise_their_room_once(where: str) -> None:
    processes = start_neighbours(where, 6)
    for process in processes:
        process.join()
    assert [process.exitcode for process in processes] == [0] * 6
    ledger = Ledger(where)
    claims = [claim for zone in ledger.zones() or () for claim in ledger.read(zone).claims]
    on_hosts = Counter(claim.host for claim in claims)
    # 95% of 256G are 60 instances of 4G; batches of eight are made as a whole.
    assert max(on_hosts.values()) <= 60, on_hosts
    assert sum(on_hosts.values()) > 150, on_hosts


def test_zones_without_a_common_host_do_not_wait(database: str) -> None:
    first, second = Ledger(database), Ledger(database, timeout=0)
    with first.write("a", ["kvm01", "kvm02"]), second.write("b", ["kvm03"]):
        pass


def test_controllers_that_want_hosts_in_any_order_all_get_them(database: str) -> None:
    chance = random.Random(3)

    def plan(number: int) -> None:
        hosts = [f"kvm{number}" for number in range(40)]
        for _round in range(10):
            with Ledger(database, timeout=60).write(f"zone{number}", chance.sample(hosts, 25)) as book:
                book.declare({"cidr": "10.20.0.0/16"}, 0, Ranges(), Ranges())

    with ThreadPoolExecutor(8) as controllers:
        assert list(controllers.map(plan, range(8))) == [None] * 8


def test_a_killed_controller_leaves_neither_lock_nor_half_a_claim(where: str) -> None:
    chance = random.Random(7)
    for _round in range(4):
        processes = start(where, 8, BATCH, 50)
        for process in chance.sample(processes, len(processes)):
            time.sleep(chance.uniform(0.01, 0.25))
            kill(process)
        begin = time.monotonic()
        with Ledger(where, timeout=5).write(ZONE) as book:
            claims = book.snapshot().claims
        assert time.monotonic() - begin < 5
        assert faults(claims, BATCH) == []
    assert claims
