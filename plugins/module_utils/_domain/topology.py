# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: may change without notice.
"""CPUs, cores, sockets and NUMA nodes of a host, from the words of the kernel's sysfs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from .cpus import parse_cpus


@dataclass(frozen=True)
class Core:
    """The online CPUs (hardware threads) that share one core; where the core is."""

    package: int
    node: int
    cpus: frozenset[int]


@dataclass(frozen=True)
class Node:
    """A NUMA node. It may have no CPUs (memory only) or no memory; ``memory`` is in bytes."""

    number: int
    cpus: frozenset[int]
    memory: int


@dataclass(frozen=True)
class Topology:
    """Online CPUs by core and node; CPUs that are offline; CPUs that the kernel keeps away from its scheduler."""

    cores: tuple[Core, ...]
    nodes: tuple[Node, ...]
    offline: frozenset[int] = frozenset()
    isolated: frozenset[int] = frozenset()

    @property
    def online(self) -> frozenset[int]:
        return frozenset().union(*(core.cpus for core in self.cores))

    @property
    def packages(self) -> int:
        return len({core.package for core in self.cores})

    @property
    def threads_per_core(self) -> int:
        return max((len(core.cpus) for core in self.cores), default=0)


@dataclass(frozen=True)
class CpuLists:
    """Lists such as ``0-3,8`` from /sys/devices/system/cpu; empty text where the kernel has no such file."""

    online: str
    offline: str = ""
    isolated: str = ""


@dataclass(frozen=True)
class CpuPlace:
    """Files of cpuN/topology; empty text where the kernel has no such file."""

    package: str = ""
    siblings: str = ""


def build_topology(
    lists: CpuLists, places: Mapping[int, CpuPlace], node_cpus: Mapping[int, str], node_memory: Mapping[int, int]
) -> Topology:
    """Return the topology; ValueError when a text is not what the kernel writes.

    Without any NUMA node there is one node 0 with all CPUs and ``node_memory[0]``. A CPU without a place is a core of its own in
    package 0; a CPU that no node lists belongs to the first node.
    """
    online = parse_cpus(lists.online)
    listed = {number: parse_cpus(text) & online for number, text in node_cpus.items()} or {0: online}
    first = min(listed)
    lost = online.difference(*listed.values())
    members = {number: cpus | lost if number == first else cpus for number, cpus in listed.items()}
    nodes = tuple(Node(number, members[number], node_memory.get(number, 0)) for number in sorted(members))
    node_of = {cpu: node.number for node in nodes for cpu in node.cpus}
    cores = {_core(cpu, places.get(cpu, CpuPlace()), online, node_of[cpu]) for cpu in online}
    return Topology(
        cores=tuple(sorted(cores, key=lambda core: min(core.cpus))),
        nodes=nodes,
        offline=parse_cpus(lists.offline),
        isolated=parse_cpus(lists.isolated) & online,
    )


def _core(cpu: int, place: CpuPlace, online: frozenset[int], node: int) -> Core:
    # Some virtual machines report package -1: not known.
    package = max(0, int(place.package or 0))
    return Core(package, node, (parse_cpus(place.siblings) & online) | {cpu})
