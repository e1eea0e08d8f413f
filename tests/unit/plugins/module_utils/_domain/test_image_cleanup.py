# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which images go."""

from __future__ import annotations

import pytest

from ansible_collections.zonal.cloud.plugins.module_utils._domain.image_cleanup import Stock, plan_cleanup
from ansible_collections.zonal.cloud.plugins.module_utils._domain.image_found import StoredFace

DIGEST = "a" * 64


def face(*names: str, used_by: tuple[str, ...] = (), kind: str = "vm") -> StoredFace:
    return StoredFace(kind, DIGEST, names, (), 1, used_by)


CASES = {
    "unused": (face("debian:12"), [], "image debian:12"),
    "kept": (face("debian:12"), ["debian:12"], ""),
    "used": (face("debian:12", used_by=("web",)), [], ""),
    "another is kept": (face("debian:12"), ["debian:13"], "image debian:12"),
    "one of two names is kept": (face("debian:12", "old:1"), ["old:1"], ""),
    "neither of two names is kept": (face("debian:12", "old:1"), ["debian"], "image debian:12, old:1"),
    "older content": (face(), ["debian:12"], f"content {DIGEST}"),
    "older content in use": (face(used_by=("web",)), [], ""),
}


@pytest.mark.parametrize("kind", ["vm", "container"])
@pytest.mark.parametrize(("found", "keep", "target"), CASES.values(), ids=CASES.keys())
def test_what_goes(found: StoredFace, keep: list[str], target: str, kind: str) -> None:
    found = StoredFace(kind, *[getattr(found, field) for field in ("digest", "names", "sha256", "size", "used_by")])
    plan = plan_cleanup(keep, Stock((found,)))
    assert [(step.action, step.target) for step in plan.steps] == ([(f"remove_{kind}", target)] if target else [])
    assert plan.after == Stock(() if target else (found,))
    assert plan_cleanup(keep, plan.after).steps == ()


def test_the_order_does_not_depend_on_what_was_found_first() -> None:
    faces = (face("b:1"), face("a:1"), face("a:1", kind="container"), face())
    steps = plan_cleanup([], Stock(faces, ("img-1.new",))).steps
    assert steps == plan_cleanup([], Stock(faces[::-1], ("img-1.new",))).steps
    assert [step.target for step in steps] == [f"content {DIGEST}", "image a:1", "image a:1", "image b:1", "img-1.new"]
