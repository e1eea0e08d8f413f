# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Images of instances against fakes: each kind is held still no longer than needed, and nothing is left."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.zonal.cloud.plugins.module_utils._adapters.layer_copies import FolderLayers
from ansible_collections.zonal.cloud.plugins.module_utils._adapters.skopeo import LocalImages
from ansible_collections.zonal.cloud.plugins.module_utils._domain.container_config import LABEL
from ansible_collections.zonal.cloud.plugins.module_utils._domain.errors import RefusedError, SpecError
from ansible_collections.zonal.cloud.plugins.module_utils._domain.image_policy import Policy
from ansible_collections.zonal.cloud.plugins.module_utils._domain.names import snapshot_of, uuid_of, volume_of
from ansible_collections.zonal.cloud.plugins.module_utils._domain.volume import CONSISTENT_TAG, SNAPSHOT_TAG
from ansible_collections.zonal.cloud.plugins.module_utils._module.image_source import ImageSource, Workshop
from ansible_collections.zonal.cloud.plugins.module_utils._module.instance_source import Engines, instance_source
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


class Copies(FolderLayers):
    """Copies of layers, which writes down into which folders they were put, and can refuse that."""

    def __init__(self, folder: Path, engine: FakeContainers) -> None:
        super().__init__(run_command, lambda: str(folder))
        self.engine = engine
        self.put: list[tuple[str, str, str]] = []
        self.broken = False

    def add(self, label: str) -> None:
        """Have a snapshot of what the container has written."""
        found = self.engine.find(CONTAINER)
        assert found is not None
        (Path(self._root()) / "layer").mkdir(exist_ok=True)
        self.copy(str(Path(self._root()) / "layer"), CONTAINER, label)
        self.keep(CONTAINER, label, {"image": found["Image"]})

    def put_back(self, instance: str, label: str, layer: str) -> None:
        self.put.append((instance, label, layer))
        if self.broken:
            raise EngineError("copy", layer, "the disk is full")


class Host:
    """A host with one VM and one container of ours, and one of somebody else."""

    def __init__(self, folder: Path) -> None:
        self.work = folder / "work"
        self.released: list[str] = []
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
        self.containers.layers = "/layers"
        self.copies = Copies(folder, self.containers)

    @contextmanager
    def release(self, uuid: str) -> Iterator[None]:
        self.released.append(uuid)
        yield

    def source(self, name: str, snapshot: str = "") -> ImageSource:
        workshop = Workshop(str(self.work), self.volumes, self.disks, nullcontext)
        engines = Engines(self.containers, self.images, self.copies, self.vms, self.release)
        return instance_source(name, snapshot, Policy(), workshop, engines)

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
    # Not by its name: one that is a number is the running number of another VM for virsh.
    assert host.released == [uuid_of("lab", host.vm)]
    assert source.about()["captured"] | {"zone": ""} == {
        "name": host.vm,
        "kind": "vm",
        "zone": "",
        "snapshot": "",
        "consistent": True,
        "why": "",
    }
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
    assert source.about() == {
        "captured": {"name": CONTAINER, "kind": "container", "zone": "lab", "snapshot": "", "consistent": True, "why": ""}
    }
    assert host.snapshot() == (*before, [])
    host.images.layer = "/nowhere"
    with pytest.raises(EngineError, match="/nowhere"), source.archive():
        pass
    assert host.snapshot() == (*before, [])


@pytest.mark.parametrize("name", ["foreign", "nobody"])
def test_what_is_not_ours_is_refused(host: Host, name: str) -> None:
    with pytest.raises(SpecError, match=rf"^source: '{name}' is no instance of zonal\.cloud on this host"):
        host.source(name)


def test_of_a_containers_snapshot_an_image_is_made_by_a_container_that_goes_again(host: Host) -> None:
    host.copies.add("monday")
    before = host.snapshot()[:3]
    source = host.source(CONTAINER, "monday")
    with source.archive() as archive:
        assert archive.content.size > 0
        assert (host.images.taken, host.vms.held) == ([f"zonal-capture.new:{CONTAINER}"], set())
    assert host.copies.put == [(CONTAINER, "monday", f"/layers/zonal-capture.new.{CONTAINER}")]
    captured = {"name": CONTAINER, "kind": "container", "zone": "lab", "snapshot": "monday", "consistent": True, "why": ""}
    assert source.about() == {"captured": captured}
    assert host.snapshot() == (*before, [])
    host.copies.broken = True
    with pytest.raises(EngineError, match="the disk is full"), source.archive():
        pass
    assert host.snapshot() == (*before, [])


def test_what_a_run_that_was_cut_off_has_left_goes_and_what_is_not_ours_stays(host: Host) -> None:
    host.copies.add("monday")
    before = host.snapshot()[:3]
    name = f"zonal-capture.new.{CONTAINER}"
    host.containers.create(name, {"Image": "base:1", "Labels": {f"{LABEL}capture": ""}})
    with host.source(CONTAINER, "monday").archive():
        pass
    assert host.snapshot() == (*before, [])
    host.containers.create(name, {"Image": "base:1"})
    with pytest.raises(RefusedError, match=f"^source: a container {name} is in the way"), host.source(CONTAINER, "monday").archive():
        pass
    assert host.containers.find(name) is not None


def test_a_snapshot_of_another_image_means_nothing(host: Host) -> None:
    host.copies.add("monday")
    host.containers.import_image("/nowhere", "other:1", {"a": "b"})
    host.containers.remove(CONTAINER)
    host.containers.create(CONTAINER, {"Image": "other:1", "Labels": {LABEL + "name": CONTAINER}})
    with pytest.raises(RefusedError, match=r"^snapshot: monday is not known to be of the image that"):
        host.source(CONTAINER, "monday").digest()


@pytest.mark.parametrize(("held", "why"), [("agent", ""), ("paused", "it was paused for the snapshot"), ("stopped", "")])
def test_a_snapshot_of_a_vm_is_published_while_it_runs_on(host: Host, held: str, why: str) -> None:
    host.vms.start(host.vm)
    host.volumes.preserve(volume_of(host.vm), snapshot_of(host.vm, "monday"), [SNAPSHOT_TAG + host.vm, CONSISTENT_TAG + held])
    before = host.snapshot()[:3]
    source = host.source(host.vm, "monday")
    with source.archive() as archive:
        assert archive.content.size > 0
    told = source.about()["captured"]
    assert (told["snapshot"], told["consistent"], told["why"].startswith(why), bool(told["why"])) == ("monday", not why, True, bool(why))
    assert host.volumes.held[-1] == set()
    assert host.snapshot() == (*before, [])


def test_an_unknown_snapshot_is_told_with_those_that_there_are(host: Host) -> None:
    host.copies.add("monday")
    # Of somebody else, whose name begins alike.
    host.volumes.preserve(volume_of(host.vm), snapshot_of(host.vm, "mine"), [])
    for name, known in ((CONTAINER, "monday"), (host.vm, "none")):
        with pytest.raises(SpecError, match=f"^snapshot: 'sunday' is no snapshot of {name}; it has {known}$"):
            host.source(name, "sunday").digest()
