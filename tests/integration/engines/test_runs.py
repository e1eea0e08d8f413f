# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Many runs of one zone at once on real ledgers, some of them killed: nothing is given twice, and one more run mends the rest."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import create_engine, text

from ansible_collections.zonal.cloud.plugins.plugin_utils.ledger.store import Ledger
from ansible_collections.zonal.cloud.tests.integration.engines.planners import FORK, kill
from ansible_collections.zonal.cloud.tests.integration.engines.postgres import postgres
from ansible_collections.zonal.cloud.tests.integration.engines.runs import NAME, World, provision, run_again_and_again
from ansible_collections.zonal.cloud.tests.unit.plugins.fakes.zone import WEB


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with postgres() as url:
        yield url


@pytest.fixture(params=["sqlite", "postgresql"])
def where(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """An empty ledger on either database."""
    if request.param == "sqlite":
        yield str(tmp_path / "ledger.db")
        return
    server = str(request.getfixturevalue("server"))
    admin = create_engine(server.replace("postgresql:", "postgresql+psycopg:"), isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:
        connection.execute(text("CREATE DATABASE runs"))
    yield server.replace("@/postgres?", "@/runs?")
    with admin.connect() as connection:
        connection.execute(text("DROP DATABASE runs WITH (FORCE)"))
    admin.dispose()


@pytest.mark.parametrize("killed", [False, True])
def test_runs_at_once_end_in_what_is_declared(where: str, killed: bool, tmp_path: Path) -> None:
    chance, ledger, world = random.Random(5), Ledger(where, timeout=300), World(tmp_path)
    provision(ledger, world, [{**WEB, "vcpus": 1, "app": "a"}])
    runs = [FORK.Process(target=run_again_and_again, args=(where, tmp_path, seed, 400 if killed else 6)) for seed in range(8)]
    for process in runs:
        process.start()
    doubles: set[str] = set()
    for process in runs:
        if killed:
            time.sleep(chance.uniform(0.1, 0.5))
            kill(process)
        while process.is_alive():
            doubles |= set(world.doubles())
            process.join(0.05)
    assert killed or [process.exitcode for process in runs] == [0] * 8
    assert doubles | set(world.doubles()) == set()
    entries: list[dict[str, Any]] = [{**WEB, "vcpus": 1, "app": app, "count": 3} for app in "ab"]
    for _again in range(3):
        plan = provision(ledger, world, [*entries, {**WEB, "app": "c", "state": "absent"}])
    stray = [step for step in plan["steps"] if step["action"] not in ("keep", "orphan")]
    assert (stray, plan["notes"], plan["refusals"]) == ([], [], [])
    there = {item["name"]: (host, item["address"]) for host, told in world.observe().items() for item in told["instances"]}
    claims = ledger.read(NAME).claims
    assert there == {claim.name: (claim.host, claim.address) for claim in claims}
    assert {claim.state for claim in claims} == {"settled"}
