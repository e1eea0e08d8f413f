# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Addresses are asked for on the kernel itself: a namespace is the host with its bridges, others are the neighbours on them."""

from __future__ import annotations

import ctypes
import json
import os
import re
import secrets
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.zonal.cloud.plugins.module_utils._adapters.arp_probe import open_wire
from ansible_collections.zonal.cloud.plugins.module_utils._domain.claims import QUARANTINED, Claim
from ansible_collections.zonal.cloud.plugins.module_utils._domain.errors import SpecError
from ansible_collections.zonal.cloud.plugins.module_utils._domain.pools import Ranges
from ansible_collections.zonal.cloud.plugins.module_utils._module.address_probe import probe_addresses
from ansible_collections.zonal.cloud.plugins.module_utils._ports import EngineError
from ansible_collections.zonal.cloud.plugins.module_utils._ports_network import Wire
from ansible_collections.zonal.cloud.plugins.plugin_utils.ledger.store import Ledger
from ansible_collections.zonal.cloud.tests.host_command import run_command
from ansible_collections.zonal.cloud.tests.integration.engines.node import wait_for
from ansible_collections.zonal.cloud.tests.unit.plugins.contracts.wire import ADDRESS, CONTRACT, NEIGHBOUR, OWN, Clock
from ansible_collections.zonal.cloud.tests.unit.plugins.fakes.wire import arp, packed

ROOT = Path(__file__).resolve().parents[3]
DEFAULTS: dict[str, Any] = {"interface": "br0", "within": None, "rate": 200, "tries": 2, "wait": 1.0}
CLONE_NEWNET = 0x40000000
# Sends the frames that it is given in hex, over and over.
SENDER = """\
import socket, sys, time
plug = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
plug.bind(("up0", 0))
while True:
    for frame in sys.argv[2:]:
        plug.send(bytes.fromhex(frame))
        time.sleep(float(sys.argv[1]))
"""


@contextmanager
def inside(namespace: str) -> Iterator[None]:
    """Be in another network meanwhile, with all programs that are started."""
    libc = ctypes.CDLL(None, use_errno=True)
    with open("/proc/thread-self/ns/net", "rb") as home, open(f"/run/netns/{namespace}", "rb") as there:
        if libc.setns(there.fileno(), CLONE_NEWNET) != 0:
            raise OSError(ctypes.get_errno(), f"setns to {namespace}")
        try:
            yield
        finally:
            libc.setns(home.fileno(), CLONE_NEWNET)


class Net:
    """The host with its bridges, and as many neighbours as are added."""

    def __init__(self) -> None:
        self.host = f"zonal-arp-{secrets.token_hex(3)}"
        self._namespaces: list[str] = []
        self._senders: list[subprocess.Popen[bytes]] = []

    def make(self) -> None:
        self._add_namespace(self.host)

    def _add_namespace(self, name: str) -> None:
        self._namespaces.append(name)
        run_command(["ip", "netns", "add", name])
        self.ip(name, "link set lo up")

    def remove(self) -> None:
        for sender in self._senders:
            sender.kill()
            sender.wait(10)
        for name in self._namespaces:
            subprocess.run(["ip", "netns", "delete", name], check=False, capture_output=True)

    def ip(self, namespace: str, *lines: str) -> None:
        run_command(["ip", "-n", namespace, "-batch", "-"], stdin="\n".join(lines) + "\n")

    def add_bridge(self, name: str, address: str, mac: str = OWN) -> None:
        self.ip(self.host, f"link add {name} address {mac} type bridge forward_delay 0", f"link set {name} up")
        self.ip(self.host, f"address add {address} dev {name}")

    def add_neighbour(self, mac: str, *addresses: str, bridge: str = "br0") -> str:
        """Plug a machine into a bridge; return its namespace."""
        number = len(self._namespaces)
        name = f"{self.host}-{number}"
        self._add_namespace(name)
        self.ip(name, f"link add up0 address {mac} type veth peer name p{number} netns {self.host}", "link set up0 up")
        self.ip(self.host, f"link set p{number} master {bridge}", f"link set p{number} up")
        self.ip(name, *(f"address add {address} dev up0" for address in addresses))
        return name

    def send(self, namespace: str, *frames: bytes, pause: float = 0.05) -> None:
        argv = [sys.executable, "-c", SENDER, str(pause), *(frame.hex() for frame in frames)]
        self._senders.append(subprocess.Popen(["ip", "netns", "exec", namespace, *argv]))

    def probe(self, *addresses: str, **params: Any) -> dict[str, Any]:
        with inside(self.host):
            return probe_addresses({**DEFAULTS, "addresses": addresses, **params}, run_command)


@pytest.fixture
def net() -> Iterator[Net]:
    made = Net()
    try:
        made.make()
        made.add_bridge("br0", "10.77.0.1/22")
        yield made
    finally:
        made.remove()


@pytest.mark.parametrize("clause", CONTRACT, ids=lambda clause: clause.__name__)
def test_the_packet_socket_keeps_the_contract(net: Net, clause: Callable[[Wire, Clock], None]) -> None:
    net.add_neighbour(NEIGHBOUR, f"{ADDRESS}/22")
    with inside(net.host), open_wire("br0") as wire:
        clause(wire, time.monotonic)


def test_a_22_in_under_a_minute(net: Net) -> None:
    net.add_neighbour("02:00:00:00:77:07", "10.77.0.7/22", "10.77.3.254/22")
    # Two machines with one address; one of them has its address on another interface, which Linux answers for as well.
    net.add_neighbour("02:00:00:00:77:08", "10.77.1.8/22")
    twin = net.add_neighbour("02:00:00:00:77:09")
    net.ip(twin, "address add 10.77.1.8/32 dev lo")
    found = net.probe("10.77.0.0/22")
    assert found["answered"] == [
        {"address": "10.77.0.7", "macs": ["02:00:00:00:77:07"]},
        {"address": "10.77.1.8", "macs": ["02:00:00:00:77:08", "02:00:00:00:77:09"]},
        {"address": "10.77.3.254", "macs": ["02:00:00:00:77:07"]},
    ]
    assert (found["own"], found["probed"]) == (["10.77.0.1"], 1023)
    assert 1023 * 2 / 200 < found["seconds"] < 30, "neither too fast nor too slow"


def test_a_lossy_network(net: Net) -> None:
    """Of 100 packets to the host 30 are lost: each of 60 addresses is found in 3 tries with a chance of 0.973, in one with 0.7.

    That fewer than 50 are found in 3, or more than 57 in one, happens once in a million runs.
    """
    net.add_neighbour("02:00:00:00:77:07", *(f"10.77.2.{tail}/22" for tail in range(1, 61)))
    hook = "type filter hook ingress device p1 priority 0"
    rules = f"table netdev loss {{ chain lossy {{ {hook}; ether type arp numgen random mod 100 < 30 drop; }}; }}"
    run_command(["ip", "netns", "exec", net.host, "nft", "-f", "-"], stdin=rules)
    assert len(net.probe("10.77.2.1-10.77.2.60", tries=3)["answered"]) >= 50
    assert len(net.probe("10.77.2.1-10.77.2.60", tries=1)["answered"]) <= 57


def test_a_router_that_answers_for_others_does_not_answer_probes(net: Net) -> None:
    router = net.add_neighbour("02:00:00:00:77:07", "10.77.0.7/22")
    net.ip(router, "link add far0 type bridge", "link set far0 up", "route add 10.77.3.0/24 dev far0")
    run_command(["ip", "netns", "exec", router, "sysctl", "-qw", "net.ipv4.ip_forward=1", "net.ipv4.conf.up0.proxy_arp=1"])
    with inside(net.host):
        subprocess.run(["ping", "-c1", "-W2", "10.77.3.9"], capture_output=True, check=False)
        assert "02:00:00:00:77:07" in run_command(["ip", "neigh", "show", "10.77.3.9"]), "it does answer others"
    assert net.probe("10.77.3.8-10.77.3.9")["answered"] == []


def test_who_speaks_unasked_and_who_is_elsewhere(net: Net) -> None:
    stranger = net.add_neighbour("02:00:00:00:77:07")
    gratuitous = packed("ff:ff:ff:ff:ff:ff") + arp("02:00:00:00:77:07", "10.77.0.40", operation=1)[6:]
    whole = arp("02:00:00:00:77:07", "10.77.0.41")
    tagged = whole[:12] + bytes.fromhex("8100 0007") + whole[12:]
    net.send(stranger, gratuitous, tagged, whole[:30], os.urandom(60))
    assert net.probe("10.77.0.30-10.77.0.50")["answered"] == [{"address": "10.77.0.40", "macs": ["02:00:00:00:77:07"]}]


def test_a_flood_delays_nothing(net: Net) -> None:
    net.add_neighbour("02:00:00:00:77:07", "10.77.0.7/22")
    net.send(net.add_neighbour("02:00:00:00:77:08"), arp("02:00:00:00:77:08", "10.77.0.99"), pause=0.0002)
    found = net.probe("10.77.0.2-10.77.0.90", tries=3)
    assert [item["address"] for item in found["answered"]] == ["10.77.0.7"]
    assert found["seconds"] < 6


def test_what_cannot_be_asked_is_one_message(net: Net) -> None:
    with pytest.raises(SpecError, match="interface: 'br0' has no carrier"):
        net.probe("10.77.0.7")
    net.add_neighbour("02:00:00:00:77:07")
    net.ip(net.host, "link set br0 down")
    with pytest.raises(SpecError, match="interface: 'br0' is down"):
        net.probe("10.77.0.7")
    with inside(net.host), pytest.raises(EngineError, match="Cannot probe through br9: No such device"), open_wire("br9"):
        pass


def test_who_is_not_root_is_told_so(net: Net) -> None:
    net.add_neighbour("02:00:00:00:77:07")
    script = f"import runpy; runpy.run_path({__file__!r}, run_name='not_root')"
    argv = ["ip", "netns", "exec", net.host, "setpriv", "--bounding-set=-net_raw", "--inh-caps=-net_raw", sys.executable, "-c", script]
    done = subprocess.run(argv, capture_output=True, text=True, check=False, env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)})
    assert "Cannot probe through br0: only root may send raw frames; use become: true" in done.stderr


if __name__ == "not_root":
    with open_wire("br0"):
        pass


def ansible(net: Net, folder: Path, program: str, *arguments: str) -> subprocess.Popen[str]:
    environment = {
        **os.environ,
        "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"),
        "ANSIBLE_COLLECTIONS_PATH": str(ROOT / ".work" / "collections"),
        "ANSIBLE_LOCAL_TEMP": str(folder / "tmp"),
        "ANSIBLE_REMOTE_TEMP": str(folder / "remote"),
        "ANSIBLE_NOCOLOR": "1",
    }
    argv = ["ip", "netns", "exec", net.host, str(Path(sys.executable).with_name(program)), "-i", str(folder / "hosts.json"), *arguments]
    return subprocess.Popen(argv, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def write_inventory(folder: Path) -> Path:
    """Two zones: of dev the first host does not answer, prod has the same hosts; and one whose only host is dead."""
    local = {"ansible_connection": "local", "ansible_become": False}
    # Nobody listens on port 1.
    dead = {"ansible_host": "127.0.0.1", "ansible_port": 1}
    book = folder / "book.db"
    zones = {
        "dev": {"hosts": "all_dev", "network": {"cidr": "10.77.0.0/22", "bridge": "br0"}, "pools": ["10.77.0.1-10.77.0.100"]},
        "prod": {
            "hosts": "all_prod",
            "network": {"cidr": "10.78.0.0/24", "bridge": "br1", "gateway": "10.78.0.1"},
            "pools": ["10.78.0.1-10.78.0.9"],
        },
    }
    groups = {"all_dev": {"hosts": {"h0": dead, "h1": local, "h2": local}}, "all_prod": {"hosts": {"h1": {}}}}
    variables = {"zonal_zones": zones, "zonal_ledger_url": str(book)}
    inventory = {"all": {"vars": variables, "children": {"zonal_hosts": {"children": groups}}}}
    (folder / "hosts.json").write_text(json.dumps(inventory))
    return book


def claim(tail: int) -> Claim:
    return Claim(f"dev-web-{tail}", f"10.77.0.{tail}", "h2", "none", "web", "container", tail, 1, 2**30, 0)


def quarantined(book: Path, zone: str) -> dict[str, str]:
    return {item.address: item.why for item in Ledger(str(book)).read(zone).held}


def test_the_playbook(net: Net, tmp_path: Path) -> None:
    """.7 and .9 are squatters, .20 is claimed with .21, .30 and .31 are out of use, .40 is claimed while it is asked for, .41 is a stray
    with .42."""
    net.add_bridge("br1", "10.78.0.2/24", "02:00:00:00:78:01")
    net.add_neighbour("02:00:00:00:77:07", *(f"10.77.0.{tail}/22" for tail in (7, 9, 20, 21, 30, 40, 41, 42)))
    net.add_neighbour("02:00:00:00:77:08", "10.77.0.9/22")
    net.add_neighbour("02:00:00:00:78:07", "10.78.0.7/24", bridge="br1")
    book = write_inventory(tmp_path)
    with Ledger(str(book)).write("dev") as pages:
        pages.declare({"cidr": "10.77.0.0/22", "gateway": None, "dns": []}, 86400, Ranges(), Ranges())
        pages.claim([replace(claim(20), extra_addresses=("10.77.0.21",))], "test")
        pages.hold(["10.77.0.30", "10.77.0.31"], QUARANTINED, "test")
    before = book.read_bytes()
    playbook = str(ROOT / "playbooks" / "probe_addresses.yml")

    stray = {"zone": "dev", "address": "10.77.0.41", "extra_addresses": ["10.77.0.42"], "name": "dev-stray", "kind": "vm"}
    reports = [{"key": "h0", "value": {}}, {"key": "h1", "value": {"host": {"instances": [stray]}}}]
    text = finish(ansible(net, tmp_path, "ansible-playbook", playbook, "--check", "-e", json.dumps({"_probe_reports": reports})))
    assert "10.77.0.7       02:00:00:00:77:07: would be taken out of use" in text
    assert not re.search(r"10\.77\.0\.(2.|4[12])", text)
    assert book.read_bytes() == before, "check mode writes nothing"

    sent = packets(net)
    running = ansible(net, tmp_path, "ansible-playbook", playbook)
    wait_for("the first questions", lambda: packets(net) > sent + 20)
    with Ledger(str(book)).write("dev") as pages:
        pages.claim([claim(40)], "meanwhile")
    text = finish(running)
    both = "02:00:00:00:77:07, 02:00:00:00:77:08"
    for line in (
        "Zone dev: 95 addresses asked for through h1",
        "10.77.0.7       02:00:00:00:77:07: taken out of use",
        f"10.77.0.9       {both}: taken out of use",
        "10.77.0.40      02:00:00:00:77:07: now belongs to dev-web-40",
        "10.77.0.1       host h1: taken out of use",
        "10.77.0.30      02:00:00:00:77:07: is out of use",
        "10.77.0.31: is out of use, but nobody answers any more; put it back with",
        "h0 did not answer",
        "10.78.0.7       02:00:00:00:78:07: taken out of use",
    ):
        assert line in text
    assert quarantined(book, "dev") == {
        "10.77.0.1": "host h1 has it",
        "10.77.0.7": "answers ARP as 02:00:00:00:77:07",
        "10.77.0.9": f"answers ARP as {both}",
        "10.77.0.30": "test",
        "10.77.0.31": "test",
        "10.77.0.41": "answers ARP as 02:00:00:00:77:07",
        "10.77.0.42": "answers ARP as 02:00:00:00:77:07",
    }
    assert quarantined(book, "prod") == {"10.78.0.2": "host h1 has it", "10.78.0.7": "answers ARP as 02:00:00:00:78:07"}

    part = json.dumps({"zonal_zone": "dev", "zonal_probe_addresses": ["10.77.0.50-10.77.0.59"]})
    text = finish(ansible(net, tmp_path, "ansible-playbook", playbook, "-e", part))
    assert "Zone dev: 10 addresses asked for through h1" in text
    assert "changed=0" in text
    assert "Zone prod" not in text
    huge = json.dumps(
        {"zonal_zone": "huge", "zonal_zones": {"huge": {"hosts": "all_dev", "network": {"cidr": "10.0.0.0/8", "bridge": "br0"}}}}
    )
    text = finish(ansible(net, tmp_path, "ansible-playbook", playbook, "-e", huge), code=2)
    assert "zone huge has 16777214 addresses that were given to nobody" in " ".join(text.split())
    text = finish(ansible(net, tmp_path, "ansible-playbook", playbook, "--limit", "h0"), code=2)
    assert "zone dev was not probed: none of its hosts h0, h1, h2 answers" in text


def packets(net: Net) -> int:
    with inside(net.host):
        [link] = json.loads(run_command(["ip", "-j", "-s", "link", "show", "p1"]))
    return int(link["stats64"]["tx"]["packets"])


def finish(running: subprocess.Popen[str], code: int = 0) -> str:
    text, _nothing = running.communicate(timeout=120)
    assert running.returncode == code, text
    return text
