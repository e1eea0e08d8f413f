# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Volumes and guests' disks as regular files, for machines whose kernel has no device-mapper.

What LVM does is shown in the lab; here QEMU gets real disks to boot from, and archives are unpacked into real file systems.
"""

from __future__ import annotations

import os
import pickle
import subprocess
import tarfile
from collections.abc import Iterable, Iterator, MutableMapping, Sequence
from dataclasses import replace
from pathlib import Path

from ansible_collections.zonal.cloud.plugins.module_utils._adapters.data_filesystems import DiskFilesystems
from ansible_collections.zonal.cloud.plugins.module_utils._adapters.guest_disks import MountedGuestDisks
from ansible_collections.zonal.cloud.plugins.module_utils._adapters.rootfs_tree import tree_entries
from ansible_collections.zonal.cloud.plugins.module_utils._domain.content import digest_of
from ansible_collections.zonal.cloud.plugins.module_utils._domain.guest_files import GuestFile
from ansible_collections.zonal.cloud.plugins.module_utils._ports import Command
from ansible_collections.zonal.cloud.plugins.module_utils._ports_storage import BootFiles, Unpacked, Volume
from ansible_collections.zonal.cloud.tests.host_command import run_command
from ansible_collections.zonal.cloud.tests.integration.engines.node import wait_for
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


class LoopVolumes(FileVolumes):
    """``FileVolumes`` that are block devices, and so can be mounted."""

    def path(self, name: str) -> str:
        return f"{self._folder}/{name}"

    def rename(self, name: str, new_name: str) -> None:
        # First, or there would be a new one of that name.
        for ending in ("", ".raw"):
            Path(self.path(name) + ending).rename(self.path(new_name) + ending)
        FakeVolumes.rename(self, name, new_name)

    def remove(self, name: str) -> None:
        FakeVolumes.remove(self, name)
        if os.path.islink(self.path(name)):
            subprocess.run(["losetup", "--detach", os.readlink(self.path(name))], check=True)
        for ending in ("", ".raw"):
            Path(self.path(name) + ending).unlink(missing_ok=True)

    def _resize(self, name: str) -> None:
        with open(f"{self.path(name)}.raw", "ab") as file:
            file.truncate(self._volumes[name].size)
        if os.path.islink(self.path(name)):
            subprocess.run(["losetup", "--set-capacity", os.readlink(self.path(name))], check=True)
        else:
            made = subprocess.run(["losetup", "--find", "--show", file.name], check=True, capture_output=True, text=True)
            os.symlink(made.stdout.strip(), self.path(name))


def file_filesystems(command: Command = run_command, root: str = "/") -> DiskFilesystems:
    """Return what makes file systems in files, and lets them grow without a mount of its own. For ``root`` see ``BlockDevices``."""
    return DiskFilesystems(command, FileDisks(), root)


class Records(MutableMapping[str, Volume]):
    """What LVM notes of its volumes on disk: other processes see it, and it outlives them."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir(exist_ok=True)

    def __getitem__(self, name: str) -> Volume:
        try:
            found: Volume = pickle.loads((self._folder / name).read_bytes())
        except FileNotFoundError:
            raise KeyError(name) from None
        return found

    def __setitem__(self, name: str, volume: Volume) -> None:
        whole = Path(f"{self._folder}.{os.getpid()}")
        whole.write_bytes(pickle.dumps(volume))
        whole.rename(self._folder / name)

    def __delitem__(self, name: str) -> None:
        (self._folder / name).unlink()

    def __iter__(self) -> Iterator[str]:
        return iter(os.listdir(self._folder))

    def __len__(self) -> int:
        return len(os.listdir(self._folder))


class SharedVolumes(FileVolumes):
    """Volumes that several processes may change."""

    def __init__(self, folder: Path, records: Path) -> None:
        super().__init__(folder)
        self._volumes: MutableMapping[str, Volume] = Records(records)

    def list(self) -> list[Volume]:
        # Another process may take one away meanwhile.
        found = (self._volumes.get(name) for name in sorted(self._volumes))
        return [volume for volume in found if volume is not None]


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
        # These tools, unlike the kernel, know nothing of a mount in another namespace, and docker ends its one a moment after a container.
        wait_for("the end of its mounts", lambda: _is_unused(device), 20)
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

    def add_bootloader(self, device: str) -> None:
        # Of a file that it may not write to, mount makes a device that cannot be written to.
        made = subprocess.run(["losetup", "--find", "--show", device], check=True, capture_output=True, text=True).stdout.strip()
        try:
            super().add_bootloader(made)
        finally:
            subprocess.run(["losetup", "--detach", made], check=True)


def _is_unused(device: str) -> bool:
    if Path(device).is_block_device():
        try:
            os.close(os.open(device, os.O_RDONLY | os.O_EXCL))
        except OSError:
            return False
    return True
