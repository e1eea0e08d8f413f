# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: may change without notice.
"""Copies of containers' writable layers as folders beside docker's own. On XFS they share their blocks with what they are copies of."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import cache
from typing import Any, Callable

from .._domain.names import UNFINISHED
from .._ports import Command, EngineError

_FOLDER = "zonal-snapshots"
_DATA, _ABOUT = "data", "about.json"
# No label has a dot.
_NOTE, _POLICY = "restore.json", "policy.json"
_TIMEOUT = 3600
# Ends with this process, however that ends: the next run would find it at work on the same folders.
_OURS = ("setpriv", "--pdeathsig", "KILL")
# Copies links, device nodes (overlay's whiteouts among them) and all attributes as they are. Named once more, since with --archive
# alone an attribute that cannot be set is no error, and without trusted.overlay.opaque files of the image would come back.
_COPY = ("cp", "--archive", "--reflink=auto", "--preserve=xattr", "--no-target-directory", "--")


class FolderLayers:
    """See ``LayerCopies`` in ``_ports_layers.py``. ``root`` tells the folder of docker's data."""

    def __init__(self, command: Command, root: Callable[[], str]) -> None:
        self._command = command
        self._root = cache(root)

    def copies(self, instance: str) -> dict[str, Mapping[str, Any]]:
        with self._asking("list the snapshots of", instance):
            return {label: self._about(instance, label) for label in self._names(instance) if "." not in label}

    def copy(self, layer: str, instance: str, label: str) -> None:
        hidden = self._path(instance, label + UNFINISHED)
        with self._asking("make a snapshot of", instance):
            self._make_folder(instance)
            os.mkdir(hidden)
        try:
            self._run(*_COPY, f"{layer}/.", os.path.join(hidden, _DATA))
        except EngineError:
            self._remove(hidden)
            raise

    def keep(self, instance: str, label: str, about: Mapping[str, Any]) -> None:
        hidden = self._path(instance, label + UNFINISHED)
        with self._asking("keep the snapshot of", instance):
            _write(os.path.join(hidden, _ABOUT), about)
            self._sync(hidden)
            os.rename(hidden, self._path(instance, label))
            _sync_folder(os.path.dirname(hidden))

    def put_back(self, instance: str, label: str, layer: str) -> None:
        self._run("find", layer, "-xdev", "-mindepth", "1", "-delete")
        self._run(*_COPY, os.path.join(self._path(instance, label), _DATA, "."), layer)
        self._sync(layer)

    def remove(self, instance: str, label: str) -> None:
        path, hidden = self._path(instance, label), self._path(instance, label + UNFINISHED)
        with self._asking("remove the snapshot of", instance):
            if os.path.lexists(path):
                self._remove(hidden)
                os.rename(path, hidden)
                self._remove(hidden)

    def clear(self, instance: str) -> None:
        with self._asking("remove the snapshots of", instance):
            for label in self.copies(instance):
                self.remove(instance, label)
            if os.path.lexists(self._path(instance)):
                self._remove(self._path(instance))

    def note(self, instance: str) -> Mapping[str, Any] | None:
        with self._asking("read the note of a restore of", instance):
            return _read(self._path(instance, _NOTE))

    def write_note(self, instance: str, about: Mapping[str, Any]) -> None:
        with self._asking("write the note of a restore of", instance):
            _replace(self._path(instance, _NOTE), about)

    def policy(self, instance: str) -> Mapping[str, Any]:
        path = self._path(instance, _POLICY)
        with self._asking("read the policy of", instance), suppress(EngineError):
            return _read(path) or {}
        return {}

    def write_policy(self, instance: str, policy: Mapping[str, Any]) -> None:
        path = self._path(instance, _POLICY)
        with self._asking("write the policy of", instance):
            if policy:
                self._make_folder(instance)
                _replace(path, policy)
            elif os.path.lexists(path):
                os.unlink(path)
                _sync_folder(os.path.dirname(path))

    def left(self, instance: str) -> list[str]:
        with self._asking("list the snapshots of", instance):
            return sorted(name for name in self._names(instance) if name.endswith(UNFINISHED))

    def sweep(self, instance: str) -> None:
        path = self._path(instance, _NOTE)
        for name in self.left(instance):
            self._remove(self._path(instance, name))
        with self._asking("remove the note of a restore of", instance):
            if os.path.lexists(path):
                os.unlink(path)
                _sync_folder(os.path.dirname(path))

    def _about(self, instance: str, label: str) -> Mapping[str, Any]:
        with suppress(EngineError):
            return _read(self._path(instance, label, _ABOUT)) or {}
        return {}

    def _make_folder(self, instance: str) -> None:
        for folder in (self._path(), self._path(instance)):
            # A guest's files with set-uid bits are there for root only.
            os.makedirs(folder, mode=0o700, exist_ok=True)
            _sync_folder(os.path.dirname(folder))

    def _path(self, *names: str) -> str:
        return os.path.join(self._root(), _FOLDER, *names)

    def _names(self, instance: str) -> list[str]:
        path = self._path(instance)
        return os.listdir(path) if os.path.isdir(path) else []

    def _remove(self, path: str) -> None:
        """Remove a folder of any depth; programs, since a guest may have made folders deeper than Python's stack."""
        self._run("rm", "--recursive", "--force", "--one-file-system", "--", path)

    def _sync(self, path: str) -> None:
        self._run("sync", "--file-system", path)

    def _run(self, *argv: str) -> None:
        self._command([*_OURS, *argv], timeout=_TIMEOUT)

    @contextmanager
    def _asking(self, tried: str, instance: str) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise EngineError(tried, instance, f"{error.filename}: {error.strerror}") from error


def _read(path: str) -> Mapping[str, Any] | None:
    try:
        with open(path, encoding="utf-8") as file:
            found = json.load(file)
    except FileNotFoundError:
        return None
    except ValueError as error:
        raise EngineError("read", path, f"it is not as it was written: {error}") from error
    return found if isinstance(found, dict) else {}


def _write(path: str, about: Mapping[str, Any]) -> None:
    with open(path, "w", encoding="utf-8") as file:
        json.dump(about, file, sort_keys=True)
        file.flush()
        os.fsync(file.fileno())


def _replace(path: str, about: Mapping[str, Any]) -> None:
    """Write a file that is whole or not there, also after a power cut."""
    _write(path + UNFINISHED, about)
    os.rename(path + UNFINISHED, path)
    _sync_folder(os.path.dirname(path))


def _sync_folder(path: str) -> None:
    handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
