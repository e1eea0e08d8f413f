# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Many instances in one run, on a real docker and a real libvirt."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import docker
import pytest

from ansible_collections.zonal.cloud.plugins.module_utils._adapters.docker_engine import DockerEngine
from ansible_collections.zonal.cloud.plugins.module_utils._adapters.host_lock import LOCK_FILE, host_lock
from ansible_collections.zonal.cloud.plugins.module_utils._adapters.libvirt_engine import LibvirtEngine
from ansible_collections.zonal.cloud.plugins.module_utils._domain.batch import Outcome
from ansible_collections.zonal.cloud.plugins.module_utils._domain.failure import failure_of as message_of
from ansible_collections.zonal.cloud.plugins.module_utils._domain.fields import parse_spec
from ansible_collections.zonal.cloud.plugins.module_utils._domain.instance import ABSENT, RUNNING, STOPPED, Wish
from ansible_collections.zonal.cloud.plugins.module_utils._domain.names import mac_of, network_of
from ansible_collections.zonal.cloud.plugins.module_utils._module.instances import Applied, HostEngines, batch_of, side_by_side
from ansible_collections.zonal.cloud.tests.integration.engines.conftest import BRIDGE, CIDR, IMAGE, ROUTER
from ansible_collections.zonal.cloud.tests.integration.engines.file_disks import FileDisks, file_filesystems
from ansible_collections.zonal.cloud.tests.integration.engines.node import Node, wait_for
from ansible_collections.zonal.cloud.tests.integration.engines.test_vms import Lab
from ansible_collections.zonal.cloud.tests.unit.plugins.fakes.copies import NO_COPIES
from ansible_collections.zonal.cloud.tests.unit.plugins.fakes.instances import KEY

GUEST, MANY, FEW = "guest:1", 30, 12
ROOT = Path(__file__).resolve().parents[3]
ENVIRONMENT = {
    **os.environ,
    "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"),
    "ANSIBLE_COLLECTIONS_PATH": str(ROOT / ".work" / "collections"),
    "ANSIBLE_NOCOLOR": "1",
}


class Zone:
    """Both engines of the node, with an image for each. ``warnings`` are those of the last run, ``patience`` is its stop_timeout."""

    def __init__(self, node: Node, docker_url: str, libvirt_uri: str, prefix: str) -> None:
        self.lab = Lab(node, libvirt_uri)
        self.lab.make_image()
        self.url, self.prefix = docker_url, prefix
        self.api = docker.APIClient(base_url=docker_url, version="auto")
        self.warnings: list[str] = []
        self.patience = 0

    def wish(self, kind: str, last: int, power: str = RUNNING, **options: Any) -> Wish:
        raw = {"zone": "lab", "app": "web", "vcpus": 1, "address": f"10.88.0.{last}", "bridge": BRIDGE, "cidr": CIDR, "gateway": ROUTER}
        own = {"image": IMAGE, "memory": "16M"} if kind == "container" else {"image": GUEST, "memory": "64M"}
        return Wish(kind, f"{self.prefix}{last}", power, parse_spec({**raw, **own, "ssh_keys": [KEY], **options}))

    def converge(self, *wishes: Wish, check_mode: bool = False) -> list[Outcome]:
        """Do what one run of the module does: each has connections of its own."""
        containers, vms = DockerEngine(self.url), LibvirtEngine(self.lab.connection.getURI())
        engines = HostEngines(containers, vms, self.lab.volumes, FileDisks(), file_filesystems(), self.lab.boot, lambda: "qemu", NO_COPIES)
        beside = side_by_side(4, (containers, vms))

        def lanes(numbers: Sequence[int], work: Callable[[int], Applied]) -> Iterator[tuple[int, Applied | None]]:
            # This process alone has the list of its volumes. The lab makes VMs side by side.
            here = [number for number in numbers if wishes[number].kind == "vm"]
            yield from ((number, work(number)) for number in here)
            yield from beside([number for number in numbers if number not in here], work)

        batch = batch_of(wishes, engines, self.patience)
        outcomes = batch.converge(lanes, check_mode=check_mode)
        self.warnings = batch.warnings
        assert None not in outcomes
        return [outcome for outcome in outcomes if outcome is not None]

    def clean(self) -> None:
        for body in self.api.containers(all=True):
            if any(name.startswith(f"/{self.prefix}") for name in body["Names"]):
                self.api.remove_container(body["Id"], force=True)
        for name in [vm.name() for vm in self.lab.connection.listAllDomains() if vm.name().startswith(self.prefix)]:
            self.lab.engine.remove(name)
            self.lab.volumes.remove(f"vm-{name}")

    def running(self) -> list[str]:
        containers = [name.lstrip("/") for body in self.api.containers() for name in body["Names"]]
        return sorted(name for name in [*containers, *(vm.name() for vm in self.lab.connection.listAllDomains(1))] if self.prefix in name)


@pytest.fixture
def zone(node: Node, docker_url: str, libvirt_uri: str, archive: str, prefix: str) -> Iterator[Zone]:
    DockerEngine(docker_url).import_image(archive, IMAGE, {})
    made = Zone(node, docker_url, libvirt_uri, prefix)
    yield made
    made.clean()


def failure_of(outcomes: list[Outcome]) -> str:
    return message_of([outcome.as_dict() for outcome in outcomes])


def steps(outcomes: list[Outcome]) -> list[str]:
    return [" ".join(step.action for step in outcome.done) for outcome in outcomes]


def test_both_kinds_come_change_and_go_in_one_run_each(zone: Zone) -> None:
    wanted = [zone.wish("vm", 200), *(zone.wish("container", last) for last in range(101, 101 + MANY))]
    assert steps(zone.converge(*wanted, check_mode=True)) == ["create start"] * (MANY + 1)
    assert zone.running() == []
    made = zone.converge(*wanted)
    assert (failure_of(made), steps(made)) == ("", ["create start"] * (MANY + 1))
    assert zone.running() == sorted(wish.name for wish in wanted)
    networks = [zone.api.inspect_container(wish.name)["NetworkSettings"]["Networks"][f"zonal-{BRIDGE}"] for wish in wanted[1:]]
    assert [(network["IPAddress"], network["MacAddress"]) for network in networks] == [
        (f"10.88.0.{last}", mac_of(f"10.88.0.{last}")) for last in range(101, 101 + MANY)
    ]
    assert steps(zone.converge(*wanted)) == [""] * (MANY + 1)

    # One is changed, one goes and leaves its address to another, and one cannot be had.
    heir = Wish("container", f"{zone.prefix}heir", RUNNING, zone.wish("container", 102).spec)
    lost = zone.wish("container", 150, image="lost:1")
    changed = zone.converge(zone.wish("container", 101, memory="24M"), zone.wish("container", 102, ABSENT), lost, heir, *wanted[3:])
    assert steps(changed)[:4] == ["update", "remove", "", "create start"]
    assert set(steps(changed)[4:]) == {""}
    assert failure_of(changed).startswith(f"1 of {MANY + 2} instances are not as wanted: container {lost.name}: image: 'lost:1' is not")

    gone = zone.converge(*(Wish(wish.kind, wish.name, ABSENT, wish.spec) for wish in (heir, *wanted)))
    assert (failure_of(gone), zone.running()) == ("", [])
    assert steps(gone).count("remove") == MANY + 1


PLAY = """
- hosts: node
  gather_facts: false
  tasks:
    - zonal.cloud.instances:
        instances: "{{ wanted }}"
        workers: 1
        progress: 1
"""


def test_a_network_that_was_removed_while_nothing_ran_is_made_again(zone: Zone) -> None:
    """Containers that are stopped do not keep it from ``docker network prune``, and docker starts none without it."""
    lasts = range(101, 109)
    zone.converge(*(zone.wish("container", last) for last in lasts))
    bodies = [zone.api.inspect_container(f"{zone.prefix}{last}") for last in lasts]
    zone.converge(*(zone.wish("container", last, STOPPED) for last in lasts))
    zone.api.prune_networks()
    assert zone.api.networks(names=[network_of(BRIDGE)]) == []
    assert steps(zone.converge(*(zone.wish("container", last) for last in lasts))) == ["start"] * len(lasts)
    for last, before in zip(lasts, bodies, strict=True):
        body = zone.api.inspect_container(f"{zone.prefix}{last}")
        endpoint = body["NetworkSettings"]["Networks"][network_of(BRIDGE)]
        assert (body["Id"], endpoint["IPAddress"], endpoint["MacAddress"]) == (before["Id"], f"10.88.0.{last}", mac_of(f"10.88.0.{last}"))
    assert steps(zone.converge(*(zone.wish("container", last) for last in lasts))) == [""] * len(lasts)


class Playing:
    """A playbook that makes some containers on the node."""

    def __init__(self, zone: Zone, node: Node, folder: Path, count: int) -> None:
        network = {"bridge": BRIDGE, "cidr": CIDR, "gateway": ROUTER}
        common = {"kind": "container", "zone": "lab", "image": IMAGE, "memory": "16M", "vcpus": 1, "network": network, "ssh_keys": [KEY]}
        wanted = [{**common, "name": f"{zone.prefix}{last}", "address": f"10.88.0.{last}"} for last in range(101, 101 + count)]
        host = {"ansible_connection": "local", "ansible_python_interpreter": sys.executable}
        (folder / "inventory.json").write_text(json.dumps({"all": {"hosts": {"node": host}, "vars": {"wanted": wanted}}}))
        (folder / "play.yml").write_text(PLAY)
        program = str(Path(sys.executable).parent / "ansible-playbook")
        self.names = {str(item["name"]) for item in wanted}
        self._argv = node.enter(program, "-i", str(folder / "inventory.json"), "-vvv", str(folder / "play.yml"))

    def start(self) -> subprocess.Popen[str]:
        """Start it in a process group of its own, as a shell does."""
        return subprocess.Popen(
            self._argv, env=ENVIRONMENT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True
        )

    def finish(self) -> str:
        """Run it to its end, and return what it tells."""
        running = self.start()
        told, _nothing = running.communicate(timeout=120)
        assert running.returncode == 0, told
        return told


def test_people_are_told_while_it_runs(zone: Zone, node: Node, tmp_path: Path) -> None:
    playing = Playing(zone, node, tmp_path, FEW)
    told = playing.finish()
    assert set(re.findall(r"^node: container (\S+): create, start$", told, re.MULTILINE)) == playing.names == set(zone.running())
    calls = [match.start() for match in re.finditer("Using module file .*instances.py", told)]
    lines = [match.start() for match in re.finditer("^node: container ", told, re.MULTILINE)]
    assert len(lines) == FEW
    # Some are told before the module is called again for the rest.
    assert min(lines) < calls[1] < max(lines)
    assert "changed=0" in playing.finish()


def test_who_presses_ctrl_c_may_run_it_again(zone: Zone, node: Node, tmp_path: Path) -> None:
    playing = Playing(zone, node, tmp_path, 3)
    running = playing.start()
    # One is whole, and the next one is being made.
    wait_for("the second container", lambda: len(containers(zone)) > 1, 30)
    os.killpg(running.pid, signal.SIGINT)
    told, _nothing = running.communicate(timeout=10)
    assert "User interrupted execution" in told
    with host_lock(node.path(LOCK_FILE), 10):
        left = containers(zone)
    assert len(left) < 3
    final = {name: state for name, state in left.items() if name in playing.names}
    assert {*left} - {*final} <= {f"{name}.new" for name in playing.names}
    assert {*final.values()} <= {"created", "running"}
    assert "changed=1" in playing.finish()
    assert containers(zone) == dict.fromkeys(playing.names, "running")


def containers(zone: Zone) -> dict[str, str]:
    """Return the state of each container of the test, whole or not."""
    found = {name.lstrip("/"): body["State"] for body in zone.api.containers(all=True) for name in body["Names"]}
    return {name: state for name, state in found.items() if name.startswith(zone.prefix)}
