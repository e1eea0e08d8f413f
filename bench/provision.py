# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""How long provision.yml --check takes with recorded observations, beside a playbook that says one sentence on the same inventory.

python bench/provision.py [RUNS]    500 hosts, 10,000 running instances and 1000 new ones; a table for people, then one JSON object
as the last line. Each figure is the median of the runs, which take turns.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import Any

from ansible_collections.zonal.cloud.plugins.module_utils._domain.claims import Snapshot
from ansible_collections.zonal.cloud.plugins.module_utils._domain.declared import parse_instances
from ansible_collections.zonal.cloud.plugins.module_utils._domain.observation import read_observation
from ansible_collections.zonal.cloud.plugins.module_utils._domain.zone_plan import plan_zone
from ansible_collections.zonal.cloud.plugins.module_utils._domain.zone_spec import parse_zone
from ansible_collections.zonal.cloud.plugins.plugin_utils.controller_action import LEDGER_FILE
from ansible_collections.zonal.cloud.plugins.plugin_utils.ledger.store import Ledger
from ansible_collections.zonal.cloud.plugins.plugin_utils.zone_planner import rebuilt
from ansible_collections.zonal.cloud.tests.unit.plugins.fakes.zone import report, run

ROOT = Path(__file__).parents[1]
HOSTS, APPS, BEFORE, AFTER = 500, 50, 200, 220
NAME = "idc01-dev"
ZONE: dict[str, Any] = {
    "hosts": "idc01_dev",
    "network": {"cidr": "10.20.0.0/16", "gateway": "10.20.0.1", "bridge": "br0"},
    "pools": ["10.20.100.0-10.20.200.254"],
}
PROOF = f"create {APPS * (AFTER - BEFORE)}, keep {APPS * BEFORE} "
SENTENCE = """
- hosts: HOSTS
  gather_facts: false
  tasks:
    - ansible.builtin.debug:
        msg: nothing
"""


def declared(count: int) -> list[dict[str, Any]]:
    """Return the declarations of all apps, half of them of containers."""
    common = {"zone": NAME, "tenant": "payments", "count": count, "image": "debian:13", "vcpus": 1, "memory": "512M", "disk": "5G"}
    return [{**common, "app": f"app{number}", "kind": ("vm", "container")[number % 2]} for number in range(APPS)]


def prepare(folder: Path) -> None:
    """Write the inventory, the ledger beside it, what the hosts have reported, and the playbooks of the peer."""
    hosts = {f"kvm{number:03}.example": report() for number in range(HOSTS)}
    zone = parse_zone(NAME, ZONE)
    plan = plan_zone(zone, parse_instances(zone, declared(BEFORE)), Snapshot(), read_observation(zone, hosts, {}))
    reports = run(plan, hosts)
    inventory = Path(folder, "inventory")
    Path(inventory, "group_vars").mkdir(parents=True)
    groups = {"zonal_hosts": {"children": {ZONE["hosts"]: {"hosts": dict.fromkeys(hosts)}}}}
    Path(inventory, "hosts.yml").write_text(json.dumps(groups), encoding="utf-8")
    values = {"zonal_zones": {NAME: ZONE}, "zonal_instances": declared(AFTER)}
    Path(inventory, "group_vars", "all.yml").write_text(json.dumps(values), encoding="utf-8")
    Path(folder, "observations").write_text(json.dumps(reports), encoding="utf-8")
    for name, pattern in (("one", "zonal_hosts[0]"), ("all", "zonal_hosts")):
        Path(folder, f"{name}.yml").write_text(SENTENCE.replace("HOSTS", pattern), encoding="utf-8")
    rebuilt(Ledger(str(Path(inventory, LEDGER_FILE))), zone, reports)


def measure(folder: Path, *arguments: str, proof: str) -> tuple[float, float]:
    """Return the wall and CPU seconds of one ansible-playbook, whose output must have the proof."""
    environment = {**os.environ, "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"), "ANSIBLE_COLLECTIONS_PATH": str(ROOT / ".work/collections")}
    command = ["ansible-playbook", "-i", str(folder / "inventory"), *arguments]
    before, begin = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    wall, after = time.monotonic() - begin, resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode or proof not in done.stdout:
        raise SystemExit(f"{' '.join(command)}: {done.stdout[-4000:]}{done.stderr[-4000:]}")
    return wall, after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime


def main() -> None:
    """Measure and print."""
    runs = int(sys.argv[1]) if len(sys.argv) > 1 else 3
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        prepare(folder)
        recorded = ("playbooks/provision.yml", "--check", "-e", f"zonal_observations={folder / 'observations'}")
        subjects = {
            "provision.yml --check": (recorded, PROOF),
            "debug on one host": ((str(folder / "one.yml"),), "nothing"),
            "debug on all hosts": ((str(folder / "all.yml"),), "nothing"),
        }
        took = [{by: measure(folder, *arguments, proof=proof) for by, (arguments, proof) in subjects.items()} for _run in range(runs)]
    middle = {by: [median(turn[by][part] for turn in took) for part in (0, 1)] for by in subjects}
    ours = middle["provision.yml --check"][1]
    rows = [
        {"by": by, "wall": round(wall, 2), "cpu": round(cpu, 2), "ours_to_it": round(ours / cpu, 2)} for by, (wall, cpu) in middle.items()
    ]
    print("                   by   wall s    CPU s  ours/it (CPU)")
    for row in rows:
        print(f"{row['by']:>21}  {row['wall']:>7}  {row['cpu']:>7}  {row['ours_to_it']:>13}")
    print(json.dumps({"bench": "provision", "hosts": HOSTS, "running": APPS * BEFORE, "new": APPS * (AFTER - BEFORE), "rows": rows}))


if __name__ == "__main__":
    main()
