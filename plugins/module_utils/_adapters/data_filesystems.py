# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: may change without notice.
"""File systems on data disks, which a container has mounted, a VM has open, or nobody uses."""

from __future__ import annotations

import os

from .._domain.thin_volume import UNUSED_TAIL
from .._ports import Command
from .._ports_storage import GuestDisks
from .block import BlockDevices
from .filesystem import Filesystems


class DiskFilesystems:
    """See ``DataFilesystems`` in ``_ports_disks.py``. ``guests`` grows what is not mounted; for ``root`` see ``BlockDevices``."""

    def __init__(self, command: Command, guests: GuestDisks, root: str = "/") -> None:
        self._guests = guests
        self._devices = BlockDevices(command, root)
        self._filesystems = Filesystems(command)

    def make(self, kind: str, path: str) -> None:
        self._filesystems.make(kind, path)

    def reached(self, kind: str, path: str, size: int, *, busy: bool) -> int:
        # LVM tells of a volume that is not active as well.
        if not os.path.exists(path):
            return size
        mount = self._mount(path)
        # Nothing but the kernel knows XFS, and only while it is mounted; what a guest has made of a disk is not ours to grow.
        if (not mount and (busy or kind != "ext4")) or self._devices.signatures([path])[path] != (kind,):
            return size
        found = self._filesystems.size(kind, path, mount)
        return size if found is None or found + UNUSED_TAIL >= size else found

    def fill(self, kind: str, path: str) -> None:
        mount = self._mount(path)
        if mount:
            self._filesystems.grow(kind, path, mount)
        else:
            self._guests.personalise(path, ())

    def _mount(self, path: str) -> str:
        """Return where the device is mounted; empty when it is not."""
        return next(iter(self._devices.mount_points(path)), "")
