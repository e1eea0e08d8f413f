# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: may change without notice.
"""An image is published from an instance, which goes on: of a container docker makes an image, of a VM's disk a snapshot is packed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any, Callable

from .._adapters.rootfs_archive import Archive
from .._adapters.skopeo import LocalImages
from .._domain.errors import SpecError
from .._domain.image_policy import Policy
from .._domain.instance import Instance
from .._domain.names import UNFINISHED, volume_of
from .._domain.volume import Volume
from .._ports import ContainerEngine, VmEngine
from .image_source import DockerSource, ImageSource, VolumeSource, Workshop
from .neighbours import containers_beside, vms_beside

Release = Callable[[str], AbstractContextManager[None]]
_COMMITTED = f"zonal-capture{UNFINISHED}"


class ContainerSource(DockerSource):
    """A container. Its image is in docker meanwhile, under a name that no image of a user has."""

    def __init__(self, instance: Instance, policy: Policy, workshop: Workshop, images: LocalImages, engine: ContainerEngine) -> None:
        self._image = f"{_COMMITTED}:{instance.name}"
        super().__init__(self._image, policy, workshop, images)
        self._instance = instance
        self._engine = engine

    @contextmanager
    def archive(self) -> Iterator[Archive]:
        # One of a run that was cut off.
        self._engine.remove_image(self._image)
        try:
            self._engine.commit(self._instance.name, self._image)
            with super().archive() as archive:
                yield archive
        finally:
            self._engine.remove_image(self._image)

    def about(self) -> dict[str, Any]:
        return _about(self._instance, "")


class VmSource(VolumeSource):
    """A VM. Its guest is held still while the snapshot is made, if it has an agent; else the snapshot is as after a power cut.

    ``release`` sees to it that the guest is let go if this process is killed meanwhile.
    """

    def __init__(self, instance: Instance, policy: Policy, workshop: Workshop, engine: VmEngine, release: Release) -> None:
        super().__init__(volume_of(instance.name), policy, workshop)
        self._instance = instance
        self._engine = engine
        self._release = release
        self._why = ""

    def _snapshot(self, hidden: str) -> Volume:
        with self._release(self._instance.name), self._engine.quiet(self._instance.name) as self._why:
            return super()._snapshot(hidden)

    def about(self) -> dict[str, Any]:
        return _about(self._instance, self._why)


def instance_source(
    name: str, policy: Policy, workshop: Workshop, images: LocalImages, containers: ContainerEngine, vms: VmEngine, release: Release
) -> ImageSource:
    """Return the source for the instance of that name on this host."""
    for instance in containers_beside(containers):
        if instance.name == name:
            return ContainerSource(instance, policy, workshop, images, containers)
    for instance in vms_beside(vms):
        if instance.name == name:
            return VmSource(instance, policy, workshop, vms, release)
    raise SpecError("source", name, "is no instance of zonal.cloud on this host; zonal.cloud.host_info tells those that are")


def _about(instance: Instance, why: str) -> dict[str, Any]:
    told = {"name": instance.name, "kind": instance.kind, "zone": instance.spec.get("zone", "")}
    return {"captured": {**told, "consistent": not why, "why": why}}
