# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: may change without notice.
"""What engines have, of which a host may lack some."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from .._ports import EngineAbsent

Item = TypeVar("Item")


def or_none(read: Callable[[], list[Item]]) -> list[Item]:
    """Return what ``read`` returns; an engine that is not there has nothing."""
    try:
        return read()
    except EngineAbsent:
        return []
