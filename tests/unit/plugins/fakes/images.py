# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""``DiskImages`` in memory; it passes the same contract as Ceph (contracts/images.py)."""

from __future__ import annotations

from copy import copy

from ansible_collections.zonal.cloud.plugins.module_utils._domain.rbd import Holder, RbdSource
from ansible_collections.zonal.cloud.plugins.module_utils._ports import EngineError
from ansible_collections.zonal.cloud.tests.unit.plugins.fakes.volumes import FakeVolumes


class FakeImages(FakeVolumes):
    """The images of a pool as ``host`` finds them. Tests may set ``holders``, by names of images, and ``busy``."""

    def __init__(self, host: str = "kvm01") -> None:
        super().__init__("disks", "")
        self.host = host
        self.holders: dict[str, tuple[str, str]] = {}

    def seen_from(self, host: str) -> FakeImages:
        """Return the same images as another host finds them."""
        other = copy(self)
        other.host = host
        return other

    def path(self, name: str) -> str:
        return f"{self.group}/{name}"

    def source(self, name: str) -> RbdSource:
        return RbdSource(self.path(name), "zonal", "/etc/ceph/ceph.conf")

    def rename(self, name: str, new_name: str) -> None:
        super().rename(name, new_name)
        if name in self.holders:
            self.holders[new_name] = self.holders.pop(name)

    def remove(self, name: str) -> None:
        super().remove(name)
        self.holders.pop(name, None)

    def holder(self, name: str) -> Holder | None:
        if name not in self.holders:
            return None
        instance, host = self.holders[name]
        return Holder(instance, host, host == self.host)

    def claim(self, name: str, instance: str) -> None:
        self._must_have("claim", name)
        if self.holders.get(name, ("", self.host))[1] != self.host:
            raise EngineError("claim", self.path(name), "it is locked")
        self.holders[name] = (instance, self.host)

    def release(self, name: str, holder: Holder) -> None:
        if self.holder(name) == holder:
            del self.holders[name]
