# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Headers that every reader takes in the same way. Those that are refused are also in contracts/hostile_headers.py."""

from __future__ import annotations

import pytest

from ansible_collections.zonal.cloud.plugins.module_utils._domain.errors import RefusedError
from ansible_collections.zonal.cloud.plugins.module_utils._domain.tar_rules import check_headers
from ansible_collections.zonal.cloud.tests.unit.plugins.contracts.archives import extended, long_name, member, pack, pack_gnu, with_field

A = pack(member("a"))[:512]
OLD = bytes(8)  # in place of a magic
LARGE = b"\x80" + (2**33).to_bytes(11, "big")

GOOD = {
    "POSIX": A,
    "GNU": pack_gnu(member("a"))[:512],
    "before POSIX": with_field(A, 257, OLD),
    "a prefix": with_field(A, 345, b"p" * 155),
    "a size in binary": with_field(A, 124, LARGE),
    "numbers with blanks": with_field(A, 100, b"   644 \0"),
    "a long name": long_name("b" * 200) + A,
    "a long name and link": long_name("b" * 200) + long_name("c" * 200, b"K") + A,
    "a long link and name": long_name("c" * 200, b"K") + long_name("b" * 200) + A,
    "records": extended(("path", "b"), ("uid", "4000000000"), ("mtime", "-1.5"), ("SCHILY.dev", "1"), ("LIBARCHIVE.a", "b=c")) + A,
    "a comment for all": extended(("comment", "x"), kind=b"g") + extended(("path", "b")) + A,
    "a sparse file with its map": extended(
        ("GNU.sparse.major", "1"), ("GNU.sparse.minor", "0"), ("GNU.sparse.name", "b"), ("GNU.sparse.realsize", "9")
    )
    + A
    + b"0\n".ljust(512, b"\0"),
    "a name that is no UTF-8": extended(("hdrcharset", "BINARY"), ("path", "b")) + A,
    "no records": extended() + A,
}
BROKEN = "an extended header is broken"
BAD = {
    "4 a=b\n": BROKEN,
    "9 a=b\n": BROKEN,
    "6 a=bx": BROKEN,
    "5 ab\n": BROKEN,
    "5 =b\n": BROKEN,
    "06 a=b\n": BROKEN,
    "+6 a=b\n": BROKEN,
    "6 a=b\nmore": BROKEN,
    "99999999 a=b\n": BROKEN,
    "6 a=b\n6 a=c\n": "it has the record a twice",
    "5 a=\n": "it has the record a=",
}


@pytest.mark.parametrize("raw", GOOD.values(), ids=GOOD.keys())
def test_good(raw: bytes) -> None:
    check_headers(raw, b"a")


@pytest.mark.parametrize("records", BAD)
def test_bad_records(records: str) -> None:
    with pytest.raises(RefusedError) as refused:
        check_headers(extended(end=records.encode()) + A, b"a")
    assert f"the member 'a', whose headers not every reader takes in the same way: {BAD[records]}; nothing" in str(refused.value)


def test_what_follows_the_records_is_nothing() -> None:
    raw = extended(("path", "b"))
    with pytest.raises(RefusedError, match="bytes follow an extended header"):
        check_headers(raw[:-1] + b"x" + A, b"a")
