# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is said of a device, from recorded trees of /sys and /proc; real devices are tried in the lab."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from ansible_collections.zonal.cloud.plugins.module_utils._adapters import block
from ansible_collections.zonal.cloud.plugins.module_utils._adapters.block import BlockDevices, Mount, parse_mounts
from ansible_collections.zonal.cloud.plugins.module_utils._ports import EngineError

MOUNTINFO = """\
22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw
36 22 8:18 / /data\\040disk rw,noatime shared:9 master:2 - xfs /dev/sdb2 rw,prjquota
40 22 0:33 / /pool rw - btrfs /dev/sdd rw,space_cache
41 22 0:5 / /proc rw - proc proc rw
this is no line of mountinfo
"""
SWAPS = "Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n/dev/sdc                                partition\t999\t0\t-2\n"
NUMBERS = {"/dev/sda": "8:0", "/dev/sdb": "8:16", "/dev/sdc": "8:32", "/dev/sdd": "8:48", "/dev/sde": "8:64", "/dev/sdf": "8:80"}
USERS = {
    "/dev/sda": ("mounted on /",),
    "/dev/sdb": ("mounted on /data disk",),
    "/dev/sdc": ("swap on /dev/sdc",),
    "/dev/sdd": ("mounted on /pool",),
    "/dev/sde": ("held by vg0-root", "read-only"),
    "/dev/sdf": (),
}
PARTITIONS = {"/dev/sda": {"sda1": "8:1"}, "/dev/sdb": {"sdb1": "8:17", "sdb2": "8:18"}}
SIGNATURES = """{"signatures": [
  {"device": "sda", "type": "gpt"}, {"device": "sda", "type": "PMBR"}, {"device": "sda", "type": "gpt"},
  {"device": "sdd", "type": "btrfs"}]}"""


def answer(text: str) -> block.Command:
    def command(argv: Sequence[str], *, stdin: str | None = None, timeout: float = 120) -> str:
        return text

    return command


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A tree of /sys and /proc with six disks."""
    proc = tmp_path / "proc" / "self"
    proc.mkdir(parents=True)
    (proc / "mountinfo").write_text(MOUNTINFO)
    (tmp_path / "proc" / "swaps").write_text(SWAPS)
    numbers = tmp_path / "sys" / "dev" / "block"
    numbers.mkdir(parents=True)
    for path, number in NUMBERS.items():
        disk = tmp_path / "sys" / "devices" / Path(path).name
        (disk / "holders").mkdir(parents=True)
        (disk / "dev").write_text(f"{number}\n")
        (disk / "size").write_text("2048\n")
        (disk / "ro").write_text("1\n" if path == "/dev/sde" else "0\n")
        (numbers / number).symlink_to(disk)
        for name, part in PARTITIONS.get(path, {}).items():
            (disk / name / "holders").mkdir(parents=True)
            (disk / name / "dev").write_text(f"{part}\n")
            (disk / name / "partition").write_text("1\n")
    (tmp_path / "sys" / "devices" / "sde" / "holders" / "dm-0" / "dm").mkdir(parents=True)
    (tmp_path / "sys" / "devices" / "sde" / "holders" / "dm-0" / "dm" / "name").write_text("vg0-root\n")
    monkeypatch.setattr(block, "_problem", lambda name: "")
    monkeypatch.setattr(block, "_is_claimed", lambda path: False)
    monkeypatch.setattr(block, "device_number", NUMBERS.__getitem__)
    return tmp_path


def test_each_disk_names_its_users_signatures_and_size(root: Path) -> None:
    found = BlockDevices(answer(SIGNATURES), str(root)).inspect(list(NUMBERS))
    assert {device.path: device.users for device in found} == USERS
    assert {device.path: device.signatures for device in found if device.signatures} == {
        "/dev/sda": ("PMBR", "gpt"),
        "/dev/sdd": ("btrfs",),
    }
    assert {device.size for device in found} == {1024**2}
    assert {device.path: device.partitions for device in found if device.partitions} == {
        "/dev/sda": ("/dev/sda1",),
        "/dev/sdb": ("/dev/sdb1", "/dev/sdb2"),
    }


def test_a_device_that_only_the_kernel_knows_to_be_in_use(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(block, "_is_claimed", lambda path: True)
    [device] = BlockDevices(answer(""), str(root)).inspect(["/dev/sdf"])
    assert device.users == ("opened by the kernel or another program for itself",)


@pytest.mark.parametrize("text", ["{", "[]", '{"signatures": [{"device": "sdq", "type": "x"}]}', '{"signatures": [{}]}'])
def test_an_answer_that_is_none_is_an_error(root: Path, text: str) -> None:
    with pytest.raises(EngineError, match="Cannot read the signatures with wipefs"):
        BlockDevices(answer(text), str(root)).inspect(["/dev/sda"])


def test_what_is_no_block_device_is_not_looked_into(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    names = [str(tmp_path), str(tmp_path / "file"), str(tmp_path / "link"), str(tmp_path / "missing"), "/dev/null"]
    problems = [device.problem.split(";")[0] for device in BlockDevices(answer("")).inspect(names)]
    assert problems == [
        "is a directory, not a block device",
        "is a file, not a block device",
        "does not exist on this host (its link leads nowhere)",
        "does not exist on this host",
        "is a character device, not a block device",
    ]


def test_mounts() -> None:
    assert parse_mounts(MOUNTINFO) == [
        Mount("8:1", "/", "ext4", "/dev/sda1"),
        Mount("8:18", "/data disk", "xfs", "/dev/sdb2"),
        Mount("0:33", "/pool", "btrfs", "/dev/sdd"),
        Mount("0:5", "/proc", "proc", "proc"),
    ]
