# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Collections of others, for comparison: out of the package ansible of PyPI, which is downloaded into .work/bench once."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
WORK = ROOT / ".work" / "bench"


def collections_of(*names: str) -> Path:
    """Return a folder of collections that has those of the namespace ``community`` with these names."""
    folder = WORK / "collections"
    missing = [name for name in names if not (folder / "ansible_collections" / "community" / name).is_dir()]
    if missing:
        with zipfile.ZipFile(downloaded("ansible")) as wheel:
            parts = tuple(f"ansible_collections/community/{name}/" for name in missing)
            wheel.extractall(folder, [name for name in wheel.namelist() if name.startswith(parts)])
    return folder


def downloaded(package: str, *options: str) -> Path:
    """Return the wheel of a package of PyPI; ``options`` are those of pip that say for which Python."""
    found = list(WORK.glob(f"{package}-*.whl"))
    if not found:
        WORK.mkdir(parents=True, exist_ok=True)
        pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:", "--dest", str(WORK)]
        subprocess.run([*pip, *options, package], check=True)
        found = list(WORK.glob(f"{package}-*.whl"))
    return found[0]
