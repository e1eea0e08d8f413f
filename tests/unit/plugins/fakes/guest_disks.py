# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""``GuestDisks`` in memory, and volumes that carry what was written to them through clone, rename and remove."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from pathlib import Path

from ansible_collections.zonal.cloud.plugins.module_utils._adapters.rootfs_archive import check_archive
from ansible_collections.zonal.cloud.plugins.module_utils._domain.guest_files import GuestFile
from ansible_collections.zonal.cloud.plugins.module_utils._domain.image_policy import Policy
from ansible_collections.zonal.cloud.plugins.module_utils._ports import EngineAbsent, EngineError
from ansible_collections.zonal.cloud.plugins.module_utils._ports_storage import BootFiles, Unpacked, Volume
from ansible_collections.zonal.cloud.tests.unit.plugins.fakes.volumes import FakeVolumes

BOOT_FILES = BootFiles(kernel=b"kernel", initrd=b"initrd", cloud_init=False)


class FilledVolumes(FakeVolumes):
    """Volumes whose ``content`` (device path -> path of a file -> text) goes where LVM takes blocks."""

    def __init__(self, capacity: int = 1024**4) -> None:
        super().__init__(capacity=capacity)
        self.content: dict[str, dict[str, str]] = {}

    def snapshot(self) -> dict[str, object]:
        """Return all there is, to compare two worlds."""
        return {volume.name: (volume, dict(self.content.get(volume.path, {})), volume.name in self.read_only) for volume in self.list()}

    def clone(self, origin: str, name: str, tags: Iterable[str], size: int = 0) -> Volume:
        made = super().clone(origin, name, tags, size)
        self.content[made.path] = dict(self.content.get(self.path(origin), {}))
        return made

    def rename(self, name: str, new_name: str) -> None:
        super().rename(name, new_name)
        self.content[self.path(new_name)] = self.content.pop(self.path(name), {})

    def remove(self, name: str) -> None:
        super().remove(name)
        self.content.pop(self.path(name), None)

    def device(self, path: str) -> dict[str, str]:
        """Return the files on a device; EngineError when there is no such device."""
        if path not in [volume.path for volume in self.list()]:
            raise EngineError("open", path, "No such file or directory")
        return self.content.setdefault(path, {})


class FakeDisks:
    """See ``GuestDisks`` in ``_ports.py``.

    Tests may set ``boot_files``, whether file systems have ``kernels``, and whether the host has a ``loader``.
    """

    def __init__(self, volumes: FilledVolumes, boot_files: BootFiles = BOOT_FILES) -> None:
        self._volumes = volumes
        self.boot_files = boot_files
        self.kernels = self.loader = True

    def make(self, device: str, archive: str, bytes_per_inode: int) -> Unpacked:
        files = self._volumes.device(device)
        files.clear()
        files["archive"] = archive
        return Unpacked(self.boot_files, check_archive(archive, Policy()).content.digest if os.path.exists(archive) else "")

    def pack(self, device: str, archive: str, *, lost_found: bool) -> str:
        """Give back the archive that the volume was made of."""
        content = Path(self._volumes.device(device)["archive"]).read_bytes()
        Path(archive).write_bytes(content)
        return check_archive(archive, Policy()).content.digest

    def flatten(self, device: str, layout: str, archive: str) -> None:
        """Take the largest layer for all of them."""
        self._volumes.device(device).clear()
        blobs = (blob.read_bytes() for blob in Path(layout).glob("blobs/sha256/*"))
        Path(archive).write_bytes(max(blobs, key=len))

    def personalise(self, device: str, files: Sequence[GuestFile]) -> None:
        self._volumes.device(device).update({file.path: file.content for file in files})

    def has_kernel(self, device: str) -> bool:
        self._volumes.device(device)
        return self.kernels

    def has_bootloader(self, device: str) -> bool:
        return "first sector" in self._volumes.device(device)

    def check_loader(self) -> None:
        if not self.loader:
            raise EngineAbsent("run", "extlinux --version", "the program extlinux is not installed")

    def add_bootloader(self, device: str) -> None:
        self._volumes.device(device)["first sector"] = "boots"
