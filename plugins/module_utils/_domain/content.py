# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: may change without notice.
"""What an image holds, whatever it is packed in: entries, their canonical listing, and its digest.

Timestamps are no content, nor are mode and owner of the root folder: an archive need not have it, and every file system has its own.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator
from typing import NamedTuple

FILE, FOLDER, LINK, PIPE = "file", "dir", "link", "fifo"
CAPABILITY = b"security.capability"
_HEADER = b"zonal.cloud content 1\n"
# What is not printable, the blank and the characters that mean something in a listing; all else stands for itself.
_ODD = re.compile(rb"[^!-<>-\[\]-~]")


class Entry(NamedTuple):
    """One path below the root, without a slash at either end. ``xattrs`` are those for which ``is_content`` is true.

    Files with the same ``group`` are one file with several names. Of a file there is a ``sha256``, of a link a ``target``.
    """

    path: bytes
    kind: str
    mode: int = 0o755
    uid: int = 0
    gid: int = 0
    size: int = 0
    sha256: str = ""
    target: bytes = b""
    xattrs: tuple[tuple[bytes, bytes], ...] = ()
    group: object = None


def is_content(xattr: bytes) -> bool:
    """Tell whether an extended attribute belongs to a file rather than to the machine that it lies on, as SELinux's labels do."""
    return xattr.startswith(b"user.") or xattr == CAPABILITY


def parents(path: bytes) -> Iterator[bytes]:
    """Return the folders above a path, the nearest first, without the root."""
    while b"/" in path:
        path = path.rpartition(b"/")[0]
        yield path


def escape(text: bytes) -> bytes:
    """Return printable ASCII for any bytes: odd ones as a backslash and three octal digits, as mtree(5) writes them."""
    return _ODD.sub(lambda match: b"\\%03o" % match[0][0], text)


def listing(entries: Iterable[Entry]) -> Iterator[bytes]:
    """Return the canonical lines, in order of the bytes of the paths. A file with several names is told at the first of them."""
    ordered = sorted(entries, key=lambda entry: entry.path)
    firsts: dict[object, bytes] = {}
    for entry in ordered:
        if entry.group is not None:
            firsts.setdefault(entry.group, entry.path)
    yield _HEADER
    for entry in ordered:
        first = firsts.get(entry.group, entry.path)
        yield b"%s %s\n" % (escape(entry.path), _describe(entry) if first == entry.path else b"hardlink=" + escape(first))


def digest_of(entries: Iterable[Entry]) -> str:
    """Return the content digest: the sha256 of the listing, in hex."""
    digest = hashlib.sha256()
    for line in listing(entries):
        digest.update(line)
    return digest.hexdigest()


def _describe(entry: Entry) -> bytes:
    words = [b"type=" + entry.kind.encode(), b"uid=%d" % entry.uid, b"gid=%d" % entry.gid]
    if entry.kind == LINK:
        words.append(b"link=" + escape(entry.target))
    else:
        words.append(b"mode=%04o" % entry.mode)
    if entry.kind == FILE:
        words += [b"size=%d" % entry.size, b"sha256=" + entry.sha256.encode()]
    words += [b"xattr.%s=%s" % (escape(name), escape(value)) for name, value in sorted(entry.xattrs)]
    return b" ".join(words)
