# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Volumes and guests' disks as regular files, for machines whose kernel has no device-mapper.

What LVM does is shown in the lab; here QEMU gets real disks to boot from, and archives are unpacked into real file systems.
"""

from __future__ import annotations

import subprocess
import tarfile
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from ansible_collections.zonal.cloud.plugins.module_utils._adapters.data_filesystems import DiskFilesystems
from ansible_collections.zonal.cloud.plugins.module_utils._adapters.guest_disks import MountedGuestDisks
from ansible_collections.zonal.cloud.plugins.module_utils._adapters.rootfs_tree import tree_entries
from ansible_collections.zonal.cloud.plugins.module_utils._domain.content import digest_of
from ansible_collections.zonal.cloud.plugins.module_utils._domain.guest_files import GuestFile
from ansible_collections.zonal.cloud.plugins.module_utils._module.data_disks import DataDisks
from ansible_collections.zonal.cloud.plugins.module_utils._ports import BootFiles, Unpacked, VmEngine, Volume
from ansible_collections.zonal.cloud.tests.host_command import run_command
from ansible_collections.zonal.cloud.tests.unit.plugins.fakes.volumes import FakeVolumes


class FileVolumes(FakeVolumes):
    """``Volumes`` whose data are sparse files in ``folder``."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self._folder = folder

    def path(self, name: str) -> str:
        return f"{self._folder}/{name}.raw"

    def clone(self, origin: str, name: str, tags: Iterable[str], size: int = 0) -> Volume:
        made = super().clone(origin, name, tags, size)
        subprocess.run(["cp", "--sparse=always", self.path(origin), made.path], check=True)
        self._resize(name)
        return made

    def grow(self, name: str, size: int) -> None:
        super().grow(name, size)
        self._resize(name)

    def rename(self, name: str, new_name: str) -> None:
        super().rename(name, new_name)
        Path(self.path(name)).rename(self.path(new_name))

    def remove(self, name: str) -> None:
        super().remove(name)
        Path(self.path(name)).unlink(missing_ok=True)

    def _add(self, volume: Volume) -> Volume:
        super()._add(replace(volume, is_block=False))
        if not Path(volume.path).exists():
            self._resize(volume.name)
        return self._volumes[volume.name]

    def _resize(self, name: str) -> None:
        with open(self.path(name), "ab") as file:
            file.truncate(self._volumes[name].size)


def file_data_disks(volumes: FileVolumes, vms: VmEngine) -> DataDisks:
    """Return the data disks of a host whose volumes are files."""
    return DataDisks(volumes, file_filesystems(), vms)


def file_filesystems() -> DiskFilesystems:
    """Return what makes file systems in files, and lets them grow without a mount."""
    return DiskFilesystems(run_command, FileDisks())


class FileDisks(MountedGuestDisks):
    """Makes and personalises disks by the ext4 tools alone, which write into a file system without mounting it."""

    def __init__(self) -> None:
        super().__init__(run_command)

    def make(self, device: str, archive: str, bytes_per_inode: int) -> Unpacked:
        folder = Path(f"{device}.d")
        folder.mkdir()
        subprocess.run(["tar", "--extract", "--file", archive, "--directory", str(folder)], check=True)
        subprocess.run(["mkfs.ext4", "-q", "-F", "-i", str(bytes_per_inode), "-d", str(folder), device], check=True)
        with tarfile.open(archive) as tar:
            kernel, initrd = (tar.extractfile(f"boot/{name}") for name in ("vmlinuz", "initrd.img"))
            assert kernel is not None
            assert initrd is not None
            files = BootFiles(kernel.read(), initrd.read(), cloud_init=False)
        made = Unpacked(files, digest_of(tree_entries(bytes(folder))))
        subprocess.run(["rm", "-rf", str(folder)], check=True)
        return made

    def personalise(self, device: str, files: Sequence[GuestFile]) -> None:
        subprocess.run(["e2fsck", "-f", "-p", device], check=False, capture_output=True)
        subprocess.run(["resize2fs", device], check=True, capture_output=True)
        lines = []
        for number, file in enumerate(files):
            content = Path(f"{device}.{number}")
            content.write_text(file.content)
            lines += [f"rm {file.path}", f"write {content} {file.path}", f"set_inode_field {file.path} mode 010{file.mode:04o}"]
        subprocess.run(["debugfs", "-w", "-f", "-", device], input="\n".join(lines), text=True, check=True, capture_output=True)
        for number in range(len(files)):
            Path(f"{device}.{number}").unlink()
