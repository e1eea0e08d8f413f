# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is declared is what becomes of a zone, and what is wrong changes nothing."""

from __future__ import annotations

import hashlib
import json
import re
import subprocess
import tarfile
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tests.lab.conftest import ENVIRONMENT, INVENTORY, ROOT

BARE = "bare:1"

_WEB = {"zone": "lab", "tenant": "demo", "app": "extra", "kind": "container", "image": "guest:1", "vcpus": 1, "memory": "64M"}
_DB = {**_WEB, "kind": "vm", "memory": "128M"}


def provision(lab: Any, tmp_path: Path, *extra: dict[str, Any], **more: Any) -> str:
    """Provision only the given instances, on the first host."""
    return str(lab.play("zonal.cloud.provision", "--limit", "h1", "-e", f"@{_write(tmp_path, list(extra), **more)}"))


def refuse(lab: Any, tmp_path: Path, *extra: dict[str, Any]) -> str:
    """Provision what must be refused and return the output."""
    run = lab.start_play("zonal.cloud.provision", "--limit", "h1", "-e", f"@{_write(tmp_path, list(extra))}")
    output = str(run.finish(300, status=2))
    assert "Traceback" not in output
    assert re.search(r"changed=0", output), output
    return output


def _write(tmp_path: Path, instances: list[dict[str, Any]], **more: Any) -> Path:
    declared = tmp_path / "instances.json"
    declared.write_text(json.dumps({"zonal_instances": instances, **more}))
    return declared


def without_a_kernel(lab: Any, tmp_path: Path) -> dict[str, Any]:
    """Return what declares the guest image, and one like it without a kernel, for which that of the other is lent."""
    guest = json.loads(lab.cli("image", "--json"))
    bare = tmp_path / "bare.tgz"
    with tarfile.open(guest["path"]) as full, tarfile.open(bare, "w:gz") as rest:
        for entry in full:
            if entry.name.removeprefix("./").split("/")[0] != "boot":
                rest.addfile(entry, full.extractfile(entry) if entry.isreg() else None)
    images = [
        {"name": "guest:1", "src": guest["path"], "sha256": guest["sha256"]},
        {"name": BARE, "src": str(bare), "sha256": hashlib.sha256(bare.read_bytes()).hexdigest(), "kernel": "guest:1"},
    ]
    return {"zonal_images": images}


def remove_disk(name: str) -> tuple[int, str]:
    """Remove a disk of the first host, and return the status and what was told."""
    command = ["ansible", "-i", str(INVENTORY), "h1", "-m", "zonal.cloud.disk", "-a", f"name={name} state=absent"]
    done = subprocess.run(command, cwd=ROOT, env=ENVIRONMENT, capture_output=True, text=True, timeout=300, check=False)
    return done.returncode, done.stdout


def test_both_kinds_live_change_and_go(lab: Any, tmp_path: Path) -> None:
    """The VM's image has no kernel, and its data disk is moved to a container with what the guest has written, and grows there."""
    container = {**_WEB, "address": "10.99.1.31"}
    vm = {**_DB, "app": "more", "image": BARE, "address": "10.99.1.32", "disk": "300M", "disks": [_files("64M")]}
    images = without_a_kernel(lab, tmp_path)
    provision(lab, tmp_path, container, vm, **images)
    for one in (container, vm):
        lab.eventually(partial(lab.answers, one["address"]), f"the new {one['kind']} answers")
    is_made_without_a_copy(lab, "vm-lab-more-001032")
    look = "ls /boot | wc -l; uname -s; df -m / | tail -1 | awk '{print $2}'; cat /proc/sys/kernel/random/boot_id"
    kernels, system, size, boot = lab.login("10.99.1.32", look).split()
    assert (kernels, system) == ("0", "Linux")
    assert int(size) > 200
    written = "mount -t ext4 /dev/vdb /mnt && echo kept > /mnt/file && umount /mnt && cat /sys/block/vdb/serial"
    assert lab.login("10.99.1.32", written).strip() == "files"
    limits = "docker inspect lab-extra-001031 --format '{{.State.StartedAt}} {{.HostConfig.Memory}} {{.HostConfig.MemorySwap}}'"
    started = lab.on("h1", limits).split()[0]

    changed = {**container, "memory": "80M"}, {**vm, "memory": "160M"}
    told = provision(lab, tmp_path, *changed, **images)
    assert lab.on("h1", limits).split() == [started, str(80 * 1024**2), str(80 * 1024**2)]
    assert "memory takes effect at a restart, which must be allowed" in " ".join(told.split())
    assert lab.login("10.99.1.32", "cat /proc/sys/kernel/random/boot_id").strip() == boot
    assert "changed=0" in provision(lab, tmp_path, *changed, **images)

    # What goes goes first, so one run moves the disk; its file system grows before the container, which is made anew for it, has it.
    moved = {**changed[0], "disks": [_files("128M")]}
    provision(lab, tmp_path, moved, {**vm, "state": "absent"}, instances_allow=["recreate"], **images)
    look = "docker exec lab-extra-001031 sh -c 'cat /srv/files/file; df -Pm /srv/files | tail -1'"
    told = lab.on("h1", look).split()
    assert told[0] == "kept"
    assert int(told[2]) > 90
    # And this time while it is mounted.
    started = lab.on("h1", limits).split()[0]
    assert lab.module("h1", "zonal.cloud.disk", name="files", size="256M")["changed"]
    assert int(lab.on("h1", look).split()[2]) > 200
    assert lab.on("h1", limits).split()[0] == started

    status, told = remove_disk("files")
    assert status != 0
    assert "the disk files belongs to lab-extra-001031" in told
    lab.play("zonal.cloud.retire", "--limit", "h1", "-e", '{"zonal_retire": ["lab-extra-001031"]}')
    assert not lab.answers("10.99.1.31")
    left = lab.on("h1", "docker ps --all; lvs zonal; virsh list --all")
    assert re.findall(r"lab-extra-001031|lab-more-001032|disk-files", left) == ["disk-files"]
    assert remove_disk("files")[0] == 0
    assert "disk-files" not in lab.on("h1", "lvs --noheadings -o lv_name zonal; docker volume ls --quiet")


def _files(size: str) -> dict[str, str]:
    return {"name": "files", "size": size, "mount": "/srv/files"}


def is_made_without_a_copy(lab: Any, name: str) -> None:
    rows = json.loads(lab.on("h1", "lvs --reportformat json --units m --nosuffix -o lv_name,origin,lv_size,lv_tags zonal"))
    volume = next(row for row in rows["report"][0]["lv"] if row["lv_name"] == name)
    assert volume["origin"].startswith("img-")
    assert float(volume["lv_size"]) == 300
    assert f"zonal.instance={name.removeprefix('vm-')}" in volume["lv_tags"]


def _at(tail: str) -> dict[str, Any]:
    return {**_WEB, "address": f"10.99.1.{tail}"}


# Those that need no host are in tests/integration/engines/test_playbooks.py.
_MISTAKES = {
    "all at once": (
        [
            _at("40") | {"memory": "4 apples"},
            {**_at("41"), "app": "more", "name": "a;reboot"},
            {**_DB, "address": "10.99.1.41", "app": "xml", "name": "<a>&amp;"},
        ],
        ["memory: '4 apples' is not a size", "name: 'a;reboot' is not a valid name", "name: '<a>&amp;' is not a valid name"],
    ),
    "address of a neighbour": (
        [{**_WEB, "address": "10.99.1.13", "name": "thief"}],
        ["lab-web-001013 with 10.99.1.13 belongs to web (container) of demo"],
    ),
    "no such room": ([{**_DB, "address": "10.99.1.41", "disk": "900G"}], ["too little pool space left (900G wanted"]),
}


@pytest.mark.parametrize("mistake", _MISTAKES)
def test_a_mistake_ends_in_one_message_and_changes_nothing(lab: Any, tmp_path: Path, mistake: str) -> None:
    instances, messages = _MISTAKES[mistake]
    state = "lvs --noheadings -o lv_name zonal; virsh list --all --name; docker ps --all --quiet"
    before = lab.on("h1", state)
    told = " ".join(refuse(lab, tmp_path, *instances).split())
    assert [message for message in messages if message not in told] == []
    assert lab.on("h1", state) == before


def test_what_somebody_else_made_is_not_touched(lab: Any, tmp_path: Path) -> None:
    lab.on("h1", "docker create --name lab-extra-001033 --network none guest:1")
    try:
        run = lab.start_play("zonal.cloud.provision", "--limit", "h1", "-e", f"@{_write(tmp_path, [{**_WEB, 'address': '10.99.1.33'}])}")
        assert "zonal.cloud did not make" in " ".join(run.finish(300, status=2).split())
        assert "lab-extra-001033" in lab.on("h1", "docker ps --all")
    finally:
        lab.on("h1", "docker rm lab-extra-001033")
        lab.play("zonal.cloud.retire", "--limit", "h1", "-e", '{"zonal_retire": ["lab-extra-001033"]}')
