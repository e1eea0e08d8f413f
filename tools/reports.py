# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""JUnit files of the test tiers: written by lint.py and matrix.py, counted by tiers.py (pytest writes its own)."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

REPORTS = Path(__file__).resolve().parent.parent / ".work" / "reports"
_SAID = 300  # characters of a failure's message that are shown in a list


@dataclass(frozen=True)
class Case:
    """One check that ran, or was skipped with a reason."""

    name: str
    outcome: str  # passed, failed, skipped
    seconds: float = 0.0
    message: str = ""


@dataclass(frozen=True)
class Counts:
    """Totals of one or more reports."""

    passed: int = 0
    failed: int = 0
    skipped: int = 0

    def __add__(self, other: Counts) -> Counts:
        return Counts(self.passed + other.passed, self.failed + other.failed, self.skipped + other.skipped)


def write(tier: str, cases: Sequence[Case]) -> Path:
    """Write the cases of a tier as JUnit XML."""
    suite = ET.Element("testsuite", name=tier, tests=str(len(cases)))
    for case in cases:
        node = ET.SubElement(suite, "testcase", classname=tier, name=case.name, time=f"{case.seconds:.2f}")
        if case.outcome != "passed":
            ET.SubElement(node, "failure" if case.outcome == "failed" else "skipped", message=case.message[:200]).text = case.message
    REPORTS.mkdir(parents=True, exist_ok=True)
    path = REPORTS / f"{tier}.xml"
    ET.ElementTree(suite).write(path, encoding="utf-8", xml_declaration=True)
    return path


def read(path: Path) -> Counts:
    """Count the cases of a JUnit file."""
    total = Counts()
    for case in ET.parse(path).iter("testcase"):
        kinds = {child.tag for child in case}
        if kinds & {"failure", "error"}:
            total += Counts(failed=1)
        elif "skipped" in kinds:
            total += Counts(skipped=1)
        else:
            total += Counts(passed=1)
    return total


def failures(path: Path) -> list[str]:
    """Return one line per failed case of a JUnit file: its name and the beginning of what it said."""
    lines = []
    for case in ET.parse(path).iter("testcase"):
        for bad in (child for child in case if child.tag in {"failure", "error"}):
            said = " ".join((bad.get("message") or bad.text or "").split())
            lines.append(f"{case.get('classname', '')}::{case.get('name', '')}: {said[:_SAID]}")
    return lines
