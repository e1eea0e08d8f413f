# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: may change without notice.
"""The manifest of a published image: what the store has under its name. Whoever may write there may have written anything."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any

from .names import IMAGE

# The version of the collection, which writes itself into manifests (tests/unit/test_meta.py compares it with galaxy.yml).
BY = "zonal.cloud 0.1.0"
LONGEST = 16 * 1024
_SCHEMA = 1
_SUFFIXES = {"gzip": "tgz", "bzip2": "tar.bz2", "xz": "tar.xz", "": "tar"}
_SHA256 = re.compile(r"[0-9a-f]{64}", re.ASCII)
_REFERENCE = re.compile(rf"[A-Za-z0-9.-]+(?::[0-9]+)?/{IMAGE.pattern}", re.ASCII)
_MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", re.ASCII)
_LINE = re.compile(r"[ -~]{1,200}", re.ASCII)


@dataclass(frozen=True)
class Blob:
    """The bytes of an archive. ``packed`` says with what: gzip, bzip2, xz or nothing."""

    sha256: str
    size: int
    packed: str

    @property
    def key(self) -> str:
        """The key of its object."""
        return f"blobs/{self.sha256}.{_SUFFIXES[self.packed]}"


@dataclass(frozen=True)
class Pushed:
    """An image in a registry: its reference, and the sha256 of the manifest that the registry has of it."""

    reference: str
    sha256: str


@dataclass(frozen=True)
class ImageManifest:
    """``digest`` is that of the content, ``content_size`` what it takes on disk; ``created`` a moment of UTC, ``by`` who wrote this."""

    name: str
    digest: str
    blob: Blob
    content_size: int
    bootable: bool
    pushed: Pushed | None
    created: str
    by: str = BY


def manifest_key(name: str) -> str:
    """Return the key under which the manifest of the image ``name:tag`` is."""
    return f"images/{name.replace(':', '/')}.json"


def write_manifest(manifest: ImageManifest) -> bytes:
    """Return a manifest as it is stored."""
    blob, pushed = manifest.blob, manifest.pushed
    told = {
        "schema": _SCHEMA,
        "name": manifest.name,
        "digest": manifest.digest,
        "sha256": blob.sha256,
        "size": blob.size,
        "packed": blob.packed,
        "content_size": manifest.content_size,
        "bootable": manifest.bootable,
        "registry": {"reference": pushed.reference, "sha256": pushed.sha256} if pushed else None,
        "created": manifest.created,
        "by": manifest.by,
    }
    return json.dumps(told, indent=2).encode() + b"\n"


def read_manifest(name: str, content: bytes) -> ImageManifest:
    """Return what is stored under the name of an image; ValueError says why it is no manifest of it."""
    try:
        told = json.loads(content)
    except (ValueError, RecursionError):
        raise ValueError("it is not JSON") from None
    if not isinstance(told, dict):
        raise ValueError("it is not a mapping")
    if told.get("schema") != _SCHEMA:
        raise ValueError(f"its schema is not {_SCHEMA}; a newer version of the collection may read it")
    packed = _text(told, "packed", re.compile("|".join(_SUFFIXES)))
    manifest = ImageManifest(
        name=_text(told, "name", IMAGE),
        digest=_text(told, "digest", _SHA256),
        blob=Blob(_text(told, "sha256", _SHA256), _number(told, "size"), packed),
        content_size=_number(told, "content_size"),
        bootable=_flag(told, "bootable"),
        pushed=_pushed(told),
        created=_text(told, "created", _MOMENT),
        by=_text(told, "by", _LINE),
    )
    if manifest.name != name:
        raise ValueError(f"it is that of {manifest.name}")
    return manifest


def _pushed(told: dict[str, Any]) -> Pushed | None:
    found = told.get("registry")
    if found is None:
        return None
    if not isinstance(found, dict):
        raise _wrong("registry")
    return Pushed(_text(found, "reference", _REFERENCE), _text(found, "sha256", _SHA256))


def _text(told: dict[str, Any], field: str, form: re.Pattern[str]) -> str:
    value = told.get(field)
    if not isinstance(value, str) or not form.fullmatch(value):
        raise _wrong(field)
    return value


def _number(told: dict[str, Any], field: str) -> int:
    value = told.get(field)
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < 2**63:
        raise _wrong(field)
    return value


def _flag(told: dict[str, Any], field: str) -> bool:
    value = told.get(field)
    if not isinstance(value, bool):
        raise _wrong(field)
    return value


def _wrong(field: str) -> ValueError:
    return ValueError(f"its field {field} is missing or no such thing")
