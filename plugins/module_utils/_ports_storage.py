# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: may change without notice.
"""The ports to what a host stores: thin volumes, and the file systems of guests on them. See ``_ports.py`` for the errors."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

from ._domain.guest_files import GuestFile
from ._domain.volume import Volume


class Volumes(Protocol):
    """Thin volumes of one volume group. All sizes are bytes and are rounded up to whole extents by the engine."""

    def find(self, name: str) -> Volume | None:
        """Return the volume of that name; None when there is none (also when the group does not exist)."""

    def list(self) -> list[Volume]:
        """Return all ordinary volumes of the group, without hidden ones and pools; empty when there is no group."""

    def path(self, name: str) -> str:
        """Return the block device of a volume of that name, whether it is there yet or not."""

    def create(self, name: str, size: int, tags: Iterable[str]) -> Volume:
        """Create an empty thin volume of ``size`` in the pool. EngineError when the name is taken."""

    def clone(self, origin: str, name: str, tags: Iterable[str], size: int = 0) -> Volume:
        """Create a writable, active thin snapshot of ``origin``, as large as that or ``size``, whichever is more.

        With a ``size`` a crash may leave it inactive or of the origin's size.
        """

    def preserve(self, origin: str, name: str, tags: Iterable[str]) -> Volume:
        """Create a read-only thin snapshot of ``origin`` that is not active, nor at the next boot. It can be cloned and removed so."""

    def grow(self, name: str, size: int) -> None:
        """Make the volume at least ``size`` large; a volume that is already that large is left alone."""

    def rename(self, name: str, new_name: str) -> None:
        """Rename; atomic, also over a power cut."""

    def retag(self, name: str, add: Iterable[str], remove: Iterable[str]) -> None:
        """Add and remove tags in one change."""

    def resume(self, name: str) -> None:
        """Let reads and writes go on that an engine which was cut off has held; no error when it has held none."""

    def set_read_only(self, name: str) -> None:
        """Let nobody write to the volume any more."""

    def remove(self, name: str) -> None:
        """Remove the volume with its data; no error when it is already gone."""

    def is_open(self, name: str) -> bool:
        """Tell whether anything has opened the volume, such as a VM that runs or a mount; False when there is none."""

    def free(self) -> int:
        """Return the bytes of the pool that hold no data yet, as the pool reports them; 0 when there is no pool."""


@dataclass(frozen=True)
class BootFiles:
    """Kernel and initial ramdisk of an image (None: it has none), and whether the image has cloud-init."""

    kernel: bytes | None
    initrd: bytes | None
    cloud_init: bool


@dataclass(frozen=True)
class Unpacked:
    """What an archive has become on a device: its boot files, and the content digest of the file system."""

    boot: BootFiles
    digest: str


LAYOUT_TAG = "image"


class GuestDisks(Protocol):
    """File systems of guests on block devices. Nothing of a guest is ever run, and no link in it leads to the host."""

    def make(self, device: str, archive: str, bytes_per_inode: int) -> Unpacked:
        """Make an ext4 file system on ``device``, unpack ``archive`` into it, and return what it holds."""

    def pack(self, device: str, archive: str, *, lost_found: bool) -> str:
        """Write what an ext4 file system on ``device`` holds into the file ``archive``, which is there, packed with gzip, and return the
        digest of the content. EngineError, and nothing written, when there may be not enough room for it. A journal is replayed.

        ``lost_found`` tells whether a folder /lost+found is content: after ``make`` it is, else it is the file system's own.
        """

    def flatten(self, device: str, layout: str, archive: str) -> None:
        """Lay the layers of the image LAYOUT_TAG of an OCI layout upon each other on ``device``, which loses what it had, and write what
        comes out into the file ``archive``. Nothing of it was looked at yet."""

    def personalise(self, device: str, files: Sequence[GuestFile]) -> None:
        """Grow the file system to its device and write ``files`` into it, replacing what stands there."""

    def has_kernel(self, device: str) -> bool:
        """Tell whether the file system has a kernel that a bootloader can start."""

    def has_bootloader(self, device: str) -> bool:
        """Tell whether the first sector of ``device`` is one that a BIOS starts."""

    def add_bootloader(self, device: str) -> None:
        """Make the file system boot its kernel, last of all by the first sector. The file in it that says how is kept if it is there."""

    def check_loader(self) -> None:
        """EngineAbsent when the host has no bootloader to give."""
