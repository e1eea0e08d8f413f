# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Thin pools from the rows of LVM's report."""

from __future__ import annotations

from ansible_collections.zonal.cloud.plugins.module_utils._domain.host_storage import POOL_FIELDS, Pool, find_pools

GIB = 1024**3


def row(**values: str) -> dict[str, str]:
    return {**dict.fromkeys(POOL_FIELDS, ""), "vg_name": "zonal", "vg_free": str(GIB), **values}


POOL = row(lv_name="pool", lv_attr="twi-aotz--", lv_size=str(10 * GIB), data_percent="25.00", metadata_percent="3.10")
THIN = row(lv_name="img", lv_attr="Vwi-a-tz--", lv_size=str(8 * GIB), pool_lv="pool", data_percent="1.0")
SNAPSHOT = row(lv_name="vm1", lv_attr="Vwi-aotz--", lv_size=str(6 * GIB), pool_lv="pool")
THICK = row(lv_name="root", lv_attr="-wi-ao----", lv_size=str(9 * GIB))
OTHER_GROUP = row(vg_name="other", lv_name="x", lv_attr="Vwi-a-tz--", lv_size=str(GIB), pool_lv="pool")
INACTIVE = row(vg_name="a", lv_name="pool", lv_attr="twi---tz--", lv_size=str(GIB))


def test_a_pool_with_what_is_promised_of_it() -> None:
    [pool] = find_pools([THIN, POOL, THICK, SNAPSHOT, OTHER_GROUP])
    assert pool == Pool("zonal", "pool", 10 * GIB, 14 * GIB, 2, GIB, 25.0, 3.1)
    assert pool.free == 7.5 * GIB


def test_a_pool_that_is_not_active_has_no_percentages() -> None:
    [pool] = find_pools([INACTIVE])
    assert (pool.data_percent, pool.metadata_percent, pool.free) == (None, None, None)


def test_pools_are_sorted_and_nothing_is_nothing() -> None:
    assert [pool.group for pool in find_pools([POOL, INACTIVE])] == ["a", "zonal"]
    assert find_pools([THICK]) == []
