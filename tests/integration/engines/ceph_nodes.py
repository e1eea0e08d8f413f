# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Nodes that the role ceph_registry can be run on as on any host: the packages, paths, units and daemons are the real ones.

What is not a host's: systemctl (see ceph_systemctl.py), and files in the place of disks, since there is no device-mapper here.
"""

from __future__ import annotations

import json
import os
import secrets
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ansible_collections.zonal.cloud.tests.integration.engines.node import Node

ROOT = Path(__file__).resolve().parents[3]
SYSTEMCTL = Path(__file__).with_name("ceph_systemctl.py")
DISK = "/var/lib/ceph-disk"
DISK_SIZE = 6 << 30
# Folders outside /etc and /var that the role writes to; the node gets copies.
PRIVATE = ("/usr/local/share/ca-certificates",)
# Ends what would change this machine's packages: all that are needed are there.
FORBIDDEN = ("/usr/bin/apt-get", "/usr/bin/dpkg")
# Small machines, little room on the disk, and nobody who waits for a second after each change.
OPTIONS = {
    "mon_data_avail_warn": 1,
    "mon_data_avail_crit": 1,
    "paxos_propose_interval": 0.1,
    "paxos_min_wait": 0.02,
    "bluestore_cache_autotune": "false",
    "bluestore_cache_size": 64 << 20,
    "osd_pool_default_pg_num": 8,
    "rgw_override_bucket_index_max_shards": 1,
}


@dataclass(frozen=True)
class Ran:
    """A finished run of a playbook."""

    status: int
    output: str

    @property
    def text(self) -> str:
        """All in one line, as messages are broken anywhere."""
        return " ".join(self.output.split())

    @property
    def changed(self) -> dict[str, int]:
        recap = self.output.rpartition("PLAY RECAP")[2].splitlines()[1:]
        return {line.split()[0]: int(line.split("changed=")[1].split()[0]) for line in recap if "changed=" in line}


class CephNode(Node):
    """A host of Ceph. A network of two addresses joins it to this machine, or to another node, which is its router then."""

    def __init__(self, folder: Path, name: str, network: str, number: int = 0, router: CephNode | None = None) -> None:
        super().__init__(folder)
        self.name = name
        self.address, self._router_address = f"{network}.{4 * number + 2}", f"{network}.{4 * number + 1}"
        self._router = router
        self._link = f"zt{secrets.token_hex(4)}"
        self.shell = folder / "sh"

    def start(self) -> None:
        super().start()
        for number, path in enumerate(PRIVATE):
            copy = self.folder / f"etc{number}"
            shutil.copytree(path, copy, symlinks=True)
            self.run("mount", "--bind", str(copy), path)
        for path in FORBIDDEN:
            self.run("mount", "--bind", "/bin/false", path)
        self._add_script("systemctl", f'/usr/bin/python3 {SYSTEMCTL} "$@"')
        self.run("mount", "--bind", str(self.folder / "systemctl"), "/usr/bin/systemctl")
        self.run("mkdir", "-p", "/run/systemd/system")
        self.run("hostname", self.name)
        self._add_packages()
        self._add_link()
        self._add_script(self.shell.name, f'{" ".join(self.enter("/bin/sh"))} "$@"')

    def systemctl(self, verb: str, unit: str) -> str:
        return self.run("/usr/bin/systemctl", verb, unit)

    def processes(self) -> str:
        """Return the command lines of all processes of the node."""
        return self.run("sh", "-c", "cat /proc/[0-9]*/cmdline 2>/dev/null || true").replace("\0", " ")

    def variables(self) -> dict[str, Any]:
        """Return how Ansible reaches the node, and what differs from a host."""
        return {
            "ansible_connection": "local",
            "ansible_shell_executable": str(self.shell),
            "ceph_registry_address": self.address,
            "ceph_registry_osd_devices": [DISK],
        }

    def _add_script(self, name: str, command: str) -> None:
        script = self.folder / name
        script.write_text(f"#!/bin/sh\nexec {command}\n")
        script.chmod(0o755)

    def _add_packages(self) -> None:
        """What the packages have made in /var, which a node has of its own."""
        var = self.folder / "var"
        (var / "lib" / "dpkg").mkdir(parents=True)
        shutil.copy2("/var/lib/dpkg/status", var / "lib" / "dpkg")
        for folder in ("lib/dpkg/updates", "lib/dpkg/info", "lib/apt/lists/partial", "cache/apt/archives/partial"):
            (var / folder).mkdir(parents=True)
        shutil.copytree("/var/lib/ceph", var / "lib" / "ceph")
        self.run("sh", "-ec", "chown -R ceph:ceph /var/lib/ceph; install -d -o ceph -g ceph /var/log/ceph /run/ceph; chmod 1777 /var/tmp")
        self.run("truncate", "--size", str(DISK_SIZE), DISK)

    def _add_link(self) -> None:
        beyond = ["netns", str(self._router.pid)] if self._router else []
        subprocess.run(
            ["ip", "link", "add", self._link, *beyond, "type", "veth", "peer", "name", "eth0", "netns", str(self.pid)], check=True
        )
        for words in (["address", "add", f"{self._router_address}/30", "dev", self._link], ["link", "set", self._link, "up"]):
            command = ["ip", *words]
            subprocess.run(self._router.enter(*command) if self._router else command, check=True)
        self.run("ip", "address", "add", f"{self.address}/30", "dev", "eth0")
        self.run("ip", "link", "set", "eth0", "up")
        self.run("ip", "route", "add", "default", "via", self._router_address)
        self.run("sh", "-c", "echo 1 >/proc/sys/net/ipv4/ip_forward")


def free_network() -> str:
    """Return the first three octets of a network that is nobody's: of the range for benchmarks (RFC 2544)."""
    return f"198.18.{secrets.randbelow(255)}"


def play(folder: Path, nodes: Sequence[CephNode], *arguments: str, **variables: Any) -> Ran:
    """Run registry.yml for the nodes, which are hosts of the registry and of the zone."""
    hosts = {node.name: node.variables() for node in nodes}
    group: Mapping[str, Any] = {"hosts": {name: {} for name in hosts}}
    common = {"ceph_registry_ceph_options": OPTIONS, "ceph_registry_osd_memory": "896M", **variables}
    inventory = folder / "inventory.json"
    inventory.touch(mode=0o600)
    inventory.write_text(json.dumps({"all": {"hosts": hosts, "vars": common, "children": {"zonal_registry": group, "zonal_hosts": group}}}))
    command = [str(Path(sys.executable).parent / "ansible-playbook"), "-i", str(inventory), "zonal.cloud.registry", "--diff", *arguments]
    env = {
        **os.environ,
        "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"),
        "ANSIBLE_COLLECTIONS_PATH": str(ROOT / ".work" / "collections"),
        "ANSIBLE_NOCOLOR": "1",
    }
    done = subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, timeout=900, check=False)
    return Ran(done.returncode, done.stdout + done.stderr)
