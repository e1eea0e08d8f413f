# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Artefacts in the cache: built once under a temporary name, renamed when whole."""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from lab.errors import LabError
from lab.progress import Progress


def artefact(cache: Path, name: str, key: str, build: Callable[[Path], None], progress: Progress) -> Path:
    """Folder ``CACHE/name-key``; when missing, ``build`` fills a fresh folder that then takes this name.

    A failing build leaves nothing behind; a build that was cut off is cleared by the next one.
    """
    final = cache / f"{name}-{key}"
    if final.is_dir():
        return final
    cache.mkdir(parents=True, exist_ok=True)
    with locked(cache / f".{name}.lock", progress):
        if final.is_dir():
            return final
        for left in cache.glob(f".building-{name}-*"):
            shutil.rmtree(left)
        draft = cache / f".building-{name}-{key}"
        draft.mkdir()
        draft.chmod(0o755)
        try:
            build(draft)
            draft.rename(final)
        except BaseException:
            shutil.rmtree(draft, ignore_errors=True)
            raise
    return final


@contextmanager
def locked(path: Path, progress: Progress) -> Iterator[None]:
    """Hold an exclusive lock file; says so when another command holds it. The holder may delete the file."""
    handle = _take(path, progress)
    while not _is_file(handle, path):  # deleted by the holder we waited for
        os.close(handle)
        handle = _take(path, progress)
    try:
        yield
    finally:
        os.close(handle)


def _take(path: Path, progress: Progress) -> int:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise LabError(f"cannot open the lock file {path}: {error}") from error
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        with progress.step(f"another zonal-lab holds {path.name}, waiting for it"):
            fcntl.flock(handle, fcntl.LOCK_EX)
    return handle


def _is_file(handle: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(handle), path.stat())
    except FileNotFoundError:
        return False
