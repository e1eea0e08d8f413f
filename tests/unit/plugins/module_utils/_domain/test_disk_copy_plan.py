# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is done for a copy, and what is refused, as tables."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from ansible_collections.zonal.cloud.plugins.module_utils._domain.disk_copy import DiskCopy, part_key
from ansible_collections.zonal.cloud.plugins.module_utils._domain.disk_copy_plan import (
    ABSENT,
    PRESENT,
    RESTORED,
    CopyState,
    parse_wish,
    plan_disk_copy,
    report,
)
from ansible_collections.zonal.cloud.plugins.module_utils._domain.disk_part import PART
from ansible_collections.zonal.cloud.plugins.module_utils._domain.errors import ZonalError
from ansible_collections.zonal.cloud.plugins.module_utils._domain.volume import Volume

OPTIONS: dict[str, Any] = {
    "name": "monday",
    "volume": "vm-db",
    "source": None,
    "group": "zonal",
    "pool": "pool",
    "bucket": "copies",
    "overwrite": False,
    "state": PRESENT,
}
URL = "s3://copies/copies/vm-db/monday.json"
SHA256 = "ab" * 32
COPY = DiskCopy("vm-db", "monday", 3 * PART, PART, 2, 30, SHA256, "2026-11-25T03:00:00Z")
PARTS = {part_key("vm-db", "monday", 0): 10, part_key("vm-db", "monday", 2): 20}
VOLUME = Volume("zonal", "vm-db", "/dev/zonal/vm-db", 3 * PART, "pool")
MADE = replace(VOLUME, tags=frozenset({f"zonal.restored={SHA256}"}))
THERE = CopyState(COPY, parts=PARTS, free=PART)
NOTHING = CopyState()

STEPS: dict[str, tuple[dict[str, Any], CopyState, list[str]]] = {
    "no copy": ({}, CopyState(volume=VOLUME), ["store_copy"]),
    "parts of one that was cut off": ({}, CopyState(volume=VOLUME, parts=PARTS, unfinished=True), ["store_copy"]),
    "a copy": ({}, replace(THERE, volume=VOLUME), []),
    "a copy whose volume has gone": ({}, THERE, []),
    "a copy, and a snapshot": ({}, replace(THERE, volume=VOLUME, unfinished=True), ["remove_unfinished"]),
    "no volume": ({"state": RESTORED}, THERE, ["restore_volume"]),
    "a volume of it": ({"state": RESTORED}, replace(THERE, volume=MADE, is_open=True), []),
    "a volume of it, and half of one": ({"state": RESTORED}, replace(THERE, volume=MADE, unfinished=True), ["remove_unfinished"]),
    "a volume of it once more": ({"state": RESTORED, "overwrite": True}, replace(THERE, volume=MADE), ["restore_volume"]),
    "a volume": ({"state": RESTORED, "overwrite": True}, replace(THERE, volume=VOLUME), ["restore_volume"]),
    "room is taken by itself": ({"state": RESTORED}, replace(THERE, unfinished=True, free=0), ["restore_volume"]),
    "nothing to remove": ({"state": ABSENT}, NOTHING, []),
    "a copy to remove": ({"state": ABSENT}, THERE, ["remove_copy"]),
    "parts to remove": ({"state": ABSENT}, CopyState(parts=PARTS), ["remove_copy"]),
    "a faulty description to remove": ({"state": ABSENT}, CopyState(problem="it is odd"), ["remove_copy"]),
}


@pytest.mark.parametrize("case", STEPS)
def test_steps(case: str) -> None:
    options, found, actions = STEPS[case]
    wish = parse_wish({**OPTIONS, **options})
    plan = plan_disk_copy(wish, found)
    assert [step.action for step in plan.steps] == actions
    assert report(wish, plan.after)["state"] == wish.state


OTHER_PARTS = {**PARTS, part_key("vm-db", "monday", 1): 0}
ELSEWHERE = {part_key("vm-db", "monday", number): 15 for number in (0, 3)}
DAMAGED = rf"^name: the copy {URL} is damaged: %s; use another one, and remove this one with state: absent$"
REFUSALS: dict[str, tuple[dict[str, Any], CopyState, str]] = {
    "no volume": ({}, NOTHING, "^volume: 'vm-db' is not in the volume group zonal$"),
    "a thick volume": ({}, CopyState(volume=replace(VOLUME, pool="")), "^volume: 'vm-db' is no thin volume"),
    "a faulty description": ({}, CopyState(problem="it is odd"), DAMAGED % "it is odd"),
    "a faulty description to restore": ({"state": RESTORED}, CopyState(problem="it is odd"), DAMAGED % "it is odd"),
    "a part too few": ({}, CopyState(COPY, parts={}), DAMAGED % "it has 0 parts with 0 bytes instead of 2 with 30"),
    "a part too many": ({"state": RESTORED}, CopyState(COPY, parts=OTHER_PARTS), DAMAGED % "it has 3 parts .*"),
    "a part behind the end": ({"state": RESTORED}, CopyState(COPY, parts=ELSEWHERE), DAMAGED % "it has 1 parts .*"),
    "a shorter part": ({"state": RESTORED}, CopyState(COPY, parts={**PARTS, min(PARTS): 9}), DAMAGED % "it has 2 parts with 29 bytes .*"),
    "no copy": ({"state": RESTORED}, CopyState(), "^name: 'monday' is no copy of vm-db in the bucket copies; see"),
    "a volume": ({"state": RESTORED}, replace(THERE, volume=VOLUME), f"^volume: zonal/vm-db exists and was not made of {URL}; nothing"),
    "an open volume": ({"state": RESTORED, "overwrite": True}, replace(THERE, volume=MADE, is_open=True), "^volume: zonal/vm-db is in use"),
    "another pool": (
        {"state": RESTORED, "overwrite": True, "pool": "other"},
        replace(THERE, volume=VOLUME),
        "^volume: zonal/vm-db is not in the pool other; choose another name$",
    ),
    "no room": ({"state": RESTORED}, replace(THERE, free=PART - 1), f"^name: the copy {URL} holds 16M, but .* zonal/pool has 15M free"),
}


@pytest.mark.parametrize("case", REFUSALS)
def test_refusals(case: str) -> None:
    options, found, message = REFUSALS[case]
    with pytest.raises(ZonalError, match=message):
        plan_disk_copy(parse_wish({**OPTIONS, **options}), found)


def test_what_is_hidden_is_nobody_elses() -> None:
    hidden = {parse_wish({**OPTIONS, "state": state}).hidden for state in (PRESENT, RESTORED)}
    assert hidden == {"vm-db.copy.new", "vm-db.restored.new"}
