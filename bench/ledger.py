# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Claims per second and how long a claim waits, for 1, 4 and 16 writers, on SQLite and PostgreSQL.

python bench/ledger.py [SECONDS]    a table for people, then one JSON object as the last line.
A claim is a whole locked transaction with one instance and its event. PostgreSQL runs here without fsync, SQLite with it.
"""

from __future__ import annotations

import json
import multiprocessing
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import quantiles
from typing import Any

from ansible_collections.zonal.cloud.plugins.module_utils._domain.claims import Claim
from ansible_collections.zonal.cloud.plugins.module_utils._domain.pools import Ranges, show_address
from ansible_collections.zonal.cloud.plugins.plugin_utils.ledger.store import Ledger
from ansible_collections.zonal.cloud.tests.integration.engines.postgres import postgres, programs

ZONE = "bench"
FIRST = 10 << 24
FORK = multiprocessing.get_context("fork")


def writer(where: str, number: int, writers: int, seconds: float, waits: Any) -> None:
    """Claim until the time is over and send how long each claim took."""
    ledger = Ledger(where, timeout=120)
    took, index, end = [], number, time.monotonic() + seconds
    while time.monotonic() < end:
        begin = time.monotonic()
        claim = Claim(f"n{index}", show_address(FIRST + index), "host", "bench", "app", "vm", index + 1, 1, 1, 1)
        with ledger.write(ZONE) as book:
            book.claim([claim], "bench")
        took.append(time.monotonic() - begin)
        index += writers
    waits.put(took)


def measure(kind: str, where: str, writers: int, seconds: float) -> dict[str, Any]:
    """Let some writers write at once."""
    with Ledger(where).write(ZONE) as book:
        book.declare({"cidr": "10.0.0.0/8"}, 0, Ranges(), Ranges())
        book.erase()
    waits = FORK.Queue()
    processes = [FORK.Process(target=writer, args=(where, number, writers, seconds, waits)) for number in range(writers)]
    begin = time.monotonic()
    for process in processes:
        process.start()
    took = [wait for _process in processes for wait in waits.get()]
    elapsed = time.monotonic() - begin
    for process in processes:
        process.join()
    cuts = quantiles(took, n=100)
    return {
        "database": kind,
        "writers": writers,
        "claims": len(took),
        "per_second": round(len(took) / elapsed, 1),
        "p50_ms": round(cuts[49] * 1000, 1),
        "p99_ms": round(cuts[98] * 1000, 1),
    }


@contextmanager
def databases() -> Iterator[dict[str, str]]:
    """Yield the places to measure."""
    with tempfile.TemporaryDirectory() as folder:
        found = {"sqlite": str(Path(folder, "ledger.db"))}
        if programs() is None:
            yield found
            return
        with postgres() as url:
            yield {**found, "postgresql": url}


def main() -> None:
    """Measure and print."""
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 4.0
    with databases() as places:
        rows = [measure(kind, where, writers, seconds) for kind, where in places.items() for writers in (1, 4, 16)]
    print("  ".join(head.rjust(10) for head in rows[0]))
    for row in rows:
        print("  ".join(str(value).rjust(10) for value in row.values()))
    print(json.dumps({"bench": "ledger", "rows": rows}))


if __name__ == "__main__":
    main()
