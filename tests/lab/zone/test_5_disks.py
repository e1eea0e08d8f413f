# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A data disk on real LVM: made with a VM, moved to a container with what the guest has written, grown there, and removed."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

from tests.lab.conftest import ENVIRONMENT, INVENTORY, ROOT

ADDRESS = "10.99.1.61"
_VM = {"zone": "lab", "tenant": "demo", "app": "disks", "kind": "vm", "image": "guest:1", "vcpus": 1, "memory": "128M", "address": ADDRESS}
_CONTAINER = {**_VM, "app": "files", "kind": "container", "address": "10.99.1.62"}
_NAME = "lab-files-001062"


def provision(lab: Any, tmp_path: Path, *instances: dict[str, Any]) -> None:
    declared = tmp_path / "instances.json"
    declared.write_text(json.dumps({"zonal_instances": instances}))
    lab.play("zonal.cloud.provision", "--limit", "h1", "-e", f"@{declared}")


def remove(disk: str) -> tuple[int, str]:
    """Remove a disk of the first host, and return the status and what was told."""
    command = ["ansible", "-i", str(INVENTORY), "h1", "-m", "zonal.cloud.disk", "-a", f"name={disk} state=absent"]
    done = subprocess.run(command, cwd=ROOT, env=ENVIRONMENT, capture_output=True, text=True, timeout=300, check=False)
    return done.returncode, done.stdout


def disk(size: str) -> list[dict[str, str]]:
    return [{"name": "files", "size": size, "mount": "/srv/files"}]


def test_a_disk_outlives_its_instances(lab: Any, tmp_path: Path) -> None:
    provision(lab, tmp_path, {**_VM, "disks": disk("64M")})
    written = "mount -t ext4 /dev/vdb /mnt && echo kept > /mnt/file && umount /mnt && cat /sys/block/vdb/serial"
    assert lab.login(ADDRESS, written).strip() == "files"

    # What goes goes first, so one run moves it; its file system grows before the container has it.
    provision(lab, tmp_path, {**_VM, "state": "absent"}, {**_CONTAINER, "disks": disk("128M")})
    look = f"docker exec {_NAME} sh -c 'cat /srv/files/file; df -Pm /srv/files | tail -1'"
    told = lab.on("h1", look).split()
    assert told[0] == "kept"
    assert int(told[2]) > 90

    # And this time while it is mounted.
    started = lab.on("h1", f"docker inspect {_NAME} --format '{{{{.State.StartedAt}}}}'")
    provision(lab, tmp_path, {**_CONTAINER, "disks": disk("256M")})
    assert int(lab.on("h1", look).split()[2]) > 200
    assert lab.on("h1", f"docker inspect {_NAME} --format '{{{{.State.StartedAt}}}}'") == started

    status, told = remove("files")
    assert status != 0
    assert f"the disk files belongs to {_NAME}" in told
    lab.play("zonal.cloud.retire", "--limit", "h1", "-e", json.dumps({"zonal_retire": [_NAME]}))
    assert "disk-files" in lab.on("h1", "lvs --noheadings -o lv_name zonal")
    assert remove("files")[0] == 0
    assert "disk-files" not in lab.on("h1", "lvs --noheadings -o lv_name zonal; docker volume ls --quiet")
