# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The action ``ledger_event``; documented in ``plugins/modules/ledger_event.py``. It runs on the controller, where the ledger is."""

from __future__ import annotations

from typing import Any, ClassVar

from ansible_collections.zonal.cloud.plugins.module_utils._domain.errors import SpecError
from ansible_collections.zonal.cloud.plugins.module_utils._domain.field_values import parse_text
from ansible_collections.zonal.cloud.plugins.module_utils._domain.names import parse_label
from ansible_collections.zonal.cloud.plugins.plugin_utils.controller_action import LedgerAction
from ansible_collections.zonal.cloud.plugins.plugin_utils.ledger.store import Ledger

# What the column holds.
_LONGEST = 32


class ActionModule(LedgerAction):
    """Writes one event into the ledger."""

    options: ClassVar[dict[str, Any]] = {
        "zone": {"type": "str", "required": True},
        "event": {"type": "str", "required": True},
        "target": {"type": "str", "required": True},
        "why": {"type": "str", "required": True},
    }

    def act(self, ledger: Ledger, params: dict[str, Any], *, check_mode: bool) -> dict[str, Any]:
        """Write it, unless in check mode."""
        zone, event = parse_label("zone", params["zone"]), parse_label("event", params["event"])
        target, why = (parse_text(key, params[key]) for key in ("target", "why"))
        if len(event) > _LONGEST:
            raise SpecError("event", event, f"is longer than {_LONGEST} characters")
        if ledger.read_zone(zone) is None:
            raise SpecError("zone", zone, f"is not in the ledger {ledger.where}")
        if not check_mode:
            with ledger.write(zone) as book:
                book.record(event, [target], why)
        return {"changed": True}
