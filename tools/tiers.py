# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run test tiers one after the other, those joined by '+' side by side, go no further when one fails, and end with a table.

tiers.py unit engines+lab ...   each is a make target that leaves .work/reports/<tier>.xml, or several <tier>.<part>.xml
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from reports import REPORTS, Counts, failures, read
from stage import ROOT


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


def run(tier: str, *, alone: bool) -> Result:
    """Run one tier. A tier that fails without a failed test counts as one failure, one that ran nothing has failed."""
    for old in reports_of(tier):
        old.unlink()
    print(f"\n== {tier} ==", flush=True)
    begin = time.monotonic()
    command = [os.environ.get("MAKE", "make"), "--no-print-directory", tier]
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


def table(results: list[Result], tiers: list[str]) -> str:
    """Return the table for people: one line per tier, those that did not get their turn included."""
    rows = [("tier", "passed", "failed", "skipped", "seconds")]
    for result in results:
        counts = result.counts
        rows.append((result.tier, str(counts.passed), str(counts.failed), str(counts.skipped), f"{result.seconds:.0f}"))
    rows += [(tier, "-", "-", "-", "not run") for tier in tiers[len(results) :]]
    widths = [max(len(row[column]) for row in rows) for column in range(5)]
    return "\n".join("  ".join([row[0].ljust(widths[0]), *map(str.rjust, row[1:], widths[1:])]) for row in rows)


def main(stages: list[str]) -> int:
    """Run the tiers and print the table, then the one line that machines look for."""
    results: list[Result] = []
    for stage in stages:
        tiers = stage.split("+")
        with ThreadPoolExecutor(len(tiers)) as pool:
            results += pool.map(partial(run, alone=len(tiers) == 1), tiers)
        failed = [result.tier for result in results if not result.ok]
        if failed:
            break
    total = sum((result.counts for result in results), Counts())
    print(f"\n{table(results, '+'.join(stages).split('+'))}\n")
    for tier in failed:
        for path in reports_of(tier):
            for line in failures(path):
                print(f"FAILED {line}")
        print(f"\nStopped at '{tier}'; run it alone with: make {tier}\n")
    print(f"{total.passed} passed, {total.failed} failed", flush=True)
    return 1 if total.failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
