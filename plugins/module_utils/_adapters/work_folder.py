# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: may change without notice.
"""A folder for what is needed for the time of a run."""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager

from .._domain.names import UNFINISHED
from .._ports import EngineError


@contextmanager
def work_folder(parent: str) -> Iterator[str]:
    """Yield an empty folder below ``parent`` that only this user can read, and this run uses; what is left of another one goes."""
    own = os.path.join(parent, f"work{UNFINISHED}")
    try:
        os.makedirs(parent, mode=0o700, exist_ok=True)
        handle = os.open(parent, os.O_RDONLY | os.O_DIRECTORY)
    except OSError as error:
        raise EngineError("use the folder", parent, str(error.strerror)) from error
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        shutil.rmtree(own, ignore_errors=True)
        os.mkdir(own, mode=0o700)
        yield own
    finally:
        shutil.rmtree(own, ignore_errors=True)
        os.close(handle)
