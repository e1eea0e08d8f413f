# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The bridge on the kernel itself: iproute2 in a network namespace, with a second one as the router."""

from __future__ import annotations

import secrets
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.zonal.cloud.plugins.module_utils._adapters.iproute import IpRoute
from ansible_collections.zonal.cloud.plugins.module_utils._adapters.network_files import EtcNetwork
from ansible_collections.zonal.cloud.plugins.module_utils._adapters.rollback import RollbackScript
from ansible_collections.zonal.cloud.plugins.module_utils._domain.bridge import Address, Route, bridge_spec
from ansible_collections.zonal.cloud.plugins.module_utils._domain.errors import RefusedError
from ansible_collections.zonal.cloud.plugins.module_utils._module.bridge import BridgeResource
from ansible_collections.zonal.cloud.plugins.module_utils._ports import EngineError
from ansible_collections.zonal.cloud.plugins.module_utils._ports_network import Links
from ansible_collections.zonal.cloud.tests.host_command import run_command
from ansible_collections.zonal.cloud.tests.unit.plugins.contracts.links import CIDRS, CONTRACT, MAC, ROUTES, UPLINK

BRIDGE = "br0"
INTERFACES = "auto lo\niface lo inet loopback\n\nauto up0\niface up0 inet static\n    address 10.7.0.2/24\n"
WISH: dict[str, Any] = {
    "name": BRIDGE,
    "state": "present",
    "uplink": UPLINK,
    "addresses": None,
    "mac": None,
    "stp": False,
    "forward_delay": None,
    "mtu": None,
    "backend": "ifupdown",
    "confirm_timeout": 60,
    "confirm": False,
}


class Host:
    """A namespace that is the host, and one that is its router and checks what is reached."""

    def __init__(self, folder: Path) -> None:
        self.namespace = f"zonal-br-{secrets.token_hex(3)}"
        self.router = f"{self.namespace}-r"
        self.root = folder / "root"
        self.state = folder / "run"
        (self.root / "etc/network").mkdir(parents=True)
        (self.root / "etc/network/interfaces").write_text(INTERFACES)

    def make(self) -> None:
        for name in (self.namespace, self.router):
            run_command(["ip", "netns", "add", name])
        run_command(
            [
                "ip",
                "link",
                "add",
                UPLINK,
                "address",
                MAC,
                "netns",
                self.namespace,
                "type",
                "veth",
                "peer",
                "name",
                "r0",
                "netns",
                self.router,
            ]
        )
        self.do(
            "link set lo up", f"link set {UPLINK} up", f"address add 10.7.0.2/24 dev {UPLINK}", f"address add fd07::2/64 dev {UPLINK} nodad"
        )
        self.do(f"route add default via 10.7.0.1 dev {UPLINK} metric 50", f"route add default via fd07::1 dev {UPLINK} metric 60")
        # The kernel's own default, which systemd changes.
        for scope in ("all", "default"):
            self.command(["sysctl", "-qw", f"net.ipv4.conf.{scope}.promote_secondaries=0"])
        batch = "link set r0 up\naddress add 10.7.0.1/24 dev r0\naddress add fd07::1/64 dev r0 nodad\n"
        run_command(["ip", "-n", self.router, "-batch", "-"], stdin=batch)

    def remove(self) -> None:
        for name in (self.namespace, self.router):
            subprocess.run(["ip", "netns", "delete", name], check=False, capture_output=True)

    def do(self, *lines: str) -> None:
        run_command(["ip", "-n", self.namespace, "-batch", "-"], stdin="\n".join(lines) + "\n")

    def command(self, argv: Sequence[str], *, stdin: str | None = None, timeout: float = 120) -> str:
        return run_command(["ip", "netns", "exec", self.namespace, *argv], stdin=stdin, timeout=timeout)

    def links(self) -> IpRoute:
        return IpRoute(self.command)

    def resource(self, **wish: Any) -> BridgeResource:
        files = EtcNetwork(self.command, str(self.root))
        return BridgeResource(bridge_spec({**WISH, **wish}), self.links(), files, RollbackScript(self.command, str(self.state)))

    def converge(self, **wish: Any) -> tuple[list[str], dict[str, Any]]:
        """What the module does, and the report afterwards."""
        resource = self.resource(**wish)
        plan = resource.plan(resource.observe())
        for step in plan.steps:
            resource.apply(step)
        return [step.action for step in plan.steps], resource.report(resource.observe())

    def answers(self) -> bool:
        """Both addresses answer the router."""
        commands = [["ping", "-c1", "-W2", address.split("/", maxsplit=1)[0]] for address in CIDRS]
        pings = [subprocess.run(["ip", "netns", "exec", self.router, *argv], capture_output=True, check=False) for argv in commands]
        return all(ping.returncode == 0 for ping in pings)

    def interfaces(self) -> str:
        return (self.root / "etc/network/interfaces").read_text()

    def is_as_before(self) -> bool:
        now = self.links().snapshot()
        uplink = now.find(UPLINK)
        assert uplink
        same = sorted(a.cidr for a in uplink.addresses) == CIDRS and sorted(map(str, uplink.routes)) == ROUTES
        return same and now.find(BRIDGE) is None and uplink.mac == MAC


RICH = (
    "address add 10.7.0.3/24 dev up0",
    "address add 10.8.0.1 peer 10.8.0.2/32 dev up0",
    "address add 10.9.0.1/24 broadcast 10.9.0.255 dev up0 metric 40 noprefixroute",
    "address add fd07::3/64 dev up0 nodad preferred_lft 0",
    "address add fd07::4/64 dev up0 nodad valid_lft 3000 preferred_lft 2000",
    "route add 10.20.0.0/16 dev up0 scope link src 10.7.0.2",
    "route add 10.21.0.0/16 via 192.0.2.1 dev up0 onlink",
    "route add 10.22.0.0/16 via 10.7.0.1 dev up0 table 100 proto static mtu 1400",
    "route add 10.23.0.0/16 via inet6 fd07::1 dev up0",
    "route add 10.24.0.7 via 10.7.0.1 dev up0 metric 5",
    "route add fd24::/64 via fd07::1 dev up0 metric 7",
    "route add fd25::/64 via fd07::1 dev up0 expires 3000",
)


@pytest.fixture
def host(tmp_path: Path) -> Iterator[Host]:
    made = Host(tmp_path)
    try:
        made.make()
        yield made
    finally:
        made.remove()


@pytest.mark.parametrize("clause", CONTRACT, ids=lambda clause: clause.__name__)
def test_iproute_keeps_the_contract(host: Host, clause: Callable[[Links], None]) -> None:
    clause(host.links())


def test_check_do_again_change_and_back(host: Host) -> None:
    before = host.resource().observe()
    assert [step.action for step in host.resource().plan(before).steps] == ["switch"]
    assert host.resource().observe() == before

    done, told = host.converge()
    assert (done, told["addresses"], told["routes"], told["persistent"], told["unconfirmed"]) == (["switch"], CIDRS, ROUTES, False, True)
    assert host.answers()
    assert host.interfaces() == INTERFACES

    done, told = host.converge(confirm=True)
    assert (done, told["persistent"], told["unconfirmed"]) == (["confirm"], True, False)
    assert "iface br0 inet manual" in host.interfaces()
    assert host.converge()[0] == []
    assert host.converge(confirm=True)[0] == []

    assert host.converge(stp=True, forward_delay=2, confirm_timeout=0)[0] == ["switch", "persist"]
    assert host.converge(stp=True, forward_delay=2)[0] == []

    assert host.converge(state="absent", uplink=None)[0] == ["switch"]
    assert host.converge(state="absent", uplink=None)[0] == ["confirm"]
    assert host.converge(state="absent", uplink=None)[0] == []
    assert host.interfaces() == INTERFACES
    assert host.is_as_before()
    assert host.answers()


def test_every_attribute_moves_there_and_back(host: Host) -> None:
    host.do(*RICH)
    before = host.links().snapshot().find(UPLINK)
    assert before
    assert len(before.addresses) == 7
    assert len(before.routes) == 9
    host.converge(confirm_timeout=0)
    bridge = host.links().snapshot().find(BRIDGE)
    assert bridge
    assert (timeless(bridge.addresses), timeless(bridge.routes)) == (timeless(before.addresses), timeless(before.routes))
    host.converge(confirm_timeout=0, state="absent")
    after = host.links().snapshot().find(UPLINK)
    assert after
    assert (timeless(after.addresses), timeless(after.routes)) == (timeless(before.addresses), timeless(before.routes))


@pytest.mark.parametrize(
    "route",
    [
        "nexthop via 10.7.0.5 dev br0 nexthop via 10.7.0.6 dev br0",
        "via 10.7.0.5 dev br0 congctl reno",
        "via 10.7.0.5 dev br0 features ecn",
    ],
    ids=["multipath", "congestion control", "feature"],
)
def test_a_route_that_cannot_move_is_not_lost(host: Host, route: str) -> None:
    host.converge(confirm_timeout=0)
    host.do(f"route add 10.77.0.0/16 {route}")
    assert host.converge()[0] == []
    with pytest.raises(RefusedError, match=r"^name: the route '.*10.77.0.0/16.*' of br0 has attributes that this module cannot move"):
        host.converge(state="absent")
    host.do("route del 10.77.0.0/16")
    host.converge(confirm_timeout=0, state="absent")
    assert host.is_as_before()


def test_the_written_file_makes_the_same_bridge_again(host: Host) -> None:
    """What ifup does at boot: the lines of the block, in order, by a shell."""
    _done, told = host.converge(confirm_timeout=0)
    host.do(f"link del {BRIDGE}", f"link set {UPLINK} down")
    hooks = [line.strip().split(" ", 1)[1] for line in host.interfaces().splitlines() if line.startswith(("    pre-up", "    up"))]
    for _again in range(2):
        host.command(["sh", "-ec", "\n".join(hooks)])
        done, again = host.converge()
        assert (done, again) == ([], told)
    assert host.answers()


def test_the_delay_of_another_root_is_not_mended(host: Host) -> None:
    """In a spanning tree all bridges take that of the root, and tell it for their own."""
    wish = {"stp": True, "forward_delay": 4, "confirm_timeout": 0}
    host.converge(**wish)
    switch = "link add sw0 type bridge stp_state 1 forward_delay 2000 priority 0\nlink set r0 master sw0\nlink set sw0 up\n"
    run_command(["ip", "-n", host.router, "-batch", "-"], stdin=switch)
    wait(lambda: host.resource().report(host.resource().observe())["forward_delay"] == 20)
    assert host.converge(**wish)[0] == []


def test_what_is_not_confirmed_is_undone(host: Host) -> None:
    host.converge(confirm_timeout=2, mac="02:00:00:00:07:99")
    assert not host.is_as_before()
    wait(host.is_as_before)
    assert host.answers()
    assert host.interfaces() == INTERFACES
    with pytest.raises(RefusedError, match=r"the host undid the change at 20.*within 2 seconds"):
        host.converge(confirm_timeout=2, mac="02:00:00:00:07:99", confirm=True)
    assert host.converge()[0] == ["switch"], "it can be tried again"


def test_what_is_confirmed_stays(host: Host) -> None:
    host.converge(confirm_timeout=2)
    host.converge(confirm_timeout=2)
    time.sleep(3)
    assert host.converge()[0] == []
    assert host.answers()


def test_while_one_change_waits_no_other_is_made(host: Host) -> None:
    host.converge()
    with pytest.raises(RefusedError, match=r"another change of br0 waits"):
        host.converge(mtu=1400)


def test_a_removal_that_is_not_confirmed_is_undone(host: Host) -> None:
    _done, told = host.converge(confirm_timeout=0)
    host.converge(state="absent", confirm_timeout=1)
    assert host.is_as_before()
    wait(lambda: not host.is_as_before())
    time.sleep(0.5)
    assert host.converge() == ([], told)


def test_a_confirmation_that_dies_half_way_is_undone(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    host.converge(confirm_timeout=3)

    def die(*_arguments: object) -> None:
        raise KeyboardInterrupt

    # Dead before the files were looked at again: written, and nobody to call the watchdog off.
    monkeypatch.setattr(RollbackScript, "disarm", die)
    monkeypatch.setattr(
        RollbackScript, "protect", lambda self, name, former: protect(self, name, {str(host.root) + p: t for p, t in former.items()})
    )
    with pytest.raises(KeyboardInterrupt):
        host.converge()
    assert host.interfaces() != INTERFACES
    wait(lambda: host.is_as_before() and host.interfaces() == INTERFACES)


@pytest.mark.parametrize(("who", "what"), [(RollbackScript, "_launcher"), (IpRoute, "change")], ids=["nothing waits", "nothing changed"])
def test_a_change_that_dies_before_it_begins_is_made_anew(host: Host, who: type, what: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def die(*_arguments: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(who, what, die)
        with pytest.raises(KeyboardInterrupt):
            host.converge()
    with pytest.raises(RefusedError, match=r"was cut off before it was made"):
        host.converge(confirm=True)
    assert (host.is_as_before(), host.interfaces()) == (True, INTERFACES)
    assert host.converge()[0] == ["undo", "switch"]
    assert host.converge(confirm=True)[0] == ["confirm"]
    assert (host.converge()[0], host.answers()) == ([], True)


def test_a_change_that_fails_half_way_is_undone_at_once(host: Host) -> None:
    # The kernel lets no address be used whose link has IPv6 switched off, which nobody sees beforehand.
    host.command(["sysctl", "-qw", "net.ipv6.conf.default.disable_ipv6=1"])
    with pytest.raises(EngineError, match=r"Cannot change the network for br0: .*; the former network was put back"):
        host.converge()
    assert host.is_as_before()
    assert host.answers()
    assert host.resource().observe().pending is None


def timeless(things: tuple[Address, ...] | tuple[Route, ...]) -> list[Address | Route]:
    """Lifetimes run on meanwhile, so only whether there is one counts."""
    return [
        replace(thing, expires=min(thing.expires, 1))
        if isinstance(thing, Route)
        else replace(thing, valid=thing.valid if thing.static else 1, preferred=thing.preferred if thing.static else 1)
        for thing in things
    ]


protect = RollbackScript.protect


def wait(until: Callable[[], bool], seconds: float = 15) -> None:
    deadline = time.monotonic() + seconds
    while not until():
        assert time.monotonic() < deadline, "not in time"
        time.sleep(0.2)
