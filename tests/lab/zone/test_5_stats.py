# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What instance_stats tells of VMs and containers, on hosts with cgroups of version 2, beside loads that are known."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

SIZE = 4 * 1024**2
# In hundredths of a second: fields 14 and 15 of proc(5), stat, of the QEMU of a VM. The brackets keep it from finding itself.
_CPU_OF_VM = "cut -d' ' -f14,15 /proc/$(pgrep -f '[g]uest={name},')/stat"
_BURN = "timeout 4 sh -c 'while :; do :; done'; times"
_WRITE = f"dd if=/dev/zero of=/data bs=65536 count={SIZE // 65536} conv=fsync 2>/dev/null; rm /data"
_SEND = f"head -c {SIZE} /dev/zero"


class Watched:
    """An instance of the lab, and how its totals have grown since the last look."""

    def __init__(self, lab: Any, kind: str, host: str) -> None:
        self.lab, self.host = lab, host
        self.name, self.address = lab.placed(kind, host)
        self.totals: dict[str, float] = self.read()["totals"]

    def read(self, **options: int) -> dict[str, Any]:
        told = self.lab.module(self.host, "zonal.cloud.instance_stats", **options)
        (mine,) = (item for item in told["instances"] if item["name"] == self.name)
        return dict(mine)

    def grown(self, counter: str) -> float:
        now = self.read()["totals"]
        before, self.totals = self.totals, now
        return float(now[counter] - before[counter])


def test_cpu_that_a_container_burns(lab: Any) -> None:
    watched = Watched(lab, "container", "h2")
    # The shell's own account of its children.
    burnt = sum(60 * int(minutes) + float(rest) for minutes, rest in re.findall(r"(\d+)m([\d.]+)s", lab.login(watched.address, _BURN)))
    assert burnt > 1
    assert watched.grown("cpu_seconds") == pytest.approx(burnt, rel=0.1, abs=0.3)  # ssh burns some, too


def test_cpu_that_a_vm_burns(lab: Any) -> None:
    watched = Watched(lab, "vm", "h1")

    def counted() -> float:
        return sum(map(int, lab.on("h1", _CPU_OF_VM.format(name=watched.name)).split())) / 100

    before = counted()
    lab.login(watched.address, _BURN)
    burnt = counted() - before
    assert burnt > 1
    assert watched.grown("cpu_seconds") == pytest.approx(burnt, rel=0.1)


@pytest.mark.parametrize(("kind", "host"), [("vm", "h1"), ("container", "h2")])
def test_what_is_written_and_what_goes_over_the_network(lab: Any, kind: str, host: str) -> None:
    watched = Watched(lab, kind, host)
    lab.login(watched.address, _WRITE)
    assert watched.grown("written_bytes") == pytest.approx(SIZE, rel=0.1)
    lab.login(watched.address, _SEND)
    assert watched.grown("sent_bytes") == pytest.approx(SIZE, rel=0.1)


def test_rates_and_memory_are_of_now(lab: Any) -> None:
    told = Watched(lab, "vm", "h1").read(interval=2)
    assert 0 <= told["rates"]["cpus"] <= 1.1
    assert 1024**2 / 2 < told["memory"] < 512 * 1024**2, json.dumps(told)
