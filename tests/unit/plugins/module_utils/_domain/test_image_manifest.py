# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A manifest is read as it was written; anything else that may lie in its place is told in one line."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from ansible_collections.zonal.cloud.plugins.module_utils._domain.image_manifest import (
    LONGEST,
    Blob,
    ImageManifest,
    Pushed,
    manifest_key,
    read_manifest,
    write_manifest,
)

NAME = "base/debian-web:12.1"
MANIFEST = ImageManifest(
    NAME, "a" * 64, Blob("b" * 64, 5, "gzip"), 4096, True, Pushed(f"h.example:5000/{NAME}", "c" * 64), "2026-01-31T12:00:00Z"
)


@pytest.mark.parametrize("manifest", [MANIFEST, replace(MANIFEST, pushed=None, bootable=False, blob=Blob("b" * 64, 0, ""))])
def test_what_is_written_is_read(manifest: ImageManifest) -> None:
    content = write_manifest(manifest)
    assert read_manifest(NAME, content) == manifest
    assert len(content) < LONGEST


@pytest.mark.parametrize(("packed", "end"), [("gzip", "tgz"), ("bzip2", "tar.bz2"), ("xz", "tar.xz"), ("", "tar")])
def test_the_key_tells_the_bytes_and_how_they_are_packed(packed: str, end: str) -> None:
    assert Blob("b" * 64, 5, packed).key == f"blobs/{'b' * 64}.{end}"


def test_a_name_with_folders_has_its_own_key() -> None:
    assert manifest_key(NAME) == "images/base/debian-web/12.1.json"


def changed(**fields: Any) -> bytes:
    told = {**json.loads(write_manifest(MANIFEST)), **fields}
    return json.dumps({key: value for key, value in told.items() if value != "gone"}).encode()


HOSTILE = {
    "nothing": (b"", "not JSON"),
    "no text": (b"\xff\xfe", "not JSON"),
    "deep": (b"[" * 10_000, "not JSON"),
    "a list": (b"[]", "not a mapping"),
    "no schema": (changed(schema="gone"), "schema is not 1"),
    "a newer one": (changed(schema=2), "schema is not 1; a newer version"),
    "another image's": (changed(name="other:1"), "it is that of other:1"),
    "a bad name": (changed(name="../x"), "field name"),
    "a bad digest": (changed(digest="A" * 64), "field digest"),
    "no sum": (changed(sha256="gone"), "field sha256"),
    "a path for a sum": (changed(sha256="../" * 20), "field sha256"),
    "a size that is none": (changed(size=-1), "field size"),
    "a truth for a size": (changed(size=True), "field size"),
    "a huge size": (changed(content_size=2**63), "field content_size"),
    "a packer that is none": (changed(packed="zip"), "field packed"),
    "a number for a truth": (changed(bootable=1), "field bootable"),
    "a text for a registry": (changed(registry="h.example"), "field registry"),
    "a bad reference": (changed(registry={"reference": "a b", "sha256": "c" * 64}), "field reference"),
    "a reference without a sum": (changed(registry={"reference": f"h:1/{NAME}"}), "field sha256"),
    "no moment": (changed(created="yesterday"), "field created"),
    "lines": (changed(by="a\nb"), "field by"),
}


@pytest.mark.parametrize("case", HOSTILE)
def test_what_is_none_is_told_in_one_line(case: str) -> None:
    content, words = HOSTILE[case]
    with pytest.raises(ValueError, match=words) as caught:
        read_manifest(NAME, content)
    assert "\n" not in str(caught.value)
