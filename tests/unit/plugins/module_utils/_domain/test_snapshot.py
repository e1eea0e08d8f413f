# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is done about snapshots, as tables."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from ansible_collections.zonal.cloud.plugins.module_utils._domain.errors import RefusedError, SpecError, ZonalError
from ansible_collections.zonal.cloud.plugins.module_utils._domain.instance import PAUSED, RUNNING, STOPPED
from ansible_collections.zonal.cloud.plugins.module_utils._domain.names import snapshot_of
from ansible_collections.zonal.cloud.plugins.module_utils._domain.snapshot import (
    ABSENT,
    PRESENT,
    RESTORED,
    Snapshot,
    SnapshotState,
    SnapshotWish,
    in_order,
    is_half_restored,
    parse_wish,
    plan_snapshot,
    report,
)

OPTIONS: dict[str, Any] = {
    "instance": "web",
    "name": "auto-3",
    "state": PRESENT,
    "keep": None,
    "allow": [],
    "stop_timeout": 60,
    "group": "zonal",
}
FOUND = SnapshotState(RUNNING, in_order([Snapshot("auto-2", "2026-02"), Snapshot("auto-1", "2026-01"), Snapshot("monday", "2026-03")]))
LEFT = replace(FOUND, unfinished="vm-web.replaced")


def wish(name: str, state: str = PRESENT, keep: int = 0, *, restart: bool = False) -> SnapshotWish:
    return SnapshotWish("web", name, state, keep, restart)


PLANS: dict[str, tuple[SnapshotWish, SnapshotState, str, str]] = {
    "first": (wish("monday"), SnapshotState(), "take", "monday"),
    "new": (wish("friday"), FOUND, "take", "auto-1 auto-2 monday friday"),
    "there already": (wish("monday"), FOUND, "", "auto-1 auto-2 monday"),
    "gone already": (wish("friday", ABSENT), FOUND, "", "auto-1 auto-2 monday"),
    "remove": (wish("auto-1", ABSENT), FOUND, "remove", "auto-2 monday"),
    "enough are kept": (wish("auto-3", keep=3), FOUND, "take", "auto-1 auto-2 monday auto-3"),
    "one too many": (wish("auto-3", keep=2), FOUND, "take expire", "auto-2 monday auto-3"),
    "two too many": (wish("auto-3", keep=1), FOUND, "take expire", "monday auto-3"),
    "too many, and it is there": (wish("auto-2", keep=1), FOUND, "expire", "auto-2 monday"),
    "the one that is asked for stays, however old": (wish("auto-1", keep=1), FOUND, "expire", "auto-1 monday"),
    "others have another prefix": (wish("week-1", keep=1), FOUND, "take", "auto-1 auto-2 monday week-1"),
    "restore what is stopped": (
        wish("monday", RESTORED),
        replace(FOUND, power=STOPPED),
        "prepare restore finish",
        "auto-1 auto-2 monday",
    ),
    "restore what runs": (wish("monday", RESTORED, restart=True), FOUND, "prepare stop restore start finish", "auto-1 auto-2 monday"),
    "restore what is paused": (
        wish("monday", RESTORED, restart=True),
        replace(FOUND, power=PAUSED),
        "prepare stop restore start pause finish",
        "auto-1 auto-2 monday",
    ),
    "restore what ran before a cut": (
        wish("monday", RESTORED),
        replace(LEFT, power=STOPPED, before=RUNNING, broken=True),
        "prepare restore start finish",
        "auto-1 auto-2 monday",
    ),
    "restore what was paused before a cut": (
        wish("monday", RESTORED, restart=True),
        replace(LEFT, before=PAUSED),
        "prepare stop restore start pause finish",
        "auto-1 auto-2 monday",
    ),
    "what is left of a restore goes": (wish("friday"), LEFT, "sweep take", "auto-1 auto-2 monday friday"),
    "what is left of a restore goes, also without more": (wish("friday", ABSENT), LEFT, "sweep", "auto-1 auto-2 monday"),
}


@pytest.mark.parametrize(("wanted", "found", "steps", "names"), PLANS.values(), ids=PLANS.keys())
def test_plan(wanted: SnapshotWish, found: SnapshotState, steps: str, names: str) -> None:
    plan = plan_snapshot(wanted, found)
    assert " ".join(step.action for step in plan.steps) == steps
    assert " ".join(item.name for item in plan.after.snapshots) == names
    assert not plan.after.broken
    assert plan.after.unfinished == ""


BROKEN = replace(LEFT, broken=True)
REFUSED: dict[str, tuple[SnapshotWish, SnapshotState, type[ZonalError], str]] = {
    "restart": (wish("monday", RESTORED), FOUND, RefusedError, "^allow: web is running, .* add restart to the option allow"),
    "restart of a paused one": (wish("monday", RESTORED), replace(FOUND, power=PAUSED), RefusedError, "^allow: web is paused"),
    "no such snapshot": (
        wish("sunday", RESTORED),
        FOUND,
        SpecError,
        "^name: 'sunday' is no snapshot of web; there are auto-1, auto-2, monday",
    ),
    "no snapshot at all": (wish("sunday", RESTORED), SnapshotState(), SpecError, "there are none$"),
    "no take while broken": (wish("friday"), BROKEN, RefusedError, "^instance: web was being restored .* state: restored"),
    "no removal while broken": (wish("monday", ABSENT), BROKEN, RefusedError, "^instance: web was being restored"),
    "no way to take": (wish("friday"), replace(FOUND, fault="no overlay2"), RefusedError, "^instance: no overlay2$"),
    "no way to restore": (
        wish("monday", RESTORED, restart=True),
        replace(FOUND, snapshots=(Snapshot("monday", fault="another image"),)),
        RefusedError,
        "^instance: another image$",
    ),
}


@pytest.mark.parametrize(("wanted", "found", "error", "message"), REFUSED.values(), ids=REFUSED.keys())
def test_refused(wanted: SnapshotWish, found: SnapshotState, error: type[ZonalError], message: str) -> None:
    with pytest.raises(error, match=message):
        plan_snapshot(wanted, found)


MISTAKES: list[tuple[dict[str, Any], str]] = [
    ({"instance": "a;b"}, r"^instance: 'a;b' is not a valid name"),
    ({"name": "x.new"}, r"^name: 'x\.new' is not a valid name"),
    ({"name": "../x"}, r"^name: '\.\./x' is not a valid name"),
    ({"name": "a" * 63, "instance": "b" * 63}, r"^name: .* is too long beside the names b+ and zonal for device-mapper; shorten it by 15"),
    ({"keep": 0}, r"^keep: 0 is less than 1"),
    ({"keep": 7, "state": ABSENT}, r"^keep: 7 belongs to state: present"),
    ({"keep": 7, "name": "monday"}, r"^name: is missing; with keep it needs a prefix .* such as auto-monday"),
    ({"stop_timeout": -1}, r"^stop_timeout: -1 is less than 0"),
    ({"group": "a b"}, r"^group: 'a b' is not a name for LVM"),
]


@pytest.mark.parametrize(("change", "message"), MISTAKES)
def test_a_mistake_is_named(change: dict[str, Any], message: str) -> None:
    with pytest.raises(ZonalError, match=message):
        parse_wish({**OPTIONS, **change})


def test_a_wish() -> None:
    assert parse_wish({**OPTIONS, "keep": 7, "allow": ["restart"]}) == wish("auto-3", keep=7, restart=True)


def test_the_longest_name_fits_into_device_mapper() -> None:
    # zonal-vm--bbb.snap.aaa, of at most 127 characters.
    longest = parse_wish({**OPTIONS, "name": "a" * 48, "instance": "b" * 63})
    assert len("zonal-" + snapshot_of(longest.instance, longest.name).replace("-", "--")) == 127
    with pytest.raises(SpecError, match=r"shorten it by 1$"):
        parse_wish({**OPTIONS, "name": "a" * 49, "instance": "b" * 63})


def test_report() -> None:
    state = SnapshotState(PAUSED, (Snapshot("a", "2026-11-28T02:00:00Z", "agent", 5), Snapshot("b")))
    assert report("web", "vm", state) == {
        "instance": "web",
        "kind": "vm",
        "state": "paused",
        "snapshots": [
            {"name": "a", "created": "2026-11-28T02:00:00Z", "consistent": "agent", "size": 5},
            {"name": "b", "created": None, "consistent": None, "size": None},
        ],
    }


@pytest.mark.parametrize(("note", "half"), [(None, False), ({}, False), ({"half": False}, False), ({"half": True}, True)])
def test_only_a_restore_that_has_begun_leaves_halves(note: dict[str, Any] | None, half: bool) -> None:
    assert is_half_restored(note) is half
