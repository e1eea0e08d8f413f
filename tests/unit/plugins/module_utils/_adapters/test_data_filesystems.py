# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which file systems of data disks may grow, and by what; that they do is shown with real ones in the lab."""

from __future__ import annotations

import json
import struct
from collections.abc import Sequence
from pathlib import Path

import pytest

from ansible_collections.zonal.cloud.plugins.module_utils._adapters.data_filesystems import DiskFilesystems
from ansible_collections.zonal.cloud.plugins.module_utils._domain.guest_files import GuestFile
from ansible_collections.zonal.cloud.plugins.module_utils._ports import EngineError
from ansible_collections.zonal.cloud.tests.unit.plugins.fakes.guest_disks import FakeDisks, FilledVolumes

MIB = 1024**2


class RecordingDisks(FakeDisks):
    """Tells what it was asked to grow."""

    def __init__(self) -> None:
        super().__init__(FilledVolumes())
        self.grown: list[tuple[str, int]] = []

    def personalise(self, device: str, files: Sequence[GuestFile]) -> None:
        self.grown.append((device, len(files)))


class Host:
    """A device with an ext4 of 32 MiB, mounted or not; a regular file has the number 0:0."""

    def __init__(self, folder: Path, *, mounted: bool, signature: str = "ext4") -> None:
        self.device = str(folder / "device")
        block = bytearray(1024)
        struct.pack_into("<I", block, 4, 32 * MIB // 4096)
        struct.pack_into("<I", block, 24, 2)
        Path(self.device).write_bytes(bytes(1024) + bytes(block))
        (folder / "proc" / "self").mkdir(parents=True)
        line = "36 35 0:0 / /var/lib/docker/volumes/zonal-disk-a/_data rw - ext4 /dev/zonal/disk-a rw\n"
        (folder / "proc" / "self" / "mountinfo").write_text(line if mounted else "")
        self.lines: list[str] = []
        self.guests = RecordingDisks()
        self._signature = signature
        self.filesystems = DiskFilesystems(self._command, self.guests, str(folder))

    def _command(self, argv: Sequence[str], *, stdin: str | None = None, timeout: float = 120) -> str:
        if argv[0] == "wipefs":
            return json.dumps({"signatures": [{"device": self.device, "type": self._signature}]})
        self.lines.append(" ".join(argv))
        return ""


@pytest.mark.parametrize(
    ("kind", "signature", "mounted", "busy", "size", "reached"),
    [
        ("ext4", "ext4", False, False, 64, 32),
        ("ext4", "ext4", True, True, 64, 32),
        # What a filesystem may leave unused at its end.
        ("ext4", "ext4", False, False, 40, 40),
        # A VM has it.
        ("ext4", "ext4", False, True, 64, 64),
        # A guest has made something else of it.
        ("ext4", "LVM2_member", False, False, 64, 64),
        ("xfs", "xfs", False, False, 64, 64),
    ],
)
def test_what_it_has_reached(tmp_path: Path, kind: str, signature: str, mounted: bool, busy: bool, size: int, reached: int) -> None:
    host = Host(tmp_path, mounted=mounted, signature=signature)
    assert host.filesystems.reached(kind, host.device, size * MIB, busy=busy) == reached * MIB
    assert host.lines == []


def test_one_that_is_not_there_has_nothing_to_reach(tmp_path: Path) -> None:
    """LVM tells of a volume that is not active, too; all else that is done with it says so."""
    host = Host(tmp_path, mounted=False)
    Path(host.device).unlink()
    assert host.filesystems.reached("ext4", host.device, 64 * MIB, busy=False) == 64 * MIB
    with pytest.raises(EngineError, match=f"^Cannot look at {host.device}: No such file or directory$"):
        host.filesystems.fill("ext4", host.device)


def test_one_that_is_mounted_grows_there(tmp_path: Path) -> None:
    host = Host(tmp_path, mounted=True)
    for kind in ("ext4", "xfs"):
        host.filesystems.fill(kind, host.device)
    assert host.lines == [f"resize2fs {host.device}", "xfs_growfs /var/lib/docker/volumes/zonal-disk-a/_data"]
    assert host.guests.grown == []


def test_one_that_is_not_grows_where_nobody_sees_it(tmp_path: Path) -> None:
    host = Host(tmp_path, mounted=False)
    host.filesystems.fill("ext4", host.device)
    assert (host.lines, host.guests.grown) == ([], [(host.device, 0)])


def test_how_it_is_made(tmp_path: Path) -> None:
    host = Host(tmp_path, mounted=False)
    for kind in ("ext4", "xfs"):
        host.filesystems.make(kind, host.device)
    assert host.lines == [f"mkfs.ext4 -q -F {host.device}", f"mkfs.xfs -q -f {host.device}"]
