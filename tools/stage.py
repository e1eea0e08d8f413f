# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Copy the tree to .work/stage/ansible_collections/zonal/cloud, as ansible-test, ansible-lint and mypy want it.

Copied is what git knows plus what it does not ignore; files that have gone are removed there, unchanged ones are left alone.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
STAGE = ROOT / ".work" / "stage" / "ansible_collections" / "zonal" / "cloud"
KEPT = (".git", ".ansible", "tests/output")


def tree_files(root: Path = ROOT) -> list[Path]:
    """Return the files of the tree, relative to root: tracked ones and new ones that are not ignored."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listing = subprocess.run(command, cwd=root, check=False, capture_output=True, text=True)
    if listing.returncode:
        raise SystemExit(f"stage: git, which knows the files of a checkout, cannot tell those of {root}: {listing.stderr.strip()}")
    names = sorted({Path(name) for name in listing.stdout.split("\0") if name})
    return [name for name in names if (root / name).is_symlink() or (root / name).is_file()]


def same(left: Path, right: Path) -> bool:
    """Tell whether right is an up-to-date copy of left, by kind, mode, size and time."""
    if not os.path.lexists(right) or left.is_symlink() or right.is_symlink():
        return False
    a, b = left.stat(), right.stat()
    return (a.st_mode, a.st_size, a.st_mtime_ns) == (b.st_mode, b.st_size, b.st_mtime_ns)


def copy(source: Path, target: Path) -> None:
    """Copy one file or symlink with its mode and time."""
    target.parent.mkdir(parents=True, exist_ok=True)
    target.unlink(missing_ok=True)
    shutil.copy2(source, target, follow_symlinks=False)


def stage(root: Path = ROOT, target: Path = STAGE) -> int:
    """Bring target in line with root and return the number of files that had to be written or removed."""
    target.mkdir(parents=True, exist_ok=True)
    with (target.parent / "stage.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        return bring_in_line(root, target)


def bring_in_line(root: Path, target: Path) -> int:
    """Do the work of stage(), alone."""
    wanted = tree_files(root)
    changed = 0
    for name in wanted:
        if not same(root / name, target / name):
            copy(root / name, target / name)
            changed += 1
    for gone in stale(target, set(wanted)):
        gone.unlink()
        changed += 1
    for folder in sorted((path for path in target.rglob("*") if path.is_dir()), reverse=True):
        if not kept(folder.relative_to(target)) and not any(folder.iterdir()):
            folder.rmdir()
    # A repository of its own: the stage lies in an ignored folder, and the linters ask git which files there are.
    if not (target / ".git").exists():
        subprocess.run(["git", "init", "--quiet"], cwd=target, check=True)
    subprocess.run(["git", "add", "--all"], cwd=target, check=True)
    return changed


def kept(name: Path) -> bool:
    """Tell whether a path in the stage belongs to the tools that work there."""
    return any(name.as_posix() == keep or name.as_posix().startswith(f"{keep}/") for keep in KEPT)


def stale(target: Path, wanted: set[Path]) -> list[Path]:
    """Return the files in the stage that the tree no longer has."""
    found = (path for path in target.rglob("*") if path.is_symlink() or path.is_file())
    return [path for path in found if path.relative_to(target) not in wanted and not kept(path.relative_to(target))]


if __name__ == "__main__":
    print(f"stage: {stage()} files updated")
