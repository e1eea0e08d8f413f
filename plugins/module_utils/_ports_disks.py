# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: may change without notice.
"""The ports of data disks: their file systems, and what gives them to instances. The contract of all ports is in ``_ports.py``."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Protocol

from ._domain.rbd import Holder, RbdSource
from ._domain.volume import Volume


class DataFilesystems(Protocol):
    """File systems, ext4 or xfs, on data disks, and how much of its device each one uses."""

    def make(self, kind: str, path: str) -> None:
        """Make a file system over whatever is on the device."""

    def reached(self, kind: str, path: str, size: int, *, busy: bool) -> int:
        """Return the bytes of the device of ``size`` bytes that its file system uses; ``size`` also where it cannot grow now: it is
        not there any more, or somebody else has it (``busy``: the device is open) than a mount on this host."""

    def fill(self, kind: str, path: str) -> None:
        """Let a file system of which ``reached`` tells less grow to its device, mounted or not."""


class DiskStore(Protocol):
    """Where disks are: ``Volumes`` of a thin pool and ``DiskImages`` of Ceph are one as well."""

    def create(self, name: str, size: int, tags: Iterable[str]) -> Volume:
        """Create an empty one of ``size``, rounded up to whole extents. EngineError when the name is taken."""

    def grow(self, name: str, size: int) -> None:
        """Make it at least ``size`` large; one that is already that large is left alone."""

    def rename(self, name: str, new_name: str) -> None:
        """Rename; EngineError when the new name is taken."""

    def remove(self, name: str) -> None:
        """Remove it with its data; no error when it is already gone, EngineError while anything has it open."""

    def is_open(self, name: str) -> bool:
        """Tell whether anything has opened it; False when there is none."""


class DiskImages(DiskStore, Protocol):
    """Images of a Ceph pool, which all hosts reach. Each is told as a volume, whose tags are what is noted on it (``zonal.X=Y``), and whose
    path is POOL/NAME. Of one whose creation was cut off there is an image without bytes, with some of its tags."""

    def find(self, name: str) -> Volume | None:
        """Return the image of that name; None when there is none. EngineError when there is no pool."""

    def source(self, name: str) -> RbdSource:
        """Return how a VM has the image of that name, whether it is there yet or not."""

    def holder(self, name: str) -> Holder | None:
        """Return the instance that is noted to have the image; None when none is, or there is no image."""

    def claim(self, name: str, instance: str) -> None:
        """Note that an instance of this host has the image, in place of another one of this host; no error when that is noted already,
        EngineError when an instance of another host has it. Of two hosts at a time one gets it."""

    def release(self, name: str, holder: Holder) -> None:
        """Let nobody have the image, if it is this one who has it."""


class DockerVolumes(Protocol):
    """docker's own volumes, of which one may stand for a disk."""

    def volume(self, name: str) -> Mapping[str, Any] | None:
        """Return the description of docker's own volume of that name, which may stand for a disk; None when there is none."""

    def remove_volume(self, name: str) -> None:
        """Remove docker's volume, with what docker keeps in it and not what is on a disk that it stands for; no error when it is gone,
        EngineError while a container has it, running or not."""


class HotPlug(Protocol):
    """What libvirt can do with the devices of a domain that runs."""

    def attach(self, name: str, device: str) -> None:
        """Give a running domain a device, as XML with an alias; its definition stays as it is."""

    def change_device(self, name: str, device: str) -> None:
        """Let a device that a running domain has be as this XML says; its definition stays as it is."""

    def detach(self, name: str, alias: str, timeout: int) -> None:
        """Take the device of that alias away from a running domain; its definition stays as it is. No error when it has none of it,
        EngineError when the guest does not let go of it within ``timeout`` seconds; it may do so later."""

    def resize(self, name: str, path: str, size: int) -> None:
        """Let the guest of a running domain see that its disk at ``path``, or with that target such as vdb, has ``size`` bytes now; no
        error when it does."""
