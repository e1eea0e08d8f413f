# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run test tiers one after the other, go no further when one fails, and end with a table.

tiers.py unit lint,engines+lab ...   first unit; then lab, and beside it lint and after that engines. Each is a make target that leaves
                                     .work/reports/<tier>.xml, or several <tier>.<part>.xml. The last lane of a stage is the one that
                                     all wait for: the others give way to it
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from itertools import chain
from pathlib import Path

from reports import REPORTS, Counts, failures, read
from stage import ROOT

_GIVES_WAY = 10


@dataclass(frozen=True)
class Result:
    """How one tier ended."""

    tier: str
    counts: Counts
    seconds: float
    ok: bool


def reports_of(tier: str) -> list[Path]:
    """Return the reports that a tier has left."""
    return sorted([*REPORTS.glob(f"{tier}.xml"), *REPORTS.glob(f"{tier}.*.xml")])


def run(tier: str, nice: int, *, alone: bool) -> Result:
    """Run one tier. A tier that fails without a failed test counts as one failure, one that ran nothing has failed."""
    for old in reports_of(tier):
        old.unlink()
    print(f"\n== {tier} ==", flush=True)
    begin = time.monotonic()
    command = ["nice", "-n", str(nice), os.environ.get("MAKE", "make"), "--no-print-directory", tier]
    code = subprocess.run(command, cwd=ROOT, check=False).returncode if alone else _run_with_prefix(command, f"{tier} | ")
    seconds = time.monotonic() - begin
    counts = sum((read(path) for path in reports_of(tier)), Counts())
    if counts.failed == 0 and (code or counts.passed == 0):
        counts += Counts(failed=1)
    return Result(tier, counts, seconds, ok=counts.failed == 0)


def _run_with_prefix(command: list[str], prefix: str) -> int:
    """Run a command, print its lines so that they can be told from those of another, and return its exit status."""
    with subprocess.Popen(
        command, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace"
    ) as running:
        assert running.stdout is not None
        for line in running.stdout:
            print(f"{prefix}{line.rstrip()}", flush=True)
    return running.returncode


def run_lane(tiers: list[str], nice: int, *, alone: bool) -> list[Result]:
    """Run tiers one after the other up to the first that fails."""
    results: list[Result] = []
    for tier in tiers:
        results.append(run(tier, nice, alone=alone))
        if not results[-1].ok:
            break
    return results


def table(results: list[Result], tiers: list[str]) -> str:
    """Return the table for people: one line per tier, those that did not get their turn included."""
    rows = [("tier", "passed", "failed", "skipped", "seconds")]
    ran = {result.tier: result for result in results}
    for tier in tiers:
        if tier in ran:
            counts = ran[tier].counts
            rows.append((tier, str(counts.passed), str(counts.failed), str(counts.skipped), f"{ran[tier].seconds:.0f}"))
        else:
            rows.append((tier, "-", "-", "-", "not run"))
    widths = [max(len(row[column]) for row in rows) for column in range(5)]
    return "\n".join("  ".join([row[0].ljust(widths[0]), *map(str.rjust, row[1:], widths[1:])]) for row in rows)


def main(stages: list[str]) -> int:
    """Run the tiers and print the table, then the one line that machines look for."""
    results: list[Result] = []
    for stage in stages:
        lanes = [lane.split(",") for lane in stage.split("+")]
        with ThreadPoolExecutor(len(lanes)) as pool:
            nices = [*[_GIVES_WAY] * (len(lanes) - 1), 0]
            results += chain.from_iterable(pool.map(partial(run_lane, alone=len(lanes) == 1), lanes, nices))
        failed = [result.tier for result in results if not result.ok]
        if failed:
            break
    total = sum((result.counts for result in results), Counts())
    print(f"\n{table(results, re.split('[ +,]', ' '.join(stages)))}\n")
    for tier in failed:
        for path in reports_of(tier):
            for line in failures(path):
                print(f"FAILED {line}")
        print(f"\nStopped at '{tier}'; run it alone with: make {tier}\n")
    print(f"{total.passed} passed, {total.failed} failed", flush=True)
    return 1 if total.failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
