# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The action ``instances``; documented in ``plugins/modules/instances.py``, which does the work. Here people are told of each instance."""

from __future__ import annotations

from typing import Any

from ansible.plugins.action import ActionBase
from ansible.utils.display import Display


class ActionModule(ActionBase):
    """Runs the module and shows a line for each instance that was changed or failed."""

    def run(self, tmp: Any = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Return what the module returns."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        result.update(self._execute_module(task_vars=task_vars))
        host = (task_vars or {}).get("inventory_hostname", "")
        for line in result.get("told", ()):
            Display().display(f"{host}: {line}")
        return result
