# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A bridge as files of systemd-networkd, letter by letter."""

from __future__ import annotations

import pytest

from ansible_collections.zonal.cloud.plugins.module_utils._domain.bridge import Address, BridgeConfig, Route
from ansible_collections.zonal.cloud.plugins.module_utils._domain.bridge_networkd import (
    carry_over,
    config_line,
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
