# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is planned for which host, what is refused, and which backend is chosen."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from ansible_collections.zonal.cloud.plugins.module_utils._domain import bridge_ifupdown as ifupdown
from ansible_collections.zonal.cloud.plugins.module_utils._domain.bridge import Address, BridgeConfig, BridgeSpec, Link, Route, Snapshot
from ansible_collections.zonal.cloud.plugins.module_utils._domain.bridge_found import Found, Managers, Pending, describe
from ansible_collections.zonal.cloud.plugins.module_utils._domain.bridge_ifupdown import MAIN_FILE
from ansible_collections.zonal.cloud.plugins.module_utils._domain.bridge_networkd import leaving_path, paths, render
from ansible_collections.zonal.cloud.plugins.module_utils._domain.bridge_plan import choose_backend, goal_config, plan_bridge
from ansible_collections.zonal.cloud.plugins.module_utils._domain.errors import ZonalError

MAC = "02:00:00:00:00:01"
ADDRESS, ROUTE = Address("10.0.0.2/24"), Route("0.0.0.0/0", "10.0.0.1")
LEASED, ADVERTISED = Address("10.0.0.7/24", valid=3600), Address("fd00::7/64", valid=3600)
CARD = Link("eth0", 2, MAC, max_mtu=9000, up=True, addresses=(ADDRESS,), routes=(ROUTE,))
OTHER = Link("eth1", 3, "02:00:00:00:00:02")
PORT = replace(CARD, addresses=(), routes=(), master="br0")
BRIDGE = Link("br0", 4, MAC, kind="bridge", up=True, addresses=(ADDRESS,), routes=(ROUTE,))
NETWORKD = Managers(networkd=True, uplink_file="/etc/systemd/network/50-lan.network", uplink_text="[Network]\nDNS=10.0.0.3\n")
CONFIG = BridgeConfig("br0", "networkd", "eth0", MAC, 1500, addresses=(ADDRESS,), routes=(ROUTE,), bridge_lines=("DNS=10.0.0.3",))
FRESH = Found(Snapshot((CARD, OTHER)), NETWORKD)
SWITCHED = Found(Snapshot((BRIDGE, PORT, OTHER)), NETWORKD)
DONE = Found(Snapshot((BRIDGE, PORT, OTHER)), Managers(networkd=True), render(CONFIG))
REBOOTED_OLD = replace(DONE, snapshot=FRESH.snapshot)
SPEC = BridgeSpec("br0", uplink="eth0")
GONE = replace(SPEC, present=False)
UNPLUGGED = replace(DONE, snapshot=Snapshot((BRIDGE, OTHER)))
DHCPV6 = Address("fd00::99/128", valid=3600)
ADOPTED = replace(
    NETWORKD, bridge_file="/etc/systemd/network/br0.network", bridge_text="[Network]\nDNS=10.0.0.9\n[RoutingPolicyRule]\nFrom=10.0.0.2\n"
)
IFUPDOWN = Managers(ifupdown=True)
WAITING = replace(SWITCHED, pending=Pending("token", SPEC.wish(), CONFIG, 42))
GUEST = Link("vnet0", 9, "02:00:00:00:00:09", master="br0")
PLANS = {
    "fresh host": (SPEC, FRESH, ["switch"]),
    "fresh host, no way back": (replace(SPEC, confirm_timeout=0), FRESH, ["switch", "persist"]),
    "fresh isolated bridge": (BridgeSpec("lab0", addresses=(Address("192.168.5.1/24"),)), FRESH, ["switch", "persist"]),
    "everything as wanted": (SPEC, DONE, []),
    "everything as wanted, confirmed again": (replace(SPEC, confirm=True), DONE, []),
    "the uplink stays when it is not named": (replace(SPEC, uplink=""), DONE, []),
    "a bridge made by somebody else": (SPEC, SWITCHED, ["persist"]),
    "a file changed by hand": (SPEC, replace(DONE, files={**DONE.files, paths("br0")[0]: "x"}), ["persist"]),
    "a boot with the former network": (SPEC, REBOOTED_OLD, ["switch"]),
    "an address added to the uplink": (
        SPEC,
        replace(DONE, snapshot=Snapshot((BRIDGE, replace(PORT, addresses=(Address("10.0.0.8/24"),)), OTHER))),
        ["switch"],
    ),
    "an address lost": (SPEC, replace(DONE, snapshot=Snapshot((replace(BRIDGE, addresses=()), PORT, OTHER))), ["switch"]),
    "an address of somebody else stays": (
        SPEC,
        replace(DONE, snapshot=Snapshot((replace(BRIDGE, addresses=(ADDRESS, Address("10.0.0.99/32"))), PORT, OTHER))),
        [],
    ),
    "STP": (replace(SPEC, stp=True, forward_delay=15), DONE, ["switch"]),
    "STP with another root, whose delay holds": (
        replace(SPEC, stp=True, forward_delay=4),
        replace(
            DONE,
            snapshot=Snapshot((replace(BRIDGE, stp=True, led=True, forward_delay=2000), PORT, OTHER)),
            files=render(replace(CONFIG, stp=True, forward_delay=4)),
        ),
        [],
    ),
    "STP with another root, off": (
        SPEC,
        replace(DONE, snapshot=Snapshot((replace(BRIDGE, stp=True, led=True, forward_delay=2000), PORT, OTHER))),
        ["switch"],
    ),
    "a change that waits": (SPEC, WAITING, ["confirm"]),
    "a change that waits, confirmed by name": (replace(SPEC, confirm=True), WAITING, ["confirm"]),
    "another uplink, the former one is gone": (replace(SPEC, uplink="eth1"), UNPLUGGED, ["switch"]),
    "absent, the uplink is gone": (GONE, UNPLUGGED, ["switch"]),
    "absent, the uplink is gone, so that nothing moves": (
        GONE,
        replace(UNPLUGGED, snapshot=Snapshot((replace(BRIDGE, strange_routes=("dst default nexthops x",)), OTHER))),
        ["switch"],
    ),
    "absent, the uplink is gone and not named": (replace(GONE, uplink=""), UNPLUGGED, ["switch"]),
    "absent, the uplink is gone and another takes its place": (
        replace(GONE, uplink="eth1"),
        replace(DONE, snapshot=Snapshot((BRIDGE, replace(OTHER, master="br0")))),
        ["switch"],
    ),
    "DHCPv6 of networkd": (SPEC, replace(FRESH, snapshot=Snapshot((replace(CARD, addresses=(ADDRESS, DHCPV6)),))), ["switch"]),
    "router advertisements under ifupdown": (
        SPEC,
        Found(Snapshot((replace(CARD, addresses=(ADDRESS, ADVERTISED)),)), IFUPDOWN, {MAIN_FILE: "iface eth0 inet6 auto\n"}),
        ["switch"],
    ),
    "absent, nothing there": (GONE, FRESH, []),
    "absent": (GONE, DONE, ["switch"]),
    "absent, uplink from the files": (replace(GONE, uplink=""), DONE, ["switch"]),
    "absent, only files left": (GONE, replace(DONE, snapshot=FRESH.snapshot), ["persist"]),
    "absent, no way back": (replace(GONE, confirm_timeout=0), DONE, ["switch", "persist"]),
}
REFUSED = {
    "no such card": (replace(SPEC, uplink="eth9"), FRESH, "uplink: 'eth9' is not an interface of this host; it has: eth0, eth1"),
    "NetworkManager": (SPEC, replace(FRESH, managers=Managers(network_manager=True)), "uplink: eth0 is managed by NetworkManager"),
    "port of another bridge": (
        SPEC,
        replace(FRESH, snapshot=Snapshot((replace(CARD, master="br7"),))),
        "uplink: eth0 is already a port of br7",
    ),
    "a bridge as uplink": (SPEC, replace(FRESH, snapshot=Snapshot((replace(CARD, kind="bridge"),))), "uplink: 'eth0' is no Ethernet"),
    "no Ethernet": (SPEC, replace(FRESH, snapshot=Snapshot((replace(CARD, ethernet=False),))), "uplink: 'eth0' is no Ethernet"),
    "DHCP": (
        SPEC,
        replace(FRESH, snapshot=Snapshot((replace(CARD, addresses=(LEASED,)),))),
        "uplink: eth0 has 10.0.0.7/24 from DHCP; a host of a zone needs a static address",
    ),
    "DHCP on a bridge made by somebody else": (
        SPEC,
        replace(SWITCHED, snapshot=Snapshot((replace(BRIDGE, addresses=(LEASED,)), PORT))),
        "name: br0 has 10.0.0.7/24 from DHCP; a host of a zone needs a static address",
    ),
    "DHCPv6 of ifupdown": (
        SPEC,
        Found(Snapshot((replace(CARD, addresses=(ADDRESS, DHCPV6)),)), IFUPDOWN),
        "uplink: eth0 has fd00::99/128 from DHCP; a host of a zone needs a static address",
    ),
    "DHCPv6 in the files of ifupdown": (
        SPEC,
        Found(FRESH.snapshot, IFUPDOWN, {MAIN_FILE: "auto eth0\niface eth0 inet6 dhcp\n"}),
        "uplink: /etc/network/interfaces:2: 'iface eth0 inet6 dhcp' would be lost, as br0 asks no DHCP server",
    ),
    "ports of a bridge of ifupdown": (
        SPEC,
        Found(SWITCHED.snapshot, IFUPDOWN, {MAIN_FILE: "iface br0 inet static\n    bridge_ports eth0 eth1\n"}),
        "name: /etc/network/interfaces:2: 'bridge_ports eth0 eth1' has ports besides uplink that would be lost (eth1)",
    ),
    "a bridge that filters VLANs": (
        SPEC,
        replace(SWITCHED, snapshot=Snapshot((replace(BRIDGE, vlan_filtering=True), PORT))),
        "name: br0 filters VLANs, which this module's files do not hold; switch that off first (ip link set dev br0 type bridge",
    ),
    "a block without end": (
        GONE,
        Found(FRESH.snapshot, IFUPDOWN, {MAIN_FILE: "# BEGIN zonal.cloud bridge br0\nauto eth7\n"}),
        "name: /etc/network/interfaces:1: '# BEGIN zonal.cloud bridge br0' has no counterpart",
    ),
    "a bridge's file that sorts first": (
        SPEC,
        replace(SWITCHED, managers=replace(ADOPTED, bridge_file="/etc/systemd/network/00-br0.network")),
        "name: /etc/systemd/network/00-br0.network would win over 05-zonal-bridge-br0.network",
    ),
    "the uplink from the files is gone": (
        replace(SPEC, uplink=""),
        UNPLUGGED,
        "uplink: 'eth0' is not an interface of this host; it has: eth1",
    ),
    "a multipath route": (
        SPEC,
        replace(FRESH, snapshot=Snapshot((replace(CARD, strange_routes=("dst default nexthops x",)),))),
        "uplink: the route 'dst default nexthops x' of eth0 has attributes that this module cannot move",
    ),
    "absent, a multipath route": (
        GONE,
        replace(DONE, snapshot=Snapshot((replace(BRIDGE, strange_routes=("dst default nexthops x",)), PORT))),
        "name: the route 'dst default nexthops x' of br0 has attributes that this module cannot move",
    ),
    "name of a card": (BridgeSpec("eth1", uplink="eth0"), FRESH, "name: eth1 is an interface of another kind (hardware), not a bridge"),
    "MTU of the card": (replace(SPEC, mtu=9001), FRESH, "mtu: 9001 is more than eth0 can do (9000)"),
    "MTU and IPv6": (
        replace(SPEC, mtu=1279),
        replace(FRESH, snapshot=Snapshot((replace(CARD, addresses=(ADVERTISED,)),))),
        "mtu: 1279 is too small for IPv6 (1280, RFC 8200); eth0 has fd00::7/64",
    ),
    "a file that sorts first": (
        SPEC,
        replace(FRESH, managers=replace(NETWORKD, uplink_file="/etc/systemd/network/00-lan.network")),
        "uplink: /etc/systemd/network/00-lan.network would win over 05-zonal-uplink-br0.network",
    ),
    "another uplink": (replace(SPEC, uplink="eth1"), DONE, "uplink: br0 leads outside through eth0; another card takes two runs"),
    "addresses of a bridge with uplink": (
        replace(SPEC, uplink="", addresses=(Address("10.1.0.1/24"),)),
        DONE,
        "addresses: ['10.1.0.1/24'] cannot be set: those of the uplink hold",
    ),
    "guests on it": (
        GONE,
        replace(DONE, snapshot=Snapshot((BRIDGE, PORT, GUEST))),
        "state: absent would cut off vnet0, still attached to br0; remove these first",
    ),
    "nobody manages the network": (SPEC, replace(FRESH, managers=Managers()), "backend: 'auto' finds neither systemd-networkd running"),
    "another change waits": (replace(SPEC, mtu=1400), WAITING, "name: another change of br0 waits to be confirmed"),
    "nothing left to confirm": (
        replace(SPEC, confirm=True),
        replace(FRESH, rolled_back="2030-01-01T00:00:00Z"),
        "confirm: nothing is left to confirm on br0: the host undid the change at 2030-01-01T00:00:00Z because nobody",
    ),
}
STANZA = {MAIN_FILE: "iface eth0 inet static\n"}
BACKENDS = {
    "what is asked": (replace(SPEC, backend="ifupdown"), FRESH, "ifupdown"),
    "networkd manages the uplink": (SPEC, replace(FRESH, files=STANZA), "networkd"),
    "ifupdown has a stanza": (SPEC, Found(FRESH.snapshot, Managers(networkd=True), STANZA), "ifupdown"),
    "networkd manages the bridge": (
        BridgeSpec("br0"),
        Found(SWITCHED.snapshot, Managers(networkd=True, ifupdown=True, bridge_file="/etc/systemd/network/br0.network"), STANZA),
        "networkd",
    ),
    "ifupdown has a stanza of the bridge": (
        SPEC,
        Found(SWITCHED.snapshot, Managers(networkd=True), {MAIN_FILE: "iface br0 inet static\n"}),
        "ifupdown",
    ),
    "only networkd runs": (SPEC, Found(FRESH.snapshot, Managers(networkd=True, ifupdown=True)), "networkd"),
    "only ifupdown is there": (SPEC, Found(FRESH.snapshot, Managers(ifupdown=True)), "ifupdown"),
}


@pytest.mark.parametrize(("spec", "found", "actions"), PLANS.values(), ids=PLANS.keys())
def test_the_steps(spec: BridgeSpec, found: Found, actions: list[str]) -> None:
    plan = plan_bridge(spec, found)
    assert [step.action for step in plan.steps] == actions
    assert plan.after == found or actions


@pytest.mark.parametrize(("spec", "found", "message"), REFUSED.values(), ids=REFUSED.keys())
def test_a_refusal_says_why(spec: BridgeSpec, found: Found, message: str) -> None:
    with pytest.raises(ZonalError) as caught:
        plan_bridge(spec, found)
    assert str(caught.value).startswith(message)


@pytest.mark.parametrize(("spec", "found", "backend"), BACKENDS.values(), ids=BACKENDS.keys())
def test_the_backend(spec: BridgeSpec, found: Found, backend: str) -> None:
    assert choose_backend(spec, found) == backend


def test_the_goal_of_a_fresh_host_is_what_its_card_has() -> None:
    assert goal_config(SPEC, FRESH) == CONFIG
    assert goal_config(SPEC, SWITCHED) == CONFIG
    assert goal_config(SPEC, DONE) == CONFIG


def test_a_bridge_made_by_somebody_else_keeps_what_its_file_says() -> None:
    goal = goal_config(SPEC, replace(SWITCHED, managers=ADOPTED))
    assert goal
    assert goal.bridge_lines == ("DNS=10.0.0.9", "DNS=10.0.0.3", "[RoutingPolicyRule]", "From=10.0.0.2")
    assert goal_config(SPEC, replace(DONE, files=render(goal))) == goal


def test_the_primary_address_stays_the_first() -> None:
    addresses = (Address("10.0.0.9/24"), Address("10.0.0.10/24"))
    goal = goal_config(SPEC, replace(FRESH, snapshot=Snapshot((replace(CARD, addresses=addresses),))))
    assert goal
    assert goal.addresses == addresses
    assert goal_config(SPEC, replace(DONE, files=render(goal))) == goal


def test_another_uplink_takes_over_what_the_one_that_is_gone_left() -> None:
    there = replace(SPEC, uplink="eth1")
    goal = goal_config(there, UNPLUGGED)
    assert goal == replace(CONFIG, uplink="eth1", mac=OTHER.mac)
    block = ifupdown.render(replace(CONFIG, backend="ifupdown"), {MAIN_FILE: "iface eth0 inet static\n    dns-search example.org\n"})
    found = Found(UNPLUGGED.snapshot, IFUPDOWN, block)
    goal = goal_config(there, found)
    assert goal
    assert (goal.uplink, goal.addresses, goal.bridge_lines) == ("eth1", (ADDRESS,), ("dns-search example.org",))
    after = {**block, **ifupdown.render(goal, block)}
    assert goal_config(there, replace(found, files=after)) == goal
    assert ifupdown.render(goal, after) == {}


def test_what_a_port_waited_for_goes_to_the_bridge_later_too() -> None:
    """Files of an earlier release left it at the uplink."""
    stored = replace(CONFIG, uplink_lines=("VLAN=eth0.7", "[Link]", "RequiredForOnline=routable"))
    goal = goal_config(SPEC, replace(DONE, files=render(stored)))
    assert goal
    assert (goal.bridge_lines, goal.uplink_lines) == (("DNS=10.0.0.3", "[Link]", "RequiredForOnline=routable"), ("VLAN=eth0.7",))
    assert goal_config(SPEC, replace(DONE, files=render(goal))) == goal


def test_advertised_addresses_and_routes_of_daemons_move_but_are_not_kept() -> None:
    learned = Route("10.9.0.0/16", "10.0.0.1", protocol=12)
    card = replace(CARD, addresses=(ADDRESS, ADVERTISED), routes=(ROUTE, learned))
    found = replace(FRESH, snapshot=Snapshot((card,)))
    assert goal_config(SPEC, found) == CONFIG
    after = plan_bridge(SPEC, found).after.snapshot.find("br0")
    assert after
    assert (set(after.addresses), set(after.routes)) == ({ADDRESS, ADVERTISED}, {ROUTE, learned})


def test_check_mode_shows_what_comes_out() -> None:
    shown = describe("br0", plan_bridge(SPEC, FRESH).after)
    assert describe("br0", FRESH) == {"name": "br0", "state": "absent", "persistent": True, "unconfirmed": False}
    assert {**describe("br0", SWITCHED), "uplink": "eth0"} == shown
    final: dict[str, Any] = describe("br0", plan_bridge(SPEC, WAITING).after)
    assert final == describe("br0", DONE)
    assert (final["persistent"], final["unconfirmed"], final["backend"]) == (True, False, "networkd")
    assert describe("br0", plan_bridge(replace(SPEC, confirm_timeout=0), FRESH).after) == describe("br0", DONE)
    assert describe("br0", plan_bridge(replace(GONE, confirm_timeout=0), DONE).after)["state"] == "absent"


def test_files_go_in_an_order_that_a_power_cut_does_not_hurt() -> None:
    netdev, network, uplink = paths("br0")
    leaving = {leaving_path("br0"): "x"}
    gone = plan_bridge(GONE, replace(DONE, snapshot=FRESH.snapshot, files={**DONE.files, **leaving}))
    assert gone.steps[0].fields == (uplink, network, netdev, leaving_path("br0"))
    assert plan_bridge(SPEC, WAITING).steps[0].fields == (netdev, network, uplink)
