# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A bridge as files of systemd-networkd, letter by letter."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ansible_collections.zonal.cloud.plugins.module_utils._domain.bridge import Address, BridgeConfig, Route
from ansible_collections.zonal.cloud.plugins.module_utils._domain.bridge_networkd import (
    carry_over,
    config_line,
    joined,
    own_lines,
    render,
    render_leaving,
    stored_config,
)

CONFIG = BridgeConfig(
    name="br0",
    backend="networkd",
    uplink="eth0",
    mac="02:00:00:00:00:01",
    mtu=9000,
    addresses=(Address("10.0.0.2/24", broadcast="10.0.0.255"), Address("fd00::2/64", metric=7, prefix_route=False, preferred=0)),
    routes=(
        Route("0.0.0.0/0", "10.0.0.1", source="10.0.0.2", metrics=(("mtu", 1400), ("rtt", 9))),
        Route("10.9.0.0/16", scope=253),
        Route("::/0", "fe80::1", 50, 100, onlink=True),
    ),
    bridge_lines=("DNS=10.0.0.3", "Domains=example.org", "[RoutingPolicyRule]", "From=10.0.0.2", "Table=100"),
    uplink_lines=("VLAN=eth0.7", "[Link]", "RequiredForOnline=no"),
)
HEAD = "# Made by zonal.cloud.bridge; removed by its state=absent. Changes by hand are overwritten.\n"
NETDEV = """\
[NetDev]
Name=br0
Kind=bridge
MACAddress=02:00:00:00:00:01
MTUBytes=9000

[Bridge]
STP=no
ForwardDelaySec=0
"""
ADDRESSES = """
[Address]
Address=10.0.0.2/24
Broadcast=10.0.0.255

[Address]
Address=fd00::2/64
RouteMetric=7
AddPrefixRoute=no
PreferredLifetime=0

[Route]
Destination=0.0.0.0/0
Gateway=10.0.0.1
PreferredSource=10.0.0.2
MTUBytes=1400

[Route]
Destination=10.9.0.0/16
Scope=link

[Route]
Destination=::/0
Gateway=fe80::1
Metric=50
Table=100
GatewayOnLink=yes
"""
RULE = "\n[RoutingPolicyRule]\nFrom=10.0.0.2\nTable=100\n"
BRIDGE = f"[Match]\nName=br0\n\n[Network]\nDNS=10.0.0.3\nDomains=example.org\n{ADDRESSES}{RULE}"
LINK = "\n[Link]\nRequiredForOnline=no\n"
UPLINK = f"[Match]\nName=eth0\n\n[Network]\nBridge=br0\nVLAN=eth0.7\n{LINK}\n[Link]\nMTUBytes=9000\n"
LEAVING = f"[Match]\nName=eth0\n\n[Network]\nVLAN=eth0.7\nDNS=10.0.0.3\nDomains=example.org\n{ADDRESSES}{LINK}{RULE}"
ISOLATED = BridgeConfig("lab0", "networkd", stp=True, forward_delay=15, addresses=(Address("192.168.5.1/24"),))
ISOLATED_NETDEV = "[NetDev]\nName=lab0\nKind=bridge\n\n[Bridge]\nSTP=yes\nForwardDelaySec=15\n"
ISOLATED_NETWORK = """\
[Match]
Name=lab0

[Link]
RequiredForOnline=no

[Network]
ConfigureWithoutCarrier=yes

[Address]
Address=192.168.5.1/24
"""
FOLDER = "/etc/systemd/network"
FILES = {
    f"{FOLDER}/05-zonal-bridge-br0.netdev": HEAD + NETDEV,
    f"{FOLDER}/05-zonal-bridge-br0.network": HEAD + config_line(CONFIG) + BRIDGE,
    f"{FOLDER}/05-zonal-uplink-br0.network": HEAD + UPLINK,
}
FORMER = {
    "nothing": ("", (), ()),
    "only what is replaced": ("[Match]\nName=eth0\n[Network]\nAddress=10.0.0.2/24\nGateway=10.0.0.1\n[Route]\nGateway=10.0.0.9\n", (), ()),
    "DNS goes to the bridge": ("[Network]\nDNS=10.0.0.3\nDNS=10.0.0.4\nAddress=10.0.0.2/24\n", ("DNS=10.0.0.3", "DNS=10.0.0.4"), ()),
    "VLAN stays": ("[Network]\nVLAN=eth0.7\nNTP=10.0.0.5\n", ("NTP=10.0.0.5",), ("VLAN=eth0.7",)),
    "link settings stay": ("[Link]\nMTUBytes=9000\n", (), ("[Link]", "MTUBytes=9000")),
    "what waits at boot waits for the bridge": (
        "[Link]\nRequiredForOnline=routable\nRequiredFamilyForOnline = ipv4\nARP=yes\n",
        ("[Link]", "RequiredForOnline=routable", "RequiredFamilyForOnline = ipv4"),
        ("[Link]", "ARP=yes"),
    ),
    "and for nothing when it does not": (
        "[Link]\nRequiredForOnline = No\n",
        ("[Link]", "RequiredForOnline = No"),
        ("[Link]", "RequiredForOnline = No"),
    ),
    "lines before any section": ("DNS=10.0.0.3\n", (), ()),
    "rules go, each by itself": (
        "[RoutingPolicyRule]\nFrom=10.0.0.2\n[RoutingPolicyRule]\nFrom=10.0.0.3\n",
        ("[RoutingPolicyRule]", "From=10.0.0.2", "[RoutingPolicyRule]", "From=10.0.0.3"),
        (),
    ),
    "[Network] first however it is written": (
        "[RoutingPolicyRule]\nFrom=10.0.0.2\n[Network]\nDNS=10.0.0.3\n",
        ("DNS=10.0.0.3", "[RoutingPolicyRule]", "From=10.0.0.2"),
        (),
    ),
    "comments are dropped": ("# one\n; two\n[Network]\n  # three\n  LLMNR = no\n", ("LLMNR = no",), ()),
    "a continued line": ("[Network]\nDNS=10.0.0.3 \\\n10.0.0.4\n", ("DNS=10.0.0.3  10.0.0.4",), ()),
}
OWN = {
    "nothing": ("", ()),
    "only what is replaced": ("[Match]\nName=br0\n[Network]\nAddress=10.0.0.2/24\nDHCP=no\n[Route]\nGateway=10.0.0.9\n", ()),
    "DNS, VLANs and rules": (
        "[Network]\nDNS=10.0.0.3\nVLAN=br0.7\n[RoutingPolicyRule]\nFrom=10.0.0.2\n[BridgeVLAN]\nVLAN=7\n[Link]\nRequiredForOnline=no\n",
        ("DNS=10.0.0.3", "VLAN=br0.7", "[RoutingPolicyRule]", "From=10.0.0.2", "[BridgeVLAN]", "VLAN=7", "[Link]", "RequiredForOnline=no"),
    ),
}
JOINED = {
    "nothing": ((), (), ()),
    "only one": (("DNS=10.0.0.3", "[Link]", "ARP=no"), (), ("DNS=10.0.0.3", "[Link]", "ARP=no")),
    "only the other": ((), ("DNS=10.0.0.3", "[Link]", "ARP=no"), ("DNS=10.0.0.3", "[Link]", "ARP=no")),
    "both the same": (("DNS=10.0.0.3", "[Link]", "ARP=no"), ("DNS=10.0.0.3", "[Link]", "ARP=no"), ("DNS=10.0.0.3", "[Link]", "ARP=no")),
    "each something": (
        ("DNS=10.0.0.3", "[RoutingPolicyRule]", "From=10.0.0.2"),
        ("DNS=10.0.0.4", "DNS=10.0.0.3", "[RoutingPolicyRule]", "From=10.0.0.3"),
        ("DNS=10.0.0.3", "DNS=10.0.0.4", "[RoutingPolicyRule]", "From=10.0.0.2", "[RoutingPolicyRule]", "From=10.0.0.3"),
    ),
}
LINKS = {
    "no setting": ((), 9000, "\n[Link]\nMTUBytes=9000\n"),
    "another one": (("[Link]", "ARP=no"), 9000, "\n[Link]\nARP=no\n\n[Link]\nMTUBytes=9000\n"),
    "another value": (("[Link]", "MTUBytes=1500", "ARP=no"), 9000, "\n[Link]\nMTUBytes=9000\nARP=no\n"),
    "another spelling": (("[Link]", "MTUBytes = 9K"), 9000, "\n[Link]\nMTUBytes=9000\n"),
    "of another section": (
        ("[Link]", "ARP=no", "[CAN]", "MTUBytes=16"),
        72,
        "\n[Link]\nARP=no\n\n[CAN]\nMTUBytes=16\n\n[Link]\nMTUBytes=72\n",
    ),
    "the system's choice": (("[Link]", "MTUBytes=1500"), 0, "\n[Link]\nMTUBytes=1500\n"),
}
DAMAGED = {"no file": {}, "no line": {f"{FOLDER}/05-zonal-bridge-br0.network": "[Match]\n"}}
DAMAGED["cut"] = {f"{FOLDER}/05-zonal-bridge-br0.network": config_line(CONFIG)[:80]}
DAMAGED["another's"] = {f"{FOLDER}/05-zonal-bridge-br0.network": config_line(ISOLATED)}


def test_a_bridge_over_a_card() -> None:
    assert render(CONFIG) == FILES


def test_the_uplinks_file_is_written_last() -> None:
    assert list(render(CONFIG))[-1].endswith("/05-zonal-uplink-br0.network")


def test_an_isolated_bridge() -> None:
    netdev, network = render(ISOLATED).values()
    assert (netdev, network) == (HEAD + ISOLATED_NETDEV, HEAD + config_line(ISOLATED) + ISOLATED_NETWORK)


def test_an_uplink_that_leaves_has_all_that_the_bridge_had() -> None:
    assert render_leaving(CONFIG) == HEAD + LEAVING


def test_the_files_tell_what_they_were_made_of() -> None:
    assert stored_config("br0", FILES) == CONFIG


@pytest.mark.parametrize("files", DAMAGED.values(), ids=DAMAGED.keys())
def test_damaged_files_tell_nothing(files: dict[str, str]) -> None:
    assert stored_config("br0", files) is None


@pytest.mark.parametrize(("text", "bridge", "uplink"), FORMER.values(), ids=FORMER.keys())
def test_what_of_the_former_file_goes_where(text: str, bridge: tuple[str, ...], uplink: tuple[str, ...]) -> None:
    assert carry_over(text) == (bridge, uplink)


@pytest.mark.parametrize(("text", "lines"), OWN.values(), ids=OWN.keys())
def test_what_a_bridge_keeps_of_its_own_file(text: str, lines: tuple[str, ...]) -> None:
    assert own_lines(text) == lines


@pytest.mark.parametrize(("lines", "more", "both"), JOINED.values(), ids=JOINED.keys())
def test_lines_of_two_files_are_joined(lines: tuple[str, ...], more: tuple[str, ...], both: tuple[str, ...]) -> None:
    assert joined(lines, more) == both
    assert joined(both, more) == both


@pytest.mark.parametrize(("lines", "mtu", "text"), LINKS.values(), ids=LINKS.keys())
def test_the_uplink_has_the_mtu_of_the_bridge(lines: tuple[str, ...], mtu: int, text: str) -> None:
    uplink = render(replace(CONFIG, uplink_lines=lines, mtu=mtu))[f"{FOLDER}/05-zonal-uplink-br0.network"]
    assert uplink == f"{HEAD}[Match]\nName=eth0\n\n[Network]\nBridge=br0\n{text}"


def test_the_bridge_has_the_values_of_its_netdev() -> None:
    lines = ("[Link]", "MTUBytes=1500", "MACAddress=02:00:00:00:00:09", "RequiredForOnline=routable")
    bridge = render(replace(CONFIG, bridge_lines=lines))[f"{FOLDER}/05-zonal-bridge-br0.network"]
    assert bridge.endswith("\n[Link]\nRequiredForOnline=routable\n")
    assert (
        "\nMTUBytes=1500\nMACAddress=02:00:00:00:00:09\n"
        in render(replace(ISOLATED, bridge_lines=lines))[f"{FOLDER}/05-zonal-bridge-lab0.network"]
    )


def test_addresses_are_added_in_an_order_in_which_they_are_listed_as_before() -> None:
    listed = tuple(Address(cidr) for cidr in ("10.0.0.9/24", "10.0.0.10/24", "fd00::9/64", "fd00::10/64"))
    lines = render(replace(CONFIG, addresses=listed))[f"{FOLDER}/05-zonal-bridge-br0.network"].splitlines()
    added = [line.split("=")[1] for line in lines if line.startswith("Address=")]
    assert added == ["10.0.0.9/24", "10.0.0.10/24", "fd00::10/64", "fd00::9/64"]
