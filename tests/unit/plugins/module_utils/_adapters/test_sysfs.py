# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Recorded trees of different hosts."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from ansible_collections.zonal.cloud.plugins.module_utils._adapters.sysfs import Sysfs
from ansible_collections.zonal.cloud.plugins.module_utils._domain.host import HugePages, Memory
from ansible_collections.zonal.cloud.plugins.module_utils._domain.topology import Core, Node, Topology
from ansible_collections.zonal.cloud.plugins.module_utils._ports import EngineError
from ansible_collections.zonal.cloud.tests.unit.plugins.fakes.sysfs import (
    BOOT_ID,
    GIB,
    machine,
    memory_only_node,
    node_files,
    small_virtual_machine,
    two_sockets_with_smt,
    user_mode_linux,
    write_files,
)


def cpus(*numbers: int) -> frozenset[int]:
    return frozenset(numbers)


ONE_CPU = (Core(0, 0, cpus(0)),)
TWO_CPUS = (Core(0, 0, cpus(0)), Core(0, 0, cpus(1)))
TOPOLOGIES = {
    "User-Mode Linux": (user_mode_linux(), Topology(ONE_CPU, (Node(0, cpus(0), 2 * GIB),))),
    "no CPU files": (machine(), Topology(ONE_CPU, (Node(0, cpus(0), 16 * GIB),))),
    "small virtual machine": (small_virtual_machine(), Topology(TWO_CPUS, (Node(0, cpus(0, 1), 16 * GIB),))),
    "memory-only node": (
        memory_only_node(),
        Topology(TWO_CPUS, (Node(0, cpus(0, 1), 16 * GIB), Node(2, cpus(), 64 * GIB))),
    ),
    "two sockets": (
        two_sockets_with_smt(),
        Topology(
            (Core(0, 0, cpus(0, 4)), Core(0, 0, cpus(1, 5)), Core(1, 1, cpus(2, 6)), Core(1, 1, cpus(3))),
            (Node(0, cpus(0, 1, 4, 5), 32 * GIB), Node(1, cpus(2, 3, 6), 32 * GIB)),
            offline=cpus(7),
            isolated=cpus(2, 6),
        ),
    ),
}


@pytest.mark.parametrize(("files", "expected"), TOPOLOGIES.values(), ids=TOPOLOGIES.keys())
def test_topology(tmp_path: Path, files: dict[str, str], expected: Topology) -> None:
    assert Sysfs(str(write_files(tmp_path, files))).topology() == expected


def test_an_only_node_has_all_memory(tmp_path: Path) -> None:
    files = {**small_virtual_machine(), **node_files({0: ("0-1", 5 * GIB)})}
    assert Sysfs(str(write_files(tmp_path, files))).topology().nodes == (Node(0, cpus(0, 1), 16 * GIB),)


def test_memory_with_huge_pages(tmp_path: Path) -> None:
    memory = Sysfs(str(write_files(tmp_path, two_sockets_with_smt()))).memory()
    assert memory == Memory(64 * GIB, 32 * GIB, (HugePages(2 * 1024**2, 512, 500),))


def test_identity(tmp_path: Path) -> None:
    identity = Sysfs(str(write_files(tmp_path, machine()))).identity()
    assert (identity.boot_id, identity.kernel, identity.release["codename"]) == (BOOT_ID, os.uname().release, "trixie")


def test_nonsense_is_an_error_that_names_the_place(tmp_path: Path) -> None:
    files = {**small_virtual_machine(), "sys/devices/system/cpu/online": "all of them"}
    with pytest.raises(EngineError, match="read the CPUs of this host in /sys/devices/system/cpu"):
        Sysfs(str(write_files(tmp_path, files))).topology()


def test_a_host_without_proc_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(EngineError, match="read the memory of this host"):
        Sysfs(str(tmp_path)).memory()
