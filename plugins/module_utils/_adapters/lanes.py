# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: may change without notice.
"""Several pieces of work at a time, each lane in a process of its own: what works for one needs to know nothing of threads.

All numbers lie in one pipe, from which the lanes take the next one; whoever takes the rest out of it ends the work.
"""

from __future__ import annotations

import os
import pickle
import selectors
import struct
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from io import RawIOBase
from typing import Any, Callable

_NUMBER = struct.Struct("=I")
_LENGTH = struct.Struct("=Q")
# A pipe holds so many without a reader, see pipe(7): 64 KiB.
_MOST = 65536 // _NUMBER.size


def in_lanes(lanes: int, numbers: Sequence[int], work: Callable[[int], Any], seconds: int = 0) -> Iterator[tuple[int, Any]]:
    """Yield each number with what ``work`` returns for it, as they end; with None when its process died of it.

    After ``seconds``, unless these are 0, no further one is begun, and those are not among what is yielded. When this process
    dies, each lane ends with what it does. No connection may be open here: two processes would talk on it.
    """
    for start in range(0, len(numbers), _MOST):
        yield from _run(lanes, numbers[start : start + _MOST], work, seconds)


def _run(lanes: int, numbers: Sequence[int], work: Callable[[int], Any], seconds: int) -> Iterator[tuple[int, Any]]:
    tasks, entrance = os.pipe()
    os.write(entrance, b"".join(map(_NUMBER.pack, numbers)))
    os.close(entrance)
    deadline = time.monotonic() + seconds if seconds else None
    children: dict[int, int] = {}
    unknown = set(numbers)
    try:
        for _lane in range(min(lanes, len(numbers))):
            reading, writing = os.pipe()
            child = os.fork()
            if child == 0:
                _work(tasks, writing, work)
            os.close(writing)
            children[reading] = child
        with selectors.DefaultSelector() as waiting:
            for pipe in children:
                waiting.register(pipe, selectors.EVENT_READ)
            while waiting.get_map():
                ready = waiting.select(None if deadline is None else max(0.0, deadline - time.monotonic()))
                if deadline is not None and time.monotonic() >= deadline:
                    deadline = None
                    unknown.difference_update(_rest(tasks))
                for key, _events in ready:
                    answer = _received(key.fd)
                    if answer is None:
                        waiting.unregister(key.fd)
                    else:
                        unknown.discard(answer[0])
                        yield answer
        # Without a lane nobody takes what is left.
        unknown.difference_update(_rest(tasks))
        yield from ((number, None) for number in sorted(unknown))
    finally:
        _rest(tasks)
        os.close(tasks)
        for reading, child in children.items():
            os.close(reading)
            os.waitpid(child, 0)


def _work(tasks: int, results: int, work: Callable[[int], Any]) -> None:
    """Be a lane: work until there is nothing left, or nobody who wants to know. Never returns into the caller's stack."""
    with suppress(BaseException):
        parent = os.getppid()
        while (task := os.read(tasks, _NUMBER.size)) and os.getppid() == parent:
            number = _NUMBER.unpack(task)[0]
            data = pickle.dumps((number, work(number)))
            with os.fdopen(results, "wb", closefd=False) as pipe:
                pipe.write(_LENGTH.pack(len(data)) + data)
    os._exit(0)


def _rest(tasks: int) -> list[int]:
    """Take what no lane has begun."""
    rest = []
    while task := os.read(tasks, _NUMBER.size):
        rest.append(_NUMBER.unpack(task)[0])
    return rest


def _received(pipe: int) -> Any:
    """Return the next answer of a lane; None when it has ended, also in the middle of one."""
    with os.fdopen(pipe, "rb", buffering=0, closefd=False) as file:
        head = _read(file, _LENGTH.size)
        data = _read(file, _LENGTH.unpack(head)[0]) if head else b""
    return pickle.loads(data) if data else None


def _read(file: RawIOBase, size: int) -> bytes:
    """Return just so many bytes, or none at all when the pipe ends before."""
    data = b""
    while len(data) < size:
        part = file.read(size - len(data))
        if not part:
            return b""
        data += part
    return data
