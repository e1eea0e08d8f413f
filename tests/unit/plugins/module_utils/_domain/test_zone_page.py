# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The page of a plan says all that happens, and only counts what stays."""

from __future__ import annotations

from ansible_collections.zonal.cloud.plugins.module_utils._domain.zone_page import show_plan

STEP = {
    "action": "create",
    "name": "z-web-1",
    "kind": "container",
    "host": "h1",
    "address": "10.0.0.1",
    "extra_addresses": [],
    "reason": "best of 2 hosts",
}
KEPT = {**STEP, "action": "keep", "name": "z-web-2", "reason": "it is as declared"}
OLD = {**STEP, "name": "z-old-17", "kind": "vm", "address": "10.0.0.117", "extra_addresses": ["10.0.0.8"]}
ORPHAN = {**OLD, "action": "orphan", "reason": "nothing declares it"}


def test_a_page() -> None:
    plan = {
        "zone": "z",
        "hash": "abc",
        "summary": {"create": 1, "keep": 1, "orphan": 1},
        "steps": [STEP, KEPT, ORPHAN],
        "notes": ["host h9 left"],
        "refusals": [{"tenant": "pay", "app": "db", "problems": ["quota: too much", "image: is missing"]}],
        "quota": {
            "pay": {"limits": {"vcpus": 8}, "before": {}, "after": {"instances": 2, "vcpus": 4}},
            "free": {"limits": {}, "before": {}, "after": {"instances": 1}},
        },
    }
    assert show_plan(plan) == [
        "Zone z: create 1, keep 1, orphan 1 (plan abc)",
        "  create  z-web-1   container  h1  10.0.0.1              best of 2 hosts",
        "  orphan  z-old-17  vm         h1  10.0.0.117, 10.0.0.8  nothing declares it",
        "  host h9 left",
        "  REFUSED pay/db, nothing of it is changed:",
        "  - quota: too much",
        "  - image: is missing",
        "  quota of pay: instances 0 -> 2, vcpus 0 -> 4 of 8",
    ]


def test_an_empty_zone() -> None:
    empty = {"zone": "z", "hash": "abc", "summary": {}, "steps": [], "notes": [], "refusals": [], "quota": {}}
    assert show_plan(empty) == ["Zone z: nothing is declared, nothing is there (plan abc)"]
