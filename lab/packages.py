# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files of Debian packages: unpacked with what they depend on, not installed."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from lab.errors import LabError
from lab.progress import Progress
from lab.shell import ALONE, run_logged

# A mirror of a release that is not out yet may be a copy older than its signature's term.
OLD_MIRROR = '--aptopt=Acquire::Check-Valid-Until "false"'


def unpack(names: Iterable[str], release: str, mirror: str, target: Path, log: Path, progress: Progress, what: str) -> None:
    """Unpack packages of a release into the new folder ``target``; ``mirror`` is a line of apt sources."""
    options = ["--mode=root", "--variant=extract", "--format=directory", OLD_MIRROR, f"--include={','.join(names)}"]
    run_logged([*ALONE, "mmdebstrap", *options, release, str(target), mirror], log, progress, f"{what}: fetching packages")


def only(folder: Path, pattern: str) -> Path:
    """The one entry of a folder that fits; LabError when there are none or several."""
    found = sorted(folder.glob(pattern))
    if len(found) != 1:
        raise LabError(f"expected one {pattern} in {folder}, found {len(found)}")
    return found[0]
