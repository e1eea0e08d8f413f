# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: may change without notice.
"""An image on a host: one root filesystem, unpacked into a golden volume for VMs and imported into docker for containers."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from .errors import MissingError, RefusedError, SpecError
from .image_found import CONTAINER, VM
from .image_policy import Content
from .plan import Plan, Step

KINDS = (CONTAINER, VM)
_DIGEST = re.compile(r"(?:sha256:)?([0-9a-f]{64})", re.ASCII)


@dataclass(frozen=True)
class Face:
    """An image as one kind of instance has it: the digest of its content, and the sha256 of the archives it was read from."""

    digest: str
    sha256: tuple[str, ...]


@dataclass(frozen=True)
class Image:
    """An image as found or planned, with a face for each kind that is present."""

    name: str
    faces: Mapping[str, Face]


@dataclass(frozen=True)
class ImageWish:
    """What is wanted of an image on a host, for the kinds ``asked``; ``digest`` or ``sha256`` may be empty.

    ``lender`` is the image whose kernel boots its VMs if it has none; empty: such an image is for containers only.
    """

    name: str
    asked: frozenset[str]
    digest: str = ""
    sha256: str = ""
    present: bool = True
    lender: str = ""

    def is_met_by(self, face: Face | None) -> bool:
        """Tell whether this is the wanted content. Its digest decides; without one the archive does."""
        if face is None:
            return False
        return face.digest == self.digest if self.digest else self.sha256 in face.sha256


def parse_digest(field: str, value: object) -> str:
    """Return a sha256 as 64 hex digits, with or without the prefix ``sha256:``; SpecError otherwise."""
    match = _DIGEST.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        raise SpecError(field, value, "is not a sha256 digest; write 64 lower-case hex digits")
    return match.group(1)


def plan_image(wish: ImageWish, found: Image, *, source: str) -> Plan[Image]:
    """Return the steps for one image; ``source`` is where its archive lies on the host, or empty."""
    target = f"image {wish.name}"
    if not wish.present:
        kinds = sorted(wish.asked & set(found.faces))
        return Plan(Image(wish.name, {}), tuple(Step(f"remove_{kind}", target, "it is wanted to be absent") for kind in kinds))
    missing = sorted(kind for kind in wish.asked if not wish.is_met_by(found.faces.get(kind)))
    if missing and not source:
        raise MissingError("src", f"the {target} is not on this host, so the archive to make it from is needed")
    steps = tuple(Step(f"make_{kind}", target, _reason(kind, found)) for kind in missing)
    there = (face for face in found.faces.values() if wish.is_met_by(face))
    face = next(there, Face(wish.digest, tuple(filter(None, [wish.sha256]))))
    return Plan(Image(wish.name, {**found.faces, **dict.fromkeys(missing, face)}), steps)


def check_content(wish: ImageWish, content: Content, source: str) -> None:
    """Refuse an archive that is not what was asked for."""
    if wish.digest not in ("", content.digest):
        raise RefusedError(
            f"src: {source} has the content digest {content.digest}, but {wish.digest} is wanted; nothing was unpacked", field="src"
        )
    if VM in wish.asked and not content.kernel and not wish.lender:
        raise no_kernel(wish.name)


def no_kernel(image: str) -> RefusedError:
    """Return the refusal of an image that no VM can be made of."""
    return RefusedError(
        f"kinds: the image {image} has no kernel (/boot/vmlinuz or /boot/vmlinuz-*), so it can serve containers only; "
        "write kinds: [container], or name an image that lends it one in kernel",
        field="kinds",
    )


def _reason(kind: str, found: Image) -> str:
    return "this host has another content of that name" if kind in found.faces else f"this host does not have it for a {kind}"
