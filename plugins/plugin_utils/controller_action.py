# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: may change without notice.
"""What the actions that run on the controller share: plain values, the ledger and its place, errors as results."""

from __future__ import annotations

import os
from abc import abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase

from ..module_utils._domain.errors import MissingError, ZonalError
from .ledger.schema import MISSING
from .ledger.store import Ledger

LEDGER_OPTIONS: dict[str, Any] = {"ledger": {"type": "str"}, "timeout": {"type": "int", "default": 60}}
# Hidden, because Ansible reads every other file in the folder of an inventory as one.
LEDGER_FILE = ".zonal-ledger.db"


def plain(value: Any) -> Any:
    """Return a value without what Ansible hides in it (tags, lazy templates), so that a database can take it."""
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    if value is None or isinstance(value, bool):
        return value
    for kind in (int, float):
        if isinstance(value, kind):
            return kind(value)
    return str(value)


def place_of_ledger(given: str | None, task_vars: Mapping[str, Any]) -> str:
    """Return where the ledger is: as given, or a file beside the first inventory of the command line, whatever host is played."""
    if given:
        return given
    for source in map(str, task_vars.get("ansible_inventory_sources") or ()):
        # A list of hosts is one, too, which may be longer than any path.
        if os.path.exists(source):
            return str((Path(source) if os.path.isdir(source) else Path(source).parent) / LEDGER_FILE)
    raise MissingError("ledger", "the inventory has no folder to keep it in; give a path or a database URL")


class LedgerAction(ActionBase):
    """An action that opens the ledger. ``options`` and ``rules`` are an argument specification beside the ledger's own options."""

    _supports_check_mode = True
    _supports_async = False
    options: ClassVar[dict[str, Any]] = {}
    rules: ClassVar[dict[str, Any]] = {}

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Run on the controller and return the result; what is wrong is one message."""
        super().run(tmp, task_vars)
        if MISSING is not None:
            raise AnsibleActionFail(f"The ledger needs SQLAlchemy on the controller: pip install -r requirements.txt ({MISSING})")
        _validation, given = self.validate_argument_spec(argument_spec={**LEDGER_OPTIONS, **self.options}, **self.rules)
        params = plain(given)
        try:
            ledger = Ledger(place_of_ledger(params["ledger"], task_vars or {}), timeout=params["timeout"])
            return self.act(ledger, params, check_mode=bool(self._task.check_mode))
        except ZonalError as error:
            return {"failed": True, "changed": False, "msg": str(error), "failure": plain(error.details)}

    @abstractmethod
    def act(self, ledger: Ledger, params: dict[str, Any], *, check_mode: bool) -> dict[str, Any]:
        """Do what the checked parameters ask for and return the result."""
