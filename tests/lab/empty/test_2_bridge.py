# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The bridge under a living ssh connection: moved onto, saved from a mistake, and back after a power cut. The host is one of networkd."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

HOST, UPLINK, BRIDGE = "h1", "vec0", "br0"
STRANGE_MAC = "02:00:00:00:00:99"
NETWORK = """
for device in /sys/class/net/*; do echo "$device $(cat $device/address $device/mtu | tr '\\n' ' ')"; done | grep -e vec0 -e br0
ip -o address show scope global | awk '$2 == "vec0" || $2 == "br0" {print $2, $4}' | sort; ip route; ip -6 route | grep -v fe80
cat /sys/class/net/br0/bridge/stp_state 2>/dev/null; bridge link 2>/dev/null | grep -o 'vec0.*master br0' | wc -l
"""
TASKS = """
- hosts: {host}
  gather_facts: false
  tasks:
    - zonal.cloud.bridge: {{name: br0, uplink: vec0, {options}}}
"""
CONFIRM = """
    - ansible.builtin.meta: reset_connection
    - ansible.builtin.wait_for_connection: {{timeout: 120}}
    - zonal.cloud.bridge: {{name: br0, uplink: vec0, confirm: true, {options}}}
"""
ROLE = """
- hosts: {host}
  gather_facts: true
  roles:
    - role: zonal.cloud.bridge_network
"""


@pytest.fixture(scope="module")
def bridged(lab: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A host that the role has moved onto its bridge; its network as text."""
    play = tmp_path_factory.mktemp("bridge") / "role.yml"
    play.write_text(ROLE.format(host=HOST))
    lab.play(str(play))
    yield lab.on(HOST, NETWORK)
    lab.router("bridge", "link", "set", "dev", tap(), "locked", "off")


@pytest.fixture
def play(tmp_path: Path) -> Any:
    """Write a playbook that calls the module with options, and confirms when told to."""

    def write(options: str, confirm: bool = False) -> str:
        # Long enough for a machine that runs many hosts on few cores.
        options = options if "confirm_timeout" in options else f"confirm_timeout: 300, {options}"
        path = tmp_path / "play.yml"
        path.write_text((TASKS + (CONFIRM if confirm else "")).format(host=HOST, options=options))
        return str(path)

    return write


def tap() -> str:
    """The port of the lab's switch that the host is plugged into."""
    return f"tap{HOST[1:]}"


def test_a_second_run_changes_nothing(lab: Any, bridged: str, tmp_path: Path) -> None:
    path = tmp_path / "role.yml"
    path.write_text(ROLE.format(host=HOST))
    assert "changed=0" in lab.play(str(path))
    assert lab.on(HOST, NETWORK) == bridged


def test_a_host_that_cut_itself_off_comes_back_and_says_so(lab: Any, bridged: str, play: Any) -> None:
    """The switch lets only the host's own MAC address in; the bridge is given another one."""
    mac = lab.on(HOST, f"cat /sys/class/net/{UPLINK}/address").strip()
    lab.router("bridge", "fdb", "replace", mac, "dev", tap(), "master", "static")
    lab.router("bridge", "link", "set", "dev", tap(), "locked", "on")
    try:
        run = lab.start_play(play(f"confirm_timeout: 15, mac: '{STRANGE_MAC}'", confirm=True))
        output = run.finish(400, status=2)
        assert "the host undid the change at" in output.replace("\n", " ").replace("  ", " "), output
        assert lab.on(HOST, NETWORK) == bridged
    finally:
        lab.router("bridge", "link", "set", "dev", tap(), "locked", "off")


def test_what_is_confirmed_stays_over_a_power_cut(lab: Any, bridged: str, play: Any) -> None:
    lab.play(play("stp: true, forward_delay: 2", confirm=True))
    lab.cli("kill", HOST)
    lab.cli("start", HOST, timeout=600)
    assert lab.on(HOST, f"cat /sys/class/net/{BRIDGE}/bridge/stp_state").strip() == "1"
    assert "changed=0" in lab.play(play("stp: true, forward_delay: 2"))
    lab.play(play("stp: false", confirm=True))
    assert lab.on(HOST, NETWORK) == bridged


def test_a_power_cut_before_the_confirmation_brings_back_the_former_network(lab: Any, bridged: str, play: Any) -> None:
    lab.play(play("confirm_timeout: 900, mtu: 1400"))
    assert lab.on(HOST, f"cat /sys/class/net/{BRIDGE}/mtu").strip() == "1400"
    lab.cli("kill", HOST)
    lab.cli("start", HOST, timeout=600)
    assert lab.on(HOST, NETWORK) == bridged
    assert "changed=0" in lab.play(play("mtu: 1500"))


def test_networkd_has_nothing_left_to_do(lab: Any, bridged: str) -> None:
    """It would wait for ever for a bridge that it did not adopt, and act on it when the cable is pulled."""
    for link in (UPLINK, BRIDGE):
        told = json.loads(lab.on(HOST, f"networkctl --json=short status {link}"))
        assert told["AdministrativeState"] == "configured"
    lab.on(HOST, "systemctl restart systemd-networkd; sleep 3")
    assert lab.on(HOST, NETWORK) == bridged


def test_taking_it_away_and_making_it_again(lab: Any, bridged: str, play: Any) -> None:
    assert lab.on(HOST, f"ls /sys/class/net/{BRIDGE}/brif").split() == [UPLINK], "no guest is attached yet"
    lab.play(play("state: absent", confirm=True))
    assert BRIDGE not in lab.on(HOST, "ls /sys/class/net")
    lab.on(HOST, "! grep -r zonal /etc/network /etc/systemd/network")
    lab.play(play("state: present", confirm=True))
    assert lab.on(HOST, NETWORK) == bridged
