# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""How long many containers of one host take to make, to look at, to change and to remove, beside other ways to do that.

python bench/converge.py [COUNT [RUNS [WAY ...]]]    as root, on a docker of its own in namespaces (default 100, 3, all ways)

The ways take turns. Prints tables of medians for people, of seconds and of CPU seconds without those of daemons, then one JSON object as
the last line. community.docker is taken from the package ansible of PyPI, which is downloaded into .work/bench once. LXD is what Debian's
packages lxd and lxd-client are; without them it is left out.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import docker

from ansible_collections.zonal.cloud.bench.peers import ROOT, WORK, collections_of
from ansible_collections.zonal.cloud.plugins.module_utils._adapters.docker_engine import DockerEngine
from ansible_collections.zonal.cloud.plugins.module_utils._domain.names import mac_of, network_of
from ansible_collections.zonal.cloud.tests.integration.engines.node import Node

COLLECTIONS = ("docker", "library_inventory_filtering_v1")
BRIDGE, CIDR, ROUTER, IMAGE = "br0", "10.88.0.0/16", "10.88.0.1", "bench:1"
NETWORK = network_of(BRIDGE)
WORKERS = 4
PHASES = ("make", "nothing to do", "change", "remove")
NOTHING = ("nothing to do",)
INIT = "#!/bin/sh\ntrap 'exit 0' TERM\nwhile :; do sleep 1 & wait $!; done\n"
PLAYS = {
    "ping": "    - ansible.builtin.ping:\n",
    "zonal.cloud.instance_stats": "    - zonal.cloud.instance_stats:\n        interval: 0\n",
    "zonal.cloud.instances": """\
    - zonal.cloud.instances:
        instances: "{{ wanted }}"
        stop_timeout: 5
""",
    "community.docker in a loop": """\
    - community.docker.docker_container:
        name: "{{ item.name }}"
        state: "{{ 'absent' if item.state == 'absent' else 'started' }}"
        image: "{{ item.image }}"
        pull: never
        hostname: "{{ item.name }}"
        memory: "{{ item.memory }}"
        memory_swap: "{{ item.memory }}"
        cpuset_cpus: "0"
        restart_policy: unless-stopped
        stop_timeout: 5
        network_mode: "{{ network }}"
        mac_address: "{{ item.mac }}"
        networks: [{name: "{{ network }}", ipv4_address: "{{ item.address }}"}]
      loop: "{{ wanted }}"
      loop_control: {label: "{{ item.name }}"}
""",
}


def wanted(count: int, memory: str, state: str) -> list[dict[str, Any]]:
    """Return the instances."""
    common = {"kind": "container", "zone": "bench", "image": IMAGE, "vcpus": 1, "memory": memory, "state": state, "ssh_keys": []}
    network = {"bridge": BRIDGE, "cidr": CIDR, "gateway": ROUTER}
    addresses = [f"10.88.{1 + number // 200}.{1 + number % 200}" for number in range(count)]
    return [
        {**common, "network": network, "name": f"bench-{number}", "address": address, "mac": mac_of(address)}
        for number, address in enumerate(addresses)
    ]


Converge = Callable[[list[dict[str, Any]]], None]


class Playbook:
    """Runs playbooks on the node, which is the only host and in the group ``bench``."""

    def __init__(self, node: Node, folder: Path) -> None:
        self._node = node
        self._variables = folder / "variables.json"
        self._inventory = folder / "inventory.json"
        python = {"ansible_connection": "local", "ansible_become": False, "ansible_python_interpreter": sys.executable, "network": NETWORK}
        self._inventory.write_text(json.dumps({"bench": {"hosts": {"node": python}}}))

    def run(self, playbook: str, variables: dict[str, Any], **settings: str) -> None:
        self._variables.write_text(json.dumps(variables))
        paths = f"{ROOT / '.work' / 'collections'}:{WORK / 'collections'}"
        env = {**os.environ, "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"), "ANSIBLE_COLLECTIONS_PATH": paths, **settings}
        program = [str(Path(sys.executable).parent / "ansible-playbook"), "-i", str(self._inventory)]
        argv = self._node.enter(*program, "-e", f"@{self._variables}", playbook)
        done = subprocess.run(argv, env=env, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            sys.exit(f"{playbook} ended with {done.returncode}:\n{(done.stdout + done.stderr)[-3000:]}")


class Way(Playbook):
    """A task that is run for each phase."""

    def __init__(self, name: str, node: Node, folder: Path) -> None:
        super().__init__(node, folder)
        self._name = name
        self._play = folder / f"{name.replace(' ', '-')}.yml"
        self._play.write_text(f"- hosts: node\n  gather_facts: false\n  tasks:\n{PLAYS[name]}")

    def __call__(self, instances: list[dict[str, Any]]) -> None:
        if self._name == "zonal.cloud.instances":
            instances = [{key: value for key, value in item.items() if key != "mac"} for item in instances]
        self.run(str(self._play), {"wanted": instances})


class Alone(Way):
    """The module of a play as Ansible would bring it to a host, without Ansible: Python starts, loads it and runs it."""

    def __init__(self, name: str, node: Node, folder: Path) -> None:
        super().__init__(name, node, folder)
        kept = folder / "kept"
        self.run(str(self._play), {}, ANSIBLE_KEEP_REMOTE_FILES="1", ANSIBLE_REMOTE_TMP=str(kept))
        self._module = next(kept.glob("*/AnsiballZ_*.py"))

    def __call__(self, instances: list[dict[str, Any]]) -> None:
        told = json.loads(self._node.run(sys.executable, str(self._module)))
        if len(told["instances"]) != len(instances):
            sys.exit(f"{self._module.name} tells of {len(told['instances'])} instances")


class Provision(Playbook):
    """The whole of provision.yml: the host is asked what it is, the zone planned, the ledger kept."""

    def __init__(self, node: Node, folder: Path, archive: Path) -> None:
        super().__init__(node, folder)
        network = {"cidr": CIDR, "gateway": ROUTER, "bridge": BRIDGE}
        # Addresses that were given back are given out at once; 64 is the most that may be promised.
        zone = {"hosts": "bench", "network": network, "hold": 0, "overcommit": {"vcpus": 64}}
        image = {"name": IMAGE, "src": str(archive), "sha256": hashlib.sha256(archive.read_bytes()).hexdigest(), "kinds": ["container"]}
        self._zone = {"zonal_zones": {"bench": zone}, "zonal_ledger_url": str(folder / "ledger.db"), "zonal_images": [image]}
        self.run("zonal.cloud.images", self._zone)

    def __call__(self, instances: list[dict[str, Any]]) -> None:
        names = ("kind", "image", "vcpus", "memory", "state", "name", "address")
        declared = [{"zone": "bench", "app": "bench", **{name: item[name] for name in names}} for item in instances]
        self.run("zonal.cloud.provision", {**self._zone, "zonal_instances": declared})


class Floor:
    """docker's API alone, with as many calls at a time as our module has workers: what no tool can be faster than."""

    def __init__(self, url: str) -> None:
        self._url = url

    def __call__(self, instances: list[dict[str, Any]]) -> None:
        with ThreadPoolExecutor(WORKERS) as pool:
            list(pool.map(self._one, instances))

    def _one(self, item: dict[str, Any]) -> None:
        api = docker.APIClient(base_url=self._url, version="auto")
        known = {name for body in api.containers(all=True, filters={"name": f"^/{item['name']}$"}) for name in body["Names"]}
        if item["state"] == "absent":
            api.stop(item["name"], timeout=5)
            api.remove_container(item["name"], force=True)
        elif known:
            api.update_container(item["name"], mem_limit=item["memory"], memswap_limit=item["memory"])
        else:
            limits = api.create_host_config(
                mem_limit=item["memory"], memswap_limit=item["memory"], cpuset_cpus="0", restart_policy={"Name": "unless-stopped"}
            )
            endpoint = api.create_endpoint_config(ipv4_address=item["address"])
            networking = api.create_networking_config({NETWORK: endpoint})
            made = api.create_container(
                IMAGE,
                name=item["name"],
                hostname=item["name"],
                host_config={**limits, "NetworkMode": NETWORK},
                networking_config=networking,
            )
            api.start(made["Id"])
        api.close()


class Lxd:
    """LXD in the node, by its own client, with as many at a time as our module has workers. Its containers have their MAC, memory limit and
    CPU set, but would have to get their addresses from within."""

    def __init__(self, node: Node, archive: Path) -> None:
        self._node = node
        with open(node.folder / "lxd.log", "ab") as log:
            daemon = node.enter("lxd", "--group", "root")
            self._daemon = subprocess.Popen(daemon, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)
        node.run("lxd", "waitready", "--timeout", "60")
        card = {"type": "nic", "nictype": "bridged", "parent": BRIDGE, "name": "eth0"}
        profile = {
            "name": "default",
            # As root of its host, as docker's are.
            "config": {"security.privileged": "true", "limits.cpu": "0-0"},
            "devices": {"root": {"path": "/", "pool": "default", "type": "disk"}, "eth0": card},
        }
        node.run(
            "lxd", "init", "--preseed", stdin=json.dumps({"storage_pools": [{"name": "default", "driver": "dir"}], "profiles": [profile]})
        )
        about = archive.with_name("metadata.tar")
        with tarfile.open(about, "w") as tar:
            _add(tar, "metadata.yaml", json.dumps({"architecture": os.uname().machine, "creation_date": 1}).encode(), 0o644)
        node.run("lxc", "image", "import", str(about), str(archive), "--alias", "bench")

    def __call__(self, instances: list[dict[str, Any]]) -> None:
        known = set(self._names())
        with ThreadPoolExecutor(WORKERS) as pool:
            list(pool.map(partial(self._one, known), instances))

    def running(self) -> int:
        return len(self._names())

    def stop(self) -> None:
        self._daemon.terminate()
        self._daemon.wait(60)

    def _names(self) -> list[str]:
        return self._node.run("lxc", "list", "--format", "csv", "--columns", "n").split()

    def _one(self, known: set[str], item: dict[str, Any]) -> None:
        name, memory = item["name"], f"limits.memory={item['memory']}iB"
        if item["state"] == "absent":
            self._node.run("lxc", "delete", "--force", name)
        elif name in known:
            self._node.run("lxc", "config", "set", name, memory)
        else:
            self._node.run("lxc", "launch", "bench", name, "--config", memory, "--device", f"eth0,hwaddr={item['mac']}")


def make_image(url: str, path: Path) -> None:
    """Write a root file system of busybox, and import it."""
    with tarfile.open(path, "w") as tar:
        for name, content in (("bin/busybox", Path("/bin/busybox").read_bytes()), ("sbin/init", INIT.encode())):
            _add(tar, name, content, 0o755)
        for applet in ("sh", "sleep"):
            link = tarfile.TarInfo(f"bin/{applet}")
            link.type, link.linkname = tarfile.SYMTYPE, "busybox"
            tar.addfile(link)
        # docker makes these by itself.
        for name in ("dev", "proc", "sys", "run", "tmp", "etc", "root", "var"):
            folder = tarfile.TarInfo(name)
            folder.type, folder.mode = tarfile.DIRTYPE, 0o755
            tar.addfile(folder)
    DockerEngine(url).import_image(str(path), IMAGE, {})


def _add(tar: tarfile.TarFile, name: str, content: bytes, mode: int) -> None:
    entry = tarfile.TarInfo(name)
    entry.size, entry.mode = len(content), mode
    tar.addfile(entry, io.BytesIO(content))


def running(url: str) -> int:
    """Return how many containers run."""
    api = docker.APIClient(base_url=url, version="auto")
    count = len(api.containers())
    api.close()
    return count


@dataclass(frozen=True)
class Entry:
    """A way, the phases that it has, how many containers it has running, and ways that look at these when they are as wanted."""

    way: Converge
    running: Callable[[], int]
    phases: Sequence[str] = PHASES
    looks: Mapping[str, Converge] = field(default_factory=dict)


Times = dict[str, dict[str, list[tuple[float, float]]]]
Told = dict[str, dict[str, float]]


def cpu_seconds() -> float:
    """Return what this process and those that it has waited for have used."""
    used = [resource.getrusage(whose) for whose in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(each.ru_utime + each.ru_stime for each in used)


def measure(times: Times, name: str, phase: str, work: Callable[[], None]) -> None:
    """Note the seconds and the CPU seconds that the work takes."""
    started, used = time.monotonic(), cpu_seconds()
    work()
    took = (time.monotonic() - started, cpu_seconds() - used)
    times.setdefault(name, {}).setdefault(phase, []).append(took)
    print(f"{name}: {phase}: {took[0]:.1f} s, {took[1]:.1f} CPU s", file=sys.stderr, flush=True)


def measured(entries: dict[str, Entry], count: int, runs: int) -> Times:
    """Return the seconds and CPU seconds of each run, by way and phase."""
    times: Times = {}
    plans = {"make": ("16M", "running"), "nothing to do": ("16M", "running"), "change": ("24M", "running"), "remove": ("24M", "absent")}
    for _run in range(runs):
        for name, entry in entries.items():
            for phase in entry.phases:
                instances = wanted(count, *plans[phase])
                measure(times, name, phase, partial(entry.way, instances))
                left = 0 if phase == "remove" or name == "ping" else count
                if entry.running() != left:
                    sys.exit(f"{name} has left {entry.running()} of {left} containers after '{phase}'")
                for other, look in entry.looks.items() if (phase,) == NOTHING else ():
                    measure(times, other, phase, partial(look, instances))
    return times


def medians(times: Times, place: int) -> Told:
    """Return the medians of the seconds (place 0) or CPU seconds (1)."""
    return {
        name: {phase: round(statistics.median(took[place] for took in found), 2) for phase, found in phases.items()}
        for name, phases in times.items()
    }


def show(told: Told, what: str) -> None:
    """Print seconds, and in brackets how many times ours that is."""
    print(f"| {what} | " + " | ".join(PHASES) + " |\n| --- |" + " --- |" * len(PHASES))
    ours = next(iter(told.values()))
    for name, phases in told.items():
        cells = [f"{phases[phase]:.1f} ({phases[phase] / ours[phase]:.2f})" if phase in phases else "" for phase in PHASES]
        print(f"| {name} | {' | '.join(cells)} |")
    print()


def main(arguments: Sequence[str]) -> None:
    """Measure on a node of namespaces."""
    count, runs = [int(word) for word in [*arguments, *("100", "3")[len(arguments) :]][:2]]
    chosen = arguments[2:]
    collections_of(*COLLECTIONS)
    with tempfile.TemporaryDirectory(prefix="zonal-bench-") as name:
        folder = Path(name)
        (folder / "node").mkdir()
        node = Node(folder / "node")
        lxd: Lxd | None = None
        try:
            node.start()
            node.add_bridge(BRIDGE, f"{ROUTER}/16")
            url = node.start_docker()
            archive = folder / "rootfs.tar"
            make_image(url, archive)
            way = partial(Way, node=node, folder=folder)
            containers = partial(running, url)
            # Ours first: it makes docker's network, which all of them use.
            ours, loop, ping = way("zonal.cloud.instances"), way("community.docker in a loop"), way("ping")
            stats = "zonal.cloud.instance_stats"
            looks = {stats: way(stats), f"{stats} without Ansible": Alone(stats, node, folder)}
            entries = {
                "zonal.cloud.instances": Entry(ours, containers, looks=looks),
                "zonal.cloud.provision": Entry(Provision(node, folder, archive), containers),
                "community.docker in a loop": Entry(loop, containers),
                "docker's API": Entry(Floor(url), containers),
                "ping": Entry(ping, containers, NOTHING),
            }
            entries = {name: entry for name, entry in entries.items() if not chosen or name in chosen}
            if not chosen and not (shutil.which("lxd") and shutil.which("lxc")):
                print("LXD is not installed (apt-get install lxd lxd-client), so it is left out", file=sys.stderr)
            elif not chosen or "LXD" in chosen:
                lxd = Lxd(node, archive)
                # It has no declaration that could be run again.
                entries["LXD"] = Entry(lxd, lxd.running, [phase for phase in PHASES if phase != "nothing to do"])
            times = measured(entries, count, runs)
            told = {"seconds": medians(times, 0), "CPU seconds": medians(times, 1)}
            for what, figures in told.items():
                show(figures, what)
            print(json.dumps(told))
        finally:
            if lxd:
                lxd.stop()
            node.stop()


if __name__ == "__main__":
    main(sys.argv[1:])
