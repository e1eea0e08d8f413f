# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: may change without notice.
"""One message for several instances. It knows them as they are shown, so that the controller need not load what they are made of."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

# So many instances with one trouble are named in its message.
_MOST_NAMES = 5


def failure_of(instances: Collection[Mapping[str, Any]]) -> str:
    """Return one message for all instances that went wrong, as outcomes are shown; empty when none did."""
    whose: dict[str, list[str]] = {}
    for instance in instances:
        if instance["error"]:
            whose.setdefault(instance["error"], []).append(f"{instance['kind']} {instance['name']}")
    if not whose:
        return ""
    told = "; ".join(f"{_some(names)}: {error}" for error, names in whose.items())
    return f"{sum(map(len, whose.values()))} of {len(instances)} instances are not as wanted: {told}"


def _some(names: list[str]) -> str:
    left = len(names) - _MOST_NAMES
    return ", ".join(names[:_MOST_NAMES]) + (f" and {left} more" if left > 0 else "")
