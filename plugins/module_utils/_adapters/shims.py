# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: may change without notice.
"""The processes in which containerd runs docker's containers, for a docker that has forgotten one of them."""

from __future__ import annotations

import os
import signal
from contextlib import suppress

_NAME = b"containerd-shim"


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
