# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The clean-up against fakes: only what nothing uses goes, and a run that is cut off anywhere is mended by the next one."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.zonal.cloud.plugins.module_utils._adapters.boot_files import BootFolder
from ansible_collections.zonal.cloud.plugins.module_utils._domain.errors import SpecError
from ansible_collections.zonal.cloud.plugins.module_utils._domain.names import PUBLISHED_ON
from ansible_collections.zonal.cloud.plugins.module_utils._domain.volume import image_tags, instance_tags
from ansible_collections.zonal.cloud.plugins.module_utils._module.image_cleanup import (
    ImageCleanupResource,
    build_image_cleanup,
)
from ansible_collections.zonal.cloud.plugins.module_utils._ports import StoredImage
from ansible_collections.zonal.cloud.plugins.module_utils._ports_storage import BootFiles
from ansible_collections.zonal.cloud.tests.host_command import run_command
from ansible_collections.zonal.cloud.tests.unit.plugins.fakes.containers import FakeContainers
from ansible_collections.zonal.cloud.tests.unit.plugins.fakes.fuse import (
    BOOT_CHANGES,
    CONTAINER_CHANGES,
    VOLUME_CHANGES,
    Fuse,
    PowerCut,
)
from ansible_collections.zonal.cloud.tests.unit.plugins.fakes.instances import converge
from ansible_collections.zonal.cloud.tests.unit.plugins.fakes.volumes import FakeVolumes

OLD, NEW, USED = "1" * 64, "2" * 64, "3" * 64


class Host:
    """An image that is kept, one that is not, and one that is in use; each for both kinds."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir()
        self.containers = FakeContainers()
        self.volumes = FakeVolumes()
        self.boot = BootFolder(str(folder))
        for name, digest in (("old:1", OLD), ("new:1", NEW), ("used:1", USED)):
            volume = self.volumes.create(f"img-{digest[:12]}", 1, image_tags(name, digest, digest))
            self.boot.store(volume.name, BootFiles(b"kernel", None, cloud_init=False))
            self.containers.import_image("archive", name, {"cloud.zonal.digest": digest})
        self.volumes.create("vm-web", 1, instance_tags("web", volume))
        self.volumes.create("docker", 1, [])
        self.containers.create("db", {"Image": "used:1"})
        self.containers.import_image("archive", "foreign:1", {})
        self.publishing = False
        self.containers.nameless.append(StoredImage((), {"cloud.zonal.digest": OLD}, 1, ()))

    def resource(self, *keep: str, fuse: Fuse | None = None) -> ImageCleanupResource:
        fuse = fuse or Fuse(-1)
        guarded = (fuse.guard(self.containers, *CONTAINER_CHANGES), fuse.guard(self.volumes, *VOLUME_CHANGES))
        return ImageCleanupResource(keep, *guarded, fuse.guard(self.boot, *BOOT_CHANGES), lambda: self.publishing)

    def left(self) -> Any:
        return [volume.name for volume in self.volumes.list()], sorted(os.listdir(self.folder)), self.containers.images()


def test_what_nothing_uses_goes(tmp_path: Path) -> None:
    host = Host(tmp_path / "boot")
    assert converge(host.resource("new:1")) == ["remove_container", "remove_container", "remove_vm"]
    volumes, files, images = host.left()
    assert sorted(volumes) == ["docker", f"img-{NEW[:12]}", f"img-{USED[:12]}", "vm-web"]
    assert files == [f"zonal-img-{digest[:12]}" for digest in (NEW, USED)]
    assert [image.names for image in images] == [("new:1",), ("used:1",)]
    assert host.containers.image_labels("foreign:1") == {}
    resource = host.resource("new:1")
    assert [image["names"] for image in resource.report(resource.observe())["images"]] == [["new:1"], ["used:1"]]
    assert converge(resource) == []


def test_a_run_that_is_cut_off_anywhere_is_mended_by_the_next_one(tmp_path: Path) -> None:
    whole = Host(tmp_path / "whole")
    converge(whole.resource())
    calls = 0
    while True:
        host, fuse = Host(tmp_path / str(calls)), Fuse(calls)
        try:
            converge(host.resource(fuse=fuse))
        except PowerCut:
            converge(host.resource())
        assert host.left() == whole.left(), f"after {fuse.passed}"
        if not fuse.blown:
            break
        calls += 1
    assert calls > 6


def test_what_a_publish_that_was_killed_has_left_goes_unless_somebody_publishes(tmp_path: Path) -> None:
    host = Host(tmp_path / "boot")
    keep = ("old:1", "new:1", "used:1")
    converge(host.resource(*keep))
    host.volumes.clone("vm-web", PUBLISHED_ON, ())
    host.publishing = True
    assert converge(host.resource(*keep)) == []
    resource = host.resource(*keep)
    host.publishing = False
    steps = resource.plan(resource.observe()).steps
    assert [(step.action, step.target) for step in steps] == [("remove_unfinished", PUBLISHED_ON)]
    host.publishing = True
    resource.apply(steps[0])
    assert PUBLISHED_ON in host.left()[0]
    host.publishing = False
    assert converge(host.resource(*keep)) == ["remove_unfinished"]
    assert PUBLISHED_ON not in host.left()[0]


@pytest.mark.parametrize("absent", ["containers", "volumes"])
def test_an_engine_that_is_not_there_has_no_images(tmp_path: Path, absent: str) -> None:
    host = Host(tmp_path / "boot")
    getattr(host, absent).installed = False
    assert set(converge(host.resource())) == {"remove_vm" if absent == "containers" else "remove_container"}


def test_names_are_checked() -> None:
    with pytest.raises(SpecError, match=r"^keep\[1\]: 'debian' is not an image"):
        build_image_cleanup({"keep": ["debian:13", "debian"], "group": "zonal", "pool": "pool"}, run_command)
