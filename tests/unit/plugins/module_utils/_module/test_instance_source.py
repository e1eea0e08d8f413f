# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Images of instances against fakes: each kind is held still no longer than needed, and nothing is left."""

from __future__ import annotations

import os
from collections.abc import Iterable
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.zonal.cloud.plugins.module_utils._adapters.skopeo import LocalImages
from ansible_collections.zonal.cloud.plugins.module_utils._domain.container_config import LABEL
from ansible_collections.zonal.cloud.plugins.module_utils._domain.errors import SpecError
from ansible_collections.zonal.cloud.plugins.module_utils._domain.image_policy import Policy
from ansible_collections.zonal.cloud.plugins.module_utils._domain.names import volume_of
from ansible_collections.zonal.cloud.plugins.module_utils._module.image_source import ImageSource, Workshop
from ansible_collections.zonal.cloud.plugins.module_utils._module.instance_source import instance_source
from ansible_collections.zonal.cloud.plugins.module_utils._ports import EngineError
from ansible_collections.zonal.cloud.plugins.module_utils._ports_storage import Volume
from ansible_collections.zonal.cloud.tests.host_command import run_command
from ansible_collections.zonal.cloud.tests.unit.plugins.contracts.archives import member, pack
from ansible_collections.zonal.cloud.tests.unit.plugins.fakes.containers import FakeContainers
from ansible_collections.zonal.cloud.tests.unit.plugins.fakes.guest_disks import FakeDisks, FilledVolumes
from ansible_collections.zonal.cloud.tests.unit.plugins.fakes.vms import FakeVms
from ansible_collections.zonal.cloud.tests.unit.plugins.golden_files import FOLDER

CONTAINER = "lab-web-1"
CONTENT = pack(member("etc/motd", size=9))


class SnapshotWatch(FilledVolumes):
    """Volumes that write down who was held still when each snapshot was made, or, ``broken``, was not."""

    def __init__(self, vms: FakeVms) -> None:
        super().__init__()
        self.vms = vms
        self.held: list[set[str]] = []
        self.broken = False

    def clone(self, origin: str, name: str, tags: Iterable[str], size: int = 0) -> Volume:
        self.held.append(set(self.vms.held))
        if self.broken:
            raise EngineError("snapshot", origin, "the pool is full")
        return super().clone(origin, name, tags, size)


class Images(LocalImages):
    """Exports, for every image that docker has, the same one layer."""

    def __init__(self, engine: FakeContainers, layer: str) -> None:
        super().__init__(run_command)
        self.engine = engine
        self.layer = layer
        self.taken: list[str] = []

    def copy(self, name: str, folder: str, limit: int) -> list[str]:
        if self.engine.image_labels(name) is None:
            raise EngineError("export", name, "there is no such image")
        self.taken.append(name)
        return [self.layer]


class Host:
    """A host with one VM and one container of ours, and one of somebody else."""

    def __init__(self, folder: Path) -> None:
        self.work = folder / "work"
        layer = folder / "layer.tgz"
        layer.write_bytes(CONTENT)
        self.vms, self.containers = FakeVms(), FakeContainers()
        self.vms.define((FOLDER / "vm-kvm.xml").read_text())
        (self.vm,) = (domain.name for domain in self.vms.domains())
        self.volumes = SnapshotWatch(self.vms)
        self.disks = FakeDisks(self.volumes)
        disk = self.volumes.create(volume_of(self.vm), 1, ())
        self.disks.make(disk.path, str(layer), 4096)
        self.containers.import_image(str(layer), "base:1", {})
        self.containers.create(CONTAINER, {"Image": "base:1", "Labels": {LABEL + "name": CONTAINER, LABEL + "zone": "lab"}})
        self.containers.create("foreign", {"Image": "base:1"})
        self.images = Images(self.containers, str(layer))

    def source(self, name: str) -> ImageSource:
        workshop = Workshop(str(self.work), self.volumes, self.disks, nullcontext)
        return instance_source(name, Policy(), workshop, self.images, self.containers, self.vms, lambda name: nullcontext())

    def snapshot(self) -> Any:
        return self.vms.snapshot(), self.containers.snapshot(), self.volumes.snapshot(), self.work.exists() and os.listdir(self.work)


@pytest.fixture
def host(tmp_path: Path) -> Host:
    return Host(tmp_path)


def test_a_vm_is_held_still_for_its_snapshot_only(host: Host) -> None:
    host.vms.start(host.vm)
    before = host.snapshot()[:3]
    source = host.source(host.vm)
    with source.archive() as archive:
        assert host.volumes.held == [{host.vm}]
        assert host.vms.held == set()
        assert archive.content.size > 0
    assert source.about()["captured"] | {"zone": ""} == {"name": host.vm, "kind": "vm", "zone": "", "consistent": True, "why": ""}
    assert host.snapshot() == (*before, [])


def test_a_vm_without_an_agent_is_captured_and_that_is_told(host: Host) -> None:
    host.vms.agents = False
    host.vms.start(host.vm)
    source = host.source(host.vm)
    with source.archive():
        assert host.volumes.held == [set()]
    told = source.about()["captured"]
    assert (told["consistent"], told["why"]) == (False, "guest agent is not connected")


def test_a_snapshot_that_fails_leaves_no_guest_held(host: Host) -> None:
    host.vms.start(host.vm)
    host.volumes.broken = True
    with pytest.raises(EngineError, match="the pool is full"), host.source(host.vm).archive():
        pass
    assert host.volumes.held == [{host.vm}]
    assert host.vms.held == set()


def test_a_vm_without_its_disk_is_one_message(host: Host) -> None:
    host.volumes.remove(volume_of(host.vm))
    with pytest.raises(SpecError, match=f"^source: '{volume_of(host.vm)}' is no volume"), host.source(host.vm).archive():
        pass


def test_of_a_container_an_image_is_made_that_goes_again(host: Host) -> None:
    before = host.snapshot()[:3]
    source = host.source(CONTAINER)
    with source.archive() as archive:
        assert host.images.taken == [f"zonal-capture.new:{CONTAINER}"]
        assert archive.content.size > 0
    assert source.about() == {"captured": {"name": CONTAINER, "kind": "container", "zone": "lab", "consistent": True, "why": ""}}
    assert host.snapshot() == (*before, [])
    host.images.layer = "/nowhere"
    with pytest.raises(EngineError, match="/nowhere"), source.archive():
        pass
    assert host.snapshot() == (*before, [])


@pytest.mark.parametrize("name", ["foreign", "nobody"])
def test_what_is_not_ours_is_refused(host: Host, name: str) -> None:
    with pytest.raises(SpecError, match=rf"^source: '{name}' is no instance of zonal\.cloud on this host"):
        host.source(name)
