# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""CPUs, cores and nodes from the kernel's lists."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.zonal.cloud.plugins.module_utils._domain.topology import Core, CpuLists, CpuPlace, Node, build_topology

GIB = 1024**3


def cpus(*numbers: int) -> frozenset[int]:
    return frozenset(numbers)


STRANGE_LISTS = {
    "one": ("0", cpus(0)),
    "range": ("0-3", cpus(0, 1, 2, 3)),
    "ranges and single ones": ("0-3,8,10-11", cpus(0, 1, 2, 3, 8, 10, 11)),
    "overlap": ("0-2,1", cpus(0, 1, 2)),
    "line end": ("0-1\n", cpus(0, 1)),
    "only high numbers": ("64-65", cpus(64, 65)),
}
NOT_LISTS = {"words": "all", "hexadecimal": "0x3", "three ends": "0-1-2"}


@pytest.mark.parametrize(("text", "expected"), STRANGE_LISTS.values(), ids=STRANGE_LISTS.keys())
def test_lists_of_cpus(text: str, expected: frozenset[int]) -> None:
    assert build_topology(CpuLists(text), {}, {}, {}).online == expected


@pytest.mark.parametrize("text", NOT_LISTS.values(), ids=NOT_LISTS.keys())
def test_what_is_no_list_is_an_error(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        build_topology(CpuLists(text), {}, {}, {})


def test_without_any_file_each_cpu_is_a_core_on_node_0() -> None:
    topology = build_topology(CpuLists("0-1"), {}, {}, {0: GIB})
    assert topology.cores == (Core(0, 0, cpus(0)), Core(0, 0, cpus(1)))
    assert topology.nodes == (Node(0, cpus(0, 1), GIB),)
    assert (topology.packages, topology.threads_per_core) == (1, 1)


def test_siblings_share_a_core_and_offline_ones_are_left_out() -> None:
    places = {0: CpuPlace("0", "0,2"), 1: CpuPlace("1", "1,3"), 2: CpuPlace("0", "0,2")}
    topology = build_topology(CpuLists("0-2", "3", "1-3"), places, {0: "0,2", 1: "1,3"}, {0: GIB, 1: GIB})
    assert topology.cores == (Core(0, 0, cpus(0, 2)), Core(1, 1, cpus(1)))
    assert topology.nodes == (Node(0, cpus(0, 2), GIB), Node(1, cpus(1), GIB))
    assert (topology.offline, topology.isolated) == (cpus(3), cpus(1, 2))
    assert (topology.packages, topology.threads_per_core) == (2, 2)


def test_a_package_that_is_not_known_is_package_0() -> None:
    assert build_topology(CpuLists("0"), {0: CpuPlace("-1", "0")}, {}, {}).cores == (Core(0, 0, cpus(0)),)


def test_a_cpu_that_no_node_lists_belongs_to_the_first() -> None:
    nodes = build_topology(CpuLists("0-2"), {}, {1: "0", 3: "1"}, {}).nodes
    assert nodes == (Node(1, cpus(0, 2), 0), Node(3, cpus(1), 0))


def test_a_node_may_have_memory_only() -> None:
    nodes = build_topology(CpuLists("0"), {}, {0: "0", 1: ""}, {0: GIB, 1: 4 * GIB}).nodes
    assert nodes[1] == Node(1, cpus(), 4 * GIB)


@given(
    online=st.sets(st.integers(0, 63), min_size=1),
    owners=st.lists(st.sampled_from([0, 1, 2]), min_size=64, max_size=64),
)
def test_every_online_cpu_is_in_one_core_and_one_node(online: set[int], owners: list[int]) -> None:
    listed = {node: ",".join(str(cpu) for cpu in range(64) if owners[cpu] == node) for node in (0, 1)}
    topology = build_topology(CpuLists(",".join(map(str, sorted(online)))), {}, listed, {})
    assert sorted(cpu for core in topology.cores for cpu in core.cpus) == sorted(online)
    assert sorted(cpu for node in topology.nodes for cpu in node.cpus) == sorted(online)
