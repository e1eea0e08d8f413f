# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: may change without notice.
"""Disks, read and written in parts, while threads do what is to be done with the next parts."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Generator, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Callable, TypeVar

from .._ports import EngineError

_THREADS = 4
Item = TypeVar("Item")
Result = TypeVar("Result")


def read_disk(path: str, lengths: Iterable[int]) -> Generator[bytes, None, None]:
    """Yield the disk's bytes in parts of the given lengths, without keeping them in the host's memory; EngineError when it is shorter.

    Until it is closed the disk is open.
    """
    with _opened("read", path, os.O_RDONLY) as disk:
        position = 0
        for length in lengths:
            part = os.pread(disk, length, position)
            if len(part) != length:
                raise OSError(0, f"it ends after {position + len(part)} bytes")
            os.posix_fadvise(disk, position, length, os.POSIX_FADV_DONTNEED)
            yield part
            position += length


@contextmanager
def written_disk(path: str) -> Iterator[Callable[[int, bytes], None]]:
    """Give a function that writes bytes at a position of the disk; what it has written outlives a power cut when the block ends."""
    with _opened("write", path, os.O_WRONLY) as disk:

        def write(position: int, content: bytes) -> None:
            if os.pwrite(disk, content, position) != len(content):
                raise OSError(0, f"it has no room at {position} for {len(content)} bytes")

        yield write
        os.fsync(disk)


def ahead(work: Callable[[Item], Result], items: Iterable[Item]) -> Generator[Result, None, None]:
    """Yield ``work(item)`` for all items in their order, while threads work on the next few; items are taken as they are needed."""
    with ThreadPoolExecutor(_THREADS) as threads:
        waiting: deque[Future[Result]] = deque()
        try:
            for item in items:
                waiting.append(threads.submit(work, item))
                if len(waiting) > _THREADS:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()


@contextmanager
def _opened(tried: str, path: str, flags: int) -> Iterator[int]:
    try:
        disk = os.open(path, flags | os.O_CLOEXEC)
        try:
            yield disk
        finally:
            os.close(disk)
    except OSError as error:
        raise EngineError(tried, path, error.strerror or str(error)) from error
