# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: may change without notice.
"""The thin pool as a resource: options in, LVM and block devices behind, report out."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from .._adapters.block import BlockDevices
from .._adapters.lvm_pool import Inventory, LvmPool, LvmProfiles
from .._domain.plan import Plan, Step
from .._domain.thin_pool import Device, Group, Pool, ThinPoolSpec, ThinPoolState, parse_spec, report
from .._domain.thin_pool_plan import plan_thin_pool
from .._ports import Command


class ThinPoolResource:
    """See ``Resource`` in run.py."""

    name = "thin_pool"

    def __init__(self, spec: ThinPoolSpec, lvm: LvmPool, devices: BlockDevices, profiles: LvmProfiles) -> None:
        self._spec = spec
        self._lvm = lvm
        self._devices = devices
        self._profiles = profiles
        self._found = ThinPoolState()
        self._goal = ThinPoolState()
        self._actions: dict[str, Callable[[str], None]] = {
            "wipe_device": devices.wipe,
            "create_group": lambda _target: lvm.create_group(self._goal_group.devices),
            "adopt_group": lambda _target: lvm.adopt_group(),
            "extend_group": lvm.extend_group,
            "write_profile": lambda _target: profiles.write(spec.profile, spec.autoextend),
            "discard_volume": lambda _target: lvm.remove(),
            "create_pool": lambda _target: lvm.create(self._goal_pool, self._goal_group),
            "activate_pool": lambda _target: lvm.activate(),
            "extend_metadata": lambda _target: lvm.extend_metadata(self._goal_pool),
            "extend_pool": lambda _target: lvm.extend(self._goal_pool, self._goal_group),
            "set_profile": lambda _target: lvm.set_profile(self._goal_pool),
            "retag_pool": lambda _target: self._retag(),
            "remove_pool": lambda _target: lvm.remove(),
            "remove_group": lambda _target: lvm.remove_group(),
            "clear_device": lvm.clear_device,
            "remove_profile": lambda _target: profiles.remove(spec.profile),
        }

    def observe(self) -> ThinPoolState:
        return self._state(self._lvm.read())

    def nothing(self) -> ThinPoolState:
        return self._state(Inventory())

    def plan(self, found: ThinPoolState) -> Plan[ThinPoolState]:
        plan = plan_thin_pool(self._spec, found)
        self._found, self._goal = found, plan.after
        return plan

    def apply(self, step: Step) -> None:
        self._actions[step.action](step.target)

    def report(self, state: ThinPoolState) -> dict[str, Any]:
        return report(self._spec, state)

    def _state(self, inventory: Inventory) -> ThinPoolState:
        devices = tuple(_with_groups(device, inventory.group_of) for device in self._devices.inspect(self._spec.devices))
        return ThinPoolState(devices, inventory.group, inventory.pool, self._profiles.read(self._spec.profile))

    def _retag(self) -> None:
        found = self._found.pool.tags if self._found.pool else frozenset()
        wanted = self._goal_pool.tags
        self._lvm.retag(wanted - found, found - wanted)

    @property
    def _goal_group(self) -> Group:
        if self._goal.group is None:
            raise LookupError("a step on the group, but the plan ends without one")
        return self._goal.group

    @property
    def _goal_pool(self) -> Pool:
        if self._goal.pool is None:
            raise LookupError("a step on the pool, but the plan ends without one")
        return self._goal.pool


def _with_groups(device: Device, group_of: Mapping[str, str]) -> Device:
    """Add the volume groups of a device and its partitions, which need not be active, so that nothing else tells of them."""
    groups = [(path, group_of[path]) for path in device.partitions if group_of.get(path)]
    users = tuple(f"its partition {path} belongs to the volume group {group}" for path, group in groups)
    return replace(device, group=group_of.get(device.path), users=device.users + users)


def build_thin_pool(params: Mapping[str, Any], command: Command) -> ThinPoolResource:
    """Return the resource of the module's options."""
    spec = parse_spec(params)
    return ThinPoolResource(spec, LvmPool(command, spec.group, spec.name), BlockDevices(command), LvmProfiles())
