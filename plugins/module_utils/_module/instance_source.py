# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: may change without notice.
"""An image is published from an instance, which goes on: of a container docker makes an image, of a VM's disk a snapshot is packed."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import Any, Callable

from .._adapters.rootfs_archive import Archive
from .._adapters.skopeo import LocalImages
from .._domain.container_config import LABEL
from .._domain.container_found import parse_layer
from .._domain.domain_found import parse_domain
from .._domain.errors import RefusedError, SpecError
from .._domain.image_policy import Policy
from .._domain.instance import Instance
from .._domain.names import CAPTURE, snapshot_of, volume_of
from .._domain.snapshot import HELD
from .._domain.volume import CONSISTENT_TAG, Volume, snapshots_of, tag_value
from .._ports import ContainerEngine, VmEngine
from .._ports_layers import LayerCopies
from .image_source import DockerSource, ImageSource, VolumeSource, Workshop
from .neighbours import instance_called

Release = Callable[[str], AbstractContextManager[None]]
_MARK = f"{LABEL}capture"
_PAUSED = "it was paused for the snapshot, since no agent of its guest could hold its file systems"


@dataclass(frozen=True)
class Engines:
    """What instances of a host are made of. ``release`` sees to it that a guest, told by its UUID, is let go if this process is killed
    meanwhile."""

    containers: ContainerEngine
    images: LocalImages
    copies: LayerCopies
    vms: VmEngine
    release: Release


class ContainerSource(DockerSource):
    """A container. Its image is in docker meanwhile, under a name that no image of a user has."""

    def __init__(self, instance: Instance, policy: Policy, workshop: Workshop, engines: Engines) -> None:
        self._image = f"{CAPTURE}:{instance.name}"
        super().__init__(self._image, policy, workshop, engines.images)
        self._instance = instance
        self._engine = engines.containers

    @contextmanager
    def archive(self) -> Iterator[Archive]:
        # One of a run that was cut off.
        self._engine.remove_image(self._image)
        try:
            self._commit()
            with super().archive() as archive:
                yield archive
        finally:
            self._engine.remove_image(self._image)

    def about(self) -> dict[str, Any]:
        return _about(self._instance, "")

    def _commit(self) -> None:
        self._engine.commit(self._instance.name, self._image)


class ContainerSnapshotSource(ContainerSource):
    """A snapshot of a container, in the place of what another container has written, which is of the same image and never runs."""

    def __init__(self, instance: Instance, label: str, policy: Policy, workshop: Workshop, engines: Engines) -> None:
        super().__init__(instance, policy, workshop, engines)
        self._copies = engines.copies
        self._label = label
        self._made = f"{CAPTURE}.{instance.name}"

    def digest(self) -> str:
        # So that check mode, too, tells what does not go.
        self._image_below()
        return super().digest()

    def about(self) -> dict[str, Any]:
        return _about(self._instance, "", self._label)

    def _commit(self) -> None:
        below = self._image_below()
        self._remove()
        try:
            self._engine.create(self._made, {"Image": below, "Labels": {_MARK: ""}, "HostConfig": {"NetworkMode": "none"}})
            layer = parse_layer(self._engine.find(self._made) or {})
            self._copies.put_back(self._instance.name, self._label, layer.folder)
            self._engine.commit(self._made, self._image)
        finally:
            self._remove()

    def _remove(self) -> None:
        body = self._engine.find(self._made)
        if body is not None and _MARK not in (body["Config"]["Labels"] or {}):
            raise RefusedError(
                f"source: a container {self._made} is in the way, and zonal.cloud did not make it; rename it", field="source"
            )
        self._engine.remove(self._made)

    def _image_below(self) -> str:
        """Return the image that the snapshot is of."""
        copies = self._copies.copies(self._instance.name)
        if self._label not in copies:
            raise _unknown(self._label, self._instance, copies)
        image = parse_layer(self._engine.find(self._instance.name) or {}).image
        if copies[self._label].get("image") != image:
            raise RefusedError(
                f"snapshot: {self._label} is not known to be of the image that {self._instance.name} has now, and means nothing without",
                field="snapshot",
            )
        return image


class VmSource(VolumeSource):
    """A VM. Its guest is held still while the snapshot is made, if it has an agent; else the snapshot is as after a power cut."""

    def __init__(self, instance: Instance, policy: Policy, workshop: Workshop, engines: Engines) -> None:
        super().__init__(volume_of(instance.name), policy, workshop)
        self._instance = instance
        self._engines = engines
        self._why = ""

    def _snapshot(self, hidden: str) -> Volume:
        name = self._instance.name
        found = self._engines.vms.find(name)
        # By its UUID: virsh takes a name that is a number for the running number of another VM.
        with self._engines.release(parse_domain(found.xml).uuid if found else name), self._engines.vms.quiet(name) as self._why:
            return super()._snapshot(hidden)

    def about(self) -> dict[str, Any]:
        return _about(self._instance, self._why)


class VmSnapshotSource(VolumeSource):
    """A snapshot of a VM, which is a volume by itself."""

    def __init__(self, instance: Instance, label: str, policy: Policy, workshop: Workshop) -> None:
        super().__init__(snapshot_of(instance.name, label), policy, workshop)
        self._instance = instance
        self._label = label

    def about(self) -> dict[str, Any]:
        held = tag_value(self._volume(), CONSISTENT_TAG)
        return _about(self._instance, _PAUSED if held == HELD else "", self._label)

    def _volume(self) -> Volume:
        name = self._instance.name
        found = {volume.name: volume for volume in snapshots_of(name, self._workshop.volumes.list())}
        if self._name not in found:
            raise _unknown(self._label, self._instance, [volume[len(snapshot_of(name, "")) :] for volume in found])
        return found[self._name]


def instance_source(name: str, snapshot: str, policy: Policy, workshop: Workshop, engines: Engines) -> ImageSource:
    """Return the source for the instance of that name on this host, or for a snapshot of it."""
    instance = instance_called(name, engines.containers, engines.vms, "source")
    if instance.kind == "container":
        if snapshot:
            return ContainerSnapshotSource(instance, snapshot, policy, workshop, engines)
        return ContainerSource(instance, policy, workshop, engines)
    return VmSnapshotSource(instance, snapshot, policy, workshop) if snapshot else VmSource(instance, policy, workshop, engines)


def _unknown(label: str, instance: Instance, known: Collection[str]) -> SpecError:
    return SpecError("snapshot", label, f"is no snapshot of {instance.name}; it has {', '.join(sorted(known)) or 'none'}")


def _about(instance: Instance, why: str, snapshot: str = "") -> dict[str, Any]:
    told = {"name": instance.name, "kind": instance.kind, "zone": instance.spec.get("zone", ""), "snapshot": snapshot}
    return {"captured": {**told, "consistent": not why, "why": why}}
