# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: may change without notice.
"""The thin volume as a resource: options in, LVM and filesystems behind, report out."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from .._adapters.block import BlockDevices
from .._adapters.filesystem import Filesystems
from .._adapters.lvm import LvmVolumes
from .._adapters.lvm_volume import read_thin_volume
from .._domain.plan import Plan, Step
from .._domain.thin_volume import NO_FILESYSTEM, UNFINISHED, ThinVolumeSpec, ThinVolumeState, parse_spec, plan_thin_volume, report
from .._ports import Command
from .._ports_storage import Volumes


class ThinVolumeResource:
    """See ``Resource`` in run.py."""

    name = "thin_volume"

    def __init__(self, spec: ThinVolumeSpec, command: Command, volumes: Volumes) -> None:
        self._spec = spec
        self._command = command
        self._volumes = volumes
        self._devices = BlockDevices(command)
        self._filesystems = Filesystems(command)
        self._found = ThinVolumeState()
        self._goal = ThinVolumeState()
        self._actions: dict[str, Callable[[], None]] = {
            "create_volume": self._create,
            "grow_volume": lambda: volumes.grow(spec.name, spec.size),
            "make_filesystem": self._make_filesystem,
            "grow_filesystem": self._grow_filesystem,
            "retag_volume": self._retag,
            "remove_volume": lambda: volumes.remove(spec.name),
        }

    def observe(self) -> ThinVolumeState:
        return ThinVolumeState(read_thin_volume(self._command, self._devices, self._filesystems, self._spec.group, self._spec.name))

    def nothing(self) -> ThinVolumeState:
        return ThinVolumeState()

    def plan(self, found: ThinVolumeState) -> Plan[ThinVolumeState]:
        plan = plan_thin_volume(self._spec, found)
        self._found, self._goal = found, plan.after
        return plan

    def apply(self, step: Step) -> None:
        self._actions[step.action]()

    def report(self, state: ThinVolumeState) -> dict[str, Any]:
        return report(self._spec, state)

    def _create(self) -> None:
        self._volumes.create(self._spec.name, self._spec.size, self._tags(self._goal) | {UNFINISHED})
        if self._spec.filesystem == NO_FILESYSTEM:
            self._volumes.retag(self._spec.name, (), {UNFINISHED})

    def _make_filesystem(self) -> None:
        found = self._found.volume
        if found is not None and UNFINISHED not in found.tags:
            self._volumes.retag(self._spec.name, {UNFINISHED}, ())
        self._filesystems.make(self._spec.filesystem, self._spec.path)
        self._volumes.retag(self._spec.name, (), {UNFINISHED})

    def _grow_filesystem(self) -> None:
        mounts = self._devices.mount_points(self._spec.path)
        if mounts:
            self._filesystems.grow(self._spec.filesystem, self._spec.path, mounts[0])

    def _retag(self) -> None:
        found, wanted = self._tags(self._found), self._tags(self._goal)
        self._volumes.retag(self._spec.name, wanted - found, found - wanted)

    def _tags(self, state: ThinVolumeState) -> frozenset[str]:
        return state.volume.tags if state.volume else frozenset()


def build_thin_volume(params: Mapping[str, Any], command: Command) -> ThinVolumeResource:
    """Return the resource of the module's options."""
    spec = parse_spec(params)
    return ThinVolumeResource(spec, command, LvmVolumes(command, spec.group, spec.pool))
