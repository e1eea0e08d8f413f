# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: may change without notice.
"""Quotas: what each tenant may promise itself in a zone, counted in declared sizes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from .claims import SIZES, Claim
from .placement_types import Demand
from .quantity import format_size
from .zone_spec import QUOTA_KEYS


def usage(claims: Iterable[Claim]) -> dict[str, Counter[str]]:
    """Return what each tenant has."""
    used: dict[str, Counter[str]] = {}
    for claim in claims:
        # Plain additions: a Counter's update costs ten times as much, and a zone can have very many claims.
        mine = used.setdefault(claim.tenant, Counter())
        mine["instances"] += 1
        for part in SIZES:
            mine[part] += getattr(claim, part)
    return used


def amounts(item: Claim | Demand) -> Counter[str]:
    """Return what one instance counts for."""
    return Counter({"instances": 1, **{part: getattr(item, part) for part in SIZES}})


def excess(tenant: str, limits: Mapping[str, int], used: Counter[str], asked: Counter[str]) -> list[str]:
    """Return a line for each limit that what is asked for would exceed; asking for nothing never exceeds."""
    return [
        f"quota: tenant {tenant} may have {_show(key, limits[key])} {_word(key)}, has {_show(key, used[key])} and asks for "
        f"{_show(key, asked[key])} more"
        for key in QUOTA_KEYS
        if key in limits and asked[key] > 0 and used[key] + asked[key] > limits[key]
    ]


def show_quotas(
    quotas: Mapping[str, Mapping[str, int]], before: Mapping[str, Counter[str]], after: Mapping[str, Counter[str]]
) -> dict[str, Any]:
    """Return for each tenant its limits and what it has before and after, in the words of the options."""
    return {
        tenant: {
            "limits": _show_all(quotas.get(tenant, {})),
            "before": _show_all(before.get(tenant, Counter())),
            "after": _show_all(after.get(tenant, Counter())),
        }
        for tenant in sorted({*quotas, *before, *after})
    }


def _show_all(values: Mapping[str, int]) -> dict[str, int | str]:
    return {key: values[key] if key in ("instances", "vcpus") else _show(key, values[key]) for key in QUOTA_KEYS if key in values}


def _show(key: str, value: int) -> str:
    return str(value) if key in ("instances", "vcpus") or value <= 0 else format_size(value)


def _word(key: str) -> str:
    return {"vcpus": "vCPUs"}.get(key, key)
