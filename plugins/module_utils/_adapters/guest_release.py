# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: may change without notice.
"""A guest that is held still is released, whatever becomes of the process that holds it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

from .._ports import Command

# It waits for the end of the process $0 in a session of its own, and does nothing when the mark $1 is gone by then.
_BESIDE = 'exec >/dev/null 2>&1; tail --pid="$0" -f /dev/null; [ ! -e "$1" ] || { virsh --connect "$2" domfsthaw "$3"; rm -f "$1"; }'


@contextmanager
def released_after_us(command: Command, name: str, uri: str = "qemu:///system", folder: str = "/run") -> Iterator[None]:
    """Have a process beside this one release the guest of a VM if this one ends inside of the block."""
    me = str(os.getpid())
    # The mark is this process's own: another one may hold the guest when this one ends.
    mark = os.path.join(folder, f"zonal-cloud.held.{name}.{me}")
    with open(mark, "w", encoding="ascii"):
        pass
    try:
        command(["setsid", "--fork", "sh", "-c", _BESIDE, me, mark, uri, name])
        yield
    finally:
        os.unlink(mark)
