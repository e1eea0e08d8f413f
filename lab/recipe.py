# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Keys of cached artefacts: the hash of everything that makes them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path

KEY_LENGTH = 12


def recipe_key(constants: Mapping[str, object], folders: Mapping[str, Path] | None = None) -> str:
    """Hash (12 hex digits) of JSON-able constants and of all files (path, mode x, content) below folders."""
    digest = hashlib.sha256(json.dumps(constants, sort_keys=True).encode())
    for label, folder in sorted((folders or {}).items()):
        for path in sorted(folder.rglob("*")):
            if not path.is_file():
                continue
            executable = bool(path.stat().st_mode & 0o100)
            digest.update(f"\0{label}/{path.relative_to(folder)}\0{executable}\0".encode())
            digest.update(path.read_bytes())
    return digest.hexdigest()[:KEY_LENGTH]
