# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The action ``instances``; documented in ``plugins/modules/instances.py``, which does the work. Here people are told of each instance."""

from __future__ import annotations

from typing import Any

from ansible_collections.zonal.cloud.plugins.module_utils._domain.failure import failure_of
from ansible_collections.zonal.cloud.plugins.plugin_utils.continued_action import ContinuedAction


class ActionModule(ContinuedAction):
    """Calls the module again for the instances that it has not begun."""

    def rest(self, options: dict[str, Any], told: dict[str, Any]) -> dict[str, Any]:
        """Return options with the instances that are left."""
        done = {instance["name"] for instance in told["instances"]}
        return {**options, "instances": [instance for instance in options["instances"] if str(instance["name"]) not in done]}

    def joined(self, calls: list[dict[str, Any]]) -> dict[str, Any]:
        """Return the instances of all calls, in the order of the list."""
        last = calls[-1]
        if len(calls) == 1:
            return last
        places = {str(instance["name"]): place for place, instance in enumerate(self._task.args["instances"])}
        instances = [instance for call in calls for instance in call.get("instances", ())]
        failures = [call["msg"] for call in calls if call.get("failed") and "instances" not in call]
        failure = "; ".join([*filter(None, [failure_of(instances)]), *failures])
        return {
            **last,
            "changed": any(call.get("changed") for call in calls),
            "instances": sorted(instances, key=lambda instance: places[instance["name"]]),
            "told": [line for call in calls for line in call.get("told", ())],
            "warnings": [warning for call in calls for warning in call.get("warnings", ())],
            "diff": {
                side: {name: shown for call in calls for name, shown in call.get("diff", {}).get(side, {}).items()}
                for side in ("before", "after")
            },
            **({"failed": True, "msg": failure} if failure else {}),
        }
