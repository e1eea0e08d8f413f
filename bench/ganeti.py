# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The peer of bench/placement.py: Ganeti's hspace and hail, from Debian's ganeti-htools, on a cluster in their own text format."""

from __future__ import annotations

import json
import resource
import shutil
import subprocess
import tempfile
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ansible_collections.zonal.cloud.plugins.module_utils._domain.placement_types import Demand, Host

M = 1024**2
HSPACE, HAIL = "hspace", "/usr/lib/ganeti/iallocators/hail"
# Seconds for one process: both prove N+1 anew for every instance, which takes minutes for more than a few hosts.
PATIENCE = 40
# What Ganeti allows: bounds of an instance, disk templates, vCPU ratio 4.
_IPOLICY = "|128,1,1024,1,1,1|128,1,1024,1,1,1;65536,64,4194304,16,8,64|plain|4.0|32.0"
# Two instances with the same tag that begins with this never share a host.
_EXCLUSION = "htools:iextags:app"


@dataclass(frozen=True)
class Answer:
    """The instances that got a host before the first refusal, and the CPU seconds of the processes it took."""

    placed: tuple[Demand, ...]
    seconds: float


def is_here() -> bool:
    """Return whether the programs are installed."""
    return shutil.which(HSPACE) is not None and Path(HAIL).exists()


def hspace(machines: Sequence[Host], residents: Sequence[Demand], like: Demand, *, reserve: bool) -> Answer | None:
    """Let hspace place instances like one until none fits; None when that takes too long."""
    with tempfile.TemporaryDirectory() as folder:
        file, saved = Path(folder, "cluster"), Path(folder, "saved")
        file.write_text(_text_of(machines, residents), encoding="utf-8")
        size = f"--standard-alloc={like.disk // M},{like.memory // M},{like.vcpus}"
        done = _run(HSPACE, "-t", str(file), "--disk-template=plain", size, "-S", str(saved), *_checks(reserve=reserve))
        if done is None:
            return None
        rows = [line.split("|") for line in Path(f"{saved}.standard").read_text(encoding="utf-8").splitlines() if line.count("|") == 12]
    placed = tuple(replace(like, name=row[0], host=row[6]) for row in rows if row[0].startswith("new-"))
    return Answer(placed, done[1])


def hail_batch(machines: Sequence[Host], residents: Sequence[Demand], wanted: Sequence[Demand], *, reserve: bool) -> Answer | None:
    """Return the largest batch that one process of hail places (it refuses a batch as a whole); None when that takes too long."""
    best = Answer((), 0.0)
    least, most = 0, len(wanted)
    with tempfile.TemporaryDirectory() as folder:
        file, request = Path(folder, "cluster"), Path(folder, "request")
        file.write_text(_text_of(machines, residents), encoding="utf-8")
        while least < most:
            count = (least + most + 1) // 2
            items = [_instance(item) for item in wanted[:count]]
            request.write_text(_request({"type": "multi-allocate", "instances": items}, []), encoding="utf-8")
            done = _run(HAIL, "-t", str(file), *_checks(reserve=reserve), str(request))
            if done is None:
                return None
            answer = json.loads(done[0])
            if answer["success"]:
                hosts = {name: nodes[0] for name, nodes in answer["result"][0]}
                best, least = Answer(tuple(replace(item, host=hosts[item.name]) for item in wanted[:count]), done[1]), count
            else:
                most = count - 1
    return best


def hail(machines: Sequence[Host], residents: Sequence[Demand], wanted: Sequence[Demand], *, apart: bool) -> Answer:
    """Let a process of hail place each, on the cluster that the one before has left; ``apart`` sets exclusion tags by app."""
    placed: list[Demand] = []
    seconds, tags = 0.0, [_EXCLUSION] if apart else []
    with tempfile.TemporaryDirectory() as folder:
        file, request, saved = Path(folder, "cluster"), Path(folder, "request"), Path(folder, "saved")
        file.write_text(_text_of(machines, residents, tags), encoding="utf-8")
        for item in wanted:
            request.write_text(_request({"type": "allocate", **_instance(item)}, tags), encoding="utf-8")
            done = _run(HAIL, "-t", str(file), "-S", str(saved), *_checks(reserve=False), str(request))
            if done is None:
                raise SystemExit(f"{HAIL}: no answer for {item.name} within {PATIENCE} s")
            seconds += done[1]
            answer = json.loads(done[0])
            if not answer["success"]:
                break
            placed.append(replace(item, host=answer["result"][0]))
            file = Path(f"{saved}.post-ialloc")
    return Answer(tuple(placed), seconds)


def _checks(*, reserve: bool) -> list[str]:
    return [] if reserve else ["--no-capacity-checks"]


def _instance(item: Demand) -> dict[str, Any]:
    """Return what a request tells of an instance; sizes are MiB."""
    size = item.disk // M
    return {
        "name": item.name,
        "memory": item.memory // M,
        "vcpus": item.vcpus,
        "disk_space_total": size,
        "disks": [{"size": size, "spindles": 1}],
        "disk_template": "plain",
        "spindle_use": 1,
        "nics": [],
        "tags": [f"app:{item.app[1]}"],
        "required_nodes": 1,
    }


def _request(request: dict[str, Any], tags: list[str]) -> str:
    """Return a request for hail; it must have a cluster although the one in the text file is used."""
    cluster: dict[str, Any] = {"nodegroups": {}, "nodes": {}, "instances": {}, "enabled_hypervisors": ["kvm"]}
    return json.dumps({**cluster, "cluster_tags": tags, "request": request})


def _text_of(machines: Sequence[Host], residents: Sequence[Demand], tags: Sequence[str] = ()) -> str:
    """Return the cluster in the text format of Ganeti's htools; sizes are MiB."""
    memory, disk = Counter[str](), Counter[str]()
    for item in residents:
        memory[item.host or ""] += item.memory // M
        disk[item.host or ""] += item.disk // M
    nodes = []
    for host in machines:
        sizes = f"{host.memory // M}|0|{host.memory // M - memory[host.name]}|{host.disk // M}|{host.disk // M - disk[host.name]}"
        nodes.append(f"{host.name}|{sizes}|{host.vcpus}|N|uuid|1||N|0|0|1.0")
    instances = [f"{d.name}|{d.memory // M}|{d.disk // M}|{d.vcpus}|running|Y|{d.host}||plain||1|1|N" for d in residents]
    return "\n".join(["group|uuid|preferred||", "", *nodes, "", *instances, "", *(tags or [""]), "", _IPOLICY, f"group{_IPOLICY}", ""])


def _run(*command: str) -> tuple[str, float] | None:
    """Return the output and the CPU seconds of a command; None when it takes too long."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, check=False)
    except subprocess.TimeoutExpired:
        return None
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode:
        raise SystemExit(f"{command[0]}: {done.stdout}{done.stderr}")
    return done.stdout, after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime
