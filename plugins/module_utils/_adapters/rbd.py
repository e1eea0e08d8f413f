# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: may change without notice.
"""RBD images through Ceph's own programs and their JSON. The user's key is read by these from a keyring beside the settings."""

from __future__ import annotations

import json
import re
import socket
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from typing import Any

from .._domain.rbd import Cluster, Holder, RbdSource
from .._domain.thin_pool import EXTENT_SIZE
from .._domain.volume import Volume
from .._ports import Command, EngineAbsent, EngineError

# Without a monitor that answers, Ceph's programs wait for five minutes.
_TIMEOUT = 60.0
# Each piece of an image is deleted by itself; a run that is cut off has left fewer.
_REMOVAL = 3600.0
# On the object of an image that the lock of librbd is on, too; it goes where the image goes, and tells nothing to librbd.
_LOCK = "zonal"
_TAGS = "zonal."
# Of an image whose name is listed: one that was removed since, or whose removal was cut off when all but its name was gone.
_GONE = re.compile(r"(?:error opening image \S+|delete error): \(2\) ")
_OPEN = "image still has watchers"
_IN_USE = "it is open, or just being removed, on one of the hosts; whoever was lost with it lets go after half a minute"


def this_machine() -> tuple[str, str]:
    """Return the name of this host, and what no other has even if it has the same name."""
    try:
        with open("/etc/machine-id", encoding="ascii") as handle:
            number = handle.read().strip()
    except OSError as error:
        raise EngineError("read", "/etc/machine-id", str(error)) from error
    if not number:
        raise EngineError("read", "/etc/machine-id", "it is empty, so this host cannot be told from others")
    return socket.gethostname(), number


class _Gone(EngineError):
    """There is no such image, but perhaps its name."""


class RbdImages:
    """``DiskImages`` of a pool. ``machine`` tells the name of this host, and what no other has. A pool that could not be listed is not
    asked again."""

    def __init__(self, command: Command, cluster: Cluster, machine: Callable[[], tuple[str, str]] = this_machine) -> None:
        self._command = command
        self._cluster = cluster
        self._machine = machine
        self._lost: EngineError | None = None

    def find(self, name: str) -> Volume | None:
        if not self._is_there(name):
            return None
        with suppress(_Gone):
            told = self._ask("rbd", "image-meta", "ls", self.path(name))
            tags = frozenset(f"{key}={value}" for key, value in told.items() if key.startswith(_TAGS))
            return Volume(self._cluster.pool, name, self.path(name), int(self._info(name, "size")), tags=tags)
        return None

    def path(self, name: str) -> str:
        return f"{self._cluster.pool}/{name}"

    def source(self, name: str) -> RbdSource:
        return RbdSource(self.path(name), self._cluster.user, self._cluster.conf)

    def create(self, name: str, size: int, tags: Iterable[str]) -> Volume:
        self._sweep(name)
        # Empty as long as it does not say what it is: an empty one may be removed by whoever finds it.
        self._run("rbd", "create", "--size", "0", self.path(name))
        for tag in sorted(tags):
            key, _dummy, value = tag.partition("=")
            self._run("rbd", "image-meta", "set", self.path(name), key, value)
        self._resize(name, size)
        return self._must_find(name)

    def grow(self, name: str, size: int) -> None:
        if self._must_find(name).size < size:
            self._resize(name, size)

    def rename(self, name: str, new_name: str) -> None:
        self._sweep(new_name)
        self._run("rbd", "rename", self.path(name), self.path(new_name))

    def remove(self, name: str) -> None:
        if not self._is_there(name):
            return
        try:
            with suppress(_Gone):
                self._run("rbd", "rm", "--no-progress", self.path(name), timeout=_REMOVAL)
        except EngineError as error:
            if _OPEN in error.details["cause"]:
                raise EngineError("remove", self.path(name), _IN_USE) from error
            raise

    def is_open(self, name: str) -> bool:
        with suppress(_Gone):
            return self._is_there(name) and bool(self._ask("rbd", "status", self.path(name)).get("watchers"))
        return False

    def holder(self, name: str) -> Holder | None:
        locker = self._locker(name)
        return self._holder(locker) if locker else None

    def claim(self, name: str, instance: str) -> None:
        host, number = self._machine()
        found = self.holder(name)
        if found is not None and not found.here:
            raise EngineError("give", f"{self.path(name)} to {instance}", f"{found.instance} on the host {found.host} has it")
        if found is not None:
            if found.instance == instance:
                return
            self.release(name, found)
        # It is the cluster that lets only one of two have it.
        words = ("lock", "get", self._header(name), _LOCK, "--lock-cookie", number, "--lock-description", f"{instance} {host}")
        self._run("rados", *words)

    def release(self, name: str, holder: Holder) -> None:
        locker = self._locker(name)
        if locker and self._holder(locker) == holder:
            self._run("rados", "lock", "break", self._header(name), _LOCK, locker["name"], "--lock-cookie", locker["cookie"])

    def _locker(self, name: str) -> dict[str, str]:
        """Return who has the lock of an image, as rados tells it; empty when nobody has, or there is no image."""
        lockers = None
        if self._is_there(name):
            with suppress(_Gone):
                lockers = self._ask("rados", "lock", "info", self._header(name), _LOCK).get("lockers")
        return {key: str(lockers[0].get(key, "")) for key in ("name", "cookie", "description", "addr")} if lockers else {}

    def _holder(self, locker: Mapping[str, str]) -> Holder:
        instance, _dummy, host = locker["description"].partition(" ")
        return Holder(instance or "somebody", host or locker["addr"], locker["cookie"] == self._machine()[1])

    def _header(self, name: str) -> str:
        return f"rbd_header.{self._info(name, 'id')}"

    def _info(self, name: str, key: str) -> Any:
        told = self._ask("rbd", "info", self.path(name))
        if key not in told:
            raise EngineError("read the answer of", f"rbd info {self.path(name)}", f"it has no {key}")
        return told[key]

    def _is_there(self, name: str) -> bool:
        if self._lost is not None:
            raise self._lost
        try:
            return name in self._read(list, "rbd", "ls", self._cluster.pool)
        except EngineError as error:
            # Each further call could take as long, for each disk of a host.
            self._lost = error
            raise

    def _sweep(self, name: str) -> None:
        """Remove the name of an image that is gone, by which no other one could be made."""
        if self._is_there(name):
            try:
                self._info(name, "id")
            except _Gone:
                self.remove(name)

    def _resize(self, name: str, size: int) -> None:
        self._run("rbd", "resize", "--no-progress", "--size", f"{-(-size // EXTENT_SIZE) * EXTENT_SIZE}B", self.path(name))

    def _must_find(self, name: str) -> Volume:
        volume = self.find(name)
        if volume is None:
            raise EngineError("find", self.path(name), "there is no such image")
        return volume

    def _ask(self, program: str, *words: str) -> dict[str, Any]:
        return dict(self._read(dict, program, *words))

    def _read(self, kind: type, program: str, *words: str) -> Any:
        text = self._run(program, *words, "--format", "json")
        try:
            # Of what is noted on an image on which nothing is, rbd prints nothing.
            answer = json.loads(text) if text.strip() else kind()
        except ValueError:
            answer = None
        if not isinstance(answer, kind):
            raise EngineError("read the answer of", f"{program} {' '.join(words)}", f"{text[:200]!r} is none")
        return answer

    def _run(self, program: str, *words: str, timeout: float = _TIMEOUT) -> str:
        pool = ("--pool", self._cluster.pool) if program == "rados" else ()
        try:
            return self._command([program, "--conf", self._cluster.conf, "--id", self._cluster.user, *pool, *words], timeout=timeout)
        except EngineAbsent:
            # Not that: a host without Ceph still has its other instances.
            raise EngineError("run", program, "it is not installed; it is in the package ceph-common") from None
        except EngineError as error:
            if _GONE.search(error.details["cause"]):
                raise _Gone("run", f"{program} {' '.join(words)}", "there is no such image") from error
            raise
