# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Texts that were looked at by a person once and must not change unnoticed."""

from __future__ import annotations

import os
from pathlib import Path

FOLDER = Path(__file__).parent / "golden"
# ZONAL_GOLDEN=write pytest ... writes them anew; look at the difference before it is committed.
_WRITE = os.environ.get("ZONAL_GOLDEN") == "write"


def assert_golden(name: str, text: str) -> None:
    """Compare ``text`` with the file of that name."""
    path = FOLDER / name
    if _WRITE:
        path.write_text(text, encoding="utf-8")
    assert text == path.read_text(encoding="utf-8"), f"{name} differs"
