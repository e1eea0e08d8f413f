# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Members whose headers tarfile, GNU tar and Go take for different things; a part of hostile_images.py."""

from __future__ import annotations

from ansible_collections.zonal.cloud.tests.unit.plugins.contracts.archives import extended, long_name, member, pack, symlink, with_field

A = pack(member("a"))
DIFFERS = "whose headers not every reader takes in the same way: "
V7 = bytes(8)


def swapped() -> bytes:
    """For Go two files have each other's content."""
    one, two = (pack(member(name, size=size))[:1024] for name, size in (("c", 1), ("d", 2)))
    first = extended(("path", "a")) + long_name("b") + one
    return first + extended(("path", "b")) + long_name("a") + two + bytes(1024)


# Archives, and a part of the one message that refuses each.
HEADERS: dict[str, tuple[bytes, str]] = {
    "a folder in its header, a file in an extended one": (
        extended(("path", "b")) + with_field(with_field(A, 0, b"a/"), 156, b"\0"),
        DIFFERS + "it is a folder by one name",
    ),
    "two files swapped for Go": (swapped(), DIFFERS + "it has the extended headers xL"),
    "a long name, then POSIX's": (long_name("b") + extended(("path", "c")) + A, DIFFERS + "it has the extended headers Lx"),
    "POSIX's link, then a long one": (
        extended(("linkpath", "b")) + long_name("c", b"K") + pack(symlink("a", "b")),
        DIFFERS + "it has the extended headers xK",
    ),
    "two extended headers": (extended(("path", "b")) + extended(("uid", "5")) + A, DIFFERS + "it has the extended headers xx"),
    "two long names": (long_name("b") + long_name("c") + A, DIFFERS + "it has the extended headers LL"),
    "a header for all behind one for the next": (
        extended(("path", "b")) + extended(("comment", "x"), kind=b"g") + A,
        DIFFERS + "it has the extended headers xg",
    ),
    "an extended header of Solaris": (extended(("path", "b"), kind=b"X") + A, DIFFERS + "it has the extended headers X"),
    "a long name with nothing in it": (long_name("") + A, DIFFERS + "it has an extended header with nothing in it"),
    "a record twice": (extended(("path", "b"), ("path", "c")) + A, DIFFERS + "it has the record path twice"),
    "a path of nothing": (extended(("path", "")) + A, DIFFERS + "it has the record path="),
    "an attribute of nothing": (extended(("SCHILY.xattr.user.a", "")) + A, DIFFERS + "it has the record SCHILY.xattr.user.a="),
    "an owner of nothing": (extended(("uid", "")) + A, DIFFERS + "it has the record uid="),
    "an owner with a line in it": (extended(("gid", "1_0")) + A, DIFFERS + "it has the record gid=1_0"),
    "an owner with blanks": (extended(("uid", " 1 ")) + A, DIFFERS + "it has the record uid="),
    "an owner and a half": (extended(("uid", "1.5")) + A, DIFFERS + "it has the record uid=1.5"),
    "an owner below zero": (extended(("gid", "-1")) + A, DIFFERS + "it has the record gid=-1"),
    "a size of nothing": (
        extended(("size", "")) + pack(member("a", size=1024))[:512] + pack(member("b", size=1)),
        DIFFERS + "it has the record size=",
    ),
    "a time that is none": (extended(("mtime", "now")) + A, DIFFERS + "it has the record mtime=now"),
    "a character set": (extended(("hdrcharset", "ISO-8859-1")) + A, DIFFERS + "it has the record hdrcharset=ISO-8859-1"),
    "a list of a folder": (extended(("GNU.dumpdir", "Ya")) + A, DIFFERS + "it has the record GNU.dumpdir"),
    "a record that is too short": (extended(end=b"4 a=b\n") + A, ""),
    "a record that is too long": (extended(end=b"9 a=b\n") + A, ""),
    "a record without a value": (extended(end=b"5 ab\n") + A, ""),
    "no record": (extended(("uid", "1"), end=b"more") + A, ""),
    "a record behind the end of its header": (with_field(extended(end=b"8 uid=5\n"), 124, b"%011o\0" % 0) + A, ""),
    "a prefix that is not of POSIX": (with_field(with_field(A, 257, V7), 345, b"pre"), DIFFERS + "it has a prefix"),
    "a prefix in a header of GNU": (with_field(with_field(A, 257, b"ustar  "), 345, b"pre"), DIFFERS + "it has a prefix"),
    "a prefix of star": (with_field(A, 345, b"pre".ljust(163, b"\0") + b"tar\0"), DIFFERS + "it has a prefix"),
    "a prefix with times behind it": (with_field(A, 345, b"pre".ljust(131, b"\0") + b"00000000000 "), DIFFERS + "it has a prefix"),
    "a mode with a line in it": (with_field(A, 100, b"06_44\0"), DIFFERS + "its mode is '06_44"),
    "an owner that is no number": (with_field(A, 108, b"\0000017\0"), DIFFERS + "its user is"),
    "a name for a sparse file that is none": (extended(("path", "b"), ("GNU.sparse.name", "c")) + A, DIFFERS + "it has only"),
    "a size for a sparse file that is none": (extended(("GNU.sparse.realsize", "0")) + A, DIFFERS + "it has only"),
    "a sparse file of an older kind": (
        extended(("GNU.sparse.size", "0"), ("GNU.sparse.numblocks", "0"), ("GNU.sparse.map", "0,0")) + A,
        DIFFERS + "it has the record",
    ),
    "a sparse file with two names": (
        extended(
            ("GNU.sparse.major", "1"), ("GNU.sparse.minor", "0"), ("GNU.sparse.name", "b"), ("GNU.sparse.realsize", "5"), ("path", "c")
        )
        + pack(member("a", size=2))[:512]
        + b"0\n".ljust(512, b"\0")
        + bytes(1024),
        DIFFERS + "it has only",
    ),
    "a file of the kind that lies in one piece": (with_field(A, 156, b"7"), "of an unknown kind ('7')"),
}
