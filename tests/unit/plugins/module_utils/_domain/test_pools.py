# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Pools: what is read, what is left, and that a huge pool costs nothing."""

from __future__ import annotations

from itertools import islice

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.zonal.cloud.plugins.module_utils._domain.errors import ZonalError
from ansible_collections.zonal.cloud.plugins.module_utils._domain.pools import (
    Ranges,
    number_of,
    parse_ranges,
    ranges_of,
    show_address,
    usable,
)

NONE = Ranges()
READ: dict[str, tuple[list[str], list[str]]] = {
    "range": (["10.0.0.1-10.0.0.9"], ["10.0.0.1-10.0.0.9"]),
    "spaces": (["10.0.0.1 - 10.0.0.9"], ["10.0.0.1-10.0.0.9"]),
    "network": (["10.0.0.0/30"], ["10.0.0.0-10.0.0.3"]),
    "address": (["10.0.0.7"], ["10.0.0.7"]),
    "joined": (["10.0.0.5-10.0.0.9", "10.0.0.1-10.0.0.4", "10.0.0.3"], ["10.0.0.1-10.0.0.9"]),
    "apart": (["10.0.0.5", "10.0.0.1"], ["10.0.0.1", "10.0.0.5"]),
}
BAD: dict[str, tuple[object, str]] = {
    "no list": ("10.0.0.1", "pools: '10.0.0.1' is not a list"),
    "backwards": (["10.0.0.9-10.0.0.1"], r"pools\[0\]: '10.0.0.9-10.0.0.1' ends before it begins"),
    "words": (["10.0.0.1", "all"], r"pools\[1\]: 'all' is not an IPv4 address"),
    "host bits": (["10.0.0.1/24"], r"pools\[0\]: '10.0.0.1/24' is not an IPv4 network"),
}
SMALL = st.integers(0, 300)
RANGES = st.lists(st.tuples(SMALL, st.integers(0, 30)), max_size=8).map(
    lambda items: parse_ranges("x", [f"{show_address(first)}-{show_address(first + length)}" for first, length in items])
)


def members(ranges: Ranges) -> set[int]:
    return {address for first, last in ranges.spans for address in range(first, last + 1)}


@pytest.mark.parametrize("case", READ)
def test_what_is_read(case: str) -> None:
    written, shown = READ[case]
    assert parse_ranges("pools", written).show() == shown


@pytest.mark.parametrize("case", BAD)
def test_what_is_refused(case: str) -> None:
    written, message = BAD[case]
    with pytest.raises(ZonalError, match=message):
        parse_ranges("pools", written)


@given(RANGES, RANGES)
def test_minus_is_a_difference_of_sets(one: Ranges, other: Ranges) -> None:
    left = one.minus(other)
    assert members(left) == members(one) - members(other)
    assert left.size == len(members(left))
    assert all(before[1] + 1 < after[0] for before, after in zip(left.spans, left.spans[1:], strict=False))


@given(RANGES, RANGES)
def test_within_is_an_intersection_of_sets(one: Ranges, other: Ranges) -> None:
    assert one.within(other) == ranges_of(members(one) & members(other))


@given(RANGES, SMALL)
def test_contains(ranges: Ranges, address: int) -> None:
    assert (address in ranges) == (address in members(ranges))


@given(RANGES, st.sets(SMALL))
def test_lowest_are_all_that_are_free_in_order(ranges: Ranges, taken: set[int]) -> None:
    assert list(ranges.lowest(taken)) == sorted(members(ranges) - taken)


def test_a_huge_pool_costs_nothing() -> None:
    ranges = usable("10.0.0.0/8", NONE, parse_ranges("reserved", ["10.0.0.2-10.0.0.5"]), ["10.0.0.1"])
    assert ranges.size == 2**24 - 2 - 5
    assert [show_address(item) for item in islice(ranges.lowest({number_of("10.0.0.6")}), 2)] == ["10.0.0.7", "10.0.0.8"]


def test_a_pool_lies_in_its_network() -> None:
    with pytest.raises(ZonalError, match=r"pools: '10\.0\.1\.0-10\.0\.1\.255' is outside"):
        usable("10.0.0.0/24", parse_ranges("pools", ["10.0.0.9", "10.0.1.0/24"]), NONE, [])
