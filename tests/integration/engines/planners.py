# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Controllers that plan one zone at the same time, as processes, and the check of what they leave."""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections import Counter
from multiprocessing.context import ForkProcess
from typing import Any

from ansible_collections.zonal.cloud.plugins.module_utils._domain.claims import Claim
from ansible_collections.zonal.cloud.plugins.module_utils._domain.declared import parse_instances
from ansible_collections.zonal.cloud.plugins.module_utils._domain.zone_spec import Zone, parse_zone
from ansible_collections.zonal.cloud.plugins.plugin_utils import zone_planner
from ansible_collections.zonal.cloud.plugins.plugin_utils.ledger.store import Ledger
from ansible_collections.zonal.cloud.tests.unit.plugins.fakes.zone import WEB, G, report

FORK = multiprocessing.get_context("fork")
SHARED_QUOTA = 120
SHARED_HOSTS = ("kvm00", "kvm01", "kvm02")
HOSTS = {f"kvm{number:02}": report(cpus=64, memory=256 * G) for number in range(24)}
ENTRY: dict[str, Any] = {**WEB, "vcpus": 1, "memory": "512M", "disk": "1G"}


def zone() -> Zone:
    """Return a zone that has room for all but not for the shared tenant's wishes."""
    network = {"cidr": "10.20.0.0/16", "gateway": "10.20.0.1", "bridge": "br0"}
    return parse_zone("idc01-dev", {"network": network, "quotas": {"shared": {"instances": SHARED_QUOTA}}})


def entries(number: int, batch: int, rounds: int) -> list[dict[str, Any]]:
    """Return what one controller declares: an app of its own, and one of a tenant whose quota all of them want."""
    return [
        {**ENTRY, "tenant": "own", "app": f"app{number}", "count": batch * rounds},
        {**ENTRY, "tenant": "shared", "app": f"app{number}", "count": rounds * 4},
    ]


def neighbour(where: str, number: int) -> None:
    """Fill the hosts for a zone of one's own, which has them together with other zones."""
    network = {"cidr": f"10.{number}.0.0/16", "bridge": "br0"}
    parsed, ledger = parse_zone(f"zone{number}", {"network": network}), Ledger(where, timeout=300)
    for count in range(8, 200, 8):
        entry = {**ENTRY, "tenant": "own", "app": "app", "memory": "4G", "count": count}
        zone_planner.planned(ledger, parsed, parse_instances(parsed, [entry]), {name: HOSTS[name] for name in SHARED_HOSTS})


def controller(where: str, number: int, batch: int, rounds: int) -> None:
    """Grow the apps of one controller round by round."""
    ledger, parsed = Ledger(where, timeout=300), zone()
    for done in range(1, rounds + 1):
        zone_planner.planned(ledger, parsed, parse_instances(parsed, entries(number, batch, done)), HOSTS)


def start_neighbours(where: str, count: int) -> list[ForkProcess]:
    """Start the controllers of zones on the same hosts as processes."""
    processes = [FORK.Process(target=neighbour, args=(where, number)) for number in range(1, count + 1)]
    for process in processes:
        process.start()
    return processes


def start(where: str, count: int, batch: int, rounds: int) -> list[ForkProcess]:
    """Start controllers as processes."""
    processes = [FORK.Process(target=controller, args=(where, number, batch, rounds)) for number in range(count)]
    for process in processes:
        process.start()
    return processes


def kill(process: ForkProcess) -> None:
    """Kill one of our own processes as a power cut would."""
    if process.pid is not None and process.is_alive():
        os.kill(process.pid, signal.SIGKILL)
    process.join()


def faults(claims: tuple[Claim, ...], batch: int) -> list[str]:
    """Return everything that must never be: doubles, overfull hosts, exceeded quotas, half batches."""
    found = []
    for field in ("address", "name", "mac"):
        doubles = [value for value, count in Counter(getattr(claim, field) for claim in claims).items() if count > 1]
        found += [f"{field} {value} is given twice" for value in doubles]
    memory, vcpus = Counter[str](), Counter[str]()
    for claim in claims:
        memory[claim.host] += claim.memory
        vcpus[claim.host] += claim.vcpus
    found += [f"{host} is overfull" for host in memory if memory[host] > 256 * G * 0.95 or vcpus[host] > 256]
    shared = sum(claim.tenant == "shared" for claim in claims)
    if shared > SHARED_QUOTA:
        found.append(f"{shared} instances of a tenant that may have {SHARED_QUOTA}")
    own = Counter(claim.app for claim in claims if claim.tenant == "own")
    found += [f"{app} has {count}, half a batch" for app, count in own.items() if count % batch]
    return found
