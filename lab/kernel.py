# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The kernel of lab hosts: User-Mode Linux with its modules, in the cache.

It is taken from a newer Debian than the machine's: since Linux 6.16 a guest's system call is caught by seccomp instead of ptrace,
which about halves what programs cost in a host. Its own C library comes beside it, so that the machine's does not matter.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

from lab import aptsources
from lab.cache import artefact
from lab.packages import only, unpack
from lab.paths import Paths
from lab.progress import Progress
from lab.recipe import recipe_key
from lab.shell import run

REVISION = 1  # raise it when the code below makes another kernel from the same constants
RELEASE = "forky"
PACKAGES = ["user-mode-linux", "libc6"]
LOADER = "ld-linux-x86-64.so.2"


@dataclass(frozen=True)
class Kernel:
    """A built kernel: its folder in the cache."""

    folder: Path

    @property
    def program(self) -> Path:
        """The executable."""
        return self.folder / "linux"

    @property
    def modules(self) -> Path:
        """Folder of its modules; its name is the kernel's version."""
        return only(self.folder / "modules", "*")


def kernel(paths: Paths, progress: Progress) -> Kernel:
    """The kernel, fetched when it is not in the cache (some seconds)."""
    mirror = aptsources.machine_sources()[0].line(RELEASE)
    key = recipe_key({"mirror": mirror, "revision": REVISION, "packages": PACKAGES, "cache": str(paths.cache)})

    def build(draft: Path) -> None:
        _build(draft, paths.cache / f"kernel-{key}", mirror, paths.cache / "log" / "kernel.log", progress)

    return Kernel(artefact(paths.cache, "kernel", key, build, progress))


def _build(draft: Path, final: Path, mirror: str, log: Path, progress: Progress) -> None:
    source = draft / "packages"
    unpack(PACKAGES, RELEASE, mirror, source, log, progress, "kernel of the hosts")
    (source / "usr/lib/uml/modules").rename(draft / "modules")
    shutil.copyfile(source / "usr/bin/linux.uml", draft / "linux")
    (draft / "linux").chmod(0o755)
    for name in (LOADER, "libc.so.6"):
        shutil.copy(source / "usr/lib/x86_64-linux-gnu" / name, draft / name)
    # The program names both by their path when it is in its place.
    run(["patchelf", "--set-interpreter", str(final / LOADER), "--force-rpath", "--set-rpath", str(final), str(draft / "linux")])
    shutil.rmtree(source)
