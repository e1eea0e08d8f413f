# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Guests' file systems on a lab host's kernel: hostile images harm nobody. Any lab host will do; it is left as it was."""

from __future__ import annotations

import io
import subprocess
import tarfile

import pytest

from ansible_collections.zonal.cloud.tests.unit.plugins.contracts.guest_disks import CONTRACT
from tests.lab.conftest import ROOT

HOST = "h1"
FOLDER = "/var/tmp/zonal-guest-disks"
PACKAGE = "ansible_collections/zonal/cloud"
CONTRACT_FILE = "tests/unit/plugins/contracts/guest_disks.py"
HOSTILE_FILES = [f"tests/unit/plugins/contracts/{name}.py" for name in ("archives", "hostile_headers", "hostile_images")]
SENT = ("plugins/module_utils", "tests/host_command.py", CONTRACT_FILE, *HOSTILE_FILES)
SCRIPT = f"""
rm -rf {FOLDER}; mkdir -p {FOLDER}/tree {FOLDER}/scratch
tar xz -C {FOLDER}/tree
truncate -s 64M {FOLDER}/scratch/disk
device=$(losetup --find --show {FOLDER}/scratch/disk)
cd {FOLDER}/tree && python3 -m {f"{PACKAGE}/{CONTRACT_FILE}".removesuffix(".py").replace("/", ".")} $device {FOLDER}/scratch
losetup --detach $device; rm -rf {FOLDER}
"""


def without_caches(entry: tarfile.TarInfo) -> tarfile.TarInfo | None:
    return None if "__pycache__" in entry.name else entry


@pytest.fixture(scope="module")
def told() -> str:
    """What the contract prints on the host."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        for part in SENT:
            archive.add(ROOT / part, f"{PACKAGE}/{part}", filter=without_caches)
    command = [str(ROOT / "lab" / "zonal-lab"), "ssh", HOST, SCRIPT]
    done = subprocess.run(command, input=buffer.getvalue(), capture_output=True, timeout=900, check=False)
    return done.stdout.decode() + done.stderr.decode()


@pytest.mark.parametrize("name", [check.__name__ for check in CONTRACT])
def test_contract(told: str, name: str) -> None:
    assert f"ok {name}\n" in told, told
