# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: may change without notice.
"""Block devices: what a device is, what it carries, and who uses it (sysfs, /proc, wipefs)."""

from __future__ import annotations

import errno
import json
import os
import re
import stat
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from .._domain.thin_pool import Device
from .._ports import Command, EngineError

# /sys counts in sectors of 512 bytes, whatever the device's own sectors are.
_SECTOR = 512
_KINDS = {stat.S_IFDIR: "a directory", stat.S_IFREG: "a file", stat.S_IFCHR: "a character device"}
_OCTAL = re.compile(r"\\([0-7]{3})")


@dataclass(frozen=True)
class Mount:
    """A line of mountinfo; ``number`` is major:minor of the device, ``source`` its name as mounted."""

    number: str
    point: str
    kind: str
    source: str


class BlockDevices:
    """The block devices of this host; ``root`` leads to another tree of /sys and /proc in tests."""

    def __init__(self, command: Command, root: str = "/") -> None:
        self._command = command
        self._sys = Path(root, "sys")
        self._proc = Path(root, "proc")

    def inspect(self, names: Sequence[str]) -> list[Device]:
        """Return what each named device is; one that cannot be used at all has a ``problem``."""
        paths = {name: os.path.realpath(name) for name in names}
        problems = {name: _problem(name) for name in names}
        usable = sorted({paths[name] for name in names if not problems[name]})
        signatures = self.signatures(usable)
        mounts = self.mounts()
        return [
            Device(given=name, path=paths[name], problem=problems[name])
            if problems[name]
            else Device(
                given=name,
                path=paths[name],
                size=self._size(paths[name]),
                signatures=signatures[paths[name]],
                users=self._users(paths[name], mounts),
                partitions=tuple(f"/dev/{folder.name}" for folder in self._partitions(paths[name])),
            )
            for name in names
        ]

    def signatures(self, paths: Sequence[str]) -> dict[str, tuple[str, ...]]:
        """Return the signatures on each device (filesystem, partition table, RAID, LUKS, ...), read from the device itself."""
        found: dict[str, set[str]] = {path: set() for path in paths}
        if not paths:
            return {}
        argv = ["wipefs", "--no-act", "--json", "--output", "DEVICE,TYPE", *paths]
        text = self._command(argv)
        by_name = {os.path.basename(path): path for path in paths}
        try:
            for row in json.loads(text.strip() or "{}").get("signatures", []):
                found[by_name[os.path.basename(row["device"])]].add(row["type"])
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise EngineError("read the signatures with", " ".join(argv), f"{error!r} in {text[:200]!r}") from error
        return {path: tuple(sorted(names)) for path, names in found.items()}

    def wipe(self, path: str) -> None:
        """Erase all signatures; refused by the program itself while the device is in use."""
        self._command(["wipefs", "--all", path])

    def mounts(self) -> list[Mount]:
        """Return what is mounted in this namespace."""
        return parse_mounts((self._proc / "self" / "mountinfo").read_text(encoding="utf-8", errors="surrogateescape"))

    def mount_points(self, path: str) -> list[str]:
        """Return where the device is mounted."""
        number = device_number(path)
        return [mount.point for mount in self.mounts() if mount.number == number]

    def _users(self, path: str, mounts: Iterable[Mount]) -> tuple[str, ...]:
        folders = [self._folder(path), *self._partitions(path)]
        names = {folder.name for folder in folders}
        numbers = {(folder / "dev").read_text(encoding="ascii").strip() for folder in folders}
        swaps = (self._proc / "swaps").read_text(encoding="utf-8", errors="replace").splitlines()[1:]
        users = [f"mounted on {m.point}" for m in mounts if m.number in numbers or os.path.basename(os.path.realpath(m.source)) in names]
        users += [f"swap on {line.split()[0]}" for line in swaps if os.path.basename(os.path.realpath(line.split()[0])) in names]
        users += [f"held by {self._label(holder)}" for folder in folders for holder in sorted((folder / "holders").glob("*"))]
        if (folders[0] / "ro").read_text(encoding="ascii").strip() == "1":
            users.append("read-only")
        # Catches what is not seen above, such as a mount in a container's own namespace.
        return tuple(users) or (("opened by the kernel or another program for itself",) if _is_claimed(path) else ())

    def _size(self, path: str) -> int:
        return int((self._folder(path) / "size").read_text(encoding="ascii")) * _SECTOR

    def _folder(self, path: str) -> Path:
        return (self._sys / "dev" / "block" / device_number(path)).resolve()

    def _partitions(self, path: str) -> list[Path]:
        return sorted(entry.parent for entry in self._folder(path).glob("*/partition"))

    def _label(self, holder: Path) -> str:
        name = holder / "dm" / "name"
        return name.read_text(encoding="utf-8").strip() if name.exists() else holder.name


def device_number(path: str) -> str:
    """Return major:minor of a block device."""
    try:
        number = os.stat(path).st_rdev
    except OSError as error:
        raise EngineError("look at", path, error.strerror or str(error)) from error
    return f"{os.major(number)}:{os.minor(number)}"


def parse_mounts(text: str) -> list[Mount]:
    """Return the mounts of a mountinfo text (proc(5)); optional fields end at a lone dash."""
    mounts = []
    for line in text.splitlines():
        left, dash, right = line.partition(" - ")
        before, after = left.split(" "), right.split(" ")
        if dash and len(before) >= 6 and len(after) >= 2:
            mounts.append(Mount(before[2], _unescaped(before[4]), after[0], _unescaped(after[1])))
    return mounts


def _unescaped(text: str) -> str:
    return _OCTAL.sub(lambda match: chr(int(match.group(1), 8)), text)


def _problem(name: str) -> str:
    try:
        mode = os.stat(name).st_mode
    except FileNotFoundError:
        broken = " (its link leads nowhere)" if os.path.islink(name) else ""
        return f"does not exist on this host{broken}; see 'lsblk --paths' for what there is"
    except OSError as error:
        return f"cannot be looked at: {error.strerror}"
    if stat.S_ISBLK(mode):
        return ""
    kind = _KINDS.get(stat.S_IFMT(mode), "something else")
    return f"is {kind}, not a block device; see 'lsblk --paths' for what there is"


def _is_claimed(path: str) -> bool:
    try:
        handle = os.open(path, os.O_RDONLY | os.O_EXCL | os.O_CLOEXEC)
    except OSError as error:
        if error.errno == errno.EBUSY:
            return True
        raise EngineError("open", path, error.strerror or str(error)) from error
    os.close(handle)
    return False
