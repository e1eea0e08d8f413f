# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Processes of the lab, known by pid, start time and a mark in their command line.

A pid alone may long belong to somebody else's program; nothing here signals a process
unless all three still agree.
"""

from __future__ import annotations

import os
import re
import signal
import time
from dataclasses import dataclass
from pathlib import Path

from lab.errors import LabError

PROC = Path("/proc")


@dataclass(frozen=True)
class Process:
    """A process that the lab started. ``start`` is in clock ticks since boot, as in /proc/PID/stat."""

    pid: int
    start: int
    mark: str

    @classmethod
    def remember(cls, pid: int, mark: str) -> Process:
        """Describe a process just started; LabError when it is gone already."""
        fields = _stat(pid)
        if fields is None:
            raise LabError(f"process {pid} ({mark}) ended at once")
        return cls(pid=pid, start=int(fields[19]), mark=mark)

    def alive(self) -> bool:
        """True while this very process runs (a zombie does not)."""
        fields = _stat(self.pid)
        if fields is None or fields[0] in ("Z", "X") or int(fields[19]) != self.start:
            return False
        return self.mark in _command_line(self.pid)

    def wait(self, timeout: float) -> None:
        """Wait until the process ends by itself; LabError after ``timeout`` seconds."""
        deadline = time.monotonic() + timeout
        while self.alive():
            if time.monotonic() > deadline:
                raise LabError(f"process {self.pid} ({self.mark}) still runs after {timeout:.0f} s")
            time.sleep(0.1)

    def end(self, *, timeout: float = 20.0, sig: int = signal.SIGKILL) -> bool:
        """Signal the process, wait until it is gone, then clear what it left; False when it was not alive.

        ``timeout`` in seconds (LabError after it). Needs a process started as session leader:
        UML's helpers (one for each address space of its guest) stay in its session and do not
        end by themselves.
        """
        was_alive = self.alive()
        deadline = time.monotonic() + timeout
        _signal(self, sig)
        self.wait(timeout)
        while members := [member for member in session_members(self) if member.alive()]:
            for member in members:
                _signal(member, signal.SIGKILL)
            if time.monotonic() > deadline:
                raise LabError(f"helpers of process {self.pid} ({self.mark}) did not end in {timeout:.0f} s")
            time.sleep(0.05)
        return was_alive


def session_members(leader: Process) -> list[Process]:
    """Processes of the leader's session that carry its mark, also after the leader's death.

    While one of them lives, the kernel gives the leader's pid to nobody else.
    """
    found = []
    for entry in PROC.iterdir():
        if not entry.name.isdecimal() or int(entry.name) == leader.pid:
            continue
        fields = _stat(int(entry.name))
        if fields is not None and int(fields[3]) == leader.pid:
            found.append(Process(pid=int(entry.name), start=int(fields[19]), mark=leader.mark))
    return found


def leaders(pattern: re.Pattern[str]) -> dict[str, Process]:
    """Session leaders whose command line the pattern finds something in, by the mark that is its first group."""
    found = {}
    for entry in PROC.iterdir():
        fields = _stat(int(entry.name)) if entry.name.isdecimal() else None
        if fields is None or fields[3] != entry.name or fields[0] in ("Z", "X"):
            continue
        match = pattern.search(_command_line(int(entry.name)))
        if match:
            found[match[1]] = Process(pid=int(entry.name), start=int(fields[19]), mark=match[1])
    return found


def _signal(process: Process, sig: int) -> None:
    """Send without a race: the pid is pinned by a file descriptor before it is checked."""
    try:
        handle = os.pidfd_open(process.pid)
    except ProcessLookupError:
        return
    try:
        if process.alive():
            signal.pidfd_send_signal(handle, sig)
    except ProcessLookupError:
        pass
    finally:
        os.close(handle)


def _stat(pid: int) -> list[str] | None:
    """Fields of /proc/PID/stat from the third (state) on; None when there is no such process."""
    try:
        return (PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None


def _command_line(pid: int) -> str:
    """Command line with blanks between the words; waits out the moment of an exec, when it is empty."""
    for _dummy in range(100):
        try:
            words = (PROC / str(pid) / "cmdline").read_bytes()
        except (FileNotFoundError, ProcessLookupError):
            return ""
        fields = _stat(pid)
        if words or fields is None or fields[0] in ("Z", "X"):
            return words.replace(b"\0", b" ").decode(errors="replace")
        time.sleep(0.01)
    return ""
