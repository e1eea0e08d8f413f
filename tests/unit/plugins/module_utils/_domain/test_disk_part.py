# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Parts of a disk: what is left out, and what is not unpacked."""

from __future__ import annotations

import gzip
import hashlib
import zlib

import pytest

from ansible_collections.zonal.cloud.plugins.module_utils._domain.disk_part import (
    BLOCK,
    PART,
    count_parts,
    filled,
    largest_packed,
    length_of,
    pack,
    unpack,
)

NOISE = hashlib.shake_128(b"noise").digest(PART)
RAW = bytes(BLOCK) + b"content" + bytes(BLOCK)


def test_a_disk_is_divided_into_parts() -> None:
    assert [(count_parts(size), length_of(count_parts(size) - 1, size)) for size in (1, PART, PART + 1)] == [(1, 1), (1, PART), (2, 1)]


@pytest.mark.parametrize("raw", [bytes(PART), bytes(1), NOISE, RAW, b"x" * (BLOCK + 1)], ids=["zeroes", "one", "noise", "some", "odd"])
def test_what_is_packed_is_unpacked(raw: bytes) -> None:
    packed = pack(raw)
    assert unpack(packed, len(raw)) == raw
    assert gzip.decompress(packed) == raw
    assert len(packed) <= largest_packed(len(raw))
    rebuilt = bytearray(len(raw))
    for position, block in filled(raw, BLOCK):
        rebuilt[position : position + len(block)] = block
    assert rebuilt == raw


def test_zeroes_are_left_out() -> None:
    assert list(filled(bytes(PART), BLOCK)) == []
    assert [(position, len(block)) for position, block in filled(RAW, BLOCK)] == [(BLOCK, BLOCK)]
    assert len(pack(bytes(PART))) < PART // 200


HOSTILE: dict[str, tuple[bytes, str]] = {
    "empty": (b"", "it breaks off"),
    "no gzip": (b"hello", "it cannot be unpacked"),
    "zlib without gzip": (zlib.compress(RAW), "it cannot be unpacked"),
    "cut off": (pack(RAW)[:-1], "it breaks off"),
    "a bit turned": (pack(RAW)[:-5] + b"\x00" + pack(RAW)[-4:], "it cannot be unpacked"),
    "a bomb": (pack(bytes(PART)), "it unpacks to more than"),
    "one byte more": (pack(RAW + b"x"), "it unpacks to more than"),
    "one byte less": (pack(RAW[:-1]), "it is not one packed part"),
    "something behind": (pack(RAW) + b"x", "it is not one packed part"),
    "two streams": (pack(RAW) + pack(RAW), "it is not one packed part"),
}


@pytest.mark.parametrize("case", HOSTILE)
def test_anything_else_is_refused(case: str) -> None:
    packed, message = HOSTILE[case]
    with pytest.raises(ValueError, match=message):
        unpack(packed, len(RAW))
