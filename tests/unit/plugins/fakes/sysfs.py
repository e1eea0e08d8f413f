# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Recorded trees of /sys, /proc, /etc and /boot of different hosts, as small builders."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

GIB = 1024**3
BOOT_ID = "4f2c7d0e-8d3a-4a5e-9d5f-0b8a6c1e2d3f"
CPU = "sys/devices/system/cpu"
NODE = "sys/devices/system/node"


def write_files(root: Path, files: Mapping[str, str]) -> Path:
    """Write files below ``root`` and return it."""
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


def machine(memory: int = 16 * GIB) -> dict[str, str]:
    """What every Linux has."""
    return {
        "proc/sys/kernel/random/boot_id": BOOT_ID + "\n",
        "proc/meminfo": f"MemTotal:       {memory // 1024} kB\nMemAvailable:   {memory // 2048} kB\nHugePages_Total:       0\n",
        "proc/cpuinfo": "processor\t: 0\nmodel name\t: Some CPU @ 2.60GHz\nflags\t\t: fpu vmx sse2\n\n",
        "etc/os-release": 'PRETTY_NAME="Debian GNU/Linux 13 (trixie)"\nID=debian\nVERSION_ID="13"\nVERSION_CODENAME=trixie\n',
    }


def user_mode_linux() -> dict[str, str]:
    """Almost no topology: recorded in a lab host (kernel 6.1)."""
    return {
        **machine(2 * GIB),
        "proc/cpuinfo": "processor\t: 0\nvendor_id\t: User Mode Linux\nmodel name\t: UML\nmode\t\t: skas\n\n",
        **cpu_files({0: (-1, 0, "0")}),
    }


def small_virtual_machine() -> dict[str, str]:
    """Two CPUs, one node."""
    return {
        **machine(),
        **cpu_files({0: (0, 0, "0"), 1: (0, 1, "1")}),
        **node_files({0: ("0-1", 16 * GIB)}),
    }


def two_sockets_with_smt() -> dict[str, str]:
    """Two sockets of two cores of two threads; siblings are numbered as Intel does; CPU 7 is offline."""
    cpus = {cpu: (cpu // 2 % 2, cpu % 2, f"{cpu % 4},{cpu % 4 + 4}") for cpu in range(7)}
    cpus[3] = (1, 1, "3")
    huge = "sys/kernel/mm/hugepages/hugepages-2048kB"
    return {
        **machine(64 * GIB),
        **cpu_files(cpus, offline="7", isolated="2,6"),
        **node_files({0: ("0-1,4-5", 32 * GIB), 1: ("2-3,6", 32 * GIB)}),
        f"{huge}/nr_hugepages": "512\n",
        f"{huge}/free_hugepages": "500\n",
    }


def memory_only_node() -> dict[str, str]:
    """A node without CPUs, as with CXL or persistent memory."""
    return {**small_virtual_machine(), **node_files({0: ("0-1", 16 * GIB), 2: ("", 64 * GIB)})}


def cpu_files(cpus: Mapping[int, Sequence[object]], offline: str = "", isolated: str = "") -> dict[str, str]:
    """Files of CPUs: number -> (package, core, siblings)."""
    files = {
        f"{CPU}/online": ",".join(map(str, cpus)) + "\n",
        f"{CPU}/offline": offline + "\n",
        f"{CPU}/isolated": isolated + "\n",
    }
    for cpu, values in cpus.items():
        for name, value in zip(("physical_package_id", "core_id", "thread_siblings_list"), values, strict=True):
            files[f"{CPU}/cpu{cpu}/topology/{name}"] = f"{value}\n"
    return files


def node_files(nodes: Mapping[int, tuple[str, int]]) -> dict[str, str]:
    """Files of NUMA nodes: number -> (CPU list, bytes of memory)."""
    files = {f"{NODE}/possible": "0-7\n"}
    for node, (cpus, memory) in nodes.items():
        files[f"{NODE}/node{node}/cpulist"] = cpus + "\n"
        files[f"{NODE}/node{node}/meminfo"] = f"Node {node} MemTotal:       {memory // 1024} kB\nNode {node} MemFree:  1 kB\n"
    return files
