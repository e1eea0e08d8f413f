# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: may change without notice.
"""What ``instance_stats`` returns: each engine is asked once for all instances of the host, and the kernel is read once."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any, Callable

from .._adapters.cgroups import Cgroups
from .._adapters.docker_engine import DockerEngine
from .._adapters.libvirt_engine import LibvirtEngine
from .._domain.container_config import LABEL
from .._domain.domain_found import parse_domain
from .._domain.errors import SpecError
from .._domain.instance import PAUSED, RUNNING, STOPPED
from .._domain.usage import Usage, rates, show_counters, usage_of_vm
from .._ports import Command, ContainerUsage, ListedContainers, VmEngine
from .or_none import or_none

_LONGEST = 3600
_POWER = {"running": RUNNING, "restarting": RUNNING, "paused": PAUSED}


@dataclass(frozen=True)
class Sample:
    """One instance at a moment, in seconds of a clock that never jumps. Without ``usage`` it does not run."""

    kind: str
    name: str
    power: str
    moment: float
    usage: Usage | None


class StatsReader:
    """Reads the instances of a host."""

    def __init__(self, containers: ListedContainers, cgroups: ContainerUsage, vms: VmEngine, clock: Callable[[], float]) -> None:
        self._containers = containers
        self._cgroups = cgroups
        self._vms = vms
        self._clock = clock

    def samples(self) -> list[Sample]:
        """Return all instances of this collection, sorted by name; an engine that is not there has none."""
        found = or_none(self._read_containers) + or_none(self._read_vms)
        return sorted(found, key=lambda sample: (sample.name, sample.kind))

    def _read_containers(self) -> list[Sample]:
        listed = {body["Id"]: body for body in self._containers.listed()}
        usage, moment = self._cgroups.usage(listed), self._clock()
        return [
            Sample("container", body["Labels"][f"{LABEL}name"], _POWER.get(body["State"], STOPPED), moment, usage.get(number))
            for number, body in listed.items()
            # One that is not whole has another name, and so has one that somebody has made of what docker commits of ours.
            if f"/{body['Labels'][f'{LABEL}name']}" in body["Names"]
        ]

    def _read_vms(self) -> list[Sample]:
        ours = {domain.name: domain.power for domain in self._vms.domains() if parse_domain(domain.xml).facts.get("name") == domain.name}
        stats, moment = self._vms.stats(), self._clock()
        return [
            Sample("vm", name, power, moment, usage_of_vm(stats[name]) if name in stats and power != STOPPED else None)
            for name, power in ours.items()
        ]


def show_samples(before: list[Sample], after: list[Sample]) -> list[dict[str, Any]]:
    """Return the instances as they are ``after``, with rates for those that were there ``before``."""
    earlier = {(sample.kind, sample.name): sample for sample in before}
    return [_show(earlier.get((sample.kind, sample.name)), sample) for sample in after]


def _show(before: Sample | None, after: Sample) -> dict[str, Any]:
    shown: dict[str, Any] = {"name": after.name, "kind": after.kind, "state": after.power}
    if after.usage is None:
        return shown
    shown.update(memory=after.usage.memory, totals=show_counters(after.usage.counters))
    if before is not None and before.usage is not None and after.moment > before.moment:
        shown["rates"] = rates(before.usage.counters, after.usage.counters, after.moment - before.moment)
    return shown


def read_stats(params: dict[str, Any], _command: Command) -> dict[str, Any]:
    """Return what the module returns."""
    interval = params["interval"]
    if not 0 <= interval <= _LONGEST:
        raise SpecError("interval", interval, f"is not between 0 and {_LONGEST} seconds")
    reader = StatsReader(DockerEngine(), Cgroups(), LibvirtEngine(), time.monotonic)
    before = []
    if interval:
        before = reader.samples()
        time.sleep(interval)
    return {"instances": show_samples(before, reader.samples())}
