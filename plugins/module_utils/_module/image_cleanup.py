# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: may change without notice.
"""The images of a host without those that nothing uses: options in, the engines behind, report out."""

from __future__ import annotations

from collections.abc import Collection
from functools import partial
from typing import Any, Callable

from .._adapters.boot_files import BootFolder
from .._adapters.docker_engine import DockerEngine
from .._adapters.host_lock import is_held, volume_lock
from .._adapters.lvm import LvmVolumes
from .._domain.image import VM
from .._domain.image_cleanup import Stock, is_unused, plan_cleanup, target_of
from .._domain.image_found import StoredFace, show_images
from .._domain.names import PUBLISHED_ON, UNFINISHED, golden_of, parse_image
from .._domain.plan import Plan, Step
from .._domain.thin_pool import parse_name
from .._ports import Command, ContainerEngine
from .._ports_storage import Volumes
from .image import discard_golden, remove_golden
from .image_info import docker_faces, golden_faces, unfinished_golden
from .or_none import or_none


class ImageCleanupResource:
    """See ``Resource`` in ``run.py``."""

    name = "image_cleanup"

    def __init__(
        self, keep: Collection[str], containers: ContainerEngine, volumes: Volumes, boot: BootFolder, publishes: Callable[[], bool]
    ) -> None:
        self._keep = keep
        self._containers = containers
        self._volumes = volumes
        self._boot = boot
        self._publishes = publishes

    def observe(self) -> Stock:
        """Return what is there; an engine that is not there has no images."""
        golden = or_none(lambda: golden_faces(self._volumes, self._boot))
        faces = golden + or_none(lambda: docker_faces(self._containers))
        return Stock(tuple(faces), tuple(or_none(self._unfinished)))

    def _unfinished(self) -> list[str]:
        """Return the hidden volumes that were left. The one on which images are published is in use as long as somebody does."""
        left = [] if self._volumes.find(PUBLISHED_ON) is None or self._publishes() else [PUBLISHED_ON]
        return unfinished_golden(self._volumes) + left

    def nothing(self) -> Stock:
        return Stock()

    def plan(self, found: Stock) -> Plan[Stock]:
        return plan_cleanup(self._keep, found)

    def report(self, state: Stock) -> dict[str, Any]:
        return {"images": show_images(state.faces)}

    def apply(self, step: Step) -> None:
        if step.action == "remove_unfinished":
            # Looked at again: somebody may have begun to publish.
            if step.target in self._unfinished():
                discard_golden(self._volumes, self._boot, step.target[: -len(UNFINISHED)])
            return
        for face in self.observe().faces:
            # Looked at again: two contents may have lost the same name.
            if (f"remove_{face.kind}", target_of(face)) == (step.action, step.target) and is_unused(face, self._keep):
                self._remove(face)

    def _remove(self, face: StoredFace) -> None:
        if face.kind == VM:
            remove_golden(self._volumes, self._boot, golden_of(face.digest))
            return
        for name in face.names:
            self._containers.remove_image(name)
        if not face.names:
            self._containers.remove_nameless()


def build_image_cleanup(params: dict[str, Any], command: Command) -> ImageCleanupResource:
    """Return the resource for the module's parameters."""
    group = parse_name("group", params["group"])
    return ImageCleanupResource(
        frozenset(parse_image(f"keep[{index}]", name) for index, name in enumerate(params["keep"])),
        DockerEngine(),
        LvmVolumes(command, group, parse_name("pool", params["pool"])),
        BootFolder(),
        partial(is_held, volume_lock(group, PUBLISHED_ON)),
    )
