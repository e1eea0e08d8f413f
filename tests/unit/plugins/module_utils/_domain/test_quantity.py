# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Sizes and spans of time, as users write them."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.zonal.cloud.plugins.module_utils._domain.errors import SpecError
from ansible_collections.zonal.cloud.plugins.module_utils._domain.quantity import format_size, format_span, parse_size, parse_span

KIB, MIB, GIB, TIB, PIB = (1024**power for power in range(1, 6))
MOST = 2**63 - 1

GOOD = [
    ("1", 1),
    (1, 1),
    (4096, 4096),
    (4096.0, 4096),
    ("4G", 4 * GIB),
    ("4g", 4 * GIB),
    ("4GB", 4 * GIB),
    ("4GiB", 4 * GIB),
    ("4gib", 4 * GIB),
    ("4 G", 4 * GIB),
    (" 4G\n", 4 * GIB),
    ("512 MiB", 512 * MIB),
    ("1K", KIB),
    ("1.5T", TIB + 512 * GIB),
    ("0.5K", 512),
    ("8191P", 8191 * PIB),
    ("2B", 2),
    (MOST, MOST),
]
BAD = [
    "4 apples",
    "4  G",
    "4G G",
    "G",
    "",
    " ",
    "-1G",
    "+1G",
    "1e3",
    "0x10",
    "1,5G",
    "1_000",
    "4E",
    "4Gb/s",
    "$(reboot)",
    "4G; reboot",
    "\u0664G",  # an Arabic-Indic digit
    "4\u212a",  # the Kelvin sign
    "0",
    "0G",
    0,
    -1,
    1.5,
    1e30,
    "1.3G",
    "0.0001K",
    "8192P",
    2**63,
    "9" * 18 + "P",
    "9" * 5000,
    float("inf"),
    float("nan"),
    None,
    True,
    False,
    [],
    ["4G"],
    {"size": "4G"},
    b"4G",
]


@pytest.mark.parametrize(("value", "size"), GOOD, ids=repr)
def test_good(value: object, size: int) -> None:
    assert parse_size("disk", value) == size


@pytest.mark.parametrize("value", BAD, ids=lambda value: repr(value)[:20])
def test_bad_names_field_and_value(value: object) -> None:
    with pytest.raises(SpecError) as caught:
        parse_size("disk", value)
    assert str(caught.value).startswith(f"disk: {value!r}"[:80])
    assert caught.value.details == {"field": "disk", "value": value}
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("size", "text"),
    [(1, "1"), (1023, "1023"), (KIB, "1K"), (GIB, "1G"), (1536 * MIB, "1536M"), (GIB + 1, str(GIB + 1)), (5 * PIB, "5P"), (0, "0")],
)
def test_the_shortest_exact_text(size: int, text: str) -> None:
    assert format_size(size) == text


@given(st.integers(1, MOST) | st.builds(lambda number, power: number * 1024**power, st.integers(1, 8191), st.integers(0, 5)))
def test_round_trip(size: int) -> None:
    assert parse_size("disk", format_size(size)) == size
    assert parse_size("disk", format_size(size) + "iB") == size or format_size(size).isdigit()


@given(st.text() | st.integers() | st.floats() | st.none() | st.lists(st.text()))
def test_anything_is_a_size_or_a_refusal(value: object) -> None:
    with suppress(SpecError):
        assert 0 < parse_size("disk", value) <= MOST


SPANS = [("90s", 90), ("90", 90), (90, 90), ("15m", 900), ("6h", 21600), ("1d", 86400), ("2w", 1209600)]
NO_SPANS = ["", "d", "1.5h", "-1d", "1 d", "1M", "1y", "1d12h", "0", "0d", 0, 1.5, True, None, ["1d"], "\u0661d", "9" * 10]


@pytest.mark.parametrize(("value", "seconds"), SPANS)
def test_a_span(value: object, seconds: int) -> None:
    assert parse_span("every", value) == seconds


@pytest.mark.parametrize("value", NO_SPANS)
def test_what_is_no_span_is_named(value: object) -> None:
    with pytest.raises(SpecError, match=r"^every: .* is not a span of time; write a whole number and s, m, h, d or w, such as 6h"):
        parse_span("every", value)


@given(st.integers(1, 10**8))
def test_a_formatted_span_reads_back(seconds: int) -> None:
    assert parse_span("every", format_span(seconds)) == seconds
    assert len(format_span(seconds)) <= len(str(seconds)) + 1
