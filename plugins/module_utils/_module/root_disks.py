# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: may change without notice.
"""Root disks and their snapshots: of a VM a thin volume, of a container what it has written over its image."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Any, Callable, Protocol

from .._adapters.guest_release import RESUME_CONTAINER, RESUME_VM, THAW_VM
from .._domain.container_config import restart_policy
from .._domain.container_found import Layer, parse_container, parse_layer
from .._domain.domain_found import parse_domain
from .._domain.errors import RefusedError
from .._domain.field_values import ON_FAILURE
from .._domain.instance import PAUSED, RUNNING, STOPPED
from .._domain.names import replaced_of, restored_of, snapshot_of, taken_of, volume_of
from .._domain.snapshot import AGENT, HALF, HELD, POLICY, Snapshot, SnapshotState, in_order, is_half_restored
from .._domain.snapshot_policy import read_policy
from .._domain.volume import (
    CONSISTENT_TAG,
    CREATED_TAG,
    POWER_TAG,
    SNAPSHOT_TAG,
    Volume,
    is_disk_of,
    is_snapshot_of,
    snapshots_of,
    tag_value,
)
from .._ports import ContainerEngine, PowerEngine, VmEngine
from .._ports_layers import LayerCopies
from .._ports_storage import Volumes

# Sees to it that an instance is released, by the command that is given, if this process is killed meanwhile. A VM is told by its UUID:
# virsh takes a name that is a number for the running number of another one.
Release = Callable[[str, Sequence[str]], AbstractContextManager[None]]


class RootDisk(Protocol):
    """The root disk of one instance. ``look`` comes first; a restore is ``prepare``, ``restore`` of what is stopped, and ``finish``."""

    kind: str
    power: PowerEngine

    def look(self) -> SnapshotState:
        """Return what is there; RefusedError when the instance is not any more."""

    def take(self, label: str, created: str) -> None:
        """Take a snapshot. Who runs is held still meanwhile."""

    def prepare(self, label: str, before: str) -> None:
        """Do what can be done of a restore while the instance runs, and note what it did before."""

    def restore(self, label: str) -> None:
        """Let the disk hold what the snapshot holds. After a crash it is the old one, the new one, or known not to be whole."""

    def finish(self) -> None:
        """Remove what a restore leaves."""

    def remove(self, label: str) -> None:
        """Remove a snapshot."""


class VmDisk:
    """See ``RootDisk``. It is exchanged for a clone of the snapshot; the old one stays under another name until the VM was started."""

    kind = "vm"

    def __init__(self, name: str, engine: VmEngine, volumes: Volumes, release: Release) -> None:
        self.power: PowerEngine = engine
        self._name = name
        self._engine = engine
        self._volumes = volumes
        self._release = release
        self._disk, self._taken = volume_of(name), taken_of(name)
        self._restored, self._replaced = restored_of(name), replaced_of(name)
        self._seen: Mapping[str, Volume] = {}
        self._state = STOPPED
        self._uuid = ""

    def look(self) -> SnapshotState:
        domain = self._engine.find(self._name)
        if domain is None:
            raise _gone(self._name)
        parsed = parse_domain(domain.xml)
        self._uuid = parsed.uuid
        self._seen = {volume.name: volume for volume in self._volumes.list()}
        self._state = domain.power
        left = [self._seen[name] for name in (self._restored, self._disk, self._replaced) if self._owns(name)]
        marked = [tag_value(volume, POWER_TAG) for volume in left]
        unfinished = [volume.name for volume, mark in zip(left, marked) if mark or volume.name != self._disk]
        unfinished += [self._taken] if self._is_half_taken() else []
        return SnapshotState(
            power=domain.power,
            snapshots=in_order([_snapshot(volume, self._name) for volume in snapshots_of(self._name, self._seen.values())]),
            unfinished=", ".join(unfinished),
            before=next(filter(None, marked), ""),
            broken=self._disk not in self._seen and self._owns(self._replaced),
            fault=self._fault(),
            policy=parsed.spec.get("snapshots", {}),
        )

    def take(self, label: str, created: str) -> None:
        with self._held() as consistent:
            tags = (SNAPSHOT_TAG + self._name, CREATED_TAG + created, CONSISTENT_TAG + consistent)
            self._volumes.preserve(self._disk, self._taken, tags)
        # Where LVM was cut off, the pool may make that later, of what the disk holds then.
        self._volumes.rename(self._taken, snapshot_of(self._name, label))

    def prepare(self, label: str, before: str) -> None:
        self._forget_taken()
        present = self._seen[self._disk if self._disk in self._seen else self._replaced]
        tags = {tag for tag in present.tags if not tag.startswith(POWER_TAG)} | ({POWER_TAG + before} if before != STOPPED else set())
        self._volumes.remove(self._restored)
        self._volumes.clone(snapshot_of(self._name, label), self._restored, tags, present.size)

    def restore(self, label: str) -> None:
        if self._volumes.find(self._disk) is not None:
            # Of an earlier restore, whose new disk is the present one.
            self._volumes.remove(self._replaced)
            self._volumes.rename(self._disk, self._replaced)
        self._volumes.rename(self._restored, self._disk)

    def finish(self) -> None:
        self._forget_taken()
        for volume in self._volumes.list():
            if volume.name in (self._restored, self._replaced) and is_disk_of(self._name, volume):
                self._volumes.remove(volume.name)
            elif volume.name == self._disk:
                self._volumes.retag(self._disk, (), [tag for tag in volume.tags if tag.startswith(POWER_TAG)])

    def remove(self, label: str) -> None:
        self._volumes.remove(snapshot_of(self._name, label))

    def _is_half_taken(self) -> bool:
        return self._taken in self._seen and is_snapshot_of(self._name, self._seen[self._taken])

    def _forget_taken(self) -> None:
        if self._is_half_taken():
            self._volumes.resume(self._seen[self._taken].origin or self._disk)
            self._volumes.remove(self._taken)

    def _owns(self, name: str) -> bool:
        return name in self._seen and is_disk_of(self._name, self._seen[name])

    def _fault(self) -> str:
        ours = {volume.name for volume in snapshots_of(self._name, self._seen.values())} | (
            {self._taken} if self._is_half_taken() else set()
        )
        for name in self._seen:
            is_part = name.startswith(snapshot_of(self._name, "")) or name in (self._disk, self._taken, self._restored, self._replaced)
            if is_part and name not in ours and not self._owns(name):
                return f"{self._name} needs the name of the volume {name}, and zonal.cloud did not make that for it; rename one of the two"
        if self._disk not in self._seen and self._replaced not in self._seen:
            return f"{self._name} has no volume {self._disk} in the given volume group; name the right one in the option group"
        return ""

    @contextmanager
    def _held(self) -> Iterator[str]:
        """Hold the VM still; the value tells how. What the operator has paused stays so."""
        if self._state != RUNNING:
            yield HELD if self._state == PAUSED else STOPPED
            return
        with self._release(self._uuid, THAW_VM), self._engine.quiet(self._name) as why:
            if not why:
                yield AGENT
                return
        with self._release(self._uuid, RESUME_VM), _paused(self._engine, self._name):
            yield HELD


class ContainerDisk:
    """See ``RootDisk``. Its folder stays, since docker's limit of its size is bound to that, and what is in it is exchanged."""

    kind = "container"

    def __init__(self, name: str, engine: ContainerEngine, copies: LayerCopies, release: Release) -> None:
        self.power: PowerEngine = engine
        self._name = name
        self._engine = engine
        self._copies = copies
        self._release = release
        self._layer = Layer("", "", "")
        self._state = STOPPED
        self._is_restarted_on_failure = False
        self._note: dict[str, Any] = {}

    def look(self) -> SnapshotState:
        body = self._engine.find(self._name)
        if body is None:
            raise _gone(self._name)
        parsed = parse_container(body)
        self._layer, self._state = parse_layer(body), parsed.power
        self._is_restarted_on_failure = parsed.spec.get("restart_policy") == ON_FAILURE
        note = self._copies.note(self._name)
        return SnapshotState(
            power=self._state,
            snapshots=in_order([self._snapshot(label, about) for label, about in self._copies.copies(self._name).items()]),
            unfinished=", ".join([*([] if note is None else ["its note"]), *self._copies.left(self._name)]),
            before="" if note is None else str(note.get("before") or ""),
            broken=is_half_restored(note),
            fault=self._fault(),
            policy=read_policy(self._copies.policy(self._name)),
        )

    def take(self, label: str, created: str) -> None:
        with self._held() as consistent:
            self._copies.copy(self._layer.folder, self._name, label)
        self._copies.keep(self._name, label, {"created": created, "consistent": consistent, "image": self._layer.image})

    def prepare(self, label: str, before: str) -> None:
        noted = self._copies.note(self._name)
        self._note = {"snapshot": label, "before": "" if before == STOPPED else before}
        if self._is_restarted_on_failure or (noted and noted.get(POLICY)):
            self._note[POLICY] = ON_FAILURE
        self._copies.write_note(self._name, {**self._note, HALF: is_half_restored(noted)})
        if self._is_restarted_on_failure:
            # Or docker would start what is half, should it start meanwhile.
            self._engine.update(self._name, {"RestartPolicy": restart_policy(False)})

    def restore(self, label: str) -> None:
        self._copies.write_note(self._name, {**self._note, HALF: True})
        self._copies.put_back(self._name, label, self._layer.folder)

    def finish(self) -> None:
        if (self._copies.note(self._name) or {}).get(POLICY):
            self._engine.update(self._name, {"RestartPolicy": restart_policy(True, ON_FAILURE)})
        self._copies.sweep(self._name)

    def remove(self, label: str) -> None:
        self._copies.remove(self._name, label)

    def _fault(self) -> str:
        driver = self._layer.driver
        if driver == "overlay2" and self._layer.folder:
            return ""
        return f"docker keeps what {self._name} writes by {driver or 'a driver that it does not tell'}, and snapshots need overlay2"

    def _snapshot(self, label: str, about: Mapping[str, Any]) -> Snapshot:
        fault = "" if about.get("image") == self._layer.image else f"the snapshot {label} is not known to be of the image of {self._name}"
        return Snapshot(label, str(about.get("created") or ""), str(about.get("consistent") or ""), fault=fault)

    @contextmanager
    def _held(self) -> Iterator[str]:
        if self._state != RUNNING:
            yield HELD if self._state == PAUSED else STOPPED
            return
        with self._release(self._name, RESUME_CONTAINER), _paused(self._engine, self._name):
            yield HELD


def _snapshot(volume: Volume, name: str) -> Snapshot:
    label = volume.name[len(snapshot_of(name, "")) :]
    return Snapshot(label, tag_value(volume, CREATED_TAG), tag_value(volume, CONSISTENT_TAG), volume.size)


@contextmanager
def _paused(engine: PowerEngine, name: str) -> Iterator[None]:
    engine.pause(name)
    try:
        yield
    finally:
        engine.resume(name)


def _gone(name: str) -> RefusedError:
    return RefusedError(f"instance: {name} was removed meanwhile; run again", field="instance")
