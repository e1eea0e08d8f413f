# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: may change without notice.
"""What the kernel shows in sysfs about bridges, NUMA nodes and disks."""

from __future__ import annotations

import os
from glob import glob

from .._domain.cpus import parse_cpus


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
