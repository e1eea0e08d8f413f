# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: may change without notice.
"""The ports of data disks: their file systems, and what gives them to instances. The contract of all ports is in ``_ports.py``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol


class DataFilesystems(Protocol):
    """File systems, ext4 or xfs, on data disks, and how much of its device each one uses."""

    def make(self, kind: str, path: str) -> None:
        """Make a file system over whatever is on the device."""

    def reached(self, kind: str, path: str, size: int, *, busy: bool) -> int:
        """Return the bytes of the device of ``size`` bytes that its file system uses; ``size`` also where it cannot grow now: it is
        not there any more, or somebody else has it (``busy``: the device is open) than a mount on this host."""

    def fill(self, kind: str, path: str) -> None:
        """Let a file system of which ``reached`` tells less grow to its device, mounted or not."""


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
        """Let the guest of a running domain see that its disk at ``path`` has ``size`` bytes now; no error when it does."""
