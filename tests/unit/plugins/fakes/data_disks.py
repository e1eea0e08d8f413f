# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""File systems on data disks in memory, and the disks of a host that is made of fakes."""

from __future__ import annotations

from typing import Any

from ansible_collections.zonal.cloud.plugins.module_utils._module.data_disks import DataDisks
from ansible_collections.zonal.cloud.tests.unit.plugins.fakes.fuse import DATA_CHANGES, VM_CHANGES, VOLUME_CHANGES, Fuse
from ansible_collections.zonal.cloud.tests.unit.plugins.fakes.vms import FakeVms
from ansible_collections.zonal.cloud.tests.unit.plugins.fakes.volumes import FakeVolumes


class FakeFilesystems:
    """``made`` are the file systems by their devices: kind and size. A test may add to ``mounted``, the devices that a container has."""

    def __init__(self, volumes: FakeVolumes) -> None:
        self._volumes = volumes
        self.made: dict[str, tuple[str, int]] = {}
        self.mounted: set[str] = set()

    def make(self, kind: str, path: str) -> None:
        self.made[path] = (kind, self._size(path))

    def reached(self, kind: str, path: str, size: int, *, busy: bool) -> int:
        found = self._found(path)
        if found[0] != kind or (path not in self.mounted and (busy or kind == "xfs")):
            return size
        return found[1]

    def fill(self, kind: str, path: str) -> None:
        self.made[self._origin(path)] = (kind, self._size(path))

    def _found(self, path: str) -> tuple[str, int]:
        return self.made.get(self._origin(path), ("", 0))

    def _origin(self, path: str) -> str:
        # A volume is made under a hidden name.
        return path if path in self.made else f"{path}.new"

    def _size(self, path: str) -> int:
        return next(volume.size for volume in self._volumes.list() if volume.path == path)


def data_disks(volumes: FakeVolumes, vms: FakeVms, filesystems: FakeFilesystems | None = None, fuse: Fuse | None = None) -> DataDisks:
    """Return the data disks of a host of fakes; ``fuse`` cuts off what is done to them."""
    fuse = fuse or Fuse(-1)
    systems: Any = filesystems or FakeFilesystems(volumes)
    return DataDisks(fuse.guard(volumes, *VOLUME_CHANGES), fuse.guard(systems, *DATA_CHANGES), fuse.guard(vms, *VM_CHANGES))
