# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: may change without notice.
"""A packed file as a stream of bounded parts: whoever made it decides neither how much memory nor how much time reading it takes."""

from __future__ import annotations

import bz2
import hashlib
import lzma
import os
import stat
import tarfile
import zlib
from collections.abc import Iterator
from typing import Any, Callable

from .._domain.image_policy import too_large
from .._ports import EngineError

BLOCK = 1024**2
# What reading a broken archive raises: errors of the tar format, of its numbers and nesting, and of its compression.
BROKEN = (tarfile.TarError, EOFError, OSError, ValueError, OverflowError, RecursionError, zlib.error, lzma.LZMAError)
# What packers use for their slowest level, and some more.
_XZ_MEMORY = 128 * 1024**2
# The longest names and attributes of one member, together. Whoever reads headers keeps them in memory.
_LONGEST_HEADER = 256 * 1024
_FORMATS: dict[bytes, Callable[[], Any]] = {
    b"\x1f\x8b": lambda: zlib.decompressobj(wbits=31),
    b"BZh": bz2.BZ2Decompressor,
    b"\xfd7zXZ": lambda: lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=_XZ_MEMORY),
}
_LONGEST_MAGIC = max(map(len, _FORMATS))


class PackedFile:
    """A file whose sha256 is made of the bytes that are read, in the order they are read in."""

    def __init__(self, path: str) -> None:
        self._digest = hashlib.sha256()
        try:
            handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
        except OSError as error:
            raise EngineError("read the archive", path, str(error.strerror)) from error
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            os.close(handle)
            raise EngineError("read the archive", path, "it is not a regular file")
        self._file = os.fdopen(handle, "rb")

    def __enter__(self) -> PackedFile:
        return self

    def __exit__(self, *_error: object) -> None:
        self._file.close()

    def read(self) -> bytes:
        """Return the next part; empty at the end."""
        data = self._file.read(BLOCK)
        self._digest.update(data)
        return data

    def sha256(self) -> str:
        """Return the digest of the whole file."""
        while self.read():
            pass
        return self._digest.hexdigest()


def unpacked(file: PackedFile) -> Iterator[bytes]:
    """Yield what is packed in ``file`` (with gzip, bzip2, xz or not at all, as its first bytes say) in parts of at most BLOCK."""
    data = file.read()
    magic = next((magic for magic in _FORMATS if data.startswith(magic)), None)
    while data and magic is None:
        yield data
        data = file.read()
    while data and magic is not None:
        # Packers that work in parallel write several streams.
        if not data.startswith(magic):
            raise ValueError("other bytes follow the packed ones")
        unpacker = _FORMATS[magic]()
        yield from _unpack_one(unpacker, data, file)
        data = unpacker.unused_data
        if len(data) < _LONGEST_MAGIC:
            data += file.read()


def _unpack_one(unpacker: Any, data: bytes, file: PackedFile) -> Iterator[bytes]:
    while True:
        part = unpacker.decompress(data, BLOCK)
        if part:
            yield part
        if unpacker.eof:
            return
        data = getattr(unpacker, "unconsumed_tail", b"")
        if not data and getattr(unpacker, "needs_input", True):
            data = file.read()
            if not data and not part:
                raise EOFError("it breaks off")


class TarStream:
    """What tarfile reads from: it goes forward only, not much farther than ``max_size``, and gives little at once."""

    def __init__(self, parts: Iterator[bytes], max_size: int) -> None:
        self._parts = parts
        self._max_size = max_size
        self._part = b""
        self._start = 0
        self._position = 0
        self._allowed = _LONGEST_HEADER
        self.last = b""

    def next_member(self) -> None:
        """Allow as much to be read as the headers of one member may have."""
        self._allowed = _LONGEST_HEADER

    def tell(self) -> int:
        return self._position

    def seek(self, position: int) -> None:
        for _part in self.take(position - self._position):
            pass

    def read(self, size: int) -> bytes:
        """Return blocks of headers; ValueError when one member has more of them than any honest one."""
        self._allowed -= size
        if size < 0 or self._allowed < 0:
            raise ValueError("the header of a member is too long")
        self.last = b"".join(self._some(size))
        return self.last

    def take(self, size: int) -> Iterator[bytes]:
        """Yield the next ``size`` bytes."""
        if size < 0:
            raise ValueError("a member claims a part of another one")
        for part in self._some(size):
            size -= len(part)
            yield part
        if size:
            raise EOFError("it breaks off")

    def rest_is_empty(self) -> bool:
        """Tell whether nothing but zeroes follows."""
        return not any(part.strip(b"\0") for part in self._some(self._max_size + 2 * BLOCK))

    def _some(self, size: int) -> Iterator[bytes]:
        while size:
            if self._start == len(self._part):
                self._part, self._start = next(self._parts, b""), 0
            part = self._part[self._start : self._start + size]
            if not part:
                return
            self._start += len(part)
            self._position += len(part)
            size -= len(part)
            # Some blocks that fill up the last record do not count.
            if self._position > self._max_size + BLOCK:
                raise too_large(self._max_size)
            yield part
