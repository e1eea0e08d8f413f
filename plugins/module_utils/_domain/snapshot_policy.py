# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: may change without notice.
"""The policy of an instance's snapshots: how often one is taken, and how many of these are kept."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any

from .errors import SpecError, ZonalError
from .quantity import format_span, parse_span

# What it took is told by its name, and when; so nothing that somebody else took goes.
POLICY_PREFIX = "policy-"
_MOMENT = "%Y%m%d-%H%M%S"
_ISO = "%Y-%m-%dT%H:%M:%SZ"
_NAME = re.compile(r"policy-\d{8}-\d{6}", re.ASCII)
_KEYS = ("every", "keep")
_SHORTEST, _LONGEST = 60, 520 * 7 * 86400
# A timer that comes a little early takes its snapshot, or the next one would come a whole round late.
_MOST_TOLERANCE = timedelta(hours=1)


def parse_policy(field: str, value: Any) -> dict[str, int]:
    """Return seconds and number of a policy; empty for none. SpecError when it is no policy."""
    if not isinstance(value, Mapping):
        raise SpecError(field, value, "is not a mapping such as {every: 1d, keep: 7}")
    given = {key: item for key, item in value.items() if item is not None}
    for key in given:
        if key not in _KEYS:
            raise SpecError(field, key, f"is not a part of a policy; there are {' and '.join(_KEYS)}")
    if not given:
        return {}
    if len(given) < len(_KEYS):
        raise SpecError(field, value, "is half a policy; it tells how often a snapshot is taken and how many stay, as {every: 1d, keep: 7}")
    every, keep = parse_span(f"{field}.every", given["every"]), given["keep"]
    if not _SHORTEST <= every <= _LONGEST:
        raise SpecError(f"{field}.every", given["every"], f"is not between {format_span(_SHORTEST)} and {format_span(_LONGEST)}")
    if isinstance(keep, bool) or not re.fullmatch(r"[1-9]\d{0,2}", str(keep), re.ASCII):
        raise SpecError(f"{field}.keep", keep, "is not a whole number from 1 to 999")
    return {"every": every, "keep": int(keep)}


def read_policy(told: Mapping[str, Any]) -> dict[str, int]:
    """Return the policy that is noted somewhere; empty for what is none."""
    with suppress(ZonalError):
        return parse_policy("snapshots", told)
    return {}


def show_policy(policy: Mapping[str, int]) -> dict[str, Any]:
    """Return a policy as users write it."""
    return {**policy, "every": format_span(policy["every"])} if policy else {}


def policy_name(moment: str) -> str:
    """Return the name of the snapshot that a policy takes at ``moment``, ISO 8601 in UTC."""
    return POLICY_PREFIX + datetime.strptime(moment, _ISO).strftime(_MOMENT)


def an_hour_after(moment: str) -> str:
    """Return the latest that one may claim to be of at ``moment``, both ISO 8601 in UTC: clocks are set by a little all the time."""
    return (datetime.strptime(moment, _ISO) + _MOST_TOLERANCE).strftime(_ISO)


def is_due(policy: Mapping[str, int], names: Iterable[str], name: str) -> bool:
    """Tell whether ``name`` is to be taken beside the snapshots that there are.

    One that claims to come later says nothing of when the last one was taken: the clock was set back since.
    """
    now, tolerance = _moment(name), _tolerance(policy)
    since = now - timedelta(seconds=policy["every"]) + tolerance
    return not any(since < moment <= now + tolerance for moment in _taken(names).values())


def beyond(policy: Mapping[str, int], names: Iterable[str], name: str) -> list[str]:
    """Return which of the snapshots that policies took are too many at the moment of ``name``.

    Those go first that claim to come later than that, and then the oldest.
    """
    latest = _moment(name) + _tolerance(policy)
    taken = sorted(_taken(names).items(), key=lambda item: (item[1] <= latest, item[1]))
    return [label for label, _dummy in taken[: max(0, len(taken) - policy["keep"])]]


def _tolerance(policy: Mapping[str, int]) -> timedelta:
    return min(timedelta(seconds=policy["every"]) / 10, _MOST_TOLERANCE)


def _moment(name: str) -> datetime:
    return datetime.strptime(name[len(POLICY_PREFIX) :], _MOMENT)


def _taken(names: Iterable[str]) -> dict[str, datetime]:
    """Return when those were taken that a policy took; names that only look like it are none."""
    taken = {}
    for name in names:
        with suppress(ValueError):
            if _NAME.fullmatch(name):
                taken[name] = _moment(name)
    return taken
