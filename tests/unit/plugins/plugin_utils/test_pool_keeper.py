# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What ip_pool tells of addresses that nobody was given, and of those that it does not take out of use."""

from __future__ import annotations

import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from ansible_collections.zonal.cloud.plugins.module_utils._domain.claims import Claim
from ansible_collections.zonal.cloud.plugins.module_utils._domain.errors import RefusedError, SpecError
from ansible_collections.zonal.cloud.plugins.module_utils._domain.pools import Ranges, parse_ranges, show_address
from ansible_collections.zonal.cloud.plugins.plugin_utils.ledger.book import ZonePages
from ansible_collections.zonal.cloud.plugins.plugin_utils.ledger.store import Ledger
from ansible_collections.zonal.cloud.plugins.plugin_utils.pool_keeper import PoolWish, keep_pool, show_pool

CLAIM = Claim("web-5", "10.0.0.5", "kvm01", "none", "web", "container", 1, 1, 1, 1)
PAGES = ZonePages(
    {"cidr": "10.0.0.0/24", "gateway": "10.0.0.1", "dns": ["10.0.0.9"]}, 0, Ranges(), parse_ranges("x", ["10.0.0.20-10.0.0.30"])
)
HELD: dict[str, tuple[list[str], dict[str, str], list[str]]] = {
    "nothing": ([], {}, ["10.0.0.2-10.0.0.8", "10.0.0.10-10.0.0.19", "10.0.0.31-10.0.0.254"]),
    "one claimed": (["10.0.0.5"], {}, ["10.0.0.2-10.0.0.4", "10.0.0.6-10.0.0.8", "10.0.0.10-10.0.0.19", "10.0.0.31-10.0.0.254"]),
    "one out of use": ([], {"10.0.0.2": "quarantined"}, ["10.0.0.3-10.0.0.8", "10.0.0.10-10.0.0.19", "10.0.0.31-10.0.0.254"]),
    "one rests": ([], {"10.0.0.2": "released"}, ["10.0.0.2-10.0.0.8", "10.0.0.10-10.0.0.19", "10.0.0.31-10.0.0.254"]),
    "strange ones": (["10.9.9.9", "10.0.0.1"], {}, ["10.0.0.2-10.0.0.8", "10.0.0.10-10.0.0.19", "10.0.0.31-10.0.0.254"]),
}


@pytest.mark.parametrize("case", HELD)
def test_what_nobody_was_given(case: str) -> None:
    owned, held, expected = HELD[case]
    assert show_pool(PAGES, owned, held)["unallocated"] == expected


def test_a_huge_pool_with_many_gaps_costs_as_much_as_was_given() -> None:
    pages = ZonePages({"cidr": "10.0.0.0/8"}, 0, Ranges(), Ranges())
    owned = [show_address(10 * 2**24 + 2 * number) for number in range(1, 50001)]
    begin = time.process_time()
    assert len(show_pool(pages, owned, {})["unallocated"]) == 50001
    assert time.process_time() - begin < 10


def test_a_claimed_address_is_refused_by_its_name(tmp_path: Path) -> None:
    ledger = Ledger(str(tmp_path / "book.db"))
    with ledger.write("lab") as book:
        book.declare(PAGES.network, PAGES.hold, PAGES.pools, PAGES.reserved)
        book.claim([CLAIM], "test")
    wish = PoolWish("lab", None, None, None, None, "withdrawn", ("10.0.0.4", "10.0.0.5"), "test")
    with pytest.raises(RefusedError, match=r"addresses: 10\.0\.0\.5 belongs to web-5 on kvm01; retire it first") as refused:
        keep_pool(ledger, wish, check_mode=False)
    outside = replace(wish, addresses=("192.168.1.1",))
    with pytest.raises(SpecError, match=r"addresses: '192\.168\.1\.1' is outside the network 10\.0\.0\.0/"):
        keep_pool(ledger, outside, check_mode=False)
    assert refused.value.details == {"claimed": {"10.0.0.5": "web-5"}}
    assert ledger.read("lab").held == ()


def test_an_address_that_has_rested_is_free(tmp_path: Path) -> None:
    then = datetime.now(UTC) - timedelta(seconds=99)
    with Ledger(str(tmp_path / "book.db"), clock=lambda: then).write("lab") as book:
        book.declare(PAGES.network, 1000, parse_ranges("pools", ["10.0.0.5-10.0.0.7"]), Ranges())
        book.claim([CLAIM], "test")
        book.release([CLAIM], "test")
    ledger, wish = Ledger(str(tmp_path / "book.db")), PoolWish("lab", None, None, None, None, "present", (), "test")
    _before, resting = keep_pool(ledger, wish, check_mode=False)
    assert (resting["free"], resting["resting"]) == (2, ["10.0.0.5"])
    for check_mode in (True, False):
        before, rested = keep_pool(ledger, replace(wish, hold=98), check_mode=check_mode)
        assert before == resting
        assert (rested["free"], rested["resting"]) == (3, [])
