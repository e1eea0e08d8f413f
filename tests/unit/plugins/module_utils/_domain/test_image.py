# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The plan of an image, and its volumes' tags."""

from __future__ import annotations

from contextlib import nullcontext
from typing import Any

import pytest

from ansible_collections.zonal.cloud.plugins.module_utils._domain.errors import MissingError, RefusedError, SpecError
from ansible_collections.zonal.cloud.plugins.module_utils._domain.image import (
    Face,
    Image,
    ImageWish,
    check_content,
    parse_digest,
    plan_image,
)
from ansible_collections.zonal.cloud.plugins.module_utils._domain.image_policy import Content
from ansible_collections.zonal.cloud.plugins.module_utils._domain.volume import (
    SHA256_TAG,
    Volume,
    find_golden,
    find_unfinished,
    image_tags,
    instance_tags,
    tag_value,
    tag_values,
    users_of,
)

NEW, OLD = "a" * 64, "b" * 64
BOTH = {"vm", "container"}
# What the archive of each content was.
ARCHIVE = {NEW: "c" * 64, OLD: "d" * 64}
WISHES = {"by digest": {"digest": NEW}, "by archive": {"sha256": ARCHIVE[NEW]}, "by both": {"digest": NEW, "sha256": ARCHIVE[NEW]}}

CASES: list[tuple[set[str], bool, dict[str, str], str, set[str]]] = [
    (BOTH, True, {}, "make_container make_vm", BOTH),
    (BOTH, True, {"vm": NEW}, "make_container", BOTH),
    (BOTH, True, {"vm": NEW, "container": NEW}, "", BOTH),
    (BOTH, True, {"vm": OLD, "container": NEW}, "make_vm", BOTH),
    ({"vm"}, True, {}, "make_vm", {"vm"}),
    (BOTH, False, {}, "", set()),
    (BOTH, False, {"vm": OLD}, "remove_vm", set()),
    (BOTH, False, {"vm": OLD, "container": NEW}, "remove_container remove_vm", set()),
    ({"container"}, False, {"container": NEW}, "remove_container", set()),
]


def image(**digests: str) -> Image:
    return Image("debian:13", {kind: Face(digest, (ARCHIVE[digest],)) for kind, digest in digests.items()})


@pytest.mark.parametrize("known", WISHES.values(), ids=WISHES.keys())
@pytest.mark.parametrize(("asked", "present", "found", "steps", "after"), CASES)
def test_plan(asked: set[str], present: bool, found: dict[str, str], steps: str, after: set[str], known: dict[str, str]) -> None:
    wanted = ImageWish("debian:13", frozenset(asked), present=present, **known)
    plan = plan_image(wanted, image(**found), source="/tmp/image.tgz")
    assert " ".join(step.action for step in plan.steps) == steps
    assert set(plan.after.faces) == after
    assert all(wanted.is_met_by(face) for face in plan.after.faces.values())
    assert plan_image(wanted, plan.after, source="").steps == ()


def test_the_digest_of_the_content_decides() -> None:
    face = Face(NEW, ("1" * 64, "2" * 64))
    assert ImageWish("debian:13", frozenset(BOTH), digest=NEW, sha256="3" * 64).is_met_by(face)
    assert ImageWish("debian:13", frozenset(BOTH), sha256="2" * 64).is_met_by(face)
    assert not ImageWish("debian:13", frozenset(BOTH), digest=OLD, sha256="2" * 64).is_met_by(face)
    assert not ImageWish("debian:13", frozenset(BOTH), sha256="3" * 64).is_met_by(face)


def test_what_is_known_of_one_face_is_planned_for_the_other() -> None:
    wanted = ImageWish("debian:13", frozenset(BOTH), sha256=ARCHIVE[NEW])
    assert plan_image(wanted, image(vm=NEW), source="/x").after == image(vm=NEW, container=NEW)


def test_reasons_tell_new_from_changed() -> None:
    wanted = ImageWish("debian:13", frozenset(BOTH), digest=NEW)
    reasons = [step.reason for step in plan_image(wanted, image(vm=OLD), source="/x").steps]
    assert reasons == ["this host does not have it for a container", "this host has another content of that name"]


def test_an_archive_is_needed_only_to_make_something() -> None:
    wanted = ImageWish("debian:13", frozenset(BOTH), digest=NEW)
    with pytest.raises(MissingError, match=r"^src: is missing; the image debian:13 is not on this host"):
        plan_image(wanted, image(vm=OLD), source="")


@pytest.mark.parametrize(
    ("digest", "kinds", "kernel", "message"),
    [
        (NEW, BOTH, True, ""),
        ("", {"container"}, False, ""),
        (OLD, BOTH, True, f"src: /x has the content digest {NEW}, but {OLD} is wanted; nothing was unpacked"),
        ("", {"vm"}, False, "kinds: the image debian:13 has no kernel"),
    ],
)
def test_an_archive_is_what_was_asked_for_or_refused(digest: str, kinds: set[str], kernel: bool, message: str) -> None:
    wanted = ImageWish("debian:13", frozenset(kinds), digest)
    with pytest.raises(RefusedError, match=f"^{message}") if message else nullcontext():
        check_content(wanted, Content(NEW, 1, 1, kernel), "/x")


@pytest.mark.parametrize("value", ["0123456789abcdef" * 4, "sha256:" + "0123456789abcdef" * 4])
def test_good_digest(value: str) -> None:
    assert parse_digest("sha256", value) == "0123456789abcdef" * 4


BAD: list[Any] = [
    "",
    "abc",
    "A" * 64,
    "g" * 64,
    "0" * 63,
    "0" * 65,
    "0" * 64 + "\n",
    "sha512:" + "0" * 64,
    "\u0660" * 64,
    None,
    0,
    [],
    {},
    b"0" * 64,
]


@pytest.mark.parametrize("value", BAD, ids=lambda value: repr(value)[:20])
def test_bad_digest(value: object) -> None:
    with pytest.raises(SpecError, match=r"^sha256: .* is not a sha256 digest"):
        parse_digest("sha256", value)


def volume(name: str, *tags: str) -> Volume:
    return Volume("zonal", name, f"/dev/zonal/{name}", 1, tags=frozenset(tags))


def test_volumes_of_an_image_and_its_instances() -> None:
    golden = volume("img-a", *image_tags("debian:13", NEW, ARCHIVE[NEW]), SHA256_TAG + ARCHIVE[OLD])
    half = volume("img-b.new", *image_tags("debian:13", OLD, ARCHIVE[OLD]))
    web = volume("vm-web", *instance_tags("web", golden))
    other = volume("vm-db", *instance_tags("db", half))
    host = [half, volume("docker"), golden, web, other]
    assert find_golden(host, "debian:13") == golden
    assert find_golden([half, web], "debian:13") is None
    assert find_golden(host, "debian:1") is None
    assert find_unfinished(host, "debian:13") == [half]
    assert users_of(golden, host) == ["web"]
    assert web.tags == {"zonal.instance=web", f"zonal.digest={NEW}"}
    assert (tag_value(web, "zonal.digest="), tag_value(web, "zonal.image=")) == (NEW, "")
    assert tag_values(golden, SHA256_TAG) == [ARCHIVE[NEW], ARCHIVE[OLD]]
