# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: may change without notice.
"""Reads the archive of a root file system once, as a stream: what it holds, and the digest of its own bytes."""

from __future__ import annotations

import hashlib
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

from .._domain.content import FILE, FOLDER, LINK, PIPE
from .._domain.errors import RefusedError, ZonalError
from .._domain.image_manifest import Blob
from .._domain.image_policy import DEVICE, HARD_LINK, OTHER, Content, Inspection, Member, Policy, too_large
from .._domain.tar_rules import check_headers
from .._ports import EngineError
from .packed_stream import BLOCK, BROKEN, PackedFile, TarStream, largest_packed, unpacked

_KINDS = {
    tarfile.REGTYPE: FILE,
    tarfile.AREGTYPE: FILE,
    tarfile.GNUTYPE_SPARSE: FILE,
    tarfile.DIRTYPE: FOLDER,
    tarfile.SYMTYPE: LINK,
    tarfile.LNKTYPE: HARD_LINK,
    tarfile.FIFOTYPE: PIPE,
    tarfile.CHRTYPE: DEVICE,
    tarfile.BLKTYPE: DEVICE,
}
_XATTR = "SCHILY.xattr."
_ACL = "SCHILY.acl."
_MODE = 0o7777
_ZEROES = bytes(BLOCK)


@dataclass(frozen=True)
class Archive:
    """A checked archive: its bytes, and what it holds."""

    path: str
    blob: Blob
    content: Content

    @property
    def sha256(self) -> str:
        return self.blob.sha256


def check_archive(path: str, policy: Policy, sha256: str = "") -> Archive:
    """Return what the archive at ``path`` holds. RefusedError when it is not one with ``sha256`` (if given) or against the policy;
    EngineError when it cannot be read or is no complete tar archive.
    """
    with PackedFile(path) as file:
        if file.size > largest_packed(policy.max_size):
            raise too_large(policy.max_size)
        try:
            content = _inspect(file, path, policy)
        except ZonalError:
            # What is not even the right file is told as that.
            _check_sha256(path, file.sha256(), sha256)
            raise
        found = file.sha256()
    _check_sha256(path, found, sha256)
    return Archive(path, Blob(found, file.size, file.packed), content)


def _check_sha256(path: str, found: str, wanted: str) -> None:
    if wanted not in ("", found):
        raise RefusedError(f"src: {path} has the sha256 {found}, but {wanted} is wanted; nothing was unpacked", field="src")


def _inspect(file: PackedFile, path: str, policy: Policy) -> Content:
    inspection = Inspection(policy)
    stream = TarStream(unpacked(file), policy.max_size)
    try:
        for entry in _members(stream):
            inspection.add(_member(entry), partial(_hash_data, stream, entry))
        if stream.last.strip(b"\0") or not stream.last:
            raise ValueError("it has no end, or a member's header is broken")
        if not stream.rest_is_empty():
            raise ValueError("other bytes follow its end")
    except BROKEN as error:
        raise EngineError("read", path, f"it is not a complete tar archive: {error}") from error
    return inspection.finish()


def _members(stream: TarStream) -> Iterator[tarfile.TarInfo]:
    # Names are bytes to a file system; this way they come back as they were.
    options: Any = {"fileobj": stream, "encoding": "utf-8", "errors": "surrogateescape"}
    archive: Any
    with tarfile.open(mode="r:", **options) as archive:
        while True:
            entry = archive.next()
            headers = stream.headers()
            if set(archive.pax_headers) - {"comment"}:
                raise ValueError("it has headers that are for all members, which not every reader follows")
            if entry is None:
                return
            check_headers(headers, _bytes(entry.name))
            yield entry
            # tarfile would keep them all.
            archive.members.clear()


def _member(entry: tarfile.TarInfo) -> Member:
    acls = [(key.encode(), b"") for key in entry.pax_headers if key.startswith(_ACL)]
    xattrs = [(_bytes(key[len(_XATTR) :]), _bytes(value)) for key, value in entry.pax_headers.items() if key.startswith(_XATTR)]
    # tarfile drops this slash, by which others take a file for a folder.
    slash = "/" if entry.isreg() and entry.pax_headers.get("path", "").endswith("/") else ""
    return Member(
        name=_bytes(entry.name + slash),
        kind=_KINDS.get(entry.type, OTHER),
        mode=entry.mode & _MODE,
        uid=entry.uid,
        gid=entry.gid,
        size=entry.size,
        target=_bytes(entry.linkname) if entry.issym() or entry.islnk() else b"",
        xattrs=tuple(sorted(acls + xattrs)),
        type=entry.type,
    )


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")


def _hash_data(stream: TarStream, entry: tarfile.TarInfo) -> str:
    """Return the sha256 of a file's data, with the holes of a sparse one filled."""
    digest = hashlib.sha256()
    parts: Any = getattr(entry, "sparse", None)
    stream.seek(entry.offset_data)
    position = 0
    for offset, size in [(0, entry.size)] if parts is None else parts:
        if not size:  # a place of the header that is not used
            continue
        _hash_zeroes(digest, offset - position)
        for data in stream.take(size):
            digest.update(data)
        position = offset + size
    _hash_zeroes(digest, entry.size - position)
    return digest.hexdigest()


def _hash_zeroes(digest: Any, size: int) -> None:
    if size < 0:
        raise ValueError("the parts of a sparse file overlap")
    for start in range(0, size, BLOCK):
        digest.update(_ZEROES[: size - start])
