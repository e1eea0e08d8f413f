# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: may change without notice.
"""The snapshots of an instance as a resource: options in, its root disk behind, report out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timezone
from functools import partial
from typing import Any, Callable

from .._adapters.docker_engine import DockerEngine
from .._adapters.guest_release import released_after_us
from .._adapters.layer_copies import FolderLayers
from .._adapters.libvirt_engine import LibvirtEngine
from .._domain.plan import Plan, Step
from .._domain.snapshot import CURRENT, SnapshotState, SnapshotWish, parse_wish, plan_snapshot, report
from .._domain.snapshot_policy import policy_name
from .._ports import Command, ContainerEngine, VmEngine
from .._ports_layers import LayerCopies
from .._ports_storage import Volumes
from .data_disks import volumes_of
from .neighbours import instance_called
from .root_disks import ContainerDisk, Release, RootDisk, VmDisk


def _now() -> str:
    return datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


class SnapshotResource:
    """See ``Resource`` in ``run.py``. ``now`` tells the time of a snapshot."""

    name = "snapshot"

    def __init__(self, wish: SnapshotWish, disk: RootDisk, stop_timeout: int, now: Callable[[], str] = _now) -> None:
        self._wish = wish
        self._disk = disk
        self._now = now
        self._found = self._after = SnapshotState()
        instance = wish.instance
        self._actions: dict[str, Callable[[], None]] = {
            "take": lambda: disk.take(self._wish.name, self._now()),
            "expire": self._expire,
            "remove": lambda: disk.remove(self._wish.name),
            "prepare": lambda: disk.prepare(self._wish.name, self._after.power),
            "stop": lambda: disk.power.stop(instance, stop_timeout),
            "restore": lambda: disk.restore(self._wish.name),
            "start": lambda: disk.power.start(instance),
            "pause": lambda: disk.power.pause(instance),
            "finish": disk.finish,
            "sweep": disk.finish,
        }

    def observe(self) -> SnapshotState:
        return self._disk.look()

    def nothing(self) -> SnapshotState:
        return SnapshotState()

    def plan(self, found: SnapshotState) -> Plan[SnapshotState]:
        # Now that it has the host for itself: what another run took while this one waited does not come later.
        if self._wish.state == CURRENT:
            self._wish = replace(self._wish, name=policy_name(self._now()))
        elif self._wish.keep:
            self._wish = replace(self._wish, moment=self._now())
        plan = plan_snapshot(self._wish, found)
        self._found, self._after = found, plan.after
        return plan

    def apply(self, step: Step) -> None:
        self._actions[step.action]()

    def report(self, state: SnapshotState) -> dict[str, Any]:
        return report(self._wish.instance, self._disk.kind, state)

    def _expire(self) -> None:
        for snapshot in self._found.snapshots:
            if self._after.find(snapshot.name) is None:
                self._disk.remove(snapshot.name)


def root_disk(name: str, containers: ContainerEngine, copies: LayerCopies, vms: VmEngine, volumes: Volumes, release: Release) -> RootDisk:
    """Return the root disk of the instance of that name on this host."""
    if instance_called(name, containers, vms, "instance").kind == "container":
        return ContainerDisk(name, containers, copies, release)
    return VmDisk(name, vms, volumes, release)


def build_snapshot(params: Mapping[str, Any], command: Command) -> SnapshotResource:
    """Return the resource of the module's options."""
    wish = parse_wish(params)
    docker = DockerEngine()
    volumes = volumes_of(params, command)
    copies = FolderLayers(command, lambda: docker.facts().root)
    disk = root_disk(wish.instance, docker, copies, LibvirtEngine(), volumes, partial(released_after_us, command))
    return SnapshotResource(wish, disk, params["stop_timeout"])
