# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: may change without notice.
"""What the kernel shows about bridges, disks, NUMA nodes and memory."""

from __future__ import annotations

import os
from glob import glob

from .._domain.cpus import parse_cpus
from .._domain.host import parse_meminfo


def is_bridge(name: str) -> bool:
    """Return whether ``name`` is a Linux bridge of this host."""
    return os.path.isdir(f"/sys/class/net/{name}/bridge")


def disk_under(path: str) -> str:
    """Return the whole block device that the file system of ``path`` lies on; empty when that is none, or nothing is there."""
    try:
        number = os.stat(path).st_dev
    except OSError:
        return ""
    folder = os.path.realpath(f"/sys/dev/block/{os.major(number)}:{os.minor(number)}")
    if os.path.exists(f"{folder}/partition"):
        folder = os.path.dirname(folder)
    return f"/dev/{os.path.basename(folder)}" if os.path.exists(folder) else ""


def numa_nodes() -> list[frozenset[int]]:
    """Return the CPUs of each NUMA node, in order; empty when the kernel shows no nodes."""
    nodes = []
    for path in sorted(glob("/sys/devices/system/node/node[0-9]*/cpulist")):
        with open(path, encoding="ascii") as handle:
            nodes.append(parse_cpus(handle.read()))
    return [cpus for cpus in nodes if cpus]


def cpu_nodes() -> list[frozenset[int]]:
    """Return the CPUs of each NUMA node; all of the host in one where the kernel shows no nodes."""
    return numa_nodes() or [frozenset(os.sched_getaffinity(0))]


def memory_total() -> int:
    """Return the bytes of memory that this host has."""
    return _meminfo()["MemTotal"]


def huge_memory() -> int:
    """Return the bytes of memory that this host keeps as huge pages, of whatever size, in use or not."""
    return _meminfo().get("Hugetlb", 0)


def pci_fault(address: str) -> str:
    """Return why no VM can have the PCI device of this host; empty when one can."""
    folder = f"/sys/bus/pci/devices/{address}"
    if not os.path.exists(folder):
        return "is no PCI device of this host"
    return "" if os.path.exists(f"{folder}/iommu_group") else "cannot be given to a VM, since this host has no IOMMU that is switched on"


def _meminfo() -> dict[str, int]:
    with open("/proc/meminfo", encoding="ascii") as handle:
        return parse_meminfo(handle.read())
