# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Archives that are out to harm whoever makes an image of them, and the words with which each is refused.

The same table is read by the unit tests, and goes against docker and mounted file systems in tests/integration/engines and tests/lab.
"""

from __future__ import annotations

import bz2
import gzip
import lzma
import tarfile
from typing import NamedTuple

from ansible_collections.zonal.cloud.tests.unit.plugins.contracts.archives import (
    CAPABILITY,
    MIB,
    extended,
    folder,
    hardlink,
    member,
    pack,
    pack_gnu,
    symlink,
    with_field,
    with_xattr,
)
from ansible_collections.zonal.cloud.tests.unit.plugins.contracts.hostile_headers import HEADERS

# What the table is read with; the bombs in it are larger.
MAX_SIZE = 16 * MIB


class Hostile(NamedTuple):
    """An archive, and a part of the one message that refuses it."""

    content: bytes
    words: str


def sparse_bomb() -> bytes:
    """A file of the old GNU kind that says it has 8 TiB, all of it a hole."""
    archive = pack_gnu(member("bomb"))
    return with_field(with_field(archive, 156, tarfile.GNUTYPE_SPARSE), 483, b"\x80" + (8 * 1024**4).to_bytes(11, "big"))


def sparse_overlap() -> bytes:
    """A sparse file whose two parts overlap."""
    archive = with_field(pack_gnu(member("holes", size=1024)), 156, tarfile.GNUTYPE_SPARSE)
    number = b"%011o\0"
    return with_field(with_field(archive, 386, (number % 0 + number % 512) * 2), 483, number % 4096)


def many_headers(count: int) -> bytes:
    """Long-name headers, each of which is about the next one."""
    return pack_gnu(member("x" * 200))[:1024] * count + pack(member("x"))


WHOLE = pack(folder("etc"), member("etc/motd", size=10))
ROOM = bytes(20 * MIB)
FILLER = gzip.compress(pack(member("a", size=MIB)))
XZ = lzma.compress(pack(member("a", size=MIB)))
ATTRIBUTE = "which has the attribute "
A = pack(member("a"))
OUT = "which leads out of its root"
BROKEN = "it is not a complete tar archive"
NEVER = "whose name no file can have"

HOSTILE: dict[str, Hostile] = {
    # Names.
    "an absolute path": Hostile(pack(member("/etc/passwd", size=1)), OUT),
    "a path above": Hostile(pack(member("../etc/passwd", size=1)), OUT),
    "a path above in the middle": Hostile(pack(member("etc/../../passwd", size=1)), OUT),
    "a path above at the end": Hostile(pack(folder("etc/..")), OUT),
    "a long path above": Hostile(pack_gnu(member("x" * 120 + "/../../../../etc/passwd", size=1)), OUT),
    "a path above in an extended header": Hostile(pack(member("a", pax={"path": "../../etc/passwd"})), OUT),
    "a zero byte in a path": Hostile(pack(member("a", pax={"path": "etc/passwd\0.txt"})), NEVER),
    "a name that is too long": Hostile(pack(member("x" * 256)), NEVER),
    "a path that is too long": Hostile(pack(member("/".join(["x" * 200] * 21)[:4100])), NEVER),
    "a file named as a folder": Hostile(with_field(pack(member("etc/motd+")), 8, b"/"), "with the name of a folder"),
    "a file named as a folder in an extended header": Hostile(extended(("path", "etc/motd/")) + A, "with the name of a folder"),
    "the root as a file": Hostile(pack(member(".", size=1)), "the root, but not a folder"),
    "the root as a link": Hostile(pack(symlink("./.", "/etc")), "the root, but not a folder"),
    "a removal in docker's words": Hostile(pack(folder("etc"), member("etc/.wh.passwd")), "a removal to docker"),
    # Twice, or in each other's way.
    "a file twice": Hostile(pack(member("a"), member("./a")), "and has it twice"),
    "a link, then a file in its place": Hostile(pack(symlink("a", "/etc/passwd"), member("a", size=1)), "and has it twice"),
    "the root twice": Hostile(pack(folder("."), folder("./"), member("a")), "and has it twice"),
    "a file below a link out": Hostile(
        pack(symlink("out", "/etc"), member("out/passwd", size=1)), "below out, and that is a symbolic link"
    ),
    "a file below a link above": Hostile(pack(symlink("out", "../../etc"), member("out/a/b")), "below out, and that is a symbolic link"),
    "a link that comes after what is below it": Hostile(pack(member("out/passwd"), symlink("out", "/etc")), "that is a symbolic link"),
    "a file below a file": Hostile(pack(member("a"), member("a/b")), "below a, and that is a file"),
    "folders that are only implied": Hostile(
        gzip.compress(pack(*(member(f"{n}/" + "d/" * 1500 + "f") for n in range(4)))), "more than 16M"
    ),
    "a file below a pipe": Hostile(pack(member("a", kind=tarfile.FIFOTYPE), member("a/b")), "below a, and that is a pipe"),
    # Links.
    "a hard link to an absolute path": Hostile(pack(hardlink("shadow", "/etc/shadow")), OUT),
    "a hard link above": Hostile(pack(hardlink("etc/shadow", "../../etc/shadow")), OUT),
    "a hard link to what is not there": Hostile(pack(hardlink("a", "b")), "not before it"),
    "a hard link to what comes later": Hostile(pack(hardlink("a", "b"), member("b")), "not before it"),
    "a hard link to itself": Hostile(pack(hardlink("a", "a")), "not before it"),
    "a hard link to a link": Hostile(pack(symlink("a", "/etc/shadow"), hardlink("b", "a")), "which is a symbolic link"),
    "a hard link to a folder": Hostile(pack(folder("a"), hardlink("b", "a", 0o755)), "which is a folder"),
    "a hard link through a link": Hostile(pack(symlink("a", "/etc"), hardlink("b", "a/shadow")), "not before it"),
    "a hard link that makes its target setuid": Hostile(pack(member("usr/a"), hardlink("usr/b", "usr/a", 0o4755)), "mode or owner differs"),
    "a hard link to a setuid file in a home": Hostile(
        pack(member("usr/bin/su", mode=0o4755), hardlink("home/su", "usr/bin/su", 0o4755)), "outside the system's folders"
    ),
    "a hard link with capabilities that its target has not": Hostile(
        pack(member("a"), member("b", kind=tarfile.LNKTYPE, link="a", pax={"SCHILY.xattr.security.capability": CAPABILITY.decode()})),
        "a hard link whose attributes differ from those of a",
    ),
    "a hard link by which docker takes the capabilities from its target": Hostile(
        pack(with_xattr("usr/bin/a", "security.capability", CAPABILITY), hardlink("usr/bin/b", "usr/bin/a", 0o755)),
        "a hard link without the capabilities of usr/bin/a",
    ),
    "a link to nothing": Hostile(with_field(pack(symlink("a", "b")), 157, bytes(100)), "impossible path"),
    "a link to a path that is too long": Hostile(pack(symlink("a", "x" * 4100)), "impossible path"),
    # Kinds, owners, rights.
    "a block device": Hostile(pack(member("dev/sda", kind=tarfile.BLKTYPE)), "a device node"),
    "a character device": Hostile(pack(member("etc/mem", kind=tarfile.CHRTYPE)), "a device node"),
    "a member of no known kind": Hostile(with_field(pack(member("a")), 156, b"V"), "of an unknown kind ('V')"),
    "an owner that is nobody": Hostile(pack(member("a", pax={"uid": str(2**32 - 1)})), "whose owner 4294967295:0 cannot be"),
    "an owner below zero in its header": Hostile(with_field(A, 116, b"\xff" * 8), ""),
    "a setuid file in a home": Hostile(pack(member("home/x", mode=0o4755)), "setuid outside the system's folders"),
    "a setgid file in /tmp": Hostile(pack(member("tmp/x", mode=0o2755)), "setgid outside the system's folders"),
    "a setuid file that others may write": Hostile(pack(member("usr/bin/x", mode=0o4777)), "setuid and writable for others"),
    "capabilities in a home": Hostile(pack(with_xattr("home/x", "security.capability", CAPABILITY)), "with capabilities outside"),
    "an overlay's own note": Hostile(pack(with_xattr("etc", "trusted.overlay.redirect", b"/")), "the attribute trusted.overlay.redirect"),
    "a note of an overlay without rights": Hostile(pack(with_xattr("etc", "user.overlay.opaque", b"y")), ATTRIBUTE + "user.overlay.opaque"),
    "a signature of the kernel's": Hostile(pack(with_xattr("etc", "security.ima")), ATTRIBUTE + "security.ima"),
    "an attribute without a name": Hostile(pack(with_xattr("etc", "user.")), ATTRIBUTE + "user."),
    "an attribute of no known kind": Hostile(pack(with_xattr("etc", "btrfs.compression")), ATTRIBUTE + "btrfs.compression"),
    "a link with an attribute": Hostile(
        pack(member("a", kind=tarfile.SYMTYPE, link="b", pax={"SCHILY.xattr.user.a": "b"})), ATTRIBUTE + "user.a"
    ),
    "an access list": Hostile(pack(member("a", pax={"SCHILY.acl.access": "user::rwx"})), "the attribute SCHILY.acl.access"),
    "an attribute that GNU tar names otherwise": Hostile(pack(with_xattr("etc", "user.a%3Db")), ATTRIBUTE + "user.a%3Db"),
    "an attribute with a name that is too long": Hostile(pack(with_xattr("etc", "user." + "n" * 251)), ATTRIBUTE + "user.nnn"),
    "a zero byte in an attribute's name": Hostile(pack(with_xattr("etc", "user.a\0b")), ATTRIBUTE + "user.a\\000b"),
    "attributes that ext4 does not keep": Hostile(pack(with_xattr("etc", "user.a", b"x" * 4000)), "whose attributes have 4006 bytes"),
    "capabilities that are none": Hostile(pack(with_xattr("usr/x", "security.capability")), "capabilities that no kernel takes"),
    "capabilities of an old kernel": Hostile(
        pack(with_xattr("usr/x", "security.capability", b"\1\0\0\1" + bytes(8))), "capabilities that no kernel takes"
    ),
    "capabilities that the kernel gives back in another form": Hostile(
        pack(with_xattr("usr/x", "security.capability", b"\1\0\0\3" + bytes(20))), "capabilities that no kernel takes"
    ),
    "headers for all members": Hostile(pack(member("a"), pax_headers={"uid": "0"}), "headers that are for all members"),
    **{name: Hostile(*case) for name, case in HEADERS.items()},
    # Sizes.
    "a bomb of zeroes": Hostile(gzip.compress(pack(member("a")) + ROOM), "more than 16M"),
    "a large file, packed small": Hostile(gzip.compress(pack(member("a", size=17 * MIB))), "more than 16M"),
    "a sparse bomb": Hostile(sparse_bomb(), "more than 16M"),
    "a sparse file with parts that overlap": Hostile(sparse_overlap(), BROKEN),
    "a size below zero": Hostile(with_field(pack(member("a")), 124, b"\xff" * 12), ""),
    "a folder with data": Hostile(with_field(pack(folder("a")), 124, b"%011o\0" % 512) + ROOM[:512], "whose size 512 cannot be"),
    "a hard link with data": Hostile(with_field(pack(hardlink("a", "b")), 124, b"%011o\0" % 512), "whose size 512 cannot be"),
    "a long header": Hostile(pack(member("a", pax={"comment": "x" * MIB})), "the header of a member is too long"),
    "headers without end": Hostile(many_headers(2000), BROKEN),
    "too many small files": Hostile(gzip.compress(pack(*(member(f"f{number}") for number in range(5000)))), "more than 16M"),
    "a file larger than its content may be": Hostile(bytes(18 * MIB), "more than 16M"),
    "many packed pieces of nothing": Hostile(gzip.compress(b"") * 1000 + gzip.compress(WHOLE), BROKEN + ": it is packed in too many"),
    "many small packed pieces": Hostile(
        b"".join(bz2.compress(WHOLE[start : start + 20]) for start in range(0, len(WHOLE), 20)), BROKEN + ": it is packed in too many"
    ),
    # Broken.
    "nothing": Hostile(b"", BROKEN),
    "an archive of nothing": Hostile(pack(), "the archive holds nothing"),
    "an archive of the root alone": Hostile(pack(folder("./")), "the archive holds nothing"),
    "words": Hostile(b"no archive", BROKEN),
    "an empty gzip": Hostile(gzip.compress(b""), BROKEN),
    "a gzip of words": Hostile(gzip.compress(b"words"), BROKEN),
    "a tar cut off in a member": Hostile(pack(member("a", size=MIB))[: MIB // 2], BROKEN),
    "a tar cut off between members": Hostile(WHOLE[:512], BROKEN),
    "a broken header after a good one": Hostile(WHOLE[:512] + b"\1" * 512 + WHOLE[1024:], BROKEN),
    "a gzip cut off": Hostile(FILLER[: len(FILLER) // 2], BROKEN),
    "a gzip without its sum": Hostile(FILLER[:-8], BROKEN),
    "a gzip with another sum": Hostile(FILLER[:-8] + b"\1" * 8, BROKEN),
    "a gzip with other bytes in the middle": Hostile(FILLER[:40] + b"\xff" * 8 + FILLER[48:], BROKEN),
    "an xz cut off": Hostile(XZ[:-40], BROKEN),
    "an xz with other bytes in the middle": Hostile(XZ[:60] + b"\xff" * 8 + XZ[68:], BROKEN),
    "a bz2 cut off": Hostile(bz2.compress(pack(member("a", size=MIB)))[:-10], BROKEN),
    "bytes after the tar": Hostile(WHOLE + b"more", BROKEN),
    "a second gzip behind zeroes": Hostile(gzip.compress(WHOLE) + bytes(512) + gzip.compress(WHOLE), BROKEN),
    "packed with zstd": Hostile(b"\x28\xb5\x2f\xfd" + WHOLE, "it is packed with zstd; pack it with gzip, bzip2 or xz, or not at all"),
    "packed with lz4": Hostile(b"\x04\x22\x4d\x18" + WHOLE, "it is packed with lz4"),
    "a second tar behind the first": Hostile(WHOLE + pack(member("../x")), BROKEN),
    "bytes after the gzip": Hostile(gzip.compress(WHOLE) + b"more", BROKEN),
    "bytes after the xz": Hostile(lzma.compress(WHOLE) + b"more, and more", BROKEN),
    "bytes after the bz2": Hostile(bz2.compress(WHOLE) + b"BZmore", BROKEN),
}
