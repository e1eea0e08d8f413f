# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The statistics of a host's instances, with engines that tell what they are made to tell."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from itertools import count
from typing import Any

from ansible_collections.zonal.cloud.plugins.module_utils._domain.domain_xml import Hardware, render_domain
from ansible_collections.zonal.cloud.plugins.module_utils._domain.fields import complete
from ansible_collections.zonal.cloud.plugins.module_utils._domain.usage import Counters, Usage
from ansible_collections.zonal.cloud.plugins.module_utils._module.instance_stats import StatsReader, show_samples
from ansible_collections.zonal.cloud.plugins.module_utils._ports import EngineAbsent
from ansible_collections.zonal.cloud.tests.unit.plugins.fakes.instances import wish
from ansible_collections.zonal.cloud.tests.unit.plugins.fakes.vms import FakeVms


class Docker:
    """Lists two containers; the kernel counts one second of CPU time more at each look at the one that runs."""

    def __init__(self, *, installed: bool = True) -> None:
        self.installed = installed
        self.looks = 0

    def listed(self) -> list[Mapping[str, Any]]:
        if not self.installed:
            raise EngineAbsent("reach", "docker", "is docker running?")
        return [
            {"Id": str(number), "Names": [f"/{name}"], "State": state, "Labels": {"cloud.zonal.name": name.removesuffix(".new")}}
            for number, (name, state) in enumerate([("web", "running"), ("idle", "exited"), ("half.new", "created")])
        ]

    def usage(self, ids: Collection[str]) -> dict[str, Usage]:
        assert set(ids) == {"0", "1", "2"}
        self.looks += 1
        return {"0": Usage(Counters(cpu_seconds=float(self.looks)), 4096)}


def reader(docker: Docker, vms: FakeVms) -> StatsReader:
    ticks = count()
    return StatsReader(docker, docker, vms, lambda: 100.0 + next(ticks))


def with_vms() -> FakeVms:
    vms = FakeVms()
    for number in (1, 2):
        spec = complete(f"db{number}", wish("vm", f"db{number}", address=f"10.20.1.{number}").spec)
        vms.define(render_domain(f"db{number}", spec, Hardware("/dev/zonal/x", "/k", "/i", "qemu", True), None, uuid=""))
    vms.define("<domain type='qemu'><name>foreign</name></domain>")
    for name in ("db1", "foreign"):
        vms.start(name)
    vms.counted = {"db1": {"cpu.time": 5 * 10**9, "balloon.rss": 4}}
    return vms


def test_ours_are_told_running_or_not() -> None:
    told = show_samples([], reader(Docker(), with_vms()).samples())
    assert [(item["kind"], item["name"], item["state"]) for item in told] == [
        ("vm", "db1", "running"),
        ("vm", "db2", "stopped"),
        ("container", "idle", "stopped"),
        ("container", "web", "running"),
    ]
    assert [item.get("memory") for item in told] == [4096, None, None, 4096]
    assert told[0]["totals"]["cpu_seconds"] == 5.0
    assert all("rates" not in item for item in told)


def test_two_looks_make_rates() -> None:
    reading = reader(Docker(), with_vms())
    before = reading.samples()
    told = {item["name"]: item for item in show_samples(before, reading.samples())}
    assert told["web"]["rates"]["cpus"] == 0.5
    assert told["db1"]["rates"]["cpus"] == 0.0
    assert "rates" not in told["idle"]


def test_what_came_between_the_looks_has_no_rates() -> None:
    reading = reader(Docker(), with_vms())
    before = [sample for sample in reading.samples() if sample.name != "web"]
    assert "rates" not in next(item for item in show_samples(before, reading.samples()) if item["name"] == "web")


def test_an_engine_that_is_not_there_has_none() -> None:
    vms = FakeVms()
    vms.installed = False
    assert reader(Docker(installed=False), vms).samples() == []
