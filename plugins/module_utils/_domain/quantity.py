# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: may change without notice.
"""Sizes as users write them, in powers of 1024 as LVM, docker and libvirt count them, and spans of time."""

from __future__ import annotations

import re
from decimal import Decimal

from .errors import SpecError

_UNITS = {"": 0, "K": 1, "M": 2, "G": 3, "T": 4, "P": 5}
_SIZE = re.compile(r"(\d{1,19}(?:\.\d{1,6})?) ?([KMGTP]?)(?:iB|B)?", re.ASCII | re.IGNORECASE)
_SECONDS = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}
_SPAN = re.compile(r"(\d{1,9})([smhdw]?)", re.ASCII)
_LONGEST_WAIT = 86400
_HINT = "is not a size; write a number and K, M, G or T (powers of 1024), such as 4G"


def parse_size(field: str, value: object) -> int:
    """Return bytes for ``4G``, ``512 MiB``, ``1.5T`` or a plain number of bytes; SpecError otherwise or for nothing."""
    match = None if isinstance(value, bool) else _SIZE.fullmatch(str(value).strip())
    if match is None:
        raise SpecError(field, value, _HINT)
    size = Decimal(match.group(1)) * 1024 ** _UNITS[match.group(2).upper()]
    if size != int(size):
        raise SpecError(field, value, "is not a whole number of bytes")
    if not 0 < size < 2**63:
        raise SpecError(field, value, "is out of range; it must be more than 0 and less than 8192P")
    return int(size)


def format_size(size: int) -> str:
    """Return the shortest exact text that ``parse_size`` reads back, such as ``4G`` or ``1536M``."""
    for unit in ("P", "T", "G", "M", "K"):
        factor = 1024 ** _UNITS[unit]
        if size >= factor and size % factor == 0:
            return f"{size // factor}{unit}"
    return str(size)


def rough_size(size: int) -> str:
    """Return whole megabytes for people, such as ``134M``; what is less is told in kilobytes."""
    return f"{size // 1024**2}M" if size >= 1024**2 else f"{size // 1024}K"


def parse_span(field: str, value: object) -> int:
    """Return seconds for ``90s``, ``15m``, ``6h``, ``1d``, ``2w`` or a plain number of seconds; SpecError otherwise or for nothing."""
    match = None if isinstance(value, bool) else _SPAN.fullmatch(str(value))
    seconds = int(match.group(1)) * _SECONDS[match.group(2)] if match else 0
    if not seconds:
        raise SpecError(field, value, "is not a span of time; write a whole number and s, m, h, d or w, such as 6h")
    return seconds


def format_span(seconds: int) -> str:
    """Return the shortest exact text that ``parse_span`` reads back, such as ``1d`` or ``36h``."""
    unit = next(unit for unit in "wdhms" if seconds % _SECONDS[unit] == 0)
    return f"{seconds // _SECONDS[unit]}{unit}"


def check_wait(field: str, seconds: int) -> None:
    """SpecError when somebody is told to wait less than nothing, or longer than any engine counts."""
    if seconds < 0:
        raise SpecError(field, seconds, "is less than 0 seconds")
    if seconds > _LONGEST_WAIT:
        raise SpecError(field, seconds, f"is more than a day, {_LONGEST_WAIT} seconds")
