# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs on a lab host: the disk of somebody who keeps writing is copied and brought back, with LVM and a store in memory.

python3 -m ansible_collections.zonal.cloud.tests.lab.zone.disk_copies GROUP POOL
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ansible_collections.zonal.cloud.plugins.module_utils._adapters.lvm import LvmVolumes
from ansible_collections.zonal.cloud.plugins.module_utils._domain.disk_copy_plan import CopyWish
from ansible_collections.zonal.cloud.plugins.module_utils._domain.errors import RefusedError
from ansible_collections.zonal.cloud.plugins.module_utils._module.disk_copy import DiskCopyResource
from ansible_collections.zonal.cloud.tests.host_command import run_command
from ansible_collections.zonal.cloud.tests.unit.plugins.fakes.objects import FakeObjects

MIB = 1024**2
DISK = "copies-disk"


class Writer:
    """Writes numbered files, each whole on the disk before the next, until it is told to end."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.written = 0
        self._ends = threading.Event()
        self._thread = threading.Thread(target=self._write)

    def _write(self) -> None:
        while not self._ends.is_set():
            with open(self.folder / str(self.written), "w") as file:
                file.write(str(self.written) * 1000)
                file.flush()
                os.fsync(file.fileno())
            self.written += 1

    def __enter__(self) -> Writer:
        self._thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._ends.set()
        self._thread.join()


@contextmanager
def mounted(device: str, folder: Path) -> Iterator[None]:
    subprocess.run(["mount", device, str(folder)], check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", str(folder)], check=True)


def main(group: str, pool: str) -> None:
    volumes, objects, mount = LvmVolumes(run_command, group, pool), FakeObjects(), Path(tempfile.mkdtemp())

    def converge(state: str, *, overwrite: bool = False) -> list[str]:
        wish = CopyWish(state, "monday", DISK, DISK, group, pool, "copies", overwrite)
        resource = DiskCopyResource(wish, volumes, objects)
        with resource.fetched(resource.plan(resource.observe())):
            plan = resource.plan(resource.observe())
            for step in plan.steps:
                resource.apply(step)
        assert [volume.name for volume in volumes.list() if volume.name.endswith(".new")] == []
        return [step.action for step in plan.steps]

    device = volumes.create(DISK, 256 * MIB, ["gold"]).path
    try:
        subprocess.run(["mkfs.ext4", "-q", device], check=True)
        with mounted(device, mount), Writer(mount) as writer:
            while writer.written < 20:
                time.sleep(0.1)
            before = writer.written
            assert converge("present") == ["store_copy"]
            assert writer.written > before, "it could write meanwhile"
            told = ""
            try:
                converge("restored", overwrite=True)
            except RefusedError as error:
                told = str(error)
            assert "is in use" in told, "a mounted disk is not overwritten"
        print("ok a mounted disk is copied, and not overwritten")
        assert converge("restored", overwrite=True) == ["restore_volume"]
        assert converge("restored") == []
        subprocess.run(["e2fsck", "-f", "-p", device], check=False, capture_output=True)
        subprocess.run(["e2fsck", "-f", "-n", device], check=True, capture_output=True)
        with mounted(device, mount):
            for number in range(before):
                assert (mount / str(number)).read_text() == str(number) * 1000, number
        found = volumes.find(DISK)
        assert found is not None
        assert found.size == 256 * MIB
        assert "gold" in found.tags
        used = run_command(["lvs", "--noheadings", "--options", "data_percent", f"{group}/{DISK}"])
        assert float(used) < 30, used
        print(f"ok all that was written before is there again, in {used.strip()} percent of its size")
    finally:
        mount.rmdir()
        volumes.remove(DISK)


if __name__ == "__main__":
    main(*sys.argv[1:])
