# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A hypervisor keeps to itself on the network, puts its guests behind its own services, and can tell about itself."""

from __future__ import annotations

import json
import subprocess
from typing import Any

import pytest

from tests.lab.conftest import ENVIRONMENT, INVENTORY, ROOT

HOSTS = ["h1", "h2"]
LOCAL = ("127.", "[::1]", "[::ffff:127.")


def host_info(host: str) -> dict[str, Any]:
    """Run the module host_info on a host, in check mode."""
    command = ["ansible", "-i", str(INVENTORY), host, "--check", "-m", "zonal.cloud.host_info"]
    environment = {**ENVIRONMENT, "ANSIBLE_CALLBACK_RESULT_FORMAT": "json"}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=300, check=False)
    assert " | SUCCESS => " in done.stdout, done.stdout + done.stderr
    told: dict[str, Any] = json.loads(done.stdout.split(" | SUCCESS => ", 1)[1])["host"]
    return told


@pytest.mark.parametrize("host", HOSTS)
def test_only_sshd_listens_on_the_network(lab: Any, host: str) -> None:
    listening = [line.split() for line in lab.on(host, "ss -Hltnp").splitlines()]
    outside = [(words[3], words[-1]) for words in listening if not words[3].startswith(LOCAL)]
    assert outside
    assert all("sshd" in process for _address, process in outside), outside


@pytest.mark.parametrize("host", HOSTS)
def test_libvirt_has_no_network_of_its_own(lab: Any, host: str) -> None:
    assert lab.on(host, "virsh net-list --all --name").split() == []
    assert "virbr" not in lab.on(host, "ip -br link")
    masked = lab.on(host, "systemctl is-enabled libvirtd-tcp.socket libvirtd-tls.socket || true")
    assert masked.split() == ["masked", "masked"]


@pytest.mark.parametrize("host", HOSTS)
def test_guests_are_behind_the_services_of_the_host(lab: Any, host: str) -> None:
    assert lab.on(host, "cat /sys/fs/cgroup/machine.slice/cpu.weight /sys/fs/cgroup/system.slice/cpu.weight").split() == ["50", "100"]
    for group in lab.on(host, "for pid in $(pgrep -f ^/usr/bin/qemu-system); do cat /proc/$pid/cgroup; done").split():
        assert group.startswith("0::/machine.slice/")


@pytest.mark.parametrize("host", HOSTS)
def test_the_host_tells_about_itself(lab: Any, host: str) -> None:
    told = host_info(host)
    assert (told["hostname"], told["hardware"]["cpus"]["count"], len(told["hardware"]["nodes"])) == (host, 1, 1)
    assert [bridge["uplinks"] for bridge in told["network"]["bridges"] if bridge["name"] == "br0"] == [["vec0"]]
    [pool] = told["storage"]["pools"]
    assert (pool["group"], pool["name"]) == ("zonal", "pool")
    assert 0 < pool["free"] < pool["size"]
    assert pool["promised"] > 0
    assert {name: engine["running"] for name, engine in told["engines"].items()} == dict.fromkeys(("docker", "libvirt", "qemu"), True)
    assert told["engines"]["docker"]["storage_driver"] == "overlay2"
    assert (told["kvm"]["usable"], told["kvm"]["seconds"]) == (False, 0.0)
    assert {instance["name"] for instance in told["instances"]} >= {lab.placed(kind, host)[0] for kind in ("vm", "container")}
