# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: may change without notice.
"""What an archive may hold that becomes an image: its members are hostile until each was looked at.

Nothing is unpacked before all were, so the order of members does not matter, except that a hard link follows its target.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Callable, NamedTuple

from .content import CAPABILITY, FILE, FOLDER, LINK, PIPE, Entry, digest_of, escape, is_content, parents
from .errors import RefusedError
from .quantity import format_size

HARD_LINK, DEVICE, OTHER = "hard link", "device", "other"
USUAL, NONE, ANY = "usual", "none", "any"
MOST_MEMBERS = 1_000_000
DEFAULT_SIZE = 20 * 1024**3
_LONGEST_PATH, _LONGEST_NAME, _LONGEST_SHOWN = 4000, 255, 80
# Names, targets of links and attributes of all members together: whoever reads the archive keeps them in memory.
_MOST_WORDS = 256 * 1024**2
# ext4: names of one file; bytes of its attributes, which lie in one block, each with an entry in a table there.
_MOST_NAMES, _LONGEST_ATTRIBUTES, _ATTRIBUTE_ENTRY = 65_000, 4000, 24
_BLOCK = 4096
# Room for the file system's own tables and for the first start of a guest, beside the content.
_SPARE_BYTES = 64 * 1024**2
_SPARE_PARTS = 4
_NO_OWNER = 2**32 - 1  # chown(2) takes it for "leave as it is"
OLD_SPARSE = b"S"
_KERNEL = re.compile(rb"boot/vmlinuz(-[^/]+)?")
_LABEL = b"security.selinux"
# A percent sign is one of several spellings to GNU tar, and itself to others.
_KEPT = re.compile(rb"[^%\0]{1,255}", re.DOTALL)
# What the kernel takes and gives back as it was: linux/capability.h, versions 2 and 3, the latter not for root or nobody.
_CAPABILITY = re.compile(rb"[\x00\x01]\x00\x00(?:\x02.{16}|\x03.{16}(?!\x00{4}|\xff{4}).{4})", re.DOTALL)
# Where packages put files that run with more rights than their caller has.
_SYSTEM_FOLDERS = frozenset(b"bin sbin lib lib32 lib64 libx32 usr opt".split())


@dataclass(frozen=True)
class Policy:
    """``max_size`` bounds the bytes that the content takes on disk; ``privileged`` says where setuid files and their like may be;
    ``old_sparse`` whether sparse files may be in GNU's old format, which docker does not read.
    """

    max_size: int = DEFAULT_SIZE
    privileged: str = USUAL
    old_sparse: bool = True


class Member(NamedTuple):
    """One member as an archive tells it. ``target`` is that of a symbolic or hard link."""

    name: bytes
    kind: str
    mode: int = 0o644
    uid: int = 0
    gid: int = 0
    size: int = 0
    target: bytes = b""
    xattrs: tuple[tuple[bytes, bytes], ...] = ()
    type: bytes = b""


@dataclass(frozen=True)
class Content:
    """What the check of an archive has found out. ``size`` is what it takes on disk, ``inodes`` how many files there are."""

    digest: str
    size: int
    inodes: int
    kernel: bool

    @property
    def volume_size(self) -> int:
        """The bytes of the volume that it needs."""
        return volume_size(self.size)

    @property
    def bytes_per_inode(self) -> int:
        """What mkfs is told, so that there are twice as many inodes as files, or more."""
        return max(1024, min(16384, self.volume_size // (2 * self.inodes)))


class Inspection:
    """Looks at one member after the other; RefusedError names the first that must not be."""

    def __init__(self, policy: Policy) -> None:
        self._policy = policy
        self._entries: dict[bytes, Entry] = {}
        self._names: dict[object, int] = {}
        self._size = 0
        self._words = 0
        self._rooted = False

    def add(self, member: Member, read: Callable[[], str]) -> None:
        """Take a member in; ``read`` returns the sha256 of its data, and is called only when nothing speaks against the member."""
        path = _clean(member)
        if path in self._entries or (not path and self._rooted):
            raise refusal(member.name, "and has it twice")
        _check_kind(member)
        if member.type == OLD_SPARSE and not self._policy.old_sparse:
            raise refusal(member.name, "which is a sparse file in GNU's old format; for containers pack the image without --sparse")
        _check_facts(member)
        if not path:
            if member.kind != FOLDER:
                raise refusal(member.name, "which is the root, but not a folder")
            self._rooted = True
            return
        self._count(member.size, len(path) + len(member.target) + _length(member.xattrs))
        entry = self._linked(path, member) if member.kind == HARD_LINK else _entry(path, member)
        self._check_privileges(member, entry)
        if member.kind == FILE:
            entry = entry._replace(sha256=read())
        self._entries[path] = entry

    def finish(self) -> Content:
        """Return what the archive holds, with the folders that it only implies."""
        if not self._entries:
            raise RefusedError("src: the archive holds nothing, so there is nothing to unpack")
        for path in list(self._entries):
            self._check_parents(path)
        kernels = (entry for path, entry in self._entries.items() if _KERNEL.fullmatch(path))
        # Where a link leads is known when it is unpacked.
        kernel = any(entry.kind == LINK or (entry.kind == FILE and entry.size > 0) for entry in kernels)
        return Content(digest_of(self._entries.values()), self._size, len(self._entries), kernel)

    def _check_parents(self, path: bytes) -> None:
        for above in parents(path):
            found = self._entries.get(above)
            if found is None:
                self._count(0, len(above))
                self._entries[above] = Entry(above, FOLDER)
            elif found.kind == FOLDER:
                return
            else:
                raise refusal(path, f"which lies below {show(above)}, and that is a {_words(found.kind)}")

    def _count(self, size: int, words: int) -> None:
        self._size += -(-size // _BLOCK) * _BLOCK + _BLOCK
        self._words += words
        if self._size > self._policy.max_size:
            raise too_large(self._policy.max_size)
        if len(self._entries) >= MOST_MEMBERS:
            raise RefusedError(f"src: the archive has more than {MOST_MEMBERS} members; nothing was unpacked")
        if self._words > _MOST_WORDS:
            raise RefusedError(f"src: the archive has names and attributes of more than {format_size(_MOST_WORDS)}; nothing was unpacked")

    def _linked(self, path: bytes, member: Member) -> Entry:
        """Return the entry of one more name of an earlier file."""
        target = self._entries.get(_clean(member._replace(name=member.target), of=member.name))
        if target is None or target.kind != FILE:
            found = "not before it in the archive" if target is None else f"a {_words(target.kind)}"
            raise refusal(member.name, f"a hard link to {show(member.target)}, which is {found}")
        if (member.mode, member.uid, member.gid) != (target.mode, target.uid, target.gid):
            raise refusal(member.name, f"a hard link whose mode or owner differs from that of {show(member.target)}")
        # docker sets what a link has on the file itself.
        if _content_xattrs(member) not in ((), target.xattrs):
            raise refusal(member.name, f"a hard link whose attributes differ from those of {show(member.target)}")
        # docker gives the file its owner once more, and with that the kernel takes its capabilities.
        if CAPABILITY in dict(target.xattrs) and not _content_xattrs(member):
            raise refusal(member.name, f"a hard link without the capabilities of {show(member.target)}; make it a symbolic link")
        names = self._names[target.group] = self._names.get(target.group, 1) + 1
        if names > _MOST_NAMES:
            raise refusal(member.name, f"one more hard link to {show(member.target)}, which has {_MOST_NAMES} names already")
        return target._replace(path=path)

    def _check_privileges(self, member: Member, entry: Entry) -> None:
        special = "setuid" if entry.mode & 0o4000 else "setgid" if entry.mode & 0o2000 else ""
        if any(name == CAPABILITY for name, _value in entry.xattrs):
            special = special or "with capabilities"
        if entry.kind != FILE or not special or self._policy.privileged == ANY:
            return
        if self._policy.privileged == NONE:
            raise refusal(member.name, f"which is {special}, and the option privileged_files is {NONE}")
        if entry.path.partition(b"/")[0] not in _SYSTEM_FOLDERS:
            raise refusal(member.name, f"which is {special} outside the system's folders; the option privileged_files can allow it")
        if entry.mode & 0o022:
            raise refusal(member.name, f"which is {special} and writable for others; the option privileged_files can allow it")


def volume_size(size: int) -> int:
    """Return the bytes of a volume for a content that takes ``size``."""
    size += size // _SPARE_PARTS + _SPARE_BYTES
    return -(-size // 4096**2) * 4096**2


def too_large(max_size: int) -> RefusedError:
    """Return the refusal of an archive that unpacks to more than ``max_size``."""
    return RefusedError(f"src: the archive unpacks to more than {format_size(max_size)} (option max_size); nothing was unpacked")


def refusal(name: bytes, why: str) -> RefusedError:
    """Return the refusal of an archive for its member ``name``."""
    return RefusedError(f"src: the archive has the member '{show(name)}', {why}; nothing was unpacked")


def show(text: bytes) -> str:
    """Return bytes of an archive as an error message may have them."""
    shown = escape(text).decode("ascii")
    return shown if len(shown) <= _LONGEST_SHOWN else shown[:_LONGEST_SHOWN] + "..."


def _check_kind(member: Member) -> None:
    if member.kind == DEVICE:
        raise refusal(member.name, "which is a device node; pack the image without what is in /dev")
    if member.kind == OTHER:
        raise refusal(member.name, f"which is of an unknown kind ('{show(member.type)}')")
    if member.kind in (LINK, HARD_LINK) and not (0 < len(member.target) <= _LONGEST_PATH and b"\0" not in member.target):
        raise refusal(member.name, "which is a link to an impossible path")
    if member.size < 0 or (member.size and member.kind != FILE):
        raise refusal(member.name, f"whose size {member.size} cannot be")


def _check_facts(member: Member) -> None:
    if not (0 <= member.uid < _NO_OWNER and 0 <= member.gid < _NO_OWNER):
        raise refusal(member.name, f"whose owner {member.uid}:{member.gid} cannot be")
    for name, value in member.xattrs:
        # A label belongs to its machine. The rest are a file system's own notes, such as where an overlay finds a file, access control
        # lists, and what only some file systems know; of these and of attributes on links docker makes something else than tar.
        usual = is_content(name) and not name.startswith(b"user.overlay.") and name != b"user." and member.kind not in (LINK, PIPE)
        if name != _LABEL and not (usual and _KEPT.fullmatch(name)):
            raise refusal(member.name, f"which has the attribute {show(name)}; pack the image without it")
        if name == CAPABILITY and not _CAPABILITY.fullmatch(value):
            raise refusal(member.name, "which has capabilities that no kernel takes as they are; set them anew, or pack the image without")
    kept = _content_xattrs(member)
    if _length(kept) + _ATTRIBUTE_ENTRY * len(kept) > _LONGEST_ATTRIBUTES:
        raise refusal(member.name, f"whose attributes have {_length(kept)} bytes, more than ext4 keeps; pack the image without")


def _entry(path: bytes, member: Member) -> Entry:
    group = path if member.kind == FILE else None
    return Entry(path, member.kind, member.mode, member.uid, member.gid, member.size, "", member.target, _content_xattrs(member), group)


def _content_xattrs(member: Member) -> tuple[tuple[bytes, bytes], ...]:
    return tuple(pair for pair in member.xattrs if is_content(pair[0]))


def _length(xattrs: tuple[tuple[bytes, bytes], ...]) -> int:
    return sum(len(name) + len(value) for name, value in xattrs)


def _clean(member: Member, of: bytes = b"") -> bytes:
    """Return the path below the root that a member's name means; RefusedError when it means none."""
    name = member.name
    parts = [part for part in name.split(b"/") if part not in (b"", b".")]
    shown = of or name
    if name.startswith(b"/") or b".." in parts:
        raise refusal(shown, f"which leads out of its root ('{show(name)}')")
    if not name or b"\0" in name or len(name) > _LONGEST_PATH or any(len(part) > _LONGEST_NAME for part in parts):
        raise refusal(shown, "whose name no file can have: it is empty, too long or has a zero byte")
    if member.kind == FILE and name.endswith((b"/", b"/.")):
        raise refusal(shown, "which is a file with the name of a folder")
    # docker takes these names for orders to remove a file.
    if any(part.startswith(b".wh.") for part in parts):
        raise refusal(shown, "whose name begins with .wh., which means a removal to docker")
    return b"/".join(parts)


def _words(kind: str) -> str:
    return {LINK: "symbolic link", PIPE: "pipe", FOLDER: "folder"}.get(kind, kind)
