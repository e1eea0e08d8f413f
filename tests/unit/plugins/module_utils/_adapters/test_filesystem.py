# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which programs make and grow a filesystem, and how large ext4 says it is; XFS is asked of the kernel in the lab."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from pathlib import Path

import pytest

from ansible_collections.zonal.cloud.plugins.module_utils._adapters.filesystem import Filesystems
from ansible_collections.zonal.cloud.plugins.module_utils._ports import EngineError

GIB = 1024**3
WITH_64_BITS = 0x80


def superblock(blocks: int, log_size: int, features: int) -> bytes:
    block = bytearray(1024)
    struct.pack_into("<I", block, 4, blocks & 0xFFFFFFFF)
    struct.pack_into("<I", block, 24, log_size)
    struct.pack_into("<I", block, 96, features)
    struct.pack_into("<I", block, 336, blocks >> 32)
    return bytes(1024) + bytes(block)


def filesystems(lines: list[str]) -> Filesystems:
    def command(argv: Sequence[str], *, stdin: str | None = None, timeout: float = 120) -> str:
        lines.append(" ".join(argv))
        return ""

    return Filesystems(command)


@pytest.mark.parametrize(
    ("blocks", "log_size", "features", "size"),
    [(262144, 2, 0, GIB), (1048576, 0, 0, GIB), (2**33, 2, WITH_64_BITS, 2**45), (262144 + 2**33, 2, 0, GIB)],
)
def test_size_of_ext4(tmp_path: Path, blocks: int, log_size: int, features: int, size: int) -> None:
    device = tmp_path / "device"
    device.write_bytes(superblock(blocks, log_size, features))
    assert filesystems([]).size("ext4", str(device), "/mnt") == size


def test_a_device_that_ends_too_early_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "device").write_bytes(bytes(1030))
    with pytest.raises(EngineError, match="Cannot measure the filesystem"):
        filesystems([]).size("ext4", str(tmp_path / "device"), "/mnt")


def test_the_size_of_another_kind_is_not_known() -> None:
    assert filesystems([]).size("btrfs", "/dev/x", "/mnt") is None


def test_programs() -> None:
    lines: list[str] = []
    found = filesystems(lines)
    for kind in ("xfs", "ext4"):
        found.make(kind, "/dev/zonal/x")
        found.grow(kind, "/dev/zonal/x", "/mnt")
    assert lines == ["mkfs.xfs -q -f /dev/zonal/x", "xfs_growfs /mnt", "mkfs.ext4 -q -F /dev/zonal/x", "resize2fs /dev/zonal/x"]
