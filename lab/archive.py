# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Deterministic archives: a file tree described in memory, written as cpio (initrd) or tgz (image)."""

from __future__ import annotations

import gzip
import io
import stat
import tarfile
from dataclasses import dataclass, field
from pathlib import Path

MTIME = 1_735_689_600  # 2025-01-01; the same for every entry


@dataclass(frozen=True)
class Entry:
    """One file, folder or symlink; ``mode`` carries type and permission bits as in stat(2)."""

    mode: int
    content: bytes = b""


@dataclass
class Tree:
    """Paths without leading slash -> entries; all are owned by root."""

    entries: dict[str, Entry] = field(default_factory=dict)

    def folder(self, path: str, permissions: int = 0o755) -> None:
        """Add a folder (and its parents, as 0755, when missing)."""
        self._parents(path)
        self.entries[path] = Entry(stat.S_IFDIR | permissions)

    def file(self, path: str, content: bytes, permissions: int = 0o644) -> None:
        """Add a regular file and the folders above it."""
        self._parents(path)
        self.entries[path] = Entry(stat.S_IFREG | permissions, content)

    def link(self, path: str, target: str) -> None:
        """Add a symbolic link."""
        self._parents(path)
        self.entries[path] = Entry(stat.S_IFLNK | 0o777, target.encode())

    def overlay(self, source: Path) -> None:
        """Add all files below a folder of the repository, keeping only their executable bit."""
        for path in sorted(source.rglob("*")):
            if path.is_file():
                executable = path.stat().st_mode & 0o100
                self.file(str(path.relative_to(source)), path.read_bytes(), 0o755 if executable else 0o644)

    def _parents(self, path: str) -> None:
        for parent in list(Path(path).parents)[-2::-1]:
            self.entries.setdefault(str(parent), Entry(stat.S_IFDIR | 0o755))

    def cpio(self) -> bytes:
        """The tree in the kernel's initramfs format (newc), not compressed: that boots fastest."""
        out = bytearray()
        for number, (path, entry) in enumerate([*sorted(self.entries.items()), ("TRAILER!!!", Entry(0))], start=1):
            name = path.encode() + b"\0"
            fields = [number, entry.mode, 0, 0, 1, MTIME, len(entry.content), 0, 0, 0, 0, len(name), 0]
            out += b"070701" + b"".join(b"%08X" % value for value in fields) + name
            out += bytes(-len(out) % 4) + entry.content
            out += bytes(-len(out) % 4)
        return bytes(out)

    def write_tgz(self, path: Path) -> None:
        """Write the tree as gzip'ed tar, without any time of now."""
        with (
            path.open("wb") as raw,
            gzip.GzipFile("", "wb", 9, raw, mtime=0) as packed,
            tarfile.open(fileobj=packed, mode="w|", format=tarfile.GNU_FORMAT) as tar,
        ):
            for name, entry in sorted(self.entries.items()):
                tar.addfile(*_member(name, entry))


def _member(name: str, entry: Entry) -> tuple[tarfile.TarInfo, io.BytesIO | None]:
    info = tarfile.TarInfo(name)
    info.mode, info.mtime, info.uname, info.gname = stat.S_IMODE(entry.mode), MTIME, "root", "root"
    if stat.S_ISDIR(entry.mode):
        info.type = tarfile.DIRTYPE
    elif stat.S_ISLNK(entry.mode):
        info.type, info.linkname = tarfile.SYMTYPE, entry.content.decode()
    else:
        info.size = len(entry.content)
        return info, io.BytesIO(entry.content)
    return info, None
