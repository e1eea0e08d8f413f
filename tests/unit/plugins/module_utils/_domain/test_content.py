# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The canonical listing of a root file system: the same for the same content, another for any other."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.zonal.cloud.plugins.module_utils._domain.content import (
    FILE,
    FOLDER,
    LINK,
    PIPE,
    Entry,
    digest_of,
    escape,
    is_content,
    listing,
    parents,
)

SUM = hashlib.sha256(b"x").hexdigest()
ENTRIES = [
    Entry(b"usr/bin/b", FILE, 0o4755, 0, 0, 1, SUM, group=7),
    Entry(b"usr", FOLDER),
    Entry(b"usr/bin", FOLDER, 0o2775, 0, 50),
    Entry(b"usr/bin/a", FILE, 0o4755, 0, 0, 1, SUM, group=7),
    Entry(b"usr/bin/c", FILE, 0o644, 1000, 100, 1, SUM, xattrs=((b"user.b", b"\xff="), (b"user.a b", b"")), group=8),
    Entry(b"etc\n/=\\ \xff-", FOLDER),
    Entry(b"bin", LINK, 0o777, target=b"usr/bin (old)"),
    Entry(b"pipe", PIPE, 0o600),
]
LISTING = f"""\
zonal.cloud content 1
bin type=link uid=0 gid=0 link=usr/bin\\040(old)
etc\\012/\\075\\134\\040\\377- type=dir uid=0 gid=0 mode=0755
pipe type=fifo uid=0 gid=0 mode=0600
usr type=dir uid=0 gid=0 mode=0755
usr/bin type=dir uid=0 gid=50 mode=2775
usr/bin/a type=file uid=0 gid=0 mode=4755 size=1 sha256={SUM}
usr/bin/b hardlink=usr/bin/a
usr/bin/c type=file uid=1000 gid=100 mode=0644 size=1 sha256={SUM} xattr.user.a\\040b= xattr.user.b=\\377\\075
"""


def test_the_listing_is_this_one() -> None:
    """Digests stand on objects of hosts: a change here makes every image another one."""
    assert b"".join(listing(ENTRIES)).decode() == LISTING
    assert digest_of(ENTRIES) == hashlib.sha256(LISTING.encode()).hexdigest()


@given(st.permutations(ENTRIES))
def test_the_order_does_not_matter(shuffled: list[Entry]) -> None:
    assert digest_of(shuffled) == digest_of(ENTRIES)


OTHERS = {
    "path": ENTRIES[1]._replace(path=b"usr2"),
    "kind": ENTRIES[1]._replace(kind=PIPE),
    "mode": ENTRIES[1]._replace(mode=0o700),
    "owner": ENTRIES[1]._replace(uid=1),
    "group": ENTRIES[1]._replace(gid=1),
    "attribute": ENTRIES[1]._replace(xattrs=((b"user.a", b"1"),)),
    "not one file with the other": ENTRIES[0]._replace(group=9),
    "size": ENTRIES[4]._replace(size=2),
    "data": ENTRIES[4]._replace(sha256="0" * 64),
    "target": ENTRIES[6]._replace(target=b"usr/bin"),
    "one attribute in the name of another": ENTRIES[4]._replace(xattrs=((b"user.b", b"\xff= xattr.user.a b="),)),
}


@pytest.mark.parametrize("other", OTHERS.values(), ids=OTHERS.keys())
def test_any_difference_is_another_content(other: Entry) -> None:
    same = [index for index, entry in enumerate(ENTRIES) if entry.path == other.path] or [1]
    changed = [other if index == same[0] else entry for index, entry in enumerate(ENTRIES)]
    assert digest_of(changed) != digest_of(ENTRIES)


def test_what_a_link_has_beside_its_target_is_no_content() -> None:
    assert digest_of([ENTRIES[6]._replace(mode=0o755)]) == digest_of([ENTRIES[6]])


@given(st.binary(), st.binary())
def test_no_two_names_are_told_alike(one: bytes, other: bytes) -> None:
    assert (escape(one) == escape(other)) == (one == other)
    assert not set(escape(one)) & set(b" =\n")
    assert escape(one).isascii()


def test_attributes_of_the_machine_are_no_content() -> None:
    names = [b"user.a", b"security.capability", b"security.selinux", b"security.ima", b"trusted.overlay.opaque", b"system.posix_acl_access"]
    assert [name for name in names if is_content(name)] == [b"user.a", b"security.capability"]


def test_parents() -> None:
    assert list(parents(b"a/b/c")) == [b"a/b", b"a"]
    assert list(parents(b"a")) == []
