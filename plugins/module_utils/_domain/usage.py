# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: may change without notice.
"""What an instance has used since it was started, as the kernel and libvirt count it on the host; nothing inside a guest is asked."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

_NANO, _MICRO = 10**9, 10**6
_KIB = 1024


@dataclass(frozen=True)
class Counters:
    """Sums since the start: bytes, requests and packets, sent and received as the instance sees it."""

    cpu_seconds: float = 0.0
    read_bytes: int = 0
    written_bytes: int = 0
    reads: int = 0
    writes: int = 0
    received_bytes: int = 0
    sent_bytes: int = 0
    received_packets: int = 0
    sent_packets: int = 0


@dataclass(frozen=True)
class Usage:
    """``memory`` is what it takes of the host's memory now, in bytes, without what the kernel can drop at once."""

    counters: Counters
    memory: int


def rates(before: Counters, after: Counters, seconds: float) -> dict[str, float]:
    """Return each counter's growth per second; what was started anew meanwhile counts from nothing. CPU seconds per second are CPUs."""
    old, new = asdict(before), asdict(after)
    if new["cpu_seconds"] < old["cpu_seconds"]:
        old = dict.fromkeys(new, 0)
    grown = {name: max(0, new[name] - old[name]) / seconds for name in new}
    return {"cpus" if name == "cpu_seconds" else name: round(value, 3 if name == "cpu_seconds" else 1) for name, value in grown.items()}


def usage_of_vm(stats: Mapping[str, Any]) -> Usage:
    """Return what ``virConnectGetAllDomainStats`` tells of a VM: its process, its disks, its interfaces."""

    def total(group: str, counter: str) -> int:
        return sum(int(stats.get(f"{group}.{number}.{counter}", 0)) for number in range(int(stats.get(f"{group}.count", 0))))

    counters = Counters(
        cpu_seconds=int(stats.get("cpu.time", 0)) / _NANO,
        read_bytes=total("block", "rd.bytes"),
        written_bytes=total("block", "wr.bytes"),
        reads=total("block", "rd.reqs"),
        writes=total("block", "wr.reqs"),
        received_bytes=total("net", "rx.bytes"),
        sent_bytes=total("net", "tx.bytes"),
        received_packets=total("net", "rx.pkts"),
        sent_packets=total("net", "tx.pkts"),
    )
    return Usage(counters, int(stats.get("balloon.rss", stats.get("balloon.current", 0))) * _KIB)


# Given the text of a file of the instance's cgroup, empty when there is none.
ReadFile = Callable[[str], str]


def usage_of_cgroup(version: int, read: ReadFile, devices: str, lower: Callable[[str], frozenset[str]]) -> Usage:
    """Return what a cgroup's files tell; of version 1 those of several hierarchies.

    ``devices`` is the text of ``/proc/PID/net/dev``. ``lower`` returns the devices that a device lies on, as ``MAJOR:MINOR``: what is
    written to a volume is counted again on the disk below it.
    """
    disk = _v2_disk(read("io.stat")) if version == 2 else _v1_disk(read)
    below = frozenset[str]().union(*(lower(device) for device in disk))
    top = [counts for device, counts in disk.items() if device not in below]
    cpu = _number(read("cpu.stat"), "usage_usec") / _MICRO if version == 2 else int(read("cpuacct.usage").strip() or 0) / _NANO
    counters = Counters(
        cpu_seconds=cpu,
        read_bytes=sum(counts["rbytes"] for counts in top),
        written_bytes=sum(counts["wbytes"] for counts in top),
        reads=sum(counts["rios"] for counts in top),
        writes=sum(counts["wios"] for counts in top),
        **_network(devices),
    )
    current = int(read("memory.current" if version == 2 else "memory.usage_in_bytes").strip() or 0)
    droppable = _number(read("memory.stat"), "inactive_file" if version == 2 else "total_inactive_file")
    return Usage(counters, max(0, current - droppable))


def _number(text: str, name: str) -> int:
    found = re.search(rf"^{name} (\d+)$", text, re.MULTILINE)
    return int(found.group(1)) if found else 0


def _v2_disk(text: str) -> dict[str, dict[str, int]]:
    """Read lines such as ``253:3 rbytes=4096 wbytes=0 rios=1 wios=0 dbytes=0 dios=0`` of io.stat."""
    found = {}
    for line in text.splitlines():
        device, *words = line.split()
        counts = dict(word.split("=") for word in words if "=" in word)
        found[device] = {name: int(counts.get(name, 0)) for name in ("rbytes", "wbytes", "rios", "wios")}
    return found


def _v1_disk(read: ReadFile) -> dict[str, dict[str, int]]:
    """Return what blkio's throttling counts, or else its scheduler: since Linux 6.10 each counts only where it is in use."""
    return _v1_counted(read, "throttle") or _v1_counted(read, "bfq")


def _v1_counted(read: ReadFile, policy: str) -> dict[str, dict[str, int]]:
    """Read lines such as ``253:3 Read 4096`` of two files."""
    found: dict[str, dict[str, int]] = {}
    for file, unit in (("io_service_bytes", "bytes"), ("io_serviced", "ios")):
        for line in read(f"blkio.{policy}.{file}_recursive").splitlines():
            words = line.split()
            if len(words) == 3 and words[1] in ("Read", "Write"):
                counts = found.setdefault(words[0], dict.fromkeys(("rbytes", "wbytes", "rios", "wios"), 0))
                counts[words[1][0].lower() + unit] = int(words[2])
    return found


def _network(devices: str) -> dict[str, int]:
    """Sum /proc/net/dev over all interfaces but the loopback: two lines of headers, then eight counters for each direction."""
    sums = dict.fromkeys(("received_bytes", "received_packets", "sent_bytes", "sent_packets"), 0)
    for line in devices.splitlines()[2:]:
        name, _colon, counted = line.partition(":")
        counts = counted.split()
        if name.strip() != "lo" and len(counts) >= 10:
            for key, place in (("received_bytes", 0), ("received_packets", 1), ("sent_bytes", 8), ("sent_packets", 9)):
                sums[key] += int(counts[place])
    return sums


def show_counters(counters: Counters) -> dict[str, float]:
    """Return the counters by name."""
    return {**asdict(counters), "cpu_seconds": round(counters.cpu_seconds, 3)}
