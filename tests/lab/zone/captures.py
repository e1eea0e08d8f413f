# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs on a lab host: what a VM holds that goes on, or a snapshot of it, is published, with LVM and libvirt and a store in memory.

python3 -m ansible_collections.zonal.cloud.tests.lab.zone.captures VM GROUP POOL PATH [SNAPSHOT]

It prints the content of the file PATH in the image.
"""

from __future__ import annotations

import io
import sys
import tarfile
import tempfile
from functools import partial

from ansible_collections.zonal.cloud.plugins.module_utils._adapters.guest_disks import MountedGuestDisks
from ansible_collections.zonal.cloud.plugins.module_utils._adapters.guest_release import released_after_us
from ansible_collections.zonal.cloud.plugins.module_utils._adapters.host_lock import host_lock
from ansible_collections.zonal.cloud.plugins.module_utils._adapters.libvirt_engine import LibvirtEngine
from ansible_collections.zonal.cloud.plugins.module_utils._adapters.lvm import LvmVolumes
from ansible_collections.zonal.cloud.plugins.module_utils._adapters.skopeo import LocalImages
from ansible_collections.zonal.cloud.plugins.module_utils._domain.image_policy import Policy
from ansible_collections.zonal.cloud.plugins.module_utils._domain.image_publish import PublishWish
from ansible_collections.zonal.cloud.plugins.module_utils._module.image_publish import ImagePublishResource
from ansible_collections.zonal.cloud.plugins.module_utils._module.image_source import Workshop
from ansible_collections.zonal.cloud.plugins.module_utils._module.instance_source import Engines, instance_source
from ansible_collections.zonal.cloud.plugins.module_utils._ports import Login
from ansible_collections.zonal.cloud.tests.host_command import run_command
from ansible_collections.zonal.cloud.tests.unit.plugins.fakes.containers import FakeContainers
from ansible_collections.zonal.cloud.tests.unit.plugins.fakes.copies import NO_COPIES
from ansible_collections.zonal.cloud.tests.unit.plugins.fakes.objects import FakeObjects


def main(vm: str, group: str, pool: str, path: str, snapshot: str = "") -> None:
    volumes, objects, containers = LvmVolumes(run_command, group, pool), FakeObjects(), FakeContainers()
    before = volumes.list()
    with tempfile.TemporaryDirectory(dir="/var/tmp") as folder:
        workshop = Workshop(folder, volumes, MountedGuestDisks(run_command), host_lock)
        release = partial(released_after_us, run_command)
        engines = Engines(containers, LocalImages(run_command), NO_COPIES, LibvirtEngine(), release)
        source = instance_source(vm, snapshot, Policy(), workshop, engines)
        resource = ImagePublishResource(PublishWish("captured:1", "images"), source, objects, containers, Login())
        with resource.fetched(resource.plan(resource.observe())) as told:
            for step in resource.plan(resource.observe()).steps:
                resource.apply(step)
    assert volumes.list() == before
    print("captured", told["captured"]["kind"], told["captured"]["consistent"], "because", told["captured"]["why"])
    (archive,) = (content for key, content in objects.content.items() if key.startswith("blobs/"))
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        file = tar.extractfile(next(name for name in tar.getnames() if name.removeprefix("./") == path))
        assert file is not None
        print("content", file.read().decode().strip())


if __name__ == "__main__":
    main(*sys.argv[1:])
