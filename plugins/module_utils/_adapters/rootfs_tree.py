# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: may change without notice.
"""Reads an unpacked root file system as the same entries that its archive has."""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Iterator

from .._domain.content import FILE, FOLDER, LINK, PIPE, Entry, is_content
from .._ports import EngineError

_BLOCK = 1024**2
_KINDS = {stat.S_IFREG: FILE, stat.S_IFDIR: FOLDER, stat.S_IFLNK: LINK, stat.S_IFIFO: PIPE}


def tree_entries(root: bytes) -> Iterator[Entry]:
    """Yield what is below the folder ``root``, following no link. Sockets are no content: no archive can hold them."""
    known: dict[object, str] = {}
    folders = [b""]
    while folders:
        folder = folders.pop()
        for name in os.listdir(os.path.join(root, folder)):
            path = os.path.join(folder, name)
            status = os.lstat(os.path.join(root, path))
            if stat.S_ISSOCK(status.st_mode):
                continue
            if stat.S_ISDIR(status.st_mode):
                folders.append(path)
            yield _entry(os.path.join(root, path), path, status, known)


def _entry(place: bytes, path: bytes, status: os.stat_result, known: dict[object, str]) -> Entry:
    """Return one entry; ``known`` has the digests of files with several names."""
    kind = _KINDS.get(stat.S_IFMT(status.st_mode))
    if kind is None:
        raise EngineError("read", os.fsdecode(place), "it is a device node")
    group = (status.st_dev, status.st_ino) if kind == FILE else None
    sha256 = known.get(group, "")
    if kind == FILE and not sha256:
        sha256 = _hash(place)
        if status.st_nlink > 1:
            known[group] = sha256
    return Entry(
        path,
        kind,
        stat.S_IMODE(status.st_mode),
        status.st_uid,
        status.st_gid,
        status.st_size if kind == FILE else 0,
        sha256,
        os.readlink(place) if kind == LINK else b"",
        _xattrs(place),
        group,
    )


def _xattrs(place: bytes) -> tuple[tuple[bytes, bytes], ...]:
    names = map(os.fsencode, os.listxattr(place, follow_symlinks=False))
    return tuple((name, os.getxattr(place, name, follow_symlinks=False)) for name in names if is_content(name))


def _hash(place: bytes) -> str:
    digest = hashlib.sha256()
    handle = os.open(place, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    with open(handle, "rb", buffering=0) as file:
        for block in iter(lambda: file.read(_BLOCK), b""):
            digest.update(block)
    return digest.hexdigest()
