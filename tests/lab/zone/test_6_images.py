# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""With real LVM and QEMU: a further VM of an image costs no copy of it, and an image without a kernel boots one that is lent."""

from __future__ import annotations

import hashlib
import json
import tarfile
from pathlib import Path
from typing import Any

from ansible_collections.zonal.cloud.bench.images import measured

HOST, MIB = "h1", 600
BARE, ADDRESS = "bare:1", "10.99.1.36"


def test_a_root_disk_is_a_snapshot() -> None:
    told = measured(HOST, MIB, 1)
    image = told["image"]["mib"] * 1024**2
    took = {row["way"]: row["bytes"] for row in told["rows"]}
    assert took["converted_volume"] > 0.9 * image > MIB / 2 * 1024**2
    assert took["zonal_cloud"] < 0.01 * image


def test_an_image_without_a_kernel_boots_that_of_the_zone(lab: Any, tmp_path: Path) -> None:
    guest = json.loads(lab.cli("image", "--json"))
    bare = tmp_path / "bare.tgz"
    with tarfile.open(guest["path"]) as full, tarfile.open(bare, "w:gz") as rest:
        for entry in full:
            if entry.name.removeprefix("./").split("/")[0] != "boot":
                rest.addfile(entry, full.extractfile(entry) if entry.isreg() else None)
    images = [
        {"name": BARE, "src": str(bare), "sha256": hashlib.sha256(bare.read_bytes()).hexdigest()},
        {"name": "guest:1", "src": guest["path"], "sha256": guest["sha256"]},
    ]
    vm = {"zone": "lab", "tenant": "demo", "app": "bare", "kind": "vm", "image": BARE, "vcpus": 1, "memory": "128M", "address": ADDRESS}
    run = ["zonal.cloud.provision", "--limit", HOST, "-e", json.dumps({"zonal_images": images, "zonal_instances": [vm]})]
    refused = lab.start_play(*run).finish(status=2)
    assert f"the image {BARE} has no kernel" in " ".join(refused.split())
    lab.play(*run, "-e", "instances_kernel=guest:1")
    assert lab.login(ADDRESS, "ls /boot | wc -l; uname -s").split() == ["0", "Linux"]
    name = next(claim["name"] for claim in lab.claims() if claim["app"] == vm["app"])
    lab.play("zonal.cloud.retire", "--limit", HOST, "-e", json.dumps({"zonal_retire": [name]}))
