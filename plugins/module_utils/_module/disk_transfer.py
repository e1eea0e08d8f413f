# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: may change without notice.
"""The bytes of a disk on their way into a store and back."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import replace

from .._adapters.disk_parts import ahead, read_disk, written_disk
from .._domain.disk_copy import DiskCopy, part_key
from .._domain.disk_part import BLOCK, PART, count_parts, filled, largest_packed, length_of, pack, unpack, zeroes
from .._domain.thin_pool import MIB
from .._ports_s3 import Objects


def store_disk(objects: Objects, device: str, planned: DiskCopy) -> DiskCopy:
    """Store the parts of a disk, and return ``planned`` with what only now is known of it."""
    digest = hashlib.sha256()
    data = 0

    def parts(disk: Iterable[bytes]) -> Iterator[tuple[int, bytes]]:
        nonlocal data
        for number, raw in enumerate(disk):
            digest.update(raw)
            holds = sum(len(block) for _position, block in filled(raw, MIB))
            data += holds
            if holds:
                yield number, raw

    def put(part: tuple[int, bytes]) -> int:
        packed = pack(part[1])
        objects.put(part_key(planned.volume, planned.name, part[0]), packed)
        return len(packed)

    lengths = (length_of(number, planned.size) for number in range(count_parts(planned.size)))
    # An error must not leave the disk open: it could not be removed then.
    with closing(read_disk(device, lengths)) as disk:
        sizes = list(ahead(put, parts(disk)))
    return replace(planned, data=data, parts=len(sizes), stored=sum(sizes), sha256=digest.hexdigest())


def restore_disk(objects: Objects, copy: DiskCopy, numbers: Sequence[int], device: str) -> None:
    """Write a copy to an empty disk, of which blocks of zeroes stay empty. ValueError says how the copy is not as it was stored."""
    digest = hashlib.sha256()
    left = copy.data

    def get(number: int) -> bytes:
        length = length_of(number, copy.size)
        packed = objects.read(part_key(copy.volume, copy.name, number), largest_packed(length))
        if packed is None:
            raise ValueError(f"its part {number} is missing")
        try:
            return unpack(packed, length)
        except ValueError as error:
            raise ValueError(f"its part {number} is not as it was stored: {error}") from error

    stored = set(numbers)
    with closing(ahead(get, numbers)) as parts, written_disk(device) as write:
        for number in range(count_parts(copy.size)):
            raw = next(parts) if number in stored else zeroes(length_of(number, copy.size))
            digest.update(raw)
            for position, block in filled(raw, BLOCK):
                left -= len(block)
                if left < 0:
                    raise ValueError(f"it holds more than {copy.data} bytes")
                write(number * PART + position, block)
    if digest.hexdigest() != copy.sha256:
        raise ValueError("its content has another sha256 than when it was stored")
