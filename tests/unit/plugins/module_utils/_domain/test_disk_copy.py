# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Descriptions of copies: what is read of a store, and what is made of it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from ansible_collections.zonal.cloud.plugins.module_utils._domain.disk_copy import (
    DiskCopy,
    description_key,
    parse_copy_name,
    parse_description,
    parse_key,
    part_key,
    render_description,
    show_copy,
    tags_for,
)
from ansible_collections.zonal.cloud.plugins.module_utils._domain.disk_part import PART
from ansible_collections.zonal.cloud.plugins.module_utils._domain.errors import SpecError

SHA256 = "0123456789abcdef" * 4
INSTANCE, DIGEST = "zonal.instance=db", f"zonal.digest={SHA256}"
TAGS = frozenset({INSTANCE, DIGEST, "zonal.image=debian:13", "gold"})
COPY = DiskCopy("vm-db", "monday", 3 * PART, PART, 2, 1000, SHA256, "2026-11-25T03:00:00Z", TAGS)


def test_a_description_reads_back() -> None:
    assert parse_description("vm-db", "monday", render_description(COPY)) == COPY
    assert parse_key(COPY.key) == ("vm-db", "monday")


@pytest.mark.parametrize(
    "key",
    ["copies", "copies/vm-db", "copies/vm-db/.json", "copies/a/b/c.json", "copies/../x.json", "copies.data/vm-db/x.json", "x.json", ""],
)
def test_other_keys_are_nobodys(key: str) -> None:
    assert parse_key(key) is None


@pytest.mark.parametrize("name", ["", ".", "-a", "a/b", "a b", "a" * 64, "a\n", "é"])
def test_a_name_is_refused(name: str) -> None:
    with pytest.raises(SpecError, match=r"^name: .* is not a name for a copy; use 1 to 63 letters"):
        parse_copy_name("name", name)


def test_copies_and_parts_do_not_mix() -> None:
    keys = {description_key(volume, name) for volume in ("a", "a.b") for name in ("x", "x.json", "x.json.json")}
    parts = {part_key(volume, name, 0) for volume in ("a", "a.b") for name in ("x", "x.json", "x.json.json")}
    assert len(keys | parts) == 12


FAULTY: dict[str, tuple[dict[str, Any], str]] = {
    "another version": ({"version": 2}, "it was written by another version of this collection"),
    "another volume": ({"volume": "vm-web"}, "its description is that of another copy"),
    "another part size": ({"part_size": 1}, "its description is that of another copy"),
    "no size": ({"size": None}, "its description has no proper size"),
    "size in words": ({"size": "10G"}, "its description has no proper size"),
    "true for a size": ({"size": True}, "its description has no proper size"),
    "no bytes": ({"size": 0}, "its description has no proper size"),
    "a broken number": ({"size": 1.5}, "its description has no proper size"),
    "endless": ({"size": 2**70}, "its description has no proper size"),
    "more parts than bytes": ({"parts": 4}, "its description has no proper parts"),
    "more data than parts": ({"data": 2 * PART + 1}, "its description has no proper data"),
    "negative": ({"stored": -1}, "its description has no proper stored"),
    "more stored than parts hold": ({"stored": 3 * PART}, "its description has no proper stored"),
    "no digest": ({"sha256": "x"}, "its description has no proper sha256"),
    "a digest in capitals": ({"sha256": SHA256.upper()}, "its description has no proper sha256"),
    "a list for a digest": ({"sha256": [SHA256]}, "its description has no proper sha256"),
    "no time": ({"created": "{{ 7 * 7 }}"}, "its description has no proper created"),
    "no tags": ({"tags": None}, "its description has no proper tags"),
    "a text for tags": ({"tags": "gold"}, "its description has no proper tags"),
    "a tag that is none": ({"tags": ["--addtag x"]}, "its description has no proper tags"),
    "a number for a tag": ({"tags": [1]}, "its description has no proper tags"),
}


@pytest.mark.parametrize("case", FAULTY)
def test_a_faulty_description_is_told(case: str) -> None:
    change, message = FAULTY[case]
    with pytest.raises(ValueError, match=f"^{message}$"):
        parse_description("vm-db", "monday", json.dumps({**json.loads(render_description(COPY)), **change}).encode())


@pytest.mark.parametrize("content", [b"", b"[]", b"nonsense", b"{", b"\xff\xfe", b"[" * 60_000, b'"text"', b"1" * 5000, b"NaN"])
def test_what_is_no_description_is_told(content: bytes) -> None:
    with pytest.raises(ValueError, match=r"^its description is not JSON that this collection has written$"):
        parse_description("vm-db", "monday", content)


@pytest.mark.parametrize(
    ("volume", "kept"),
    [
        ("vm-db", {INSTANCE, DIGEST, "gold"}),
        ("vm-web", {"gold"}),
        ("db", {"gold"}),
    ],
)
def test_whose_disk_it_is_stays_with_the_name(volume: str, kept: set[str]) -> None:
    assert tags_for(COPY, volume) == kept | {f"zonal.restored={SHA256}"}


def test_what_is_not_known_yet_is_not_shown() -> None:
    assert show_copy(DiskCopy("data", "monday", PART)) == {"name": "monday", "volume": "data", "size": "16M", "tags": []}
    assert show_copy(COPY)["sha256"] == SHA256
