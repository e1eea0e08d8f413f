# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: may change without notice.
"""Reads the host's network interfaces."""

from __future__ import annotations

import json
from typing import Any

from .._ports import Command, EngineError

_PROGRAM = ["ip", "-json", "-details", "address", "show"]


def read_links(command: Command) -> list[dict[str, Any]]:
    """Return all interfaces with their addresses, as iproute2 reports them, by one call."""
    text = command(_PROGRAM)
    try:
        links = json.loads(text or "[]")
        # Interfaces that are hidden from the caller come as empty objects.
        return [link for link in links if link]
    except (ValueError, TypeError) as error:
        raise EngineError("read the report of", " ".join(_PROGRAM), f"{error} in {text[:200]!r}") from error
