# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs of ``provision.yml`` as processes, for hosts that are files: each observes, plans, applies and settles as the playbook does."""

from __future__ import annotations

import fcntl
import json
import os
import random
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ansible_collections.zonal.cloud.plugins.module_utils._domain.declared import parse_instances
from ansible_collections.zonal.cloud.plugins.module_utils._domain.errors import ZonalError
from ansible_collections.zonal.cloud.plugins.module_utils._domain.fields import parse_spec, show_spec
from ansible_collections.zonal.cloud.plugins.module_utils._domain.zone_spec import Zone, parse_zone
from ansible_collections.zonal.cloud.plugins.plugin_utils import zone_planner
from ansible_collections.zonal.cloud.plugins.plugin_utils.ledger.store import Ledger
from ansible_collections.zonal.cloud.plugins.plugin_utils.pool_keeper import keep_pool, parse_wish
from ansible_collections.zonal.cloud.tests.unit.plugins.fakes.zone import WEB, report

HOSTS = ("kvm01", "kvm02", "kvm03")
NAME = "idc01-dev"
_NETWORK = {"cidr": "10.20.0.0/16", "gateway": "10.20.0.1", "bridge": "br0"}
# As few addresses as there may be instances, and a few more, so that they are given again soon.
_POOLS = ["10.20.101.1-10.20.101.40"]
WITHDRAWN = "10.20.101.39"


def zone() -> Zone:
    """Return the zone; its addresses do not rest."""
    return parse_zone(NAME, {"network": _NETWORK, "pools": _POOLS, "hold": 0})


class World:
    """The hosts: a file each, changed under its lock as a host is by its modules."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    @contextmanager
    def host(self, name: str) -> Iterator[dict[str, Any]]:
        """Give what is on a host; what is made of it is there as a whole or not at all."""
        with (self._folder / f"{name}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            path = self._folder / f"{name}.json"
            there: dict[str, Any] = json.loads(path.read_text()) if path.exists() else {}
            yield there
            draft = self._folder / f"{name}.{os.getpid()}"
            draft.write_text(json.dumps(there))
            draft.replace(path)

    def observe(self) -> dict[str, Any]:
        """Return what ``host_info`` would."""
        told = {}
        for name in HOSTS:
            with self.host(name) as there:
                told[name] = report(*there.values(), cpus=64)
        return told

    def apply(self, per_host: Mapping[str, Any], pause: Any) -> None:
        """Do what a plan tells the hosts; a host gives no two of its instances one address."""
        for name, orders in per_host.items():
            for order in sorted(orders, key=lambda order: order["state"] != "absent"):
                pause()
                with self.host(name) as there:
                    others = {item["address"] for item in there.values() if item["name"] != order["name"]}
                    if order["state"] == "absent":
                        there.pop(order["name"], None)
                    elif order["address"] not in others:
                        shown = show_spec(parse_spec({**order, **order["network"]}))
                        there[order["name"]] = {"name": order["name"], "kind": order["kind"], "state": order["state"], **shown}

    def doubles(self) -> list[str]:
        """Return the names and addresses that two instances have."""
        items = [item for told in self.observe().values() for item in told["instances"]]
        return [value for key in ("name", "address") for value, count in Counter(item[key] for item in items).items() if count > 1]


def provision(ledger: Ledger, world: World, entries: list[dict[str, Any]], pause: Any = lambda: None) -> dict[str, Any]:
    """Do one run; return its plan."""
    parsed = zone()
    seen = world.observe()
    pause()
    made = zone_planner.planned(ledger, parsed, parse_instances(parsed, entries), seen).result
    world.apply(made["plan"]["per_host"], pause)
    seen = world.observe()
    pause()
    zone_planner.settled(ledger, parsed, seen)
    return dict(made["plan"])


def run_again_and_again(where: str, folder: Path, seed: int, rounds: int) -> None:
    """Declare this and that, and keep the pool, round by round, as an operator does who does not know of others."""
    chance, ledger, world = random.Random(seed), Ledger(where, timeout=300), World(folder)

    def pause() -> None:
        time.sleep(chance.uniform(0, 0.01))

    for _round in range(rounds):
        entries = [{**WEB, "vcpus": 1, "app": app, "count": chance.randint(0, 9)} for app in ("a", "b", "c")]
        # Without removals: what a slower run still makes of one that is removed and confirmed gone meanwhile has no claim any more.
        provision(ledger, world, entries, pause)
        wish = {**dict.fromkeys(("cidr", "gateway", "dns", "pools", "reserved", "hold")), "zone": NAME, "reason": "test"}
        try:
            state = chance.choice(["withdrawn", "available"])
            keep_pool(ledger, parse_wish({**wish, "state": state, "addresses": [WITHDRAWN]}), check_mode=False)
        except ZonalError as error:
            # An instance has it.
            if WITHDRAWN not in str(error):
                raise
