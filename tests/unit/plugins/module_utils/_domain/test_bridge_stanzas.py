# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which line of ifupdown's files belongs to whom, what a bridge makes of it, and what would be lost."""

from __future__ import annotations

import pytest

from ansible_collections.zonal.cloud.plugins.module_utils._domain.bridge import BridgeConfig
from ansible_collections.zonal.cloud.plugins.module_utils._domain.bridge_stanzas import carried, entries, owner, why_lost

CONFIG = BridgeConfig("br0", "ifupdown", "bond0", "02:00:00:00:00:01", 9000)
ISOLATED = BridgeConfig("br0", "ifupdown")
UPLINK, BRIDGE = "iface bond0 inet static", "iface br0 inet static"
TEXT = """\
# a comment is not continued \\
auto bond0 eth1
iface bond0 inet static
    up echo \\
# no comment

  dns-nameservers 10.0.0.3 \\
    10.0.0.4
iface bond0:1 inet static
    address 10.0.0.9/24
iface eth1 inet manual
    mtu 1500
mapping bond0
    script /bin/true
source /etc/network/more
"""
OWNED = {
    (3, "iface bond0 inet static"),
    (4, "up echo  # no comment"),
    (7, "dns-nameservers 10.0.0.3      10.0.0.4"),
    (9, "iface bond0:1 inet static"),
    (10, "address 10.0.0.9/24"),
    (13, "mapping bond0"),
    (14, "script /bin/true"),
}
CARRIED = {
    "head": (UPLINK, "", ("", "")),
    "address": (UPLINK, "address 10.0.0.2/24", ("", "")),
    "gateway": (UPLINK, "gateway 10.0.0.1", ("", "")),
    "name server": (UPLINK, "dns-nameservers 10.0.0.3", ("dns-nameservers 10.0.0.3", "")),
    "name server with underscore": (UPLINK, "dns_search example.org", ("dns_search example.org", "")),
    "bond": (UPLINK, "bond-slaves eth0 eth1", ("", "bond-slaves eth0 eth1")),
    "bond with underscore": (UPLINK, "bond_mode 802.3ad", ("", "bond_mode 802.3ad")),
    "bond by its old name": (UPLINK, "slaves eth0 eth1", ("", "slaves eth0 eth1")),
    "VLAN": (UPLINK, "vlan-raw-device eth0", ("", "vlan-raw-device eth0")),
    "VLAN with underscore": (UPLINK, "vlan_raw_device eth0", ("", "vlan_raw_device eth0")),
    "MAC": (UPLINK, "hwaddress ether 02:00:00:00:00:07", ("", "hwaddress ether 02:00:00:00:00:07")),
    "MTU": (UPLINK, "mtu 1500", ("", "mtu 9000")),
    "ethtool": (UPLINK, "offload-tso off", ("", "offload-tso off")),
    "MAC of the bridge": (BRIDGE, "hwaddress 02:00:00:00:00:01", ("", "")),
    "name server of the bridge": (BRIDGE, "dns-nameservers 10.0.0.3", ("dns-nameservers 10.0.0.3", "")),
    "description of the bridge": (BRIDGE, "description to the guests", ("description to the guests", "")),
}
KEPT = {
    "addresses": (UPLINK, "address 10.0.0.2/24"),
    "a peer": (UPLINK, "pointopoint 10.0.0.1"),
    "duplicate address detection": ("iface bond0 inet6 static", "dad-attempts 0"),
    "router advertisements": ("iface bond0 inet6 auto", ""),
    "no address": ("iface bond0 inet manual", ""),
    "bond": (UPLINK, "bond-miimon 100"),
    "name server": (UPLINK, "dns-nameservers 10.0.0.3"),
    "its port": (BRIDGE, "bridge_ports bond0"),
    "no port": (BRIDGE, "bridge-ports none"),
    "an option of the module": (BRIDGE, "bridge_stp off"),
    "MAC of the bridge": (BRIDGE, "bridge_hw 02:00:00:00:00:01"),
    "waiting at boot": (BRIDGE, "bridge_maxwait 0"),
}
LOST = {
    "command": (UPLINK, "up ip rule add from 10.0.0.2 table 7", "is a command of bond0, which may not do the same with br0;"),
    "command before": (UPLINK, "pre-up ethtool -K bond0 tso off", "is a command of bond0"),
    "command with underscore": (UPLINK, "post_up true", "is a command of bond0"),
    "command at the end": (UPLINK, "post-down true", "is a command of bond0"),
    "command of the bridge": (BRIDGE, "down true", "is a command of br0"),
    "wireless": (UPLINK, "wpa-ssid lan", "is an option of bond0 that would be lost, as this module does not know it;"),
    "privacy": ("iface bond0 inet6 static", "privext 2", "is an option of bond0 that would be lost"),
    "scope": (UPLINK, "scope link", "is an option of bond0 that would be lost"),
    "bridge option of a card": (UPLINK, "bridge_fd 0", "is an option of bond0 that would be lost"),
    "DHCP": ("iface bond0 inet dhcp", "", "would be lost, as br0 asks no DHCP server; a host of a zone needs a static address"),
    "DHCPv6": ("iface bond0 inet6 dhcp", "", "would be lost, as br0 asks no DHCP server"),
    "DHCP of the bridge": ("iface br0 inet dhcp", "", "would be lost, as br0 asks no DHCP server"),
    "another method": ("iface bond0 inet ppp", "", "has a method that br0 cannot have; use static or manual"),
    "no method": ("iface bond0 inet", "", "has a method that br0 cannot have"),
    "template": ("iface bond0 inet static inherits lan", "", "takes options from another stanza; write them into this one"),
    "mapping": ("mapping bond0", "", "chooses a stanza by a script; remove it"),
    "another port": (BRIDGE, "bridge_ports bond0 eth7 tap0", "has ports besides uplink that would be lost (eth7, tap0); take them out"),
    "ports by pattern": (BRIDGE, "bridge-ports regex eth.*", "has ports besides uplink that would be lost (regex, eth.*)"),
    "VLANs": (BRIDGE, "bridge_vlan_aware yes", "is an option of br0 that would be lost, as this module does not know it"),
    "VLANs by another name": (BRIDGE, "bridge-vids 2-4094", "is an option of br0 that would be lost"),
    "bond option of a bridge": (BRIDGE, "bond-mode 1", "is an option of br0 that would be lost"),
}


def test_lines_and_whose_they_are() -> None:
    assert {(entry.number, entry.line) for entry in entries(TEXT) if owner(entry, ["bond0", "br0"]) == "bond0"} == OWNED
    assert "".join(entry.text for entry in entries(TEXT)) == TEXT


@pytest.mark.parametrize(("head", "option", "lines"), CARRIED.values(), ids=CARRIED.keys())
def test_what_becomes_of_an_option(head: str, option: str, lines: tuple[str, str]) -> None:
    *_others, entry = entries(f"{head}\n{option}\n" if option else head)
    assert carried(entry, owner(entry, ["bond0", "br0"]), CONFIG) == lines


@pytest.mark.parametrize(("head", "option"), KEPT.values(), ids=KEPT.keys())
def test_nothing_is_lost(head: str, option: str) -> None:
    assert [why_lost(entry, owner(entry, ["bond0", "br0"]), CONFIG) for entry in entries(f"{head}\n{option}")] == [""] * (1 + bool(option))


@pytest.mark.parametrize(("head", "option", "why"), LOST.values(), ids=LOST.keys())
def test_what_would_be_lost(head: str, option: str, why: str) -> None:
    *_others, entry = entries(f"{head}\n{option}")
    assert why_lost(entry, owner(entry, ["bond0", "br0"]), CONFIG).startswith(why)


def test_a_bridge_without_values_of_its_own_keeps_those_of_its_stanza() -> None:
    told = {
        option: entries(f"{BRIDGE}\n{option}\n")[1] for option in ("mtu 1400", "hwaddress 02:00:00:00:00:09", "bridge_hw 02:00:00:00:00:09")
    }
    assert [carried(entry, "br0", ISOLATED)[0] for entry in told.values()] == ["mtu 1400", "hwaddress 02:00:00:00:00:09", ""]
    assert [why_lost(entry, "br0", ISOLATED) for entry in told.values()] == ["", "", "would be lost; say mac: 02:00:00:00:00:09"]
