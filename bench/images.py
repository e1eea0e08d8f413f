# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""How long the root disk of a VM takes and what it costs, beside the ways of playbooks that copy a cloud image.

python bench/images.py [HOST [MIB [RUNS]]]    on a host of the lab that runs (make demo): an image with MIB more than the lab's guest
(default h1, 400, 5). A table for people, then one JSON object as the last line. Each figure is the median of runs that take turns.
"""

from __future__ import annotations

import io
import json
import subprocess
import sys
import tarfile
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
PACKAGE = "ansible_collections/zonal/cloud"
SENT = ("plugins/module_utils", "tests/host_command.py", "bench/images_on_host.py")
WAYS = {
    "zonal_cloud": "`zonal.cloud.vm`: thin snapshot",
    "copied_file": "copy of a qcow2 file (`community.libvirt.virt` style)",
    "converted_volume": "thin volume and `qemu-img convert` (`community.general.lvol` style)",
    "overlay_file": "qcow2 overlay on a shared file",
}
SCRIPT = """
rm -rf /var/tmp/zonal-bench-code; mkdir /var/tmp/zonal-bench-code; cd /var/tmp/zonal-bench-code; tar xz
python3 -m ansible_collections.zonal.cloud.bench.images_on_host rootfs.tgz {mib} {runs}; code=$?
rm -rf /var/tmp/zonal-bench-code; exit $code
"""


def lab(*words: str, data: bytes | None = None) -> bytes:
    """Return what the lab's command line prints."""
    done = subprocess.run([ROOT / "lab" / "zonal-lab", *words], input=data, capture_output=True, check=False)
    if done.returncode != 0:
        sys.exit(f"lab/zonal-lab {words[0]} ended with {done.returncode}:\n{(done.stdout + done.stderr).decode()[-2000:]}")
    return done.stdout


def packed() -> bytes:
    """Return what the host needs, as one archive."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        for part in SENT:
            archive.add(ROOT / part, f"{PACKAGE}/{part}", filter=lambda entry: None if "__pycache__" in entry.name else entry)
        archive.add(json.loads(lab("image", "--json"))["path"], "rootfs.tgz")
    return buffer.getvalue()


def measured(host: str, mib: int, runs: int) -> dict[str, Any]:
    """Return what the part on the host prints."""
    told: dict[str, Any] = json.loads(lab("ssh", host, SCRIPT.format(mib=mib, runs=runs), data=packed()))
    return told


def show(told: dict[str, Any]) -> None:
    """Print the table."""
    rows = {row["way"]: row for row in told["rows"]}
    ours = rows["zonal_cloud"]
    print(f"An image of {told['image']['mib']} MiB, unpacked once on the host in {told['image']['unpacked_once_s']} s.\n")
    print("| root disk by | seconds | to ours | MiB written | of the image |")
    print("| --- | --- | --- | --- | --- |")
    for way, row in rows.items():
        mib = row["bytes"] / 1024**2
        share = mib / told["image"]["mib"]
        print(f"| {WAYS[way]} | {row['seconds']:.1f} | {row['seconds'] / ours['seconds']:.1f} | {mib:.1f} | {share:.1%} |")


def main() -> None:
    """Measure and print."""
    host, mib, runs = (*sys.argv[1:], *("h1", "400", "5")[len(sys.argv) - 1 :])
    told = measured(host, int(mib), int(runs))
    show(told)
    print(json.dumps(told))


if __name__ == "__main__":
    main()
