# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The action ``ip_pool``; documented in ``plugins/modules/ip_pool.py``. It runs on the controller, where the ledger is."""

from __future__ import annotations

from typing import Any, ClassVar

from ansible_collections.zonal.cloud.plugins.plugin_utils.controller_action import LedgerAction
from ansible_collections.zonal.cloud.plugins.plugin_utils.ledger.store import Ledger
from ansible_collections.zonal.cloud.plugins.plugin_utils.pool_keeper import keep_pool, parse_wish


class ActionModule(LedgerAction):
    """Keeps the pools of a zone."""

    options: ClassVar[dict[str, Any]] = {
        "zone": {"type": "str", "required": True},
        "cidr": {"type": "str"},
        "gateway": {"type": "str"},
        "dns": {"type": "list", "elements": "str"},
        "pools": {"type": "list", "elements": "str"},
        "reserved": {"type": "list", "elements": "str"},
        "hold": {"type": "int"},
        "state": {"type": "str", "choices": ["present", "withdrawn", "available"], "default": "present"},
        "addresses": {"type": "list", "elements": "str", "default": []},
        "reason": {"type": "str", "default": "by hand"},
    }
    rules: ClassVar[dict[str, Any]] = {"required_by": {"gateway": ["cidr"], "dns": ["cidr"]}}

    def act(self, ledger: Ledger, params: dict[str, Any], *, check_mode: bool) -> dict[str, Any]:
        """Keep the pool and return it, before and after."""
        before, after = keep_pool(ledger, parse_wish(params), check_mode=check_mode)
        return {"changed": before != after, "pool": after, "diff": {"before": before, "after": after}}
