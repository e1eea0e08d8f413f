# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The action ``ledger_copy``; documented in ``plugins/modules/ledger_copy.py``. It runs on the controller, where the ledger is."""

from __future__ import annotations

from typing import Any, ClassVar

from ansible_collections.zonal.cloud.plugins.module_utils._domain.names import parse_label
from ansible_collections.zonal.cloud.plugins.module_utils._domain.zone_spec import parse_count
from ansible_collections.zonal.cloud.plugins.plugin_utils.controller_action import LedgerAction
from ansible_collections.zonal.cloud.plugins.plugin_utils.ledger.store import Ledger
from ansible_collections.zonal.cloud.plugins.plugin_utils.ledger_copier import export, restore


class ActionModule(LedgerAction):
    """Copies a zone out of the ledger or into it, or tells its events."""

    options: ClassVar[dict[str, Any]] = {
        "zone": {"type": "str", "required": True},
        "path": {"type": "path"},
        "state": {"type": "str", "choices": ["exported", "imported", "listed"], "default": "exported"},
        "definition": {"type": "dict"},
        "limit": {"type": "int", "default": 100},
    }
    rules: ClassVar[dict[str, Any]] = {"required_if": [("state", "exported", ["path"]), ("state", "imported", ["path", "definition"])]}

    def act(self, ledger: Ledger, params: dict[str, Any], *, check_mode: bool) -> dict[str, Any]:
        """Copy in the direction that is asked for, or tell the events."""
        if params["state"] == "listed":
            events = ledger.events(parse_label("zone", params["zone"]), parse_count("limit", params["limit"]))
            return {"changed": False, "events": events}
        if params["state"] == "exported":
            return export(ledger, parse_label("zone", params["zone"]), params["path"], check_mode=check_mode)
        return restore(ledger, params["zone"], params["definition"], params["path"], check_mode=check_mode)
