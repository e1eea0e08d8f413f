# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: may change without notice.
"""Actions of modules that take long: the module stops now and then to tell how far it is, and is called again for the rest."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any

from ansible.plugins.action import ActionBase
from ansible.utils.display import Display


class ContinuedAction(ActionBase):
    """Calls the module until it is done. Its option ``progress`` says how often that is; ``told`` of each call is shown at once."""

    _supports_async = True

    def run(self, tmp: Any = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Return what one call would have returned."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        options: dict[str, Any] = dict(self._task.args)
        if self._task.async_val:
            # In the background there is nobody to tell.
            result.update(self._execute_module(module_args={**options, "progress": 0}, task_vars=task_vars, wrap_async=True))
            return result
        calls = [self._call(options, task_vars)]
        while calls[-1].pop("unfinished", False):
            options = self.rest(options, calls[-1])
            calls.append(self._call(options, task_vars))
        result.update(self.joined(calls))
        return result

    def _call(self, options: dict[str, Any], task_vars: dict[str, Any] | None) -> dict[str, Any]:
        told: dict[str, Any] = self._execute_module(module_args=options, task_vars=task_vars)
        host = (task_vars or {}).get("inventory_hostname", "")
        for line in told.get("told", ()):
            Display().display(f"{host}: {line}")
        return told

    @abstractmethod
    def rest(self, options: dict[str, Any], told: dict[str, Any]) -> dict[str, Any]:
        """Return the options of the next call, after one that returned ``told``."""

    @abstractmethod
    def joined(self, calls: list[dict[str, Any]]) -> dict[str, Any]:
        """Return one result for all calls."""
