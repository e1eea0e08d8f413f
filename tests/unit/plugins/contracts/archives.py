# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Archives for tests, header by header."""

from __future__ import annotations

import io
import struct
import tarfile
from typing import Any

MIB = 1024**2
CAPABILITY = struct.pack("<5I", 0x02000001, 1 << 13, 0, 0, 0)


def member(
    name: str, *, kind: bytes = tarfile.REGTYPE, link: str = "", size: int = 0, mode: int = 0o644, pax: dict[str, str] | None = None
) -> tarfile.TarInfo:
    entry = tarfile.TarInfo(name)
    entry.type, entry.linkname, entry.size, entry.mode = kind, link, size, mode
    entry.pax_headers = pax or {}
    return entry


def folder(name: str) -> tarfile.TarInfo:
    return member(name, kind=tarfile.DIRTYPE, mode=0o755)


def symlink(name: str, target: str) -> tarfile.TarInfo:
    return member(name, kind=tarfile.SYMTYPE, link=target)


def hardlink(name: str, target: str, mode: int = 0o644) -> tarfile.TarInfo:
    return member(name, kind=tarfile.LNKTYPE, link=target, mode=mode)


def with_xattr(name: str, key: str, value: bytes = b"x", mode: int = 0o755) -> tarfile.TarInfo:
    return member(name, mode=mode, pax={f"SCHILY.xattr.{key}": value.decode("utf-8", "surrogateescape")})


def pack(*members: tarfile.TarInfo, form: int = tarfile.PAX_FORMAT, **options: Any) -> bytes:
    """Return an archive; each file is filled with x."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=form, encoding="utf-8", errors="surrogateescape", **options) as tar:
        for entry in members:
            tar.addfile(entry, io.BytesIO(b"x" * entry.size) if entry.isreg() else None)
    return buffer.getvalue()


def pack_gnu(*members: tarfile.TarInfo) -> bytes:
    return pack(*members, form=tarfile.GNU_FORMAT)


def with_field(archive: bytes, offset: int, value: bytes) -> bytes:
    """Return the archive with other bytes in its first header, whose sum is made right again."""
    header = bytearray(archive[:512])
    header[offset : offset + len(value)] = value
    header[148:156] = b" " * 8
    header[148:156] = b"%06o\0 " % sum(header)
    return bytes(header) + archive[512:]


def extended(*records: tuple[str, str], kind: bytes = b"x", end: bytes = b"") -> bytes:
    """Return an extended header of POSIX, to be put before a member."""
    lines = []
    for key, value in records:
        rest = f" {key}={value}\n".encode()
        length = len(rest) + len(str(len(rest) + 2))
        lines.append(str(length).encode() + rest)
    return _before(b"".join(lines) + end, kind)


def long_name(name: str, kind: bytes = b"L") -> bytes:
    """Return an extended header of GNU, to be put before a member."""
    return _before(name.encode() + b"\0", kind)


def _before(data: bytes, kind: bytes) -> bytes:
    return with_field(pack_gnu(member("header", size=len(data)))[:512], 156, kind) + data + bytes(-len(data) % 512)
