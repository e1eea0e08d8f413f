# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: may change without notice.
"""Which images of a host go: those that nothing uses and nobody wants to keep."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from .image_found import StoredFace
from .plan import Plan, Step


@dataclass(frozen=True)
class Stock:
    """The images of a host, and the hidden volumes that a run which was cut off has left."""

    faces: tuple[StoredFace, ...] = ()
    unfinished: tuple[str, ...] = ()


def is_unused(face: StoredFace, keep: Collection[str]) -> bool:
    """Tell whether no instance was made of a face, and none of its names is to be kept."""
    return not face.used_by and not set(face.names).intersection(keep)


def plan_cleanup(keep: Collection[str], found: Stock) -> Plan[Stock]:
    """Return a step for each face that goes; the step's target is ``target_of`` it."""
    going = [face for face in found.faces if is_unused(face, keep)]
    steps = [Step(f"remove_{face.kind}", target_of(face), _reason(face)) for face in going]
    steps += [Step("remove_unfinished", name, "a run that made or removed it was cut off") for name in found.unfinished]
    staying = tuple(face for face in found.faces if face not in going)
    return Plan(Stock(staying), tuple(sorted(steps, key=lambda step: (step.target, step.action))))


def target_of(face: StoredFace) -> str:
    """Return the words for a face in a plan; an older content of an image may have lost its name."""
    return f"image {', '.join(face.names)}" if face.names else f"content {face.digest}"


def _reason(face: StoredFace) -> str:
    return "nothing uses it, and it is not to be kept" if face.names else "nothing uses it, and it has no name any more"
