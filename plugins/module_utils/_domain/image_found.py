# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: may change without notice.
"""The images found on a host: faces of the same content are one image."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from .container_config import LABEL

VM, CONTAINER = "vm", "container"
DIGEST_LABEL, SHA256_LABEL = LABEL + "digest", LABEL + "sha256"


@dataclass(frozen=True)
class StoredFace:
    """What an engine has of an image for one kind of instance. ``size`` is in bytes."""

    kind: str
    digest: str
    names: tuple[str, ...]
    sha256: tuple[str, ...]
    size: int
    used_by: tuple[str, ...]
    bootable: bool = False
    cloud_init: bool = False


def show_images(faces: Iterable[StoredFace], name: str = "") -> list[dict[str, Any]]:
    """Return the images, in order of their names, or only the one that is called ``name``."""
    by_digest: dict[str, list[StoredFace]] = {}
    for face in faces:
        by_digest.setdefault(face.digest, []).append(face)
    shown = sorted((_show(digest, same) for digest, same in by_digest.items()), key=lambda image: (image["names"], image["digest"]))
    return [image for image in shown if name in ("", *image["names"])]


def show_faces(faces: Iterable[StoredFace]) -> list[dict[str, Any]]:
    """Return what instances of each kind can be made of here: one entry for each name and kind, in this order."""
    whole = [face for face in faces if face.kind == CONTAINER or face.bootable]
    shown = [
        {"name": name, "kind": face.kind, "digest": face.digest, "sha256": sorted(face.sha256)} for face in whole for name in face.names
    ]
    return sorted(shown, key=lambda face: (face["name"], face["kind"]))


def _show(digest: str, faces: list[StoredFace]) -> dict[str, Any]:
    return {
        "digest": digest,
        "names": sorted({name for face in faces for name in face.names}),
        "sha256": sorted({sha256 for face in faces for sha256 in face.sha256}),
        "kinds": sorted({face.kind for face in faces}),
        # docker may keep a content that has had two names twice.
        "size": {kind: max(face.size for face in faces if face.kind == kind) for kind in sorted({face.kind for face in faces})},
        "bootable": any(face.bootable for face in faces),
        "cloud_init": any(face.cloud_init for face in faces),
        "used_by": sorted({user for face in faces for user in face.used_by}),
    }
