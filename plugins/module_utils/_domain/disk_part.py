# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: may change without notice.
"""The parts that a disk's copy is stored in: each is packed by itself, and one of zeroes only is not stored at all."""

from __future__ import annotations

import zlib
from collections.abc import Iterator

from .quantity import format_size

# Some of them are in memory at once, packed and unpacked. Changing it makes another version of the format.
PART = 16 * 1024**2
# The smallest chunk of a thin pool: leaving out less saves nothing.
BLOCK = 64 * 1024
_ZEROES = bytes(PART)
_GZIP = 31  # window bits, see zlib
_LEVEL = 1  # the higher ones take many times as long to save a tenth


def count_parts(size: int) -> int:
    """Return how many parts a disk has."""
    return -(-size // PART)


def length_of(number: int, size: int) -> int:
    """Return the bytes of a part of a disk; only the last one may be shorter than the others."""
    return min(PART, size - number * PART)


def zeroes(length: int) -> bytes:
    """Return what is read of a part that is not stored."""
    return _ZEROES[:length]


def filled(raw: bytes, block: int) -> Iterator[tuple[int, bytes]]:
    """Yield position and content of all blocks that are not of zeroes only."""
    if raw == zeroes(len(raw)):
        return
    for position in range(0, len(raw), block):
        content = raw[position : position + block]
        if content != zeroes(len(content)):
            yield position, content


def pack(raw: bytes) -> bytes:
    """Return a part as ``gunzip`` reads it; the same bytes for the same part."""
    packer = zlib.compressobj(_LEVEL, wbits=_GZIP)
    return packer.compress(raw) + packer.flush()


def largest_packed(length: int) -> int:
    """Return how many bytes a part may have packed: what cannot be made smaller grows a little."""
    return length + length // 1000 + 1024


def unpack(packed: bytes, length: int) -> bytes:
    """Return the part of exactly ``length`` bytes; ValueError for anything else, of which no more is unpacked."""
    unpacker = zlib.decompressobj(wbits=_GZIP)
    try:
        raw = unpacker.decompress(packed, length + 1)
    except zlib.error as error:
        raise ValueError(f"it cannot be unpacked ({error})") from error
    if len(raw) > length:
        raise ValueError(f"it unpacks to more than {format_size(length)}")
    if not unpacker.eof:
        raise ValueError("it breaks off")
    if len(raw) < length or unpacker.unused_data:
        raise ValueError(f"it is not one packed part of {format_size(length)}")
    return raw
