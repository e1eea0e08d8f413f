# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: may change without notice.
"""Engines that are asked the same by many resources, and answer it once until something is changed through them."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from functools import partial
from typing import Any, Callable, cast

from .._ports import ContainerEngine, EngineAbsent, EngineError, EngineSilent, VmEngine
from .._ports_disks import DiskImages
from .._ports_storage import Volumes


class _Remembered:
    """Stands for ``engine``. Of the methods in ``reads`` it keeps the answers until another is called, of those in ``lasting`` for ever.

    An engine that was not there or did not answer is not asked again: each further call could take minutes.
    """

    def __init__(self, engine: Any, *reads: str, lasting: Collection[str] = ()) -> None:
        self._engine = engine
        self._reads = {*reads, *lasting}
        self._lasting = lasting
        self._answers: dict[tuple[Any, ...], Any] = {}
        self._lost: EngineError | None = None

    def __getattr__(self, name: str) -> Any:
        call = getattr(self._engine, name)
        return partial(self._read if name in self._reads else self._change, name, call)

    def _read(self, name: str, call: Callable[..., Any], *arguments: Any) -> Any:
        key = (name, *arguments)
        if key not in self._answers:
            self._answers[key] = self._ask(call, *arguments)
        return self._answers[key]

    def forget(self) -> None:
        """Ask anew."""
        self._answers = {key: answer for key, answer in self._answers.items() if key[0] in self._lasting}

    def _change(self, _name: str, call: Callable[..., Any], *arguments: Any, **options: Any) -> Any:
        self.forget()
        return self._ask(call, *arguments, **options)

    def _ask(self, call: Callable[..., Any], *arguments: Any, **options: Any) -> Any:
        if self._lost is not None:
            raise self._lost
        try:
            return call(*arguments, **options)
        except (EngineAbsent, EngineSilent) as error:
            self._lost = error
            raise


class _RememberedContainers(_Remembered):
    """The list of ours has their descriptions, so as long as it holds these need not be asked for one by one."""

    def find(self, name: str) -> Mapping[str, Any] | None:
        listed = {body["Name"]: body for body in self._answers.get(("managed",), ())}
        found: Mapping[str, Any] | None = listed.get(f"/{name}") or self._read("find", self._engine.find, name)
        return found


def remembered_containers(engine: ContainerEngine) -> ContainerEngine:
    """Return docker as one that is not asked twice."""
    return cast(
        ContainerEngine,
        _RememberedContainers(engine, "managed", "network", "networks", "attached", "volume", lasting=("facts", "image_labels")),
    )


def remembered_vms(engine: VmEngine) -> VmEngine:
    """Return libvirt as one that is not asked twice."""
    return cast(VmEngine, _Remembered(engine, "domains", "find", "stats", lasting=("cpu_models", "driver")))


def remembered_volumes(volumes: Volumes) -> Volumes:
    """Return the volumes of LVM as ones that are not asked for twice."""
    return cast(Volumes, _Remembered(volumes, "list", "find", "free", "path", "is_open"))


def remembered_images(images: DiskImages) -> DiskImages:
    """Return the images of Ceph as ones that are not asked for twice."""
    return cast(DiskImages, _Remembered(images, "find", "is_open", "holder", lasting=("source",)))


def forget(*engines: object) -> None:
    """Let these be asked anew: another process has changed something."""
    for engine in filter(None, engines):
        cast(_Remembered, engine).forget()
