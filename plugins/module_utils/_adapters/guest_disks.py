# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: may change without notice.
"""Guests' file systems. Every access happens in a child process with a mount namespace of its own: when the process ends,
however it ends, the mount is gone. To this process the host's file systems are read-only, and files are read and written after
chroot, so that no link of a guest leads to the host.
"""

from __future__ import annotations

import ctypes
import os
import pickle
import shutil
import stat
import struct
from collections.abc import Sequence
from glob import glob
from typing import Any, Callable

from .._domain.bootloader import BOOT_PATTERNS, LOADER_FOLDER, choose_kernel, loader_config
from .._domain.content import digest_of
from .._domain.errors import ZonalError
from .._domain.guest_files import GuestFile
from .._ports import Command, EngineError
from .._ports_storage import LAYOUT_TAG, BootFiles, Unpacked
from .rootfs_tree import tree_entries

_CLONE_NEWNS, _CLONE_NEWNET = 0x00020000, 0x40000000  # linux/sched.h
_MOUNT_SETATTR = 442  # the same number on all architectures
_MOUNT_ATTR_RDONLY, _MS_PRIVATE, _AT_RECURSIVE, _AT_FDCWD = 1, 1 << 18, 0x8000, -100
_MOUNT_POINT = "/run/zonal-cloud.mnt"
_LOST = "lost+found"
_LARGEST_BOOT_FILE = 512 * 1024**2
_UNPACK_TIMEOUT = 3600
_CONFINED = "setpriv --no-new-privs --inh-caps=-all --bounding-set=-all"
# All that tar and umoci need of root's rights.
_WRITING = f"{_CONFINED},+chown,+dac_override,+fowner,+fsetid,+setfcap"
_UNPACKER = (
    f"{_WRITING} tar --extract --force-local --numeric-owner --same-owner --preserve-permissions --no-acls --no-selinux "
    "--xattrs --xattrs-include=user.* --xattrs-include=security.capability"
).split()
_LAYERS_UNPACKER = f"{_WRITING} umoci raw unpack".split()
# With all that is there, so that the check of the archive sees it.
_PACKER = (
    f"{_CONFINED},+dac_read_search tar --create --force-local --format=posix --pax-option=delete=atime,delete=ctime --sort=name "
    "--numeric-owner --acls --xattrs --xattrs-include=*"
).split()
_LOADER = "extlinux"
_LOADER_INSTALLER = f"{_CONFINED},+dac_override,+linux_immutable {_LOADER} --install".split()
# What ends a first sector that a BIOS starts.
_BOOTS = b"\x55\xaa"
# One fast level: it is packed once and read by hosts that are no slower for it.
_GZIP = "--use-compress-program=gzip -1 --no-name"
_CAUSES = {
    "failed to execute umoci": "the program umoci is not installed; install the package umoci",
    "no space left on device": "they take more than there may be (option max_size), or than the thin pool has free",
}
# As many as files of one block, which is how many a content has at most.
_LAYERS_RATIO = 4096


class MountedGuestDisks:
    """``GuestDisks`` through mount(8), tar(1), umoci(1) and the ext4 tools."""

    def __init__(self, command: Command) -> None:
        self._command = command

    def make(self, device: str, archive: str, bytes_per_inode: int) -> Unpacked:
        self._format(device, bytes_per_inode)

        def unpack() -> Unpacked:
            _empty()
            self._command([*_UNPACKER, "--file", archive, "--directory", _MOUNT_POINT], timeout=_UNPACK_TIMEOUT)
            os.chown(_MOUNT_POINT, 0, 0)
            os.chmod(_MOUNT_POINT, 0o755)
            self._command(["sync", "--file-system", _MOUNT_POINT], timeout=_UNPACK_TIMEOUT)
            _enter()
            return Unpacked(_read_boot_files(), digest_of(tree_entries(b"/")))

        made: Unpacked = self._with_mounted(device, unpack)
        return made

    def flatten(self, device: str, layout: str, archive: str) -> None:
        self._format(device, _LAYERS_RATIO)

        def flatten() -> None:
            _empty()
            self._unpack_layers(layout)
            self._pack(archive)

        self._with_mounted(device, flatten)

    def pack(self, device: str, archive: str, *, lost_found: bool) -> str:
        def pack() -> str:
            found, room = os.statvfs(_MOUNT_POINT), os.statvfs(archive)
            used, free = (found.f_blocks - found.f_bfree) * found.f_frsize, room.f_bavail * room.f_frsize
            if used > free:
                raise EngineError("pack into", os.path.dirname(archive), f"it may take {used} bytes, and only {free} are free there")
            self._pack(archive, _GZIP, *(() if lost_found else ("--anchored", f"--exclude=./{_LOST}")))
            _enter()
            entries = tree_entries(b"/")
            return digest_of(entry for entry in entries if lost_found or entry.path.split(b"/", 1)[0] != _LOST.encode())

        digest: str = self._with_mounted(device, pack, "ro")
        return digest

    def _pack(self, archive: str, *options: str) -> None:
        # The one file of the host that may be written.
        self._command(["mount", "--bind", archive, archive])
        self._command(["mount", "-o", "remount,bind,rw,nosuid,nodev,noexec", archive])
        self._command([*_PACKER, *options, "--file", archive, "--directory", _MOUNT_POINT, "."], timeout=_UNPACK_TIMEOUT)

    def _unpack_layers(self, layout: str) -> None:
        try:
            self._command([*_LAYERS_UNPACKER, "--image", f"{layout}:{LAYOUT_TAG}", _MOUNT_POINT], timeout=_UNPACK_TIMEOUT)
        except EngineError as error:
            said = error.details["cause"].rpartition("\u2a2f")[2]  # umoci's sign for its last words
            known = next((cause for words, cause in _CAUSES.items() if words in said), said)
            raise EngineError("unpack the layers in", layout, known) from None

    def _format(self, device: str, bytes_per_inode: int) -> None:
        # Blocks as the check counts them; left to itself mkfs makes smaller ones on small disks, which hold less of attributes and links.
        options = ["-b", "4096", "-i", str(bytes_per_inode), "-E", "lazy_itable_init=1,lazy_journal_init=1,nodiscard"]
        self._command(["mkfs.ext4", "-q", "-F", *options, device])

    def personalise(self, device: str, files: Sequence[GuestFile]) -> None:
        def write() -> None:
            self._command(["resize2fs", device], timeout=_UNPACK_TIMEOUT)
            handle = os.open(_MOUNT_POINT, os.O_RDONLY | os.O_DIRECTORY)
            _enter()
            for file in files:
                _write(file)
            os.fsync(handle)

        self._with_mounted(device, write)

    def has_kernel(self, device: str) -> bool:
        def look() -> bool:
            _enter()
            return bool(choose_kernel(_boot_paths())[0])

        # It may be a device that nobody can write to, not even what stands in a journal.
        found: bool = self._with_mounted(device, look, "ro,noload")
        return found

    def has_bootloader(self, device: str) -> bool:
        try:
            with open(device, "rb") as disk:
                return disk.read(512)[-len(_BOOTS) :] == _BOOTS
        except OSError as error:
            raise EngineError("read the first sector of", device, str(error)) from error

    def check_loader(self) -> None:
        self._command([_LOADER, "--version"])

    def add_bootloader(self, device: str) -> None:
        def configure() -> str:
            _enter()
            kernel, initrd = choose_kernel(_boot_paths())
            for path in filter(None, (kernel, initrd)):
                _fill_holes(path)
            config = loader_config(kernel, initrd)
            if not os.path.exists(config.path):
                _write(config)
            # Without links, which would lead to the host where extlinux follows them.
            return os.path.realpath(LOADER_FOLDER)

        folder: str = self._with_mounted(device, configure)

        def install() -> None:
            self._command([*_LOADER_INSTALLER, f"{_MOUNT_POINT}{folder}"])
            self._command(["sync", "--file-system", _MOUNT_POINT], timeout=_UNPACK_TIMEOUT)

        self._with_mounted(device, install)

    def _with_mounted(self, device: str, work: Callable[[], Any], mode: str = "rw") -> Any:
        """Return what ``work`` returns in a child process that alone sees ``device`` mounted."""

        def mounted() -> Any:
            _unshare()
            _protect_host()
            self._command(["mount", "-t", "ext4", "-o", f"{mode},nosuid,nodev,noexec,noatime", device, _MOUNT_POINT])
            return work()

        os.makedirs(_MOUNT_POINT, mode=0o700, exist_ok=True)
        return _in_child(mounted, device)


def _in_child(work: Callable[[], Any], target: str) -> Any:
    """Run ``work`` in a forked process and return its result or raise its error here."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reading)
        try:
            answer: tuple[bool, Any] = (True, work())
        except ZonalError as error:
            answer = (False, str(error))
        except Exception as error:  # the child must never return into the caller's stack
            answer = (False, f"{type(error).__name__}: {error}")
        with os.fdopen(writing, "wb") as pipe:
            pickle.dump(answer, pipe)
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        data = pipe.read()
    os.waitpid(child, 0)
    if not data:
        raise EngineError("write to the file system on", target, "the helper process died")
    worked, value = pickle.loads(data)
    if not worked:
        raise EngineError("prepare the file system on", target, value)
    return value


def _unshare() -> None:
    """Leave the host's mounts and its network."""
    if ctypes.CDLL(None, use_errno=True).unshare(_CLONE_NEWNS | _CLONE_NEWNET) != 0:
        raise OSError(ctypes.get_errno(), "cannot make namespaces")


def _protect_host() -> None:
    """Make all that is mounted read-only for this process and its children, and what they mount theirs alone: see mount_setattr(2)."""
    attributes = struct.pack("4Q", _MOUNT_ATTR_RDONLY, 0, _MS_PRIVATE, 0)
    call = ctypes.CDLL(None, use_errno=True).syscall
    if call(_MOUNT_SETATTR, _AT_FDCWD, b"/", _AT_RECURSIVE, attributes, ctypes.c_size_t(len(attributes))) != 0:
        raise OSError(ctypes.get_errno(), "cannot make the host's file systems read-only for what unpacks")


def _empty() -> None:
    # It is no content; e2fsck makes it anew when it needs it.
    os.rmdir(f"{_MOUNT_POINT}/{_LOST}")
    # For folders that an archive only implies.
    os.umask(0o022)


def _enter() -> None:
    os.chroot(_MOUNT_POINT)
    os.chdir("/")


def _read_boot_files() -> BootFiles:
    return BootFiles(
        kernel=_read_newest("/boot/vmlinuz", "/boot/vmlinuz-*"),
        initrd=_read_newest("/boot/initrd.img", "/boot/initrd.img-*", "/boot/initramfs-*"),
        cloud_init=os.path.exists("/usr/bin/cloud-init"),
    )


def _read_newest(plain: str, *patterns: str) -> bytes | None:
    """Return the content of ``plain``, else of the last match in order of names; only ever of a regular file."""
    for path in [plain, *sorted((match for pattern in patterns for match in glob(pattern)), reverse=True)]:
        try:
            handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
        except OSError:
            continue
        status = os.fstat(handle)
        if not stat.S_ISREG(status.st_mode) or not 0 < status.st_size <= _LARGEST_BOOT_FILE:
            os.close(handle)
            continue
        with os.fdopen(handle, "rb") as file:
            return file.read()
    return None


def _boot_paths() -> list[str]:
    return [path for pattern in BOOT_PATTERNS for path in glob(pattern) if os.path.isfile(path)]


def _fill_holes(path: str) -> None:
    """Write a file anew that is sparse, which extlinux cannot read."""
    path = os.path.realpath(path)
    status = os.stat(path)
    if status.st_blocks * 512 >= status.st_size:
        return
    with open(path, "rb") as source, open(f"{path}.zonal-new", "wb") as target:
        shutil.copyfileobj(source, target)
        os.fchmod(target.fileno(), stat.S_IMODE(status.st_mode))
        os.fsync(target.fileno())
    os.rename(f"{path}.zonal-new", path)


def _write(file: GuestFile) -> None:
    """Write under a new name and rename, so that whatever stands at the path (a link, a fifo) is replaced, not followed."""
    folder = os.path.dirname(file.path)
    os.makedirs(folder, mode=0o700 if file.mode & 0o077 == 0 else 0o755, exist_ok=True)
    temporary = f"{folder}/.zonal-new"
    if os.path.lexists(temporary):
        os.unlink(temporary)
    handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, file.mode)
    with os.fdopen(handle, "w", encoding="utf-8") as target:
        target.write(file.content)
        os.fchmod(handle, file.mode)
        os.fsync(handle)
    os.rename(temporary, file.path)
