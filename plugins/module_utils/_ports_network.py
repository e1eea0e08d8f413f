# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: may change without notice.
"""The ports of the host's network; the rules of ``_ports.py`` hold here too."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any, Optional, Protocol

from ._domain.bridge import BridgeConfig, Snapshot
from ._domain.bridge_found import Managers, Pending

Lines = Sequence[tuple[str, ...]]
FileChanges = Mapping[str, Optional[str]]


class Links(Protocol):
    """The running links, addresses and routes of the kernel."""

    def snapshot(self) -> Snapshot:
        """Return all links with their global addresses, in the kernel's order, and the routes through them that it did not make."""

    def change(self, lines: Lines) -> None:
        """Do the lines of ``ip -batch`` in one go; EngineError at the first that fails, those before it stay done."""


class NetworkFiles(Protocol):
    """The files from which the host's network comes back after a boot."""

    def managers(self, *, uplink: str, bridge: str) -> Managers:
        """Return who manages the host's network, the uplink (which may be empty or unknown) and the bridge (which may not exist)."""

    def read(self) -> dict[str, str]:
        """Return path to text of all files that can hold a bridge; a missing file is not in it."""

    def write(self, changes: FileChanges) -> None:
        """Write (None: remove) in the given order, each file atomically and durably."""

    def reload(self, changes: FileChanges) -> bool:
        """Let a running networkd take over ``changes``, which it acts upon for a moment longer; False where none runs."""


class Watchdog(Protocol):
    """Undoes a change of a bridge by itself, unless it is called off; lives on without the caller and its connection."""

    def pending(self, name: str) -> Pending | None:
        """Return the change that waits to be confirmed; None when there is none."""

    def rolled_back(self, name: str) -> str:
        """Return when the last change of the bridge was undone, as text; empty when it was not or since was made anew."""

    def arm(self, name: str, wish: Mapping[str, Any], config: BridgeConfig | None, restore: Lines, seconds: int) -> None:
        """Begin to watch: after ``seconds`` the lines of ``restore`` are done, whatever of them fails. Durable until a boot."""

    def claim(self, name: str, token: str) -> AbstractContextManager[None]:
        """Hold the change so that it cannot be undone meanwhile; RefusedError when it was undone just before."""

    def protect(self, name: str, former: FileChanges) -> None:
        """From now on undoing also puts these files back, and leaves those that were given before as they were given then."""

    def disarm(self, name: str) -> None:
        """Call the watchdog off; called while the change is claimed."""

    def undo(self, name: str) -> None:
        """Undo now what would be undone later, and end the watch."""


class Wire(Protocol):
    """An Ethernet interface on which ARP is spoken."""

    @property
    def mac(self) -> bytes:
        """The interface's own MAC."""

    def send(self, frame: bytes) -> None:
        """Send one Ethernet frame."""

    def hear(self, seconds: float) -> bytes | None:
        """Return the next ARP frame, None when none came within ``seconds``; also None, at once, for one that is not meant for us."""
