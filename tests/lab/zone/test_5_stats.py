# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What instance_stats tells of VMs and containers, on hosts with cgroups of version 2, beside loads that are known."""

from __future__ import annotations

import re
from typing import Any

import pytest

SIZE = 4 * 1024**2
# In hundredths of a second: fields 14 and 15 of proc(5), stat, of the QEMU of a VM. The brackets keep it from finding itself.
_CPU_OF_VM = "cut -d' ' -f14,15 /proc/$(pgrep -f '[g]uest={name},')/stat"
# The shell's own account of the CPU time comes last.
_LOAD = f"""
dd if=/dev/zero of=/data bs=65536 count={SIZE // 65536} conv=fsync 2>/dev/null; rm /data
head -c {SIZE} /dev/zero
timeout 3 sh -c 'while :; do :; done'; times
"""


def read(lab: Any, host: str, name: str, **options: int) -> dict[str, Any]:
    told = lab.module(host, "zonal.cloud.instance_stats", **options)
    (mine,) = (item for item in told["instances"] if item["name"] == name)
    return dict(mine)


def cpu_of(lab: Any, host: str, name: str, kind: str) -> float:
    """Return the CPU seconds of a VM; of a container its shell tells them."""
    if kind == "container":
        return 0
    return sum(map(int, lab.on(host, _CPU_OF_VM.format(name=name)).split())) / 100


@pytest.mark.parametrize(("kind", "host"), [("vm", "h1"), ("container", "h2")])
def test_it_agrees_with_loads_that_are_known(lab: Any, kind: str, host: str) -> None:
    name, address = lab.placed(kind, host)
    outer, before, inner = cpu_of(lab, host, name, kind), read(lab, host, name)["totals"], cpu_of(lab, host, name, kind)
    told = lab.login(address, _LOAD)
    # What was burnt between the two readings is more than between those within, and less than between those around them.
    least, after, most = cpu_of(lab, host, name, kind) - inner, read(lab, host, name)["totals"], cpu_of(lab, host, name, kind) - outer
    if kind == "container":
        least = sum(60 * int(minutes) + float(rest) for minutes, rest in re.findall(r"(\d+)m([\d.]+)s", told))
        # Its ssh server burns some, too.
        most = least + 0.3
    assert least > 1
    assert 0.9 * least < after["cpu_seconds"] - before["cpu_seconds"] < 1.1 * most
    assert after["written_bytes"] - before["written_bytes"] == pytest.approx(SIZE, rel=0.1)
    assert after["sent_bytes"] - before["sent_bytes"] == pytest.approx(SIZE, rel=0.1)


def test_rates_and_memory_are_of_now(lab: Any) -> None:
    told = read(lab, "h1", lab.placed("vm", "h1")[0], interval=1)
    assert 0 <= told["rates"]["cpus"] <= 1.1
    assert 1024**2 / 2 < told["memory"] < 512 * 1024**2, told
