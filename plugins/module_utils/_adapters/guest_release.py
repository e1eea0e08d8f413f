# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: may change without notice.
"""A guest that is held still is released, whatever becomes of the process that holds it."""

from __future__ import annotations

import glob
import os
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress

from .._ports import Command
from .libvirt_settings import system_uri

# What releases an instance, by how it is held still; its name comes last.
THAW_VM = ("virsh", "domfsthaw")
RESUME_VM = ("virsh", "resume")
RESUME_CONTAINER = ("docker", "unpause")
_MARKS = "zonal-cloud.held."
# Seconds. An agent may hang.
_PATIENCE = 10.0
# It waits for the end of the process $0 in a session of its own, and does nothing when the mark $1 is gone by then.
_BESIDE = 'exec >/dev/null 2>&1; tail -s 0.2 --pid="$0" -f /dev/null; mark=$1; shift; [ ! -e "$mark" ] || { "$@"; rm -f "$mark"; }'


@contextmanager
def released_after_us(command: Command, name: str, release: Sequence[str] = THAW_VM, folder: str = "/run") -> Iterator[None]:
    """Have a process beside this one run ``release`` for an instance if this one ends inside of the block."""
    me = str(os.getpid())
    # The mark is this process's own: another one may hold the guest when this one ends. And it is that of one way to hold it: this one
    # may have tried another before.
    mark = os.path.join(folder, f"{_MARKS}{name}.{release[-1]}.{me}")
    with open(mark, "w", encoding="ascii"):
        pass
    program, *arguments = release
    if program == "virsh":
        arguments = ["--connect", system_uri(), *arguments]
    try:
        command(["setsid", "--fork", "sh", "-c", _BESIDE, me, mark, program, *arguments, name])
        yield
    finally:
        os.unlink(mark)


def await_releases(folder: str, patience: float = _PATIENCE) -> None:
    """Wait until what others held that were killed is released, or that would befall what is held next. The host's lock is ours, and
    nobody holds an instance without it. A mark that stays is of somebody who was killed with the process beside it, and goes.
    """
    deadline = time.monotonic() + patience
    pattern = os.path.join(glob.escape(folder), f"{_MARKS}*")
    while marks := glob.glob(pattern):
        if time.monotonic() > deadline:
            for mark in marks:
                with suppress(FileNotFoundError):
                    os.unlink(mark)
        time.sleep(0.1)
