# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: may change without notice.
"""The processes in which containerd runs docker's containers, and their folders, for a docker that has forgotten one of them: one
up to 20.10 does when it is killed in the middle of a start, and would then never start that container again.
"""

from __future__ import annotations

import os
import re
import signal
from contextlib import suppress

_NAME = b"containerd-shim"
_LOST = "(?:task |mkdir (?P<folder>/[^ :]*/moby/)){0}: (?:already|file) exists|^id already in use$"


def end_lost(container: str, told: str) -> bool:
    """End what is in the way of a container's start, given by its id, by docker's own words; false when they tell of nothing lost."""
    lost = re.search(_LOST.format(container), told)
    if lost is None:
        return False
    if not end_shim(container) and lost["folder"]:
        remove_bundle(lost["folder"] + container)
    return True


def remove_bundle(folder: str) -> None:
    """Remove what containerd keeps of a container without a shim; it cannot itself when it was killed while it wrote that.

    One with a file system mounted in it stays as it is.
    """
    with suppress(OSError):
        inner = sorted(os.scandir(folder), key=lambda entry: not entry.is_dir(follow_symlinks=False))
        for entry in inner:
            (os.rmdir if entry.is_dir(follow_symlinks=False) else os.unlink)(entry.path)
        os.rmdir(folder)


def end_shim(container: str) -> bool:
    """Kill the shim of a container, given by its id, and tell whether there was one. containerd then removes what ran in it."""
    own = [b"-namespace", b"moby", b"-id", container.encode()]
    found = False
    for process in filter(str.isdigit, os.listdir("/proc")):
        # Processes end while they are looked at.
        with suppress(OSError):
            with open(f"/proc/{process}/cmdline", "rb") as file:
                words = file.read().split(b"\0")
            if os.path.basename(words[0]).startswith(_NAME) and any(words[at : at + 4] == own for at in range(len(words))):
                os.kill(int(process), signal.SIGKILL)
                found = True
    return found
