# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: may change without notice.
"""One host, one writer: applies are serialised by a lock that the kernel drops with its process."""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager

from .._ports import EngineError
from .guest_release import await_releases

LOCK_FILE = "/run/zonal-cloud.lock"


def volume_lock(group: str, volume: str) -> str:
    """Return the lock of who has a hidden volume for longer than the host is locked."""
    return f"/run/zonal-cloud.{group}.{volume}.lock"


@contextmanager
def host_lock(path: str = LOCK_FILE, timeout: float = 900) -> Iterator[None]:
    """Hold the host's lock; wait ``timeout`` seconds for another holder, then fail naming its process."""
    try:
        # Kept open without close-on-exec being cleared: engines started below must not inherit the lock.
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    except OSError as error:
        raise EngineError("open the lock", path, f"{error.strerror}; run with become: true") from error
    deadline = time.monotonic() + timeout
    try:
        while not _try_lock(handle):
            if time.monotonic() > deadline:
                holder = os.pread(handle, 32, 0).decode("ascii", "replace").strip() or "unknown"
                raise EngineError("lock", path, f"process {holder} has held it for over {timeout:g} seconds")
            time.sleep(0.2)
        os.ftruncate(handle, 0)
        os.pwrite(handle, str(os.getpid()).encode(), 0)
        await_releases(os.path.dirname(path))
        yield
    finally:
        os.close(handle)


def is_held(path: str) -> bool:
    """Tell whether a process holds the lock ``path``; nothing is written."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    except FileNotFoundError:
        return False
    except OSError as error:
        raise EngineError("open the lock", path, f"{error.strerror}; run with become: true") from error
    try:
        return not _try_lock(handle)
    finally:
        os.close(handle)


def _try_lock(handle: int) -> bool:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
