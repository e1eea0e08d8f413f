# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The fake engines keep the contracts of the true ones."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from ansible_collections.zonal.cloud.plugins.module_utils._domain.docker_network import render_network
from ansible_collections.zonal.cloud.plugins.module_utils._domain.guest_files import GuestFile
from ansible_collections.zonal.cloud.plugins.module_utils._domain.names import uuid_of
from ansible_collections.zonal.cloud.plugins.module_utils._ports import EngineAbsent, EngineError
from ansible_collections.zonal.cloud.tests.unit.plugins.contracts import containers, images, vms
from ansible_collections.zonal.cloud.tests.unit.plugins.fakes.containers import FakeContainers
from ansible_collections.zonal.cloud.tests.unit.plugins.fakes.guest_disks import FakeDisks, FilledVolumes
from ansible_collections.zonal.cloud.tests.unit.plugins.fakes.images import FakeImages
from ansible_collections.zonal.cloud.tests.unit.plugins.fakes.vms import FakeVms


def domain(name: str, memory: int) -> str:
    return f"<domain type='test'><name>{name}</name><uuid>{uuid_of('t', name)}</uuid><memory unit='MiB'>{memory}</memory></domain>"


@pytest.mark.parametrize("check", containers.CONTRACT, ids=lambda check: check.__name__)
def test_containers(check: Callable[[containers.Bench], None], tmp_path: Path) -> None:
    fake, archive = FakeContainers(), tmp_path / "archive"
    archive.write_bytes(b"")
    fake.import_image("archive", "base:1", {})
    fake.create_network(render_network("br0", "10.20.0.0/24", "10.20.0.1"))
    check(containers.Bench(fake, "base:1", str(archive), "br0", "10.20.0.0/24", "10.20.0.1", "c-"))


@pytest.mark.parametrize("check", vms.CONTRACT, ids=lambda check: check.__name__)
def test_vms(check: Callable[[vms.Bench], None]) -> None:
    fake = FakeVms()
    check(vms.Bench(fake, domain, "c-", agents=True, file="/disk"))


@pytest.mark.parametrize("check", images.CONTRACT, ids=lambda check: check.__name__)
def test_images(check: Callable[[images.Bench], None]) -> None:
    fake = FakeImages("kvm01")
    check(images.Bench(fake, fake.seen_from("kvm02"), ("kvm01", "kvm02"), "c-"))


def test_nothing_works_without_the_engines() -> None:
    docker, libvirt = FakeContainers(), FakeVms()
    docker.installed = libvirt.installed = False
    for call in (docker.facts, docker.managed, libvirt.domains, lambda: docker.find("x"), lambda: libvirt.find("x")):
        with pytest.raises(EngineAbsent):
            call()


def test_content_goes_where_the_blocks_go() -> None:
    volumes = FilledVolumes()
    disks = FakeDisks(volumes)
    disks.make(volumes.create("golden", 1, []).path, "archive", 16384)
    disks.personalise(volumes.clone("golden", "new", []).path, [GuestFile("/etc/hostname", "web\n")])
    volumes.rename("new", "web")
    assert volumes.content == {
        "/dev/zonal/golden": {"archive": "archive"},
        "/dev/zonal/web": {"archive": "archive", "/etc/hostname": "web\n"},
    }
    volumes.remove("web")
    with pytest.raises(EngineError, match="No such file or directory"):
        disks.personalise("/dev/zonal/web", [])
