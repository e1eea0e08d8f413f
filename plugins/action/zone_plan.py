# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The action ``zone_plan``; documented in ``plugins/modules/zone_plan.py``. It runs on the controller, where the ledger is."""

from __future__ import annotations

from typing import Any, ClassVar

from ansible_collections.zonal.cloud.plugins.module_utils._domain.declared import parse_instances
from ansible_collections.zonal.cloud.plugins.module_utils._domain.observation import POOL
from ansible_collections.zonal.cloud.plugins.module_utils._domain.zone_page import show_app
from ansible_collections.zonal.cloud.plugins.module_utils._domain.zone_spec import parse_zone
from ansible_collections.zonal.cloud.plugins.plugin_utils import zone_planner
from ansible_collections.zonal.cloud.plugins.plugin_utils.controller_action import LedgerAction
from ansible_collections.zonal.cloud.plugins.plugin_utils.ledger.store import Ledger
from ansible_collections.zonal.cloud.plugins.plugin_utils.zone_pools import left_to_ledger


class ActionModule(LedgerAction):
    """Plans a zone."""

    options: ClassVar[dict[str, Any]] = {
        "zone": {"type": "str", "required": True},
        "definition": {"type": "dict", "required": True},
        "hosts": {"type": "dict", "required": True},
        "instances": {"type": "list", "elements": "dict", "default": []},
        "images": {"type": "list", "elements": "str"},
        "group": {"type": "str", "default": POOL[0]},
        "pool": {"type": "str", "default": POOL[1]},
        "state": {"type": "str", "choices": ["planned", "settled", "released", "rebuilt"], "default": "planned"},
        "names": {"type": "list", "elements": "str", "default": []},
        "prune": {"type": "bool", "default": False},
        "unasked": {"type": "list", "elements": "str", "default": []},
        "admin": {"type": "bool", "default": False},
        "expected": {"type": "dict"},
        "assume_ready": {"type": "bool", "default": False},
    }

    def act(self, ledger: Ledger, params: dict[str, Any], *, check_mode: bool) -> dict[str, Any]:
        """Plan, or write down what the hosts confirm; refused apps are warned about."""
        outcome = _outcome(ledger, params, check_mode=check_mode)
        plan = outcome.result.get("plan", {"refusals": [], "notes": []})
        return {
            "changed": outcome.changed,
            **outcome.result,
            "diff": {"before": outcome.before, "after": outcome.after},
            "warnings": [f"{show_app(item)} is refused: {line}" for item in plan["refusals"] for line in item["problems"]] + plan["notes"],
        }


def _outcome(ledger: Ledger, params: dict[str, Any], *, check_mode: bool) -> zone_planner.Outcome:
    zone = parse_zone(params["zone"], params["definition"], admin=params["admin"])
    declarations = parse_instances(zone, params["instances"], params["images"])
    left, pool = left_to_ledger(params["definition"]), (params["group"], params["pool"])
    if params["state"] == "settled":
        return zone_planner.settled(ledger, zone, params["hosts"], check_mode=check_mode)
    if params["state"] == "released":
        return zone_planner.released(ledger, zone, params["hosts"], params["names"], declarations, check_mode=check_mode)
    if params["state"] == "rebuilt":
        return zone_planner.rebuilt(ledger, zone, params["hosts"], check_mode=check_mode, left=left, pool=pool)
    return zone_planner.planned(
        ledger,
        zone,
        declarations,
        params["hosts"],
        prune=params["prune"],
        unasked=params["unasked"],
        expected=params["expected"],
        check_mode=check_mode,
        assume_ready=params["assume_ready"],
        left=left,
        pool=pool,
    )
