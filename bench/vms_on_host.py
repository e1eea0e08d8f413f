# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The part of bench/vms.py that runs on a host, on its Python and nothing else: libvirt's API and LVM's programs without any tool.

python3 - PHASE COUNT MEMORY GOLDEN    prints the seconds; MEMORY in bytes, GOLDEN is the volume that root disks are snapshots of
"""

from __future__ import annotations

import subprocess
import sys
import time

import libvirt

GROUP = "zonal"
XML = """
<domain type='qemu'><name>{name}</name><uuid>00000000-0000-4000-8000-{number:012d}</uuid><memory unit='b'>{memory}</memory><vcpu>1</vcpu>
<os><type arch='x86_64'>hvm</type></os><features><acpi/></features><devices>
<disk type='block' device='disk'><driver name='qemu' type='raw'/><source dev='/dev/zonal/{name}'/><target dev='vda' bus='virtio'/></disk>
<interface type='bridge'><source bridge='br0'/><model type='virtio'/></interface><console type='pty'/></devices></domain>
"""


def lvm(*argv: str) -> None:
    """Run one of LVM's programs."""
    subprocess.run(argv, check=True, stdout=subprocess.DEVNULL)


def main() -> None:
    """Do one phase for all VMs."""
    phase, count, memory, golden = sys.argv[1], int(sys.argv[2]), sys.argv[3], sys.argv[4]
    started = time.monotonic()
    connection = libvirt.open("qemu:///system")
    if phase == "nothing to do":
        lvm("lvs", "--reportformat", "json", GROUP)
    for number in range(count):
        name = f"bench-{number}"
        if phase == "make":
            lvm("lvcreate", "--quiet", "--setactivationskip", "n", "--snapshot", "--name", name, f"{GROUP}/{golden}")
        if phase in ("make", "change"):
            connection.defineXML(XML.format(name=name, number=number, memory=memory))
        elif phase == "remove":
            connection.lookupByName(name).undefine()
            lvm("lvremove", "--quiet", "--yes", f"{GROUP}/{name}")
        else:
            connection.lookupByName(name).XMLDesc()
    print(time.monotonic() - started)


if __name__ == "__main__":
    main()
