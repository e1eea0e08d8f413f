# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: may change without notice.
"""The cgroups of containers, read from the kernel's files: one walk for all of them, whoever (systemd, docker) made the tree."""

from __future__ import annotations

import os
import re
from collections.abc import Collection
from contextlib import suppress

from .._domain.usage import Usage, usage_of_cgroup

# Version 1 has a tree for each controller.
_TREES = ("cpuacct", "memory", "blkio")
_OF_A_CONTAINER = re.compile("(?:docker-)?([0-9a-f]{64})(?:[.]scope)?")


class Cgroups:
    """``root`` is another place for /proc and /sys, for tests."""

    def __init__(self, root: str = "/") -> None:
        self._base = os.path.join(root, "sys/fs/cgroup")
        self._proc = os.path.join(root, "proc")
        self._devices = os.path.join(root, "sys/dev/block")
        self._version = 2 if os.path.exists(os.path.join(self._base, "cgroup.controllers")) else 1
        self._lower: dict[str, frozenset[str]] = {}

    def usage(self, ids: Collection[str]) -> dict[str, Usage]:
        """Return what the containers of these ids have used; those that do not run are not among them."""
        wanted = frozenset(ids)
        folders: dict[str, list[str]] = {}
        for tree in [self._base] if self._version == 2 else [os.path.join(self._base, name) for name in _TREES]:
            for folder, names, _files in os.walk(tree):
                found = {match.group(1): name for name in names if (match := _OF_A_CONTAINER.fullmatch(name))}
                for container, name in found.items():
                    if container in wanted:
                        folders.setdefault(container, []).append(os.path.join(folder, name))
                # What a container makes below its own cgroup is counted there.
                names[:] = [name for name in names if name not in found.values()]
        return {container: self._read(places) for container, places in folders.items()}

    def _read(self, folders: list[str]) -> Usage:
        def read(name: str) -> str:
            for folder in folders:
                text = _text(os.path.join(folder, name))
                if text:
                    return text
            return ""

        process = _any_process(folders[0])
        devices = _text(os.path.join(self._proc, process, "net/dev")) if process else ""
        return usage_of_cgroup(self._version, read, devices, self._slaves)

    def _slaves(self, device: str) -> frozenset[str]:
        """Return all devices that a device lies on, also through others."""
        if device not in self._lower:
            self._lower[device] = frozenset()
            with suppress(OSError):
                folder = os.path.join(self._devices, device, "slaves")
                direct = [_text(os.path.join(folder, name, "dev")).strip() for name in os.listdir(folder)]
                self._lower[device] = frozenset(direct).union(*map(self._slaves, direct))
        return self._lower[device]


def _any_process(folder: str) -> str:
    for place, _names, _files in os.walk(folder):
        processes = _text(os.path.join(place, "cgroup.procs")).split()
        if processes:
            return processes[0]
    return ""


def _text(path: str) -> str:
    """Return a file of the kernel; empty when it is gone, as all of a container's are when it ends."""
    try:
        with open(path, encoding="ascii", errors="replace") as file:
            return file.read()
    except OSError:
        return ""
