# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""How long placement takes, how much fits and how even it is, beside Ganeti's hail and hspace on the same cluster.

python bench/placement.py    a table for people, then one JSON object as the last line. Both are in Debian's ganeti-htools.
"""

from __future__ import annotations

import json
import random
import resource
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from statistics import pstdev
from typing import Any

from ansible_collections.zonal.cloud.bench import ganeti
from ansible_collections.zonal.cloud.plugins.module_utils._domain.placement import place
from ansible_collections.zonal.cloud.plugins.module_utils._domain.placement_types import Demand, Host, Policy, Rule

G = 1024**3
CPUS, MEMORY, DISK = 16, 64 * G, 1000 * G
EVEN = Policy(vcpus=4.0, memory=1.0, disk=1.0)
SIZES = ((1, 2), (2, 4), (4, 8))
SIZE = (2, 4)
# Instances of an app; the smallest cluster here has more hosts.
APP = 8


def demand(name: str, app: str, size: tuple[int, int], host: str | None = None) -> Demand:
    """Return an instance of some vCPUs and GiB."""
    return Demand(name, ("bench", app), "vm", size[0], size[1] * G, 20 * G, host)


def cluster(hosts: int, running: int, *, large: bool) -> tuple[list[Host], list[Demand]]:
    """Return equal hosts, unevenly used, the same in every run."""
    chance = random.Random(1)
    scale = 8 if large else 1
    machines = [Host(f"host{number:04}", CPUS * scale, MEMORY * scale, DISK * scale) for number in range(hosts)]
    names = [machine.name for machine in machines]
    return machines, [
        demand(f"run{number:05}", f"app{number % 2000}", chance.choice(SIZES), chance.choice(names)) for number in range(running)
    ]


def scale(hosts: int, running: int, apps: int) -> dict[str, Any]:
    """Place 1000 instances and tell what it took."""
    machines, residents = cluster(hosts, running, large=True)
    chance = random.Random(2)
    wanted = [demand(f"new{number:04}", f"new{number % apps}", chance.choice(SIZES)) for number in range(1000)]
    begin = time.process_time()
    answer = place(machines, residents, wanted, EVEN)
    seconds = time.process_time() - begin
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    return {
        "hosts": hosts, "running": running, "apps": apps, "placed": len(answer.placed), "seconds": round(seconds, 3), "peak_mib": memory
    }  # fmt: skip


def evenness(machines: Sequence[Host], instances: Sequence[Demand]) -> dict[str, float]:
    """Return the standard deviation of the promised shares over the hosts."""
    memory, vcpus = Counter[str](), Counter[str]()
    for item in instances:
        memory[item.host or ""] += item.memory
        vcpus[item.host or ""] += item.vcpus
    return {
        "memory_deviation": round(pstdev(memory[machine.name] / machine.memory for machine in machines), 4),
        "vcpu_deviation": round(pstdev(vcpus[machine.name] / (machine.vcpus * EVEN.vcpus) for machine in machines), 4),
    }


def batch(machines: list[Host], residents: list[Demand], wanted: list[Demand], *, reserve: bool) -> ganeti.Answer:
    """Place all in one call."""
    begin = time.process_time()
    answer = place(machines, residents, wanted, replace(EVEN, reserve=reserve))
    seconds = time.process_time() - begin
    hosts = {item.name: item.host for item in answer.placed}
    return ganeti.Answer(tuple(replace(item, host=hosts[item.name]) for item in wanted if item.name in hosts), seconds)


def single(machines: list[Host], residents: list[Demand], wanted: list[Demand], *, apart: bool) -> ganeti.Answer:
    """Place one after the other until one is refused, each with nothing known but what runs; ``apart`` requires another host for each."""
    placed: list[Demand] = []
    seconds = 0.0
    for item in wanted:
        rules = (Rule(item.app, together=False, required=True),) if apart else ()
        begin = time.process_time()
        answer = place(machines, [*residents, *placed], [replace(item, rules=rules)], EVEN)
        seconds += time.process_time() - begin
        if answer.refused:
            break
        placed.append(replace(item, host=answer.placed[0].host))
    return ganeti.Answer(tuple(placed), seconds)


def fill_at_once(hosts: int, running: int, *, reserve: bool) -> list[dict[str, Any]]:
    """Compare what fits when all is asked for at once."""
    machines, residents = cluster(hosts, running, large=False)
    wanted = [demand(f"new-{number:05}", f"new{number}", SIZE) for number in range(hosts * 20)]
    answers: dict[str, ganeti.Answer | None] = {"zonal.cloud": batch(machines, residents, wanted, reserve=reserve)}
    if ganeti.is_here():
        answers["hail, multi-allocate"] = ganeti.hail_batch(machines, residents, wanted, reserve=reserve)
        answers["hspace"] = ganeti.hspace(machines, residents, wanted[0], reserve=reserve)
    return [
        {"by": by, "hosts": hosts, "running": running, "n_plus_one": reserve, **told(machines, residents, answer)}
        for by, answer in answers.items()
    ]


def fill_singly(hosts: int, running: int) -> list[dict[str, Any]]:
    """Compare what fits, and how far each app is spread, when instances come one by one."""
    machines, residents = cluster(hosts, running, large=False)
    wanted = [demand(f"new-{number:05}", f"new{number // APP}", SIZE) for number in range(hosts * 20)]
    rows = []
    for apart in (False, True):
        answers = {"zonal.cloud": single(machines, residents, wanted, apart=apart)}
        if ganeti.is_here():
            answers["hail"] = ganeti.hail(machines, residents, wanted, apart=apart)
        for by, answer in answers.items():
            crowd = max(Counter((item.app, item.host) for item in answer.placed).values())
            each = round(answer.seconds * 1000 / len(answer.placed), 2)
            row = {"by": by, "hosts": hosts, "running": running, "apart": apart, **told(machines, residents, answer)}
            rows.append({**row, "ms_each": each, "most_on_one_host": crowd})
    return rows


def told(machines: list[Host], residents: list[Demand], answer: ganeti.Answer | None) -> dict[str, Any]:
    """Return the columns of an answer."""
    if answer is None:
        return {"placed": "-", "seconds": f">{ganeti.PATIENCE}", "memory_deviation": "-", "vcpu_deviation": "-"}
    return {"placed": len(answer.placed), "seconds": round(answer.seconds, 3), **evenness(machines, [*residents, *answer.placed])}


def show(title: str, rows: list[dict[str, Any]]) -> None:
    """Print a table."""
    heads = list(rows[0])
    widths = [max(len(head), *(len(str(row[head])) for row in rows)) for head in heads]
    print(f"\n{title}\n" + "  ".join(head.rjust(width) for head, width in zip(heads, widths, strict=True)))
    for row in rows:
        print("  ".join(str(row[head]).rjust(width) for head, width in zip(heads, widths, strict=True)))


def main() -> None:
    """Run both parts."""
    scales = [scale(hosts, 50 * hosts, apps) for hosts, apps in ((250, 1000), (500, 1000), (1000, 1000), (1000, 50), (2000, 1000))]
    show("place 1000 instances in one batch (CPU seconds, one core)", scales)
    sizes = ((10, 50), (40, 200))
    at_once = [row for hosts, running in sizes for reserve in (False, True) for row in fill_at_once(hosts, running, reserve=reserve)]
    show("fill a cluster with instances of 2 vCPUs and 4 GiB, all at once", at_once)
    singly = [row for hosts, running in sizes for row in fill_singly(hosts, running)]
    show(f"the same one by one, {APP} to an app", singly)
    print(json.dumps({"bench": "placement", "scale": scales, "at_once": at_once, "singly": singly}))


if __name__ == "__main__":
    main()
