# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: may change without notice.
"""Reads what the kernel and the distribution say about the host; starts no process."""

from __future__ import annotations

import os
import re

from .._domain.host import HugePages, Identity, Memory, Processor, parse_cpuinfo, parse_meminfo, parse_os_release
from .._domain.topology import CpuLists, CpuPlace, Topology, build_topology
from .._ports import EngineError

_CPU = "sys/devices/system/cpu"
_NODE = "sys/devices/system/node"
_HUGE_PAGES = "sys/kernel/mm/hugepages"


class Sysfs:
    """The files of a host below ``root``."""

    def __init__(self, root: str = "/") -> None:
        self._root = root

    def identity(self) -> Identity:
        system = os.uname()
        return Identity(
            hostname=system.nodename,
            boot_id=self._text("proc/sys/kernel/random/boot_id"),
            kernel=system.release,
            architecture=system.machine,
            release=parse_os_release(self._text("etc/os-release")),
        )

    def processor(self) -> Processor:
        return parse_cpuinfo(self._text("proc/cpuinfo"))

    def memory(self) -> Memory:
        sizes = parse_meminfo(self._text("proc/meminfo"))
        try:
            kinds = [self._huge_pages(kilobytes) for kilobytes in self._numbered(_HUGE_PAGES, r"hugepages-(\d+)kB")]
            return Memory(sizes["MemTotal"], sizes.get("MemAvailable", 0), tuple(kinds))
        except (KeyError, ValueError) as error:
            raise EngineError("read", "the memory of this host", repr(error)) from error

    def topology(self) -> Topology:
        # Kernels without CPU hotplug have no list of the CPUs that are online.
        online = self._text(f"{_CPU}/online") or ",".join(map(str, self.processor().cpus)) or "0"
        lists = CpuLists(online, self._text(f"{_CPU}/offline"), self._text(f"{_CPU}/isolated"))
        nodes = self._numbered(_NODE, r"node(\d+)")
        memory = {node: self._memory_total(f"{_NODE}/node{node}/meminfo") for node in nodes}
        if len(nodes) < 2:
            # Seen on a virtual machine whose memory had been grown: its only node told a third of it.
            memory = {node: self._memory_total("proc/meminfo") for node in nodes or [0]}
        places = {cpu: self._place(cpu) for cpu in self._numbered(_CPU, r"cpu(\d+)")}
        try:
            return build_topology(lists, places, {node: self._text(f"{_NODE}/node{node}/cpulist") for node in nodes}, memory)
        except ValueError as error:
            raise EngineError("read", f"the CPUs of this host in /{_CPU}", str(error)) from error

    def _memory_total(self, name: str) -> int:
        return parse_meminfo(self._text(name)).get("MemTotal", 0)

    def _place(self, cpu: int) -> CpuPlace:
        folder = f"{_CPU}/cpu{cpu}/topology"
        return CpuPlace(self._text(f"{folder}/physical_package_id"), self._text(f"{folder}/thread_siblings_list"))

    def _huge_pages(self, kilobytes: int) -> HugePages:
        folder = f"{_HUGE_PAGES}/hugepages-{kilobytes}kB"
        return HugePages(kilobytes * 1024, int(self._text(f"{folder}/nr_hugepages")), int(self._text(f"{folder}/free_hugepages")))

    def _numbered(self, folder: str, pattern: str) -> list[int]:
        try:
            names = os.listdir(os.path.join(self._root, folder))
        except OSError:
            return []
        return sorted(int(match.group(1)) for match in (re.fullmatch(pattern, name) for name in names) if match)

    def _text(self, name: str) -> str:
        """Return a file's text; empty when this kernel has no such file (or refuses it, as for a CPU that is offline)."""
        try:
            with open(os.path.join(self._root, name), encoding="utf-8", errors="replace") as file:
                return file.read().strip()
        except OSError:
            return ""
