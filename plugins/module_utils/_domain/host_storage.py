# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: may change without notice.
"""Thin pools of a host and what is promised of them, from the rows of LVM's report."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation

POOL_FIELDS = ("vg_name", "vg_free", "lv_name", "lv_attr", "lv_size", "pool_lv", "data_percent", "metadata_percent")
_THIN_POOL, _THIN_VOLUME = "t", "V"


@dataclass(frozen=True)
class Pool:
    """A thin pool. Sizes are bytes; percentages are None while the pool is not active.

    ``promised`` is the sum of the sizes of its thin volumes, which may exceed ``size``; ``group_free`` is what the
    pool can still grow by.
    """

    group: str
    name: str
    size: int
    promised: int
    volumes: int
    group_free: int
    data_percent: float | None
    metadata_percent: float | None

    @property
    def free(self) -> int | None:
        """Bytes that hold no data yet; None when it is not known."""
        return None if self.data_percent is None else int(self.size * (100 - self.data_percent) / 100)


def find_pools(rows: Iterable[Mapping[str, str]]) -> list[Pool]:
    """Return the thin pools among all logical volumes, sorted by group and name."""
    known = list(rows)
    pools = [_pool(row, known) for row in known if row["lv_attr"][:1] == _THIN_POOL]
    return sorted(pools, key=lambda pool: (pool.group, pool.name))


def _pool(row: Mapping[str, str], rows: list[Mapping[str, str]]) -> Pool:
    place = (row["vg_name"], row["lv_name"])
    volumes = [
        int(other["lv_size"]) for other in rows if other["lv_attr"][:1] == _THIN_VOLUME and (other["vg_name"], other["pool_lv"]) == place
    ]
    return Pool(
        group=row["vg_name"],
        name=row["lv_name"],
        size=int(row["lv_size"]),
        promised=sum(volumes),
        volumes=len(volumes),
        group_free=int(row["vg_free"]),
        data_percent=_percent(row["data_percent"]),
        metadata_percent=_percent(row["metadata_percent"]),
    )


def _percent(text: str) -> float | None:
    try:
        return float(Decimal(text))
    except InvalidOperation:
        return None
