# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""CPU sets: lists of the kernel, and which CPUs a container gets."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.zonal.cloud.plugins.module_utils._domain.cpus import choose_cpus, format_cpus, parse_cpus
from ansible_collections.zonal.cloud.plugins.module_utils._domain.errors import SpecError

TWO_NODES = [{0, 1, 2, 3}, {4, 5, 6, 7}]
Nodes = list[frozenset[int]]


@pytest.mark.parametrize(
    ("text", "cpus"),
    [("", set()), ("\n", set()), ("0", {0}), ("0-3\n", {0, 1, 2, 3}), ("0,2-3,8", {0, 2, 3, 8}), ("3-3", {3}), ("0-1,1-2", {0, 1, 2})],
)
def test_kernel_lists(text: str, cpus: set[int]) -> None:
    assert parse_cpus(text) == cpus


@given(st.frozensets(st.integers(0, 300)))
def test_round_trip(cpus: frozenset[int]) -> None:
    assert parse_cpus(format_cpus(cpus)) == cpus


@pytest.mark.parametrize(
    ("count", "used", "cpus"),
    [
        (1, [], "0"),
        (4, [], "0,1,2,3"),
        (2, [{0, 1}], "2,3"),
        (3, [{0, 1}], "4,5,6"),
        (4, [{0}], "4,5,6,7"),
        (2, [{0, 1}, {2, 3}, {4, 5}], "6,7"),
        (1, [{0, 1, 2, 3, 4, 5, 6, 7}], "0"),
        (5, [{0, 1}], "2,3,4,5,6"),
        (8, [{0}], "0,1,2,3,4,5,6,7"),
    ],
)
def test_choice(count: int, used: list[set[int]], cpus: str) -> None:
    assert format_cpus(choose_cpus(count, TWO_NODES, used)) == cpus


def test_more_than_there_are_is_refused() -> None:
    with pytest.raises(SpecError, match=r"^vcpus: 9 is more than the 8 CPUs of this host"):
        choose_cpus(9, TWO_NODES, [])


@st.composite
def hosts(draw: st.DrawFn) -> tuple[int, Nodes, Nodes]:
    """Return a count, the nodes of a host, and the CPU sets that its containers have."""
    sizes = draw(st.lists(st.integers(1, 6), min_size=1, max_size=4))
    numbers = iter(draw(st.permutations(range(sum(sizes)))))
    nodes = [frozenset(next(numbers) for _dummy in range(size)) for size in sizes]
    used = draw(st.lists(st.frozensets(st.integers(0, sum(sizes) - 1)), max_size=6))
    return draw(st.integers(1, sum(sizes))), nodes, used


@given(hosts())
def test_every_choice_is_a_good_one(host: tuple[int, Nodes, Nodes]) -> None:
    count, nodes, used = host
    chosen = choose_cpus(count, nodes, used)
    assert len(chosen) == count
    assert chosen <= frozenset().union(*nodes)
    fitting = [node for node in nodes if len(node) >= count]
    if fitting:
        assert any(chosen <= node for node in fitting), "it crosses nodes although it fits into one"
    load = Counter(cpu for cpus in used for cpu in cpus)
    for node in fitting or [frozenset().union(*nodes)]:
        least = sum(sorted(load[cpu] for cpu in node)[:count])
        assert sum(load[cpu] for cpu in chosen) <= least, "there are CPUs that are used less"


@given(hosts())
def test_the_order_of_containers_does_not_matter(host: tuple[int, Nodes, Nodes]) -> None:
    count, nodes, used = host
    assert choose_cpus(count, nodes, used) == choose_cpus(count, nodes, list(reversed(used)))
    assert choose_cpus(count, nodes, used) == choose_cpus(count, nodes, sorted(used, key=sorted))


# As kernels list them: the CPUs of each node, and what is online.
RECORDED = {
    "two sockets of eight cores with two threads": (["0-7,16-23", "8-15,24-31"], "0-31"),
    "two nodes without threads": (["0-3", "4-7"], "0-7"),
    "even and odd numbers": (["0,2,4,6,8,10,12,14", "1,3,5,7,9,11,13,15"], "0-15"),
    "four nodes with threads": (["0-3,16-19", "4-7,20-23", "8-11,24-27", "12-15,28-31"], "0-31"),
    "four nodes of which one has memory only": (["0-3", "4-7", "", "8-11"], "0-11"),
    "with offline ones": (["0-7", "8-15"], "0-4,8-15"),
    "two CPUs": (["0-1"], "0-1"),
}


@given(st.sampled_from(sorted(RECORDED)), st.lists(st.integers(1, 8), min_size=1, max_size=100))
def test_on_recorded_hosts_none_crosses_a_node_and_all_cpus_are_used_alike(host: str, wanted: list[int]) -> None:
    lists, online = RECORDED[host]
    nodes = [node for text in lists if (node := parse_cpus(text) & parse_cpus(online))]
    largest = max(map(len, nodes))
    given_away: list[frozenset[int]] = []
    for count in wanted:
        given_away.append(choose_cpus(min(count, largest), nodes, given_away))
        assert any(given_away[-1] <= node for node in nodes)
    load = Counter(cpu for cpus in given_away for cpu in cpus)
    for node in nodes:
        uses = [load[cpu] for cpu in node]
        assert max(uses) - min(uses) <= 1


def test_a_hundred_containers_of_four_cpus_share_32_cores_fairly() -> None:
    lists, online = RECORDED["two sockets of eight cores with two threads"]
    given_away: list[frozenset[int]] = []
    for _number in range(100):
        given_away.append(choose_cpus(4, [parse_cpus(text) for text in lists], given_away))
    load = Counter(cpu for cpus in given_away for cpu in cpus)
    assert set(load) == parse_cpus(online)
    assert set(load.values()) == {12, 13}
