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
from contextlib import contextmanager
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
# As manifests of published images name them.
_NAMES = {b"\x1f\x8b": "gzip", b"BZh": "bzip2", b"\xfd7zXZ": "xz"}
_LONGEST_MAGIC = max(map(len, _FORMATS))
_OTHER_FORMATS = {b"\x28\xb5\x2f\xfd": "zstd", b"\x04\x22\x4d\x18": "lz4", b"\x1f\x9d": "compress", b"LZIP": "lzip"}
_PADDED = (b"\x1f\x8b", b"\xfd7zXZ")  # their own tools pass over zeroes at the end
_SLICE = 16 * 1024
# To begin a stream costs as much as to unpack some bytes.
_FEW_STREAMS, _SMALL_STREAM = 64, 512


class PackedFile:
    """A file whose sha256 is made of the bytes that are read, in the order they are read in."""

    def __init__(self, path: str) -> None:
        self._digest = hashlib.sha256()
        self._path = path
        with self._reading():
            handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
        status = os.fstat(handle)
        if not stat.S_ISREG(status.st_mode):
            os.close(handle)
            raise EngineError("read the archive", path, "it is not a regular file")
        self._file = os.fdopen(handle, "rb")
        try:
            with self._reading():
                start = os.pread(handle, _LONGEST_MAGIC, 0)
        except EngineError:
            self._file.close()
            raise
        self.size = status.st_size
        self.packed = next((name for magic, name in _NAMES.items() if start.startswith(magic)), "")

    def __enter__(self) -> PackedFile:
        return self

    def __exit__(self, *_error: object) -> None:
        self._file.close()

    def read(self) -> bytes:
        """Return the next part; empty at the end."""
        with self._reading():
            data = self._file.read(BLOCK)
        if data is None:  # a file of the kernel that waits for more
            raise EngineError("read the archive", self._path, "it is not a regular file")
        self._digest.update(data)
        return data

    @contextmanager
    def _reading(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise EngineError("read the archive", self._path, str(error.strerror)) from error

    def sha256(self) -> str:
        """Return the digest of the whole file."""
        while self.read():
            pass
        return self._digest.hexdigest()


class _Input:
    """What was read of a packed file, to be taken in slices: the bytes behind a stream are copied as often as there are streams."""

    def __init__(self, file: PackedFile) -> None:
        self._file = file
        self._data = b""
        self._start = 0

    def peek(self, size: int) -> bytes:
        """Return the next ``size`` bytes, fewer at the end of the file, which stay the next ones."""
        while len(self._data) - self._start < size:
            more = self._file.read()
            if not more:
                break
            self._data, self._start = self._data[self._start :] + more, 0
        return self._data[self._start : self._start + size]

    def take(self, size: int) -> bytes:
        data = self.peek(size)
        self._start += len(data)
        return data

    def give_back(self, size: int) -> None:
        """Let the last ``size`` bytes be the next ones again."""
        self._start -= size


def largest_packed(max_size: int) -> int:
    """Return how large a file may be that unpacks to ``max_size``: what cannot be made smaller grows a little when it is packed."""
    return max_size + max_size // 1000 + BLOCK


def unpacked(file: PackedFile) -> Iterator[bytes]:
    """Yield what is packed in ``file`` (with gzip, bzip2, xz or not at all, as its first bytes say) in parts of at most BLOCK."""
    packed = _Input(file)
    start = packed.peek(_LONGEST_MAGIC)
    magic = next((magic for magic in _FORMATS if start.startswith(magic)), None)
    other = next((name for magic, name in _OTHER_FORMATS.items() if start.startswith(magic)), None)
    if other:
        raise ValueError(f"it is packed with {other}; pack it with gzip, bzip2 or xz, or not at all")
    if magic is None:
        yield from iter(lambda: packed.take(BLOCK), b"")
        return
    streams = size = 0
    # Packers that work in parallel write several streams.
    while packed.peek(1) and not (magic in _PADDED and _only_zeroes(packed)):
        if not packed.peek(_LONGEST_MAGIC).startswith(magic):
            raise ValueError("other bytes follow the packed ones")
        for part in _unpack_one(_FORMATS[magic](), packed):
            size += len(part)
            yield part
        streams += 1
        if streams > _FEW_STREAMS and size < streams * _SMALL_STREAM:
            raise ValueError("it is packed in too many pieces")


def _only_zeroes(packed: _Input) -> bool:
    """Tell whether nothing but padding is left, and take it."""
    if packed.peek(1) != b"\0":
        return False
    if any(part.strip(b"\0") for part in iter(lambda: packed.take(BLOCK), b"")):
        raise ValueError("other bytes follow the packed ones")
    return True


def _unpack_one(unpacker: Any, packed: _Input) -> Iterator[bytes]:
    data = packed.take(_SLICE)
    while True:
        part = unpacker.decompress(data, BLOCK)
        if part:
            yield part
        if unpacker.eof:
            packed.give_back(len(unpacker.unused_data))
            return
        data = getattr(unpacker, "unconsumed_tail", b"")
        if not data and getattr(unpacker, "needs_input", True):
            data = packed.take(_SLICE)
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
        self._headers: list[bytes] = []
        self.last = b""

    def headers(self) -> bytes:
        """Return the blocks of headers that were read since the last call, and allow as many for the next member."""
        headers = b"".join(self._headers)
        self._headers.clear()
        self._allowed = _LONGEST_HEADER
        return headers

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
        # tarfile also reads the last byte of what it passes over.
        if size > 1:
            self._headers.append(self.last)
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
