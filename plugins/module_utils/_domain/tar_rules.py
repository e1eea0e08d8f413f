# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: may change without notice.
"""Which headers the members of an archive may have, so that all who read it take each member for the same.

Python's tarfile checks an archive, GNU tar unpacks it for VMs, and Go's archive/tar for docker. On what is usual they agree; on the
rest they do not, and then the content that was checked is not the one that a container gets.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from .image_policy import OLD_SPARSE, refusal, show

BLOCK = 512
_FILES = (b"0", b"\0")
_EXTENSIONS = (b"x", b"g", b"L", b"K", b"X")  # X is what Solaris wrote for x
# One for all members, then those for the next member: either of POSIX or of GNU, each once.
_ORDER = re.compile(rb"g?(?:x|LK?|KL?)?")
_POSIX = b"ustar\0"
_OCTAL = re.compile(rb" *[0-7]+[ \0]*")
_BINARY = b"\x80"
_LENGTH = re.compile(rb"([1-9][0-9]{0,6}) ")
_NUMBER, _TIME, _TEXT = re.compile(rb"[0-9]{1,19}"), re.compile(rb"-?[0-9]{1,19}(?:\.[0-9]*)?"), re.compile(rb".+", re.DOTALL)
_SPARSE = {
    b"GNU.sparse.major": re.compile(rb"1"),
    b"GNU.sparse.minor": re.compile(rb"0"),
    b"GNU.sparse.name": _TEXT,
    b"GNU.sparse.realsize": _NUMBER,
}
_RECORDS = {
    **dict.fromkeys((b"uid", b"gid", b"size"), _NUMBER),
    **dict.fromkeys((b"mtime", b"atime", b"ctime"), _TIME),
    **_SPARSE,
    # Names are bytes in any case; tarfile says so when they are not UTF-8.
    b"hdrcharset": re.compile(rb"BINARY"),
}


class _Header(NamedTuple):
    """One block, and the data of an extended header that follows it."""

    kind: bytes
    block: bytes
    data: bytes


def check_headers(raw: bytes, name: bytes) -> None:
    """Refuse the member ``name`` when not all readers take its header blocks, ``raw``, in the same way."""
    try:
        *extensions, own = _split(raw)
        _check_order(b"".join(header.kind for header in extensions))
        records: dict[bytes, bytes] = {}
        for header in extensions:
            _check_prefix(header)
            if header.kind in (b"L", b"K"):
                _check_long(header)
            else:
                found = _records(header.data)
                records = found if header.kind == b"x" else records
        _check_own(own, named=b"path" in records or any(header.kind == b"L" for header in extensions))
        _check_sparse(own.kind, records)
    except ValueError as error:
        raise refusal(name, f"whose headers not every reader takes in the same way: {error}") from None


def _split(raw: bytes) -> Iterator[_Header]:
    """Yield the headers, the member's own last; what follows that one is the map of a sparse file."""
    start = 0
    while True:
        block = raw[start : start + BLOCK]
        kind = block[156:157]
        if kind not in _EXTENSIONS:
            yield _Header(kind, block, b"")
            return
        size = _octal(block[124:136], "the size of an extended header")
        begin, start = start + BLOCK, start + BLOCK + size + -size % BLOCK
        if raw[begin + size : start].strip(b"\0"):
            raise ValueError("bytes follow an extended header")
        yield _Header(kind, block, raw[begin : begin + size])


def _check_order(kinds: bytes) -> None:
    if not _ORDER.fullmatch(kinds):
        raise ValueError(f"it has the extended headers {show(kinds)}")


def _check_prefix(header: _Header) -> None:
    """In this place POSIX has the first part of a name, GNU has times and the map of a sparse file, and star has both."""
    place = header.block[345:]
    if header.kind == OLD_SPARSE or not place.strip(b"\0"):
        return
    if header.block[257:263] != _POSIX or b"\0" in place[:155].rstrip(b"\0") or place[155:].strip(b"\0"):
        raise ValueError("it has a prefix, but not as POSIX says")


def _check_long(header: _Header) -> None:
    if not header.data.partition(b"\0")[0]:
        raise ValueError("it has an extended header with nothing in it")


def _check_own(own: _Header, named: bool) -> None:
    _check_prefix(own)
    _octal(own.block[100:108], "its mode")
    for place, what in ((slice(108, 116), "its user"), (slice(116, 124), "its group"), (slice(124, 136), "its size")):
        if own.block[place][:1] != _BINARY:
            _octal(own.block[place], what)
    if named and own.kind == b"\0" and own.block[:100].partition(b"\0")[0].endswith(b"/"):
        raise ValueError("it is a folder by one name and a file by another")


def _octal(text: bytes, what: str) -> int:
    if not _OCTAL.fullmatch(text):
        raise ValueError(f"{what} is '{show(text)}', which is no octal number")
    return int(text.strip(b" \0"), 8)


def _records(data: bytes) -> dict[bytes, bytes]:
    """Return the records of an extended header of POSIX, each ``LENGTH KEY=VALUE`` and a line's end."""
    records: dict[bytes, bytes] = {}
    start = 0
    while start < len(data):
        length = _LENGTH.match(data, start)
        end = start + int(length[1]) if length else 0
        if length is None or not length.end() < end <= len(data) or data[end - 1 : end] != b"\n":
            raise ValueError("an extended header is broken")
        key, equals, value = data[length.end() : end - 1].partition(b"=")
        if not (key and equals):
            raise ValueError("an extended header is broken")
        _check_record(key, value)
        if key in records:
            raise ValueError(f"it has the record {show(key)} twice")
        records[key] = value
        start = end
    return records


def _check_record(key: bytes, value: bytes) -> None:
    if key.startswith(b"GNU.") and key not in _RECORDS:
        raise ValueError(f"it has the record {show(key)}; pack the image with tar --format=posix, without --sparse")
    if not _RECORDS.get(key, _TEXT).fullmatch(value):
        raise ValueError(f"it has the record {show(key)}={show(value)}")


def _check_sparse(kind: bytes, records: Mapping[bytes, bytes]) -> None:
    sparse = set(_SPARSE).intersection(records)
    if sparse and (kind not in _FILES or len(sparse) < len(_SPARSE) or b"path" in records):
        raise ValueError(f"it has only {show(b', '.join(sorted(sparse)))} of a sparse file, or another name beside; pack without --sparse")
