# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: may change without notice.
"""CPU sets: reading and writing them, and choosing one for a container, or for a VM of pinned CPUs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Sequence

from .errors import SpecError


def parse_cpus(text: str) -> frozenset[int]:
    """Return the CPU numbers of a kernel list such as ``0-3,8``; the empty set for empty text."""
    numbers: set[int] = set()
    for part in filter(None, text.strip().split(",")):
        first, _dummy, last = part.partition("-")
        numbers.update(range(int(first), int(last or first) + 1))
    return frozenset(numbers)


def format_cpus(cpus: Iterable[int]) -> str:
    """Return CPU numbers as a sorted list separated by commas."""
    return ",".join(str(cpu) for cpu in sorted(cpus))


def choose_cpus(count: int, nodes: Sequence[Collection[int]], used: Iterable[Collection[int]], option: str = "vcpus") -> frozenset[int]:
    """Return ``count`` CPUs: least used first, and all of one NUMA node when they fit in one.

    ``nodes`` are the usable CPUs of each NUMA node, ``used`` the CPU sets of the other instances. SpecError, which
    names the ``option``, when the host has fewer CPUs. The answer does not depend on the order of ``used``.
    """
    every = sorted(cpu for node in nodes for cpu in node)
    if count > len(every):
        why = "those of a container, or of a VM that is pinned, are real ones"
        raise SpecError(option, count, f"is more than the {len(every)} CPUs of this host; {why}")
    load = Counter(cpu for cpus in used for cpu in cpus)

    def least_used(cpus: Collection[int]) -> list[int]:
        return sorted(cpus, key=lambda cpu: (load[cpu], cpu))[:count]

    candidates = [least_used(node) for node in nodes if len(node) >= count] or [least_used(every)]
    return frozenset(min(candidates, key=lambda cpus: (sum(load[cpu] for cpu in cpus), cpus)))
