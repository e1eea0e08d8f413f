# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Copies of disks in a true store, by a Python that has boto3 (and no pytest); the secret key comes by standard input. The disks are files:

python3 -m ansible_collections.zonal.cloud.tests.integration.engines.disk_copies ENDPOINT CA_FILE BUCKET ACCESS_KEY FOLDER PREFIX
"""

from __future__ import annotations

import hashlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from ansible_collections.zonal.cloud.plugins.module_utils._adapters.s3 import S3Access, S3Objects
from ansible_collections.zonal.cloud.plugins.module_utils._domain.disk_copy import description_key, part_key, parts_of
from ansible_collections.zonal.cloud.plugins.module_utils._domain.disk_copy_plan import CopyWish
from ansible_collections.zonal.cloud.plugins.module_utils._domain.errors import RefusedError
from ansible_collections.zonal.cloud.plugins.module_utils._module import disk_copy
from ansible_collections.zonal.cloud.plugins.module_utils._module.disk_copy import DiskCopyResource
from ansible_collections.zonal.cloud.plugins.module_utils._ports_storage import Volumes
from ansible_collections.zonal.cloud.tests.integration.engines.file_disks import FileVolumes

MIB = 1024**2
SIZE, NOISE = 2048 * MIB, 200 * MIB


class KillingObjects(S3Objects):
    """Ends the process when it has stored a few objects."""

    def __init__(self, access: S3Access, bucket: str) -> None:
        super().__init__(access, bucket)
        self._left = 5

    def put(self, key: str, content: bytes) -> None:
        super().put(key, content)
        self._left -= 1
        if not self._left:
            os.kill(os.getpid(), signal.SIGKILL)


class Host:
    """A host with one disk, which is mostly holes and has an ext4 file system with incompressible and other files."""

    def __init__(self, access: S3Access, bucket: str, folder: Path, prefix: str) -> None:
        disk_copy.LOCKS = str(folder)
        self.volumes = FileVolumes(folder)
        self.access, self.bucket = access, bucket
        self.kind: type[S3Objects] = S3Objects
        self.volume = f"{prefix}disk"
        self.path = self.volumes.create(self.volume, SIZE, ["gold"]).path
        tree = folder / "tree"
        tree.mkdir()
        (tree / "noise").write_bytes(os.urandom(NOISE))
        (tree / "text").write_bytes(b"".join(b"line %d\n" % number for number in range(4_000_000)))
        subprocess.run(["mkfs.ext4", "-q", "-F", "-d", str(tree), self.path], check=True)

    def objects(self) -> S3Objects:
        return self.kind(self.access, self.bucket)

    def do(self, state: str = "present", name: str = "monday", volume: str = "") -> list[str]:
        """Do what the module does; print how long it took, and return its actions."""
        wish = CopyWish(state, name, volume or self.volume, self.volume, "zonal", "pool", self.bucket)
        began = time.monotonic()
        actions, moved = converge(wish, self.volumes, self.objects())
        print(f"{state} {name}: {actions} {moved}, {time.monotonic() - began:.1f} s")
        return actions


def converge(wish: CopyWish, volumes: Volumes, objects: S3Objects) -> tuple[list[str], object]:
    resource = DiskCopyResource(wish, volumes, objects)
    with resource.fetched(resource.plan(resource.observe())) as moved:
        plan = resource.plan(resource.observe())
        for step in plan.steps:
            resource.apply(step)
    return [step.action for step in plan.steps], moved


def digest_of(path: str) -> str:
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while part := file.read(MIB):
            digest.update(part)
    return digest.hexdigest()


def a_disk_goes_there_and_comes_back(host: Host) -> None:
    assert host.do() == ["store_copy"]
    assert host.do() == []
    stored = host.objects().list(parts_of(host.volume, "monday"))
    assert NOISE < sum(stored.values()) < NOISE + 60 * MIB, stored
    assert host.do("restored", volume="back") == ["restore_volume"]
    assert host.do("restored", volume="back") == []
    back = host.volumes.path("back")
    assert digest_of(back) == digest_of(host.path)
    assert os.stat(back).st_blocks <= os.stat(host.path).st_blocks * 1.1
    subprocess.run(["e2fsck", "-f", "-n", back], check=True, capture_output=True)


def a_run_that_was_killed_is_mended(host: Host) -> None:
    child = os.fork()
    if child == 0:
        host.kind = KillingObjects
        host.do(name="killed")
    assert os.waitpid(child, 0)[1] == signal.SIGKILL
    left = host.objects().list(parts_of(host.volume, "killed"))
    assert left
    assert host.objects().head(description_key(host.volume, "killed")) is None
    # A part that this disk does not have: what is left is not taken for the new copy's.
    host.objects().put(part_key(host.volume, "killed", 127), b"left")
    assert host.do(name="killed") == ["store_copy"]
    assert len(host.objects().list(parts_of(host.volume, "killed"))) == len(host.objects().list(parts_of(host.volume, "monday")))
    assert host.do("absent", "killed") == ["remove_copy"]
    assert host.objects().list(parts_of(host.volume, "killed")) == {}


def a_damaged_copy_leaves_nothing(host: Host) -> None:
    objects = host.objects()
    key = list(objects.list(parts_of(host.volume, "monday")))[-1]
    content = objects.read(key, 32 * MIB)
    assert content is not None
    for spoilt in (content[:-1] + b"\xff", None):
        if spoilt is None:
            objects.delete(key)
        else:
            objects.put(key, spoilt)
        try:
            host.do("restored", volume="bad")
        except RefusedError as error:
            print(error)
        else:
            raise AssertionError("a damaged copy was restored")
        assert sorted(volume.name for volume in host.volumes.list()) == sorted([host.volume, "back"])
    objects.put(key, content)
    assert host.do("restored", volume="good") == ["restore_volume"]


CHECKS = (a_disk_goes_there_and_comes_back, a_run_that_was_killed_is_mended, a_damaged_copy_leaves_nothing)


def main(endpoint: str, ca_file: str, bucket: str, access_key: str, folder: str, prefix: str) -> None:
    """Run the checks; the copy ``monday`` stays."""
    host = Host(S3Access(endpoint, access_key, sys.stdin.read(), ca_file, "us-east-1"), bucket, Path(folder), prefix)
    for check in CHECKS:
        check(host)
        print("ok", check.__name__)


if __name__ == "__main__":
    main(*sys.argv[1:])
