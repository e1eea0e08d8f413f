# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: may change without notice.
"""The page that people read before they apply a plan."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from .zone_steps import KEEP


def show_plan(plan: Mapping[str, Any]) -> list[str]:
    """Return the lines of the page of a plan, which is one as ``zone_plan`` returns it; what stays as it is, is only counted."""
    counts = ", ".join(f"{action} {count}" for action, count in plan["summary"].items()) or "nothing is declared, nothing is there"
    return [f"Zone {plan['zone']}: {counts} (plan {plan['hash']})", *_steps(plan), *_notes(plan), *_refusals(plan), *_quotas(plan)]


def show_app(refusal: Mapping[str, Any]) -> str:
    """Return whose refusal it is."""
    return f"{refusal['tenant']}/{refusal['app']}" if refusal["app"] else "an instance without an app"


def _steps(plan: Mapping[str, Any]) -> Iterator[str]:
    steps = [{**step, "address": _addresses(step)} for step in plan["steps"] if step["action"] != KEEP]
    columns = ("action", "name", "kind", "host", "address")
    widths = {column: max((len(step[column]) for step in steps), default=0) for column in columns}
    for step in steps:
        yield f"  {'  '.join(step[column].ljust(widths[column]) for column in columns)}  {step['reason']}"


def _addresses(step: Mapping[str, Any]) -> str:
    return ", ".join((step["address"], *step["extra_addresses"]))


def _notes(plan: Mapping[str, Any]) -> Iterator[str]:
    yield from (f"  {note}" for note in plan["notes"])


def _refusals(plan: Mapping[str, Any]) -> Iterator[str]:
    for refusal in plan["refusals"]:
        yield f"  REFUSED {show_app(refusal)}, nothing of it is changed:"
        yield from (f"  - {problem}" for problem in refusal["problems"])


def _quotas(plan: Mapping[str, Any]) -> Iterator[str]:
    for tenant, quota in plan["quota"].items():
        parts = [
            f"{key} {quota['before'].get(key, 0)} -> {quota['after'].get(key, 0)}" + (f" of {limit}" if limit is not None else "")
            for key in quota["after"]
            for limit in [quota["limits"].get(key)]
        ]
        if quota["limits"] and parts:
            yield f"  quota of {tenant}: {', '.join(parts)}"
