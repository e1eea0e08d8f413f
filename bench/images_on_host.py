# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The part of bench/images.py that runs on a host of a zone: makes root disks of one image in several ways and measures each.

python -m ...bench.images_on_host ROOTFS MIB RUNS    prints one JSON object; all that it makes is named bench-... and removed.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import random
import shutil
import sys
import tarfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import Any

from ansible_collections.zonal.cloud.plugins.module_utils._adapters.lvm import LvmVolumes
from ansible_collections.zonal.cloud.plugins.module_utils._domain.errors import ZonalError
from ansible_collections.zonal.cloud.plugins.module_utils._domain.names import volume_of
from ansible_collections.zonal.cloud.plugins.module_utils._domain.volume import find_golden
from ansible_collections.zonal.cloud.plugins.module_utils._module.image_download import build_image
from ansible_collections.zonal.cloud.plugins.module_utils._module.vm import build_vm
from ansible_collections.zonal.cloud.tests.host_command import run_command

GROUP, POOL, IMAGE, NAME = "zonal", "pool", "bench:1", "bench-disk"
FOLDER = Path("/var/tmp/zonal-bench")
COPY = FOLDER / f"{NAME}.qcow2"
CLOUD_IMAGE = FOLDER / "image.qcow2"
GROWN = 3 * 1024**3
_MIB = 1024**2
_IMAGE = {
    "name": IMAGE,
    "kinds": ["vm"],
    "digest": None,
    "kernel": None,
    "progress": 0,
    "max_size": "8G",
    "privileged_files": "usual",
    "group": GROUP,
    "pool": POOL,
}
_VM: dict[str, Any] = {
    "name": NAME,
    "rbd_pool": "none",
    "rbd_user": "none",
    "rbd_conf": "/etc/ceph/ceph.conf",
    "zone": "bench",
    "tenant": None,
    "app": None,
    "index": None,
    "image": IMAGE,
    "vcpus": 1,
    "memory": "128M",
    "disk": str(GROWN),
    "address": "10.99.250.1",
    "network": {"bridge": "br0", "cidr": "10.99.0.0/16", "gateway": "10.99.0.1", "dns": []},
    "hostname": None,
    "ssh_keys": [],
    "autostart": False,
    "allow": [],
    "restart": False,
    "stop_timeout": 1,
    "group": GROUP,
    "pool": POOL,
    "domain_type": "qemu",
}


def converge(resource: Any) -> None:
    """Do what the resource's module would do."""
    for step in resource.plan(resource.observe()).steps:
        resource.apply(step)


def larger(rootfs: Path, mib: int) -> tuple[Path, str]:
    """Return the archive of a root file system with ``mib`` MiB more that nothing can compress, and its sha256."""
    made = FOLDER / "rootfs.tar"
    filling = random.Random(0)
    with tarfile.open(rootfs) as source, tarfile.open(made, "w", format=tarfile.PAX_FORMAT) as target:
        for entry in source:
            target.addfile(entry, source.extractfile(entry) if entry.isreg() else None)
        for number in range(mib):
            entry = tarfile.TarInfo(f"opt/bench/{number}")
            entry.size = _MIB
            target.addfile(entry, io.BytesIO(filling.randbytes(_MIB)))
    with made.open("rb") as file:
        digest = hashlib.sha256()
        for part in iter(lambda: file.read(_MIB), b""):
            digest.update(part)
    return made, digest.hexdigest()


def taken() -> int:
    """Return the bytes that hold data in the pool and in the folder, written through."""
    os.sync()
    pool = json.loads(
        run_command(["lvs", "--reportformat", "json", "--units", "b", "--nosuffix", "-o", "lv_size,data_percent", f"{GROUP}/{POOL}"])
    )
    [row] = pool["report"][0]["lv"]
    files = sum(path.stat().st_blocks * 512 for path in FOLDER.iterdir())
    return files + int(int(row["lv_size"]) * float(row["data_percent"]) / 100)


def zonal_cloud() -> None:
    """The whole module ``vm`` but the start: snapshot, size, file system grown, hostname, address and keys written, domain defined."""
    converge(build_vm({**_VM, "state": "stopped"}, run_command))


def copied_file() -> None:
    """What playbooks with community.libvirt.virt do: a copy of the cloud image and its new size."""
    run_command(["cp", "--reflink=auto", "--sparse=auto", str(CLOUD_IMAGE), str(COPY)])
    run_command(["qemu-img", "resize", "-q", str(COPY), str(GROWN)])


def converted_volume() -> None:
    """What playbooks with community.general.lvol do: a thin volume, and the cloud image written to it."""
    run_command(["lvcreate", "-q", "-y", "--thin", "--virtualsize", f"{GROWN}b", "--name", NAME, f"{GROUP}/{POOL}"])
    run_command(["qemu-img", "convert", "-n", "-O", "raw", str(CLOUD_IMAGE), f"/dev/{GROUP}/{NAME}"], timeout=600)


def overlay_file() -> None:
    """A qcow2 file that has the cloud image below it: as cheap to make, and every read goes through it for ever."""
    run_command(["qemu-img", "create", "-q", "-f", "qcow2", "-b", str(CLOUD_IMAGE), "-F", "qcow2", str(COPY), str(GROWN)])


def forget() -> None:
    """Remove what one way has made."""
    converge(build_vm({**_VM, "state": "absent"}, run_command))
    for volume in (NAME, volume_of(NAME)):
        LvmVolumes(run_command, GROUP, POOL).remove(volume)
    COPY.unlink(missing_ok=True)


@contextmanager
def image(rootfs: Path, mib: int) -> Iterator[dict[str, Any]]:
    """Make the image, and a cloud image of the same file system; yield what the image cost."""
    shutil.rmtree(FOLDER, ignore_errors=True)
    FOLDER.mkdir(mode=0o755)
    archive, sha256 = larger(rootfs, mib)
    wanted = {**_IMAGE, "src": str(archive), "sha256": sha256}
    try:
        forget()
        begin = time.monotonic()
        converge(build_image({**wanted, "state": "present"}, run_command))
        seconds = time.monotonic() - begin
        archive.unlink()
        golden = find_golden(LvmVolumes(run_command, GROUP, POOL).list(), IMAGE)
        assert golden is not None
        run_command(["qemu-img", "convert", "-O", "qcow2", golden.path, str(CLOUD_IMAGE)], timeout=600)
        yield {"mib": CLOUD_IMAGE.stat().st_size // _MIB, "unpacked_once_s": round(seconds, 1)}
    finally:
        forget()
        converge(build_image({**wanted, "state": "absent"}, run_command))
        shutil.rmtree(FOLDER)


def measure(way: Callable[[], None]) -> tuple[float, int]:
    """Return the seconds that one disk takes, written through, and the bytes that it adds."""
    before, begin = taken(), time.monotonic()
    way()
    os.sync()
    seconds, after = time.monotonic() - begin, taken()
    forget()
    return seconds, after - before


def main() -> None:
    """Measure all ways in turns."""
    rootfs, mib, runs = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
    ways = (zonal_cloud, copied_file, converted_volume, overlay_file)
    with image(rootfs, mib) as made:
        rounds = [[measure(way) for way in ways] for _run in range(runs)]
    rows = [
        {"way": way.__name__, "seconds": round(median(run[0] for run in took), 2), "bytes": int(median(run[1] for run in took))}
        for way, took in zip(ways, zip(*rounds, strict=True), strict=True)
    ]
    print(json.dumps({"image": made, "rows": rows}))


if __name__ == "__main__":
    try:
        main()
    except ZonalError as error:
        sys.exit(str(error))
