# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is written as instances: every mistake is told, and none is taken for something else."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.zonal.cloud.plugins.module_utils._domain.declared import Declarations, parse_instances
from ansible_collections.zonal.cloud.plugins.module_utils._domain.zone_spec import parse_zone
from ansible_collections.zonal.cloud.tests.unit.plugins.fakes.zone import DB, WEB, ZONE


def parse(*entries: Any) -> Declarations:
    return parse_instances(parse_zone("idc01-dev", ZONE), list(entries), ["debian:13"])


def fields(declarations: Declarations) -> list[str]:
    """Return which fields are wrong."""
    return [line.split(": ")[0] for lines in declarations.problems.values() for line in lines]


MISTAKES: dict[str, tuple[dict[str, Any], list[str]]] = {
    "sizes and kind": ({"vcpus": 0, "memory": "x", "kind": "pod"}, ["kind", "vcpus", "memory"]),
    "two unknown keys": ({"tennant": "x", "cpus": 4}, ["keys", "keys"]),
    "an image that is none": ({"image": "Debian", "disk": "y"}, ["image", "disk"]),
    "an image that is not there": ({"image": "nobody:1", "protected": "yes"}, ["protected", "image"]),
    "rules and devices": ({"affinity": "x", "anti_affinity": [{}], "devices": [1]}, ["affinity", "anti_affinity[0].app", "devices"]),
    "names": ({"name": "a.b", "hostname": "c_d", "address": "10.20.0", "state": "on"}, ["state", "name", "hostname", "address"]),
    "two of one name": ({"name": "a", "count": 2}, ["count"]),
    "two of one disk": ({"disks": [{"name": "a", "mount": "/a"}], "count": 2}, ["count"]),
    "a disk that is none": ({"disks": [{"name": "a b"}], "vcpus": 0}, ["vcpus", "disks[0].name"]),
    "a disk that is nowhere": ({"disks": [{"name": "a"}]}, ["disks[0].mount"]),
}


@pytest.mark.parametrize("case", MISTAKES)
def test_all_that_is_wrong_with_an_entry_is_told(case: str) -> None:
    changes, expected = MISTAKES[case]
    declarations = parse(DB, {**WEB, **changes})
    assert fields(declarations) == [f"instances[1].{field}" for field in expected]
    assert [entry.app for entry in declarations.entries] == ["db"]


def test_one_disk_is_not_had_by_two() -> None:
    disks = [{"name": "data", "size": "1G", "mount": "/data"}]
    told = parse({**DB, "disks": disks}, {**WEB, "disks": disks}).problems
    assert {app for _tenant, app in told} == {"db", "web"}
    assert told[("payments", "web")] == ("disks: 'data' is declared twice, by instances[0] (db) and instances[1] (web)",)
    assert parse({**DB, "disks": disks, "state": "absent"}, {**WEB, "disks": disks}).problems == {}
    assert [entry.count for entry in parse({**DB, "disks": disks, "state": "absent"}).entries] == [None]


@pytest.mark.parametrize("tenant", [False, 0, "", 7], ids=repr)
def test_a_tenant_that_is_no_name_is_not_taken_for_none(tenant: Any) -> None:
    assert fields(parse({**WEB, "tenant": tenant})) == ["instances[0].tenant"]
    assert fields(parse({**WEB, "affinity": [{"app": "db", "tenant": tenant}]})) == ["instances[0].affinity[0].tenant"]


def test_no_tenant_is_none() -> None:
    assert [entry.tenant for entry in parse({**WEB, "tenant": None}).entries] == ["none"]


COUNTS: dict[str, tuple[dict[str, Any], int | None]] = {
    "one": ({}, 1),
    "text": ({"count": "4"}, 4),
    "none of it": ({"count": 0}, 0),
    "all that are there": ({"state": "absent"}, None),
    "some that are there": ({"state": "absent", "count": 2}, 2),
    "the one of a name": ({"state": "absent", "name": "x"}, 1),
}


@pytest.mark.parametrize("case", COUNTS)
def test_how_many_are_meant(case: str) -> None:
    changes, expected = COUNTS[case]
    assert [entry.count for entry in parse({**WEB, **changes}).entries] == [expected]


@pytest.mark.parametrize("count", ["9" * 5000, -1, 1.5, True, "\u0663", "x"], ids=["digits", "negative", "part", "flag", "foreign", "word"])
def test_a_count_that_is_none_is_one_mistake(count: Any) -> None:
    ((line,),) = parse({**WEB, "count": count}).problems.values()
    assert line.startswith("instances[0].count: ")
    assert line.endswith("is not a whole number of at least 0")
    assert len(line) < 200


def test_a_zone_whose_name_is_a_number_has_its_entries() -> None:
    entries = [{**WEB, "zone": zone, "count": number} for number, zone in enumerate((101, 102, "101", None, "idc01-dev", True))]
    told = parse_instances(parse_zone("101", ZONE), entries)
    assert [entry.count for entry in told.entries] == [0, 2, 3]
