# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: may change without notice.
"""Filesystems on a device: make one, measure it, let it grow while it is mounted."""

from __future__ import annotations

import fcntl
import os
import struct

from .._ports import Command, EngineError

_MAKE = {"xfs": ("mkfs.xfs", "-q", "-f"), "ext4": ("mkfs.ext4", "-q", "-F")}
# XFS_IOC_FSGEOMETRY_V1 (xfs_fs.h): block size at byte 0, number of data blocks at byte 32.
_XFS_GEOMETRY = 0x80705864
_XFS_GEOMETRY_LENGTH = 112
# ext4 keeps its superblock at byte 1024: blocks at 4, log2(block size) - 10 at 24, features at 96, upper half of blocks at 336.
_EXT4_SUPERBLOCK = 1024
_EXT4_64BIT = 0x80


class Filesystems:
    """The filesystems of this host."""

    def __init__(self, command: Command) -> None:
        self._command = command

    def make(self, kind: str, path: str) -> None:
        """Make a filesystem over whatever is on the device; the caller has looked."""
        self._command([*_MAKE[kind], path], timeout=600)

    def grow(self, kind: str, path: str, mount: str) -> None:
        """Let a mounted filesystem fill its device; harmless when it does already."""
        self._command(["xfs_growfs", mount] if kind == "xfs" else ["resize2fs", path], timeout=600)

    def size(self, kind: str, path: str, mount: str) -> int | None:
        """Return the bytes of a mounted filesystem; None for a kind that is not ours."""
        readers = {"xfs": (_xfs_size, mount), "ext4": (_ext4_size, path)}
        if kind not in readers:
            return None
        read, place = readers[kind]
        try:
            return read(place)
        except (OSError, struct.error) as error:
            raise EngineError("measure the filesystem on", place, str(error)) from error


def _xfs_size(mount: str) -> int:
    # Asked of the kernel: the superblock on the device may lag behind.
    handle = os.open(mount, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        answer = fcntl.ioctl(handle, _XFS_GEOMETRY, bytes(_XFS_GEOMETRY_LENGTH))
    finally:
        os.close(handle)
    block_size, blocks = struct.unpack_from("=I28xQ", answer)
    return int(block_size * blocks)


def _ext4_size(path: str) -> int:
    with open(path, "rb") as handle:
        handle.seek(_EXT4_SUPERBLOCK)
        block = handle.read(1024)
    low, log_size, features, high = (struct.unpack_from("<I", block, at)[0] for at in (4, 24, 96, 336))
    blocks = low + (high << 32 if features & _EXT4_64BIT else 0)
    return int(blocks << (10 + log_size))
