# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the kernel and libvirt count, as texts and tables that were recorded, and what is made of it."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.zonal.cloud.plugins.module_utils._domain.usage import (
    Counters,
    Usage,
    rates,
    show_counters,
    usage_of_cgroup,
    usage_of_vm,
)

DEVICES = """\
Inter-|   Receive                                                |  Transmit
 face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls carrier compressed
    lo: 5000000   70000    0    0    0     0          0         0  5000000   70000    0    0    0     0       0          0
  eth0:    1226      11    0    0    0     0          0         0      126       3    0    0    0     0       0          0
  eth1:1000000000000 20    0    0    0     0          0         0        4       1    0    0    0     0       0          0
"""
V2 = {
    "cpu.stat": "usage_usec 17402000\nuser_usec 16000000\nsystem_usec 1402000\nnr_periods 0\n",
    "memory.current": "104857600\n",
    "memory.stat": "anon 4096\ninactive_anon 7\ninactive_file 31457280\nactive_file 1\n",
    "io.stat": "8:0 rbytes=8192 wbytes=4096 rios=2 wios=1 dbytes=0 dios=0\n"
    "253:3 rbytes=8192 wbytes=4096 rios=2 wios=1 dbytes=0 dios=0\n259:0 \n7:0 rbytes=10 wbytes=20 rios=3 wios=4\n",
}
V1 = {
    "cpuacct.usage": "17402000000\n",
    "memory.usage_in_bytes": "104857600\n",
    "memory.stat": "cache 1\ninactive_file 5\ntotal_inactive_file 31457280\n",
    "blkio.throttle.io_service_bytes_recursive": "8:0 Read 8192\n8:0 Write 4096\n8:0 Sync 1\n8:0 Async 2\n8:0 Discard 0\n8:0 Total 12288\n"
    "253:3 Read 8192\n253:3 Write 4096\n7:0 Read 10\n7:0 Write 20\nTotal 12318\n",
    "blkio.throttle.io_serviced_recursive": "8:0 Read 2\n8:0 Write 1\n253:3 Read 2\n253:3 Write 1\n7:0 Read 3\n7:0 Write 4\nTotal 6\n",
}
BELOW = {"253:3": frozenset(["253:0", "8:0"])}
USED = Counters(17.402, 8202, 4116, 5, 5, 1000000001226, 130, 31, 4)


def lower(device: str) -> frozenset[str]:
    return BELOW.get(device, frozenset())


V1_OF_THE_SCHEDULER = {name.replace("throttle", "bfq"): text for name, text in V1.items()} | {
    "blkio.throttle.io_service_bytes_recursive": "Total 0\n"
}


@pytest.mark.parametrize(("version", "files"), [(1, V1), (1, V1_OF_THE_SCHEDULER), (2, V2)])
def test_both_versions_of_cgroups_tell_the_same(version: int, files: dict[str, str]) -> None:
    assert usage_of_cgroup(version, lambda name: files.get(name, ""), DEVICES, lower) == Usage(USED, 104857600 - 31457280)


@pytest.mark.parametrize("version", [1, 2])
def test_what_has_ended_meanwhile_has_used_nothing(version: int) -> None:
    assert usage_of_cgroup(version, lambda name: "", "", lower) == Usage(Counters(), 0)


VM = {
    "cpu.time": 17402000000,
    "balloon.current": 65536,
    "balloon.rss": 51200,
    "block.count": 2,
    "block.0.rd.bytes": 8192,
    "block.0.rd.reqs": 2,
    "block.0.wr.bytes": 4096,
    "block.0.wr.reqs": 1,
    "block.1.rd.bytes": 10,
    "block.1.rd.reqs": 3,
    "block.1.wr.bytes": 20,
    "block.1.wr.reqs": 4,
    "net.count": 1,
    "net.0.rx.bytes": 1000000001226,
    "net.0.rx.pkts": 31,
    "net.0.tx.bytes": 130,
    "net.0.tx.pkts": 4,
}


def test_a_vm_has_what_all_its_disks_and_interfaces_have() -> None:
    assert usage_of_vm(VM) == Usage(USED, 51200 * 1024)


def test_of_a_vm_that_cannot_be_asked_now_little_is_known() -> None:
    assert usage_of_vm({"balloon.current": 65536, "block.count": 3, "net.count": 1}) == Usage(Counters(), 65536 * 1024)


def test_rates_are_growth_per_second() -> None:
    later = replace(USED, cpu_seconds=18.402, written_bytes=USED.written_bytes + 1000, sent_packets=14)
    assert rates(USED, later, 4.0) == {
        "cpus": 0.25,
        "read_bytes": 0.0,
        "written_bytes": 250.0,
        "reads": 0.0,
        "writes": 0.0,
        "received_bytes": 0.0,
        "sent_bytes": 0.0,
        "received_packets": 0.0,
        "sent_packets": 2.5,
    }


def test_what_was_started_anew_counts_from_nothing() -> None:
    assert rates(USED, Counters(cpu_seconds=1.0, sent_bytes=8), 2.0)["cpus"] == 0.5
    assert rates(USED, Counters(cpu_seconds=1.0, sent_bytes=8), 2.0)["sent_bytes"] == 4.0


COUNTERS = st.builds(Counters, st.floats(0, 1e9), *[st.integers(0, 2**63)] * 8)


@given(COUNTERS, COUNTERS, st.floats(0.01, 3600))
def test_rates_are_never_negative(before: Counters, after: Counters, seconds: float) -> None:
    assert min(rates(before, after, seconds).values()) >= 0
    assert rates(after, after, seconds) == dict.fromkeys(rates(after, after, seconds), 0.0)
    assert show_counters(after).keys() - {"cpu_seconds"} == rates(before, after, seconds).keys() - {"cpus"}
