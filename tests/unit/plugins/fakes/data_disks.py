# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""File systems on data disks in memory, and the disks of a host that is made of fakes."""

from __future__ import annotations

from typing import Any

from ansible_collections.zonal.cloud.plugins.module_utils._module.data_disks import DataDisks
from ansible_collections.zonal.cloud.tests.unit.plugins.fakes.fuse import DATA_CHANGES, IMAGE_CHANGES, VM_CHANGES, VOLUME_CHANGES, Fuse
from ansible_collections.zonal.cloud.tests.unit.plugins.fakes.guest_disks import FilledVolumes
from ansible_collections.zonal.cloud.tests.unit.plugins.fakes.images import FakeImages
from ansible_collections.zonal.cloud.tests.unit.plugins.fakes.vms import FakeVms


class FakeFilesystems:
    """See ``DataFilesystems`` in ``_ports_disks.py``. Tests may add to ``mounted``, the devices that containers have."""

    def __init__(self, volumes: FilledVolumes) -> None:
        self._volumes = volumes
        self.mounted: set[str] = set()

    def make(self, kind: str, path: str) -> None:
        content = self._volumes.device(path)
        content.clear()
        content.update(kind=kind, size=self._size(path))

    def reached(self, kind: str, path: str, size: int, *, busy: bool) -> int:
        content = self._volumes.device(path)
        if content.get("kind") != kind or (path not in self.mounted and (busy or kind == "xfs")):
            return size
        return int(content["size"])

    def fill(self, kind: str, path: str) -> None:
        self._volumes.device(path).update(size=self._size(path))

    def _size(self, path: str) -> str:
        return next(str(volume.size) for volume in self._volumes.list() if volume.path == path)


def data_disks(
    volumes: FilledVolumes, vms: FakeVms, filesystems: Any = None, fuse: Fuse | None = None, images: FakeImages | None = None
) -> DataDisks:
    """Return the data disks of a host of fakes; ``fuse`` cuts off what is done to them."""
    fuse, systems = fuse or Fuse(-1), filesystems or FakeFilesystems(volumes)
    guarded = fuse.guard(volumes, *VOLUME_CHANGES), fuse.guard(systems, *DATA_CHANGES), fuse.guard(vms, *VM_CHANGES)
    return DataDisks(*guarded, images and fuse.guard(images, *IMAGE_CHANGES))
