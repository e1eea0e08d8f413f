# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: may change without notice.
"""The port to copies of what containers have written. The docstrings are the contract."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol


class LayerCopies(Protocol):
    """Copies of containers' writable layers, beside docker's own data, by instance and label, the policy of these, and a note of each
    instance that is being restored. What is in a layer is hostile: no link in it is followed. EngineError when a program or the file
    system refuses.
    """

    def copies(self, instance: str) -> dict[str, Mapping[str, Any]]:
        """Return what was kept about each whole copy, by label, nothing where that cannot be read; no copies when there is no folder."""

    def copy(self, layer: str, instance: str, label: str) -> None:
        """Copy the folder ``layer`` with all attributes. It does not count yet; on an error nothing is left."""

    def keep(self, instance: str, label: str, about: Mapping[str, Any]) -> None:
        """Let what was copied last count from now on, also after a power cut."""

    def put_back(self, instance: str, label: str, layer: str) -> None:
        """Let the folder ``layer``, which stays the same folder, hold what the copy holds and nothing else, also after a power cut."""

    def remove(self, instance: str, label: str) -> None:
        """Remove a copy; no error when there is none. For ``copies`` it is gone as a whole or not at all."""

    def clear(self, instance: str) -> None:
        """Remove all copies of an instance, the policy and the note."""

    def note(self, instance: str) -> Mapping[str, Any] | None:
        """Return what was noted of the restore that is going on; None when there is none."""

    def write_note(self, instance: str, about: Mapping[str, Any]) -> None:
        """Note that a restore is going on, also after a power cut."""

    def policy(self, instance: str) -> Mapping[str, Any]:
        """Return the policy of the instance's snapshots, which docker has no place for; empty when there is none that can be understood."""

    def write_policy(self, instance: str, policy: Mapping[str, Any]) -> None:
        """Note the policy, also after a power cut; an empty one is none."""

    def left(self, instance: str) -> list[str]:
        """Return the names of what runs that were cut off have left of copies, sorted."""

    def sweep(self, instance: str) -> None:
        """Remove the note and what is left of copies; no error when there is nothing."""
