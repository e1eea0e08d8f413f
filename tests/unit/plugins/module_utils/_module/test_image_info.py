# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The images of a host, from engines that are fakes."""

from __future__ import annotations

from pathlib import Path

import pytest

from ansible_collections.zonal.cloud.plugins.module_utils._adapters.boot_files import BootFolder
from ansible_collections.zonal.cloud.plugins.module_utils._domain.image_found import show_faces, show_images
from ansible_collections.zonal.cloud.plugins.module_utils._domain.volume import CLOUD_INIT_TAG, image_tags, instance_tags
from ansible_collections.zonal.cloud.plugins.module_utils._module import image_info
from ansible_collections.zonal.cloud.plugins.module_utils._module.image_info import docker_faces, golden_faces, read_images
from ansible_collections.zonal.cloud.plugins.module_utils._ports import EngineAbsent
from ansible_collections.zonal.cloud.plugins.module_utils._ports_storage import BootFiles
from ansible_collections.zonal.cloud.tests.unit.plugins.fakes.containers import FakeContainers
from ansible_collections.zonal.cloud.tests.unit.plugins.fakes.volumes import FakeVolumes

MIB = 1024**2
ONE, TWO, ARCHIVE, OTHER = ("1" * 64, "2" * 64, "a" * 64, "b" * 64)


def labels(digest: str, sha256: str) -> dict[str, str]:
    return {"cloud.zonal.digest": digest, "cloud.zonal.sha256": sha256}


def test_both_faces_of_a_content_are_one_image(tmp_path: Path) -> None:
    volumes, containers, boot = FakeVolumes(), FakeContainers(), BootFolder(str(tmp_path))
    golden = volumes.create("img-1", 80 * MIB, [*image_tags("debian:13", ONE, ARCHIVE), "zonal.image=other:1", CLOUD_INIT_TAG])
    volumes.clone("img-1", "vm-web", instance_tags("web", golden))
    volumes.create("img-2.new", MIB, image_tags("half:1", TWO, OTHER))
    volumes.create("docker", MIB, [])
    boot.store("img-1", BootFiles(b"kernel", None, cloud_init=True))
    containers.import_image("archive", "debian:13", labels(ONE, OTHER))
    containers.import_image("archive", "bare:1", labels(TWO, OTHER))
    containers.import_image("archive", "foreign:1", {})
    containers.create("db", {"Image": "debian:13", "Labels": {}})
    faces = golden_faces(volumes, boot) + docker_faces(containers)
    bare = {
        "digest": TWO,
        "names": ["bare:1"],
        "sha256": [OTHER],
        "kinds": ["container"],
        "size": {"container": 0},
        "bootable": False,
        "cloud_init": False,
        "used_by": [],
    }
    both = {
        "digest": ONE,
        "names": ["debian:13", "other:1"],
        "sha256": [ARCHIVE, OTHER],
        "kinds": ["container", "vm"],
        "size": {"container": 0, "vm": 80 * MIB},
        "bootable": True,
        "cloud_init": True,
        "used_by": ["db", "web"],
    }
    assert show_images(faces) == [bare, both]
    assert show_images(faces, "other:1") == [both]
    assert show_images(faces, "half:1") == []


def test_what_instances_can_be_made_of_is_told_for_each_name_and_kind(tmp_path: Path) -> None:
    volumes, containers, boot = FakeVolumes(), FakeContainers(), BootFolder(str(tmp_path))
    volumes.create("img-1", MIB, [*image_tags("debian:13", ONE, ARCHIVE), "zonal.image=other:1"])
    boot.store("img-1", BootFiles(b"kernel", None, cloud_init=False))
    # One has lost its kernel, the other is not whole.
    volumes.create("img-2", MIB, image_tags("lost:1", TWO, OTHER))
    volumes.create("img-3.new", MIB, image_tags("half:1", TWO, OTHER))
    # The same content under one name of the two only.
    containers.import_image("archive", "other:1", labels(ONE, OTHER))
    assert show_faces(golden_faces(volumes, boot) + docker_faces(containers)) == [
        {"name": "debian:13", "kind": "vm", "digest": ONE, "sha256": [ARCHIVE]},
        {"name": "other:1", "kind": "container", "digest": ONE, "sha256": [OTHER]},
        {"name": "other:1", "kind": "vm", "digest": ONE, "sha256": [ARCHIVE]},
    ]


def test_a_host_without_engines_has_no_images(monkeypatch: pytest.MonkeyPatch) -> None:
    def command(argv: object, *, stdin: str | None = None, timeout: float = 120) -> str:
        raise EngineAbsent("run", "lvs", "the program lvs is not installed")

    containers = FakeContainers()
    containers.installed = False
    monkeypatch.setattr(image_info, "DockerEngine", lambda: containers)
    assert read_images({"name": None, "group": "zonal", "pool": "pool"}, command) == {"images": []}
