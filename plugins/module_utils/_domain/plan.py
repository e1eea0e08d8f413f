# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: may change without notice.
"""A plan is data: what will be done to what, and why. It is made before anything is touched."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Generic, TypeVar

State = TypeVar("State")


@dataclass(frozen=True)
class Step:
    """One idempotent action; a resource's ``apply`` maps ``action`` to the call that does it."""

    action: str
    target: str
    reason: str
    fields: tuple[str, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        return {"action": self.action, "target": self.target, "reason": self.reason, "fields": list(self.fields)}


@dataclass(frozen=True)
class Difference:
    """A field that is not as wanted; ``mend`` says what mending it takes (see ``fields.py``)."""

    field: str
    wanted: Any
    found: Any
    mend: str

    def as_dict(self) -> dict[str, Any]:
        return {"field": self.field, "wanted": self.wanted, "found": self.found, "needs": self.mend}


@dataclass(frozen=True)
class Plan(Generic[State]):
    """Steps from what was found to what is wanted, and ``after``: the state that they lead to.

    ``pending`` are differences that stay because mending them needs a permission that was not given.
    """

    after: State
    steps: tuple[Step, ...] = ()
    pending: tuple[Difference, ...] = ()
