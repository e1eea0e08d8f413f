# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Instances of both kinds are reached by their own addresses, without NAT, also after their engines restart."""

from __future__ import annotations

from typing import Any

import pytest

KINDS = ("vm", "container")
NAMES = {"10.99.1.11": "lab-db-001011", "10.99.1.12": "lab-db-001012", "10.99.1.13": "lab-web-001013", "10.99.1.14": "lab-web-001014"}


def all_answer(lab: Any) -> None:
    for address, name in NAMES.items():
        lab.eventually(lambda address=address: lab.answers(address), f"{name} at {address} answers the router")


def assert_reaches_all_others(lab: Any, address: str) -> None:
    """By their ssh servers: a container has no right to send pings. That it reaches the router, this very login shows."""
    others = [other for other in NAMES if other != address]
    told = lab.login(address, "; ".join(f"echo | nc -w 10 {other} 22 | grep -q ^SSH && echo {other}" for other in others), timeout=120)
    assert told.split() == others


@pytest.mark.parametrize("address", NAMES)
def test_it_lets_the_injected_key_in_and_has_its_name(lab: Any, address: str) -> None:
    lab.eventually(lambda: lab.answers(address), f"{address} answers")
    assert lab.login(address, "hostname").strip() == NAMES[address]


@pytest.mark.parametrize("address", NAMES)
def test_it_reaches_all_others(lab: Any, address: str) -> None:
    assert_reaches_all_others(lab, address)


@pytest.mark.parametrize("on_h1", KINDS)
@pytest.mark.parametrize("on_h2", KINDS)
def test_the_server_sees_the_address_of_the_client_itself(lab: Any, on_h1: str, on_h2: str) -> None:
    client, server = lab.placed(on_h1, "h1")[1], lab.placed(on_h2, "h2")[1]
    lab.login(server, "cd /tmp; (busybox httpd -v -v -f -p 8080 </dev/null >seen 2>&1 & echo $! >httpd.pid)")
    lab.eventually(lambda: "HTTP/1" in lab.login(client, f"wget -S -O /dev/null http://{server}:8080/ 2>&1; true"), "the server speaks", 60)
    assert client in lab.login(server, "cat /tmp/seen; kill $(cat /tmp/httpd.pid)")


def test_macs_are_derived_and_the_kernel_of_each_host_has_them(lab: Any) -> None:
    for address in NAMES:
        lab.router("ping", "-c1", "-W5", address)
    neighbours = lab.router("ip", "neighbour")
    for address in NAMES:
        mac = "02:42:" + ":".join(f"{int(octet):02x}" for octet in address.split("."))
        assert f"{address} dev" in neighbours
        assert any(line.startswith(f"{address} ") and mac in line for line in neighbours.splitlines())


@pytest.mark.parametrize("host", ["h1", "h2"])
def test_they_keep_address_and_mac_when_container_and_daemons_restart(lab: Any, host: str) -> None:
    name, address = lab.placed("container", host)
    _vm, neighbour = lab.placed("vm", host)
    boot_before = lab.login(neighbour, "cat /proc/sys/kernel/random/boot_id")
    lab.on(host, f"docker restart --time 5 {name}")
    lab.eventually(lambda: lab.answers(address), f"{name} answers after docker restart")
    lab.on(host, "systemctl restart docker libvirtd")
    all_answer(lab)
    endpoint = "{{range .NetworkSettings.Networks}}{{.IPAddress}} {{.MacAddress}}{{end}}"
    shown = lab.on(host, f"docker inspect {name} --format '{endpoint}'")
    mac = "02:42:" + ":".join(f"{int(octet):02x}" for octet in address.split("."))
    assert shown.split() == [address, mac]
    assert lab.login(neighbour, "cat /proc/sys/kernel/random/boot_id") == boot_before
    for guest in (address, neighbour):
        assert_reaches_all_others(lab, guest)


def test_nothing_of_a_host_listens_on_the_network_but_ssh(lab: Any) -> None:
    for host in ("h1", "h2"):
        listening = lab.on(host, "ss -Hltnup | grep -v '127\\.0\\.0\\.1\\|\\[::1\\]\\|127\\.0\\.0\\.5' || true")
        assert {line.split('"')[1] for line in listening.splitlines() if '"' in line} <= {"sshd", "systemd"}
        assert "virbr0" not in lab.on(host, "ip -o link")
        assert "docker0" not in lab.on(host, "ip -o link")
