# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""``Volumes`` in memory; it passes the same contract as LVM (contracts/volumes.py)."""

from __future__ import annotations

from collections.abc import Iterable, MutableMapping
from dataclasses import replace

from ansible_collections.zonal.cloud.plugins.module_utils._domain.thin_pool import EXTENT_SIZE
from ansible_collections.zonal.cloud.plugins.module_utils._ports import EngineAbsent, EngineError
from ansible_collections.zonal.cloud.plugins.module_utils._ports_storage import Volume


class FakeVolumes:
    """A volume group of thin volumes. Tests may set ``installed``, ``exists``, ``used``, ``busy`` and ``extent_size``."""

    def __init__(self, group: str = "zonal", pool: str = "pool", capacity: int = 1024**4) -> None:
        self.group = group
        self.pool = pool
        self.capacity = capacity
        self.used = 0
        self.extent_size = EXTENT_SIZE
        self.installed = True
        self.exists = True
        self.busy: set[str] = set()
        self.read_only: set[str] = set()
        self._volumes: MutableMapping[str, Volume] = {}

    def find(self, name: str) -> Volume | None:
        self._must_be_installed()
        return self._volumes.get(name)

    def list(self) -> list[Volume]:
        self._must_be_installed()
        return [self._volumes[name] for name in sorted(self._volumes)]

    def path(self, name: str) -> str:
        return f"/dev/{self.group}/{name}"

    def create(self, name: str, size: int, tags: Iterable[str]) -> Volume:
        self._must_be_new("create", name)
        path, whole = self.path(name), self._whole_extents(size)
        return self._add(Volume(self.group, name, path, whole, self.pool, "", frozenset(tags), extent_size=self.extent_size))

    def clone(self, origin: str, name: str, tags: Iterable[str], size: int = 0) -> Volume:
        source = self._must_have("clone", origin)
        self._must_be_new("clone", name)
        self._add(replace(source, name=name, path=self.path(name), origin=origin, tags=frozenset(tags), extent_size=self.extent_size))
        self.grow(name, size)
        return self._volumes[name]

    def preserve(self, origin: str, name: str, tags: Iterable[str]) -> Volume:
        made = self.clone(origin, name, tags)
        self.read_only.add(name)
        return made

    def grow(self, name: str, size: int) -> None:
        volume = self._must_have("grow", name)
        self._volumes[name] = replace(volume, size=max(volume.size, self._whole_extents(size)))

    def rename(self, name: str, new_name: str) -> None:
        volume = self._must_have("rename", name)
        self._must_be_new("rename", new_name)
        del self._volumes[name]
        if name in self.read_only:
            self.read_only.remove(name)
            self.read_only.add(new_name)
        self._add(replace(volume, name=new_name, path=self.path(new_name)))
        self._point_origins(name, new_name)

    def retag(self, name: str, add: Iterable[str], remove: Iterable[str]) -> None:
        volume = self._must_have("retag", name)
        self._volumes[name] = replace(volume, tags=(volume.tags | frozenset(add)) - frozenset(remove))

    def resume(self, name: str) -> None:
        self._must_have("resume", name)

    def set_read_only(self, name: str) -> None:
        self._must_have("write-protect", name)
        self.read_only.add(name)

    def remove(self, name: str) -> None:
        self._must_be_installed()
        if name in self.busy:
            raise EngineError("remove", f"{self.group}/{name}", "it is in use")
        if self._volumes.pop(name, None) is not None:
            self.read_only.discard(name)
            self._point_origins(name, "")

    def is_open(self, name: str) -> bool:
        self._must_be_installed()
        return name in self.busy

    def free(self) -> int:
        self._must_be_installed()
        return max(0, self.capacity - self.used) if self.exists else 0

    def _add(self, volume: Volume) -> Volume:
        self._volumes[volume.name] = volume
        return volume

    def _whole_extents(self, size: int) -> int:
        return -(-size // self.extent_size) * self.extent_size

    def _point_origins(self, name: str, new_name: str) -> None:
        for volume in self.list():
            if volume.origin == name:
                self._volumes[volume.name] = replace(volume, origin=new_name)

    def _must_be_installed(self) -> None:
        if not self.installed:
            raise EngineAbsent("run", "lvs", "the program lvs is not installed")

    def _must_have(self, action: str, name: str) -> Volume:
        self._must_be_installed()
        if name not in self._volumes:
            raise EngineError(action, f"{self.group}/{name}", "there is no such volume")
        return self._volumes[name]

    def _must_be_new(self, action: str, name: str) -> None:
        self._must_be_installed()
        if not self.exists:
            raise EngineError(action, f"{self.group}/{name}", f"there is no pool {self.group}/{self.pool}")
        if name in self._volumes:
            raise EngineError(action, f"{self.group}/{name}", "a volume of that name exists already")
