# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A bridge in the files of ifupdown, and that taking it away is the exact reverse."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.zonal.cloud.plugins.module_utils._domain.bridge import Address, BridgeConfig, Route
from ansible_collections.zonal.cloud.plugins.module_utils._domain.bridge_ifupdown import (
    MAIN_FILE,
    Source,
    mentions,
    name_servers,
    refuse_losses,
    remove,
    render,
    sources,
    stored_config,
)
from ansible_collections.zonal.cloud.plugins.module_utils._domain.bridge_networkd import config_line
from ansible_collections.zonal.cloud.plugins.module_utils._domain.errors import RefusedError

CONFIG = BridgeConfig(
    name="br0",
    backend="ifupdown",
    uplink="eth0",
    mac="02:00:00:00:00:01",
    mtu=1500,
    addresses=(Address("10.0.0.2/24", broadcast="10.0.0.255"), Address("fd00::2/64")),
    routes=(Route("0.0.0.0/0", "10.0.0.1", onlink=True), Route("10.9.0.0/16", scope=253)),
)
BEFORE = """\
# The loopback
auto lo
iface lo inet loopback

auto eth0 eth1
iface eth0 inet static
    address 10.0.0.2/24
    # the router
    gateway 10.0.0.1
    dns-nameservers 10.0.0.3
iface eth0 inet6 static
    address fd00::2/64
allow-hotplug eth0
iface eth1 inet manual
"""
AFTER = f"""\
# The loopback
auto lo
iface lo inet loopback

#zonal-br0# auto eth0 eth1
#zonal-br0# iface eth0 inet static
#zonal-br0#     address 10.0.0.2/24
    # the router
#zonal-br0#     gateway 10.0.0.1
#zonal-br0#     dns-nameservers 10.0.0.3
#zonal-br0# iface eth0 inet6 static
#zonal-br0#     address fd00::2/64
#zonal-br0# allow-hotplug eth0
iface eth1 inet manual
# BEGIN zonal.cloud bridge br0
auto eth1
# END zonal.cloud bridge br0
# BEGIN zonal.cloud bridge br0
# Made by zonal.cloud.bridge; removed by its state=absent.
{config_line(CONFIG)}\
auto eth0
iface eth0 inet manual
auto br0
iface br0 inet manual
    dns-nameservers 10.0.0.3
    pre-up ip link show dev br0 >/dev/null 2>&1 || ip link add name br0 address 02:00:00:00:00:01 type bridge forward_delay 0 stp_state 0
    pre-up ip link set dev eth0 mtu 1500
    pre-up ip link set dev eth0 master br0
    pre-up ip link set dev br0 mtu 1500
    pre-up ip link set dev eth0 up
    pre-up ip link set dev br0 up
    up ip address replace 10.0.0.2/24 broadcast 10.0.0.255 dev br0
    up ip address replace fd00::2/64 dev br0 nodad
    up ip route replace 10.9.0.0/16 dev br0 proto 3 scope 253
    up ip route replace 0.0.0.0/0 via 10.0.0.1 dev br0 proto 3 onlink
    post-down ip link del dev br0
# END zonal.cloud bridge br0
"""
ISOLATED = BridgeConfig("lab0", "ifupdown", addresses=(Address("192.168.5.1/24"),))
PART = "/etc/network/interfaces.d/eth0"
MAIN = "source /etc/network/interfaces.d/*\nauto lo\niface lo inet loopback\n"
MENTIONS = {
    "stanza": ("iface eth0 inet dhcp\n", True),
    "alias": ("iface eth0:1 inet static\n", True),
    "indented": ("  iface eth0 inet dhcp\n", True),
    "comment": ("#iface eth0 inet dhcp\n", False),
    "another card": ("iface eth01 inet dhcp\n", False),
    "part of a command": ("    up echo \\\niface eth0 inet dhcp\n", False),
    "only auto": ("auto eth0\n", False),
}
SOURCES = {
    "source": ("source /etc/network/interfaces.d/*\n", [Source("/etc/network/interfaces.d/*")]),
    "folder": ("source-directory /etc/network/more/\n", [Source("/etc/network/more/*", folder=True)]),
    "relative": ("source interfaces.d/*\n", [Source("interfaces.d/*")]),
    "several": ("source a b\nsource c\n", [Source("a"), Source("b"), Source("c")]),
    "continued": ("source \\\n  a\n", [Source("a")]),
    "comment": ("# source x\n", []),
}
TAKEN = {
    "any file by pattern": (Source("/d/*"), "/d/eth0.bak", True),
    "letters, digits, hyphen, underscore": (Source("/d/*", folder=True), "/d/Eth0_1-a", True),
    "backup": (Source("/d/*", folder=True), "/d/eth0.bak", False),
    "backup of an editor": (Source("/d/*", folder=True), "/d/eth0~", False),
    "left by dpkg": (Source("/d/*", folder=True), "/d/eth0.dpkg-old", False),
    "not ASCII": (Source("/d/*", folder=True), "/d/\u00e9th0", False),
}
BOND = """\
auto bond0
iface bond0 inet static
    address 10.0.0.2/24
    gateway 10.0.0.1
    mtu 9000
    bond-slaves eth0 eth1
    bond-mode 802.3ad
    dns-nameservers 10.0.0.3
iface bond0 inet6 static
    address fd00::2/64
    mtu 1500
    dns-nameservers \\
        fd00::3
"""
BOND_BLOCK = """\
auto bond0
iface bond0 inet manual
    mtu 1500
    bond-slaves eth0 eth1
    bond-mode 802.3ad
auto br0
iface br0 inet manual
    dns-nameservers 10.0.0.3
    dns-nameservers          fd00::3
    pre-up ip link show"""
VLAN = "auto vlan10\niface vlan10 inet static\n    address 10.0.0.2/24\n    vlan_raw_device eth0\n    hwaddress 02:00:00:00:00:01\n"
VLAN_BLOCK = "auto vlan10\niface vlan10 inet manual\n    vlan_raw_device eth0\n    hwaddress 02:00:00:00:00:01\nauto br0\n"
BEGIN, END = "# BEGIN zonal.cloud bridge br0", "# END zonal.cloud bridge br0"
UNBALANCED = {
    "no end": (AFTER.replace(f"{END}\n", "") + "auto eth7\n", f"name: {MAIN_FILE}:15: '{BEGIN}' has no counterpart"),
    "no first end": (AFTER.replace(f"{END}\n", "", 1), f"name: {MAIN_FILE}:15: '{BEGIN}' has no counterpart"),
    "no second end": (f"{END}\n".join(AFTER.split(f"{END}\n")[:2]), f"name: {MAIN_FILE}:18: '{BEGIN}' has no counterpart"),
    "no begin": (AFTER.replace(f"{BEGIN}\n", "", 1), f"name: {MAIN_FILE}:16: '{END}' has no counterpart"),
}
LINES = st.lists(
    st.sampled_from(
        "auto lo|auto eth0 eth1|allow-hotplug eth0|iface eth0 inet static|iface eth0:1 inet static|iface eth1 inet manual|mapping eth0|"
        "    address 10.0.0.2/24|    up echo \\|    x|# a comment||source x|iface br0 inet manual|    bridge_ports eth0".split("|")
    )
)


def test_the_stanzas_of_the_uplink_become_comments_and_a_block_is_added() -> None:
    assert render(CONFIG, {MAIN_FILE: BEFORE}) == {MAIN_FILE: AFTER}


def test_what_is_there_is_not_written_again() -> None:
    assert render(CONFIG, {MAIN_FILE: AFTER}) == {}


def test_taking_the_bridge_away_is_the_reverse() -> None:
    assert remove("br0", {MAIN_FILE: AFTER}) == {MAIN_FILE: BEFORE}
    assert remove("br0", {MAIN_FILE: BEFORE}) == {}


def test_the_block_tells_what_it_was_made_of() -> None:
    assert stored_config("br0", {MAIN_FILE: AFTER}) == CONFIG
    assert stored_config("br1", {MAIN_FILE: AFTER}) is None
    assert stored_config("br0", {MAIN_FILE: BEFORE}) is None


def test_the_block_is_in_the_file_of_the_uplink() -> None:
    changed = render(CONFIG, {MAIN_FILE: MAIN, PART: "auto eth0\niface eth0 inet static\n    address 10.0.0.2/24\n"})
    assert list(changed) == [PART]
    assert "#zonal-br0# iface eth0 inet static" in changed[PART]
    assert "iface br0 inet manual" in changed[PART]


def test_the_file_with_the_block_is_written_first() -> None:
    changed = render(CONFIG, {MAIN_FILE: MAIN + "auto eth0\n", PART: "iface eth0 inet dhcp\n"})
    assert list(changed) == [PART, MAIN_FILE]


def test_an_isolated_bridge_is_added_to_the_main_file() -> None:
    for files in ({}, {MAIN_FILE: BEFORE}):
        changed = render(ISOLATED, files)
        assert list(changed) == [MAIN_FILE]
        assert changed[MAIN_FILE].startswith(files.get(MAIN_FILE, ""))
        assert "up ip address replace 192.168.5.1/24 dev lab0\n" in changed[MAIN_FILE]


def test_two_bridges_share_a_file() -> None:
    one = render(CONFIG, {MAIN_FILE: BEFORE})[MAIN_FILE]
    two = render(ISOLATED, {MAIN_FILE: one})[MAIN_FILE]
    assert stored_config("br0", {MAIN_FILE: two}) == CONFIG
    assert stored_config("lab0", {MAIN_FILE: two}) == ISOLATED
    assert remove("br0", remove("lab0", {MAIN_FILE: two})) == {MAIN_FILE: BEFORE}


@pytest.mark.parametrize(("uplink", "before", "block"), [("bond0", BOND, BOND_BLOCK), ("vlan10", VLAN, VLAN_BLOCK)], ids=["bond", "VLAN"])
def test_an_uplink_keeps_what_makes_it(uplink: str, before: str, block: str) -> None:
    config = replace(CONFIG, uplink=uplink)
    after = render(config, {MAIN_FILE: before})
    assert block in after[MAIN_FILE]
    assert render(config, after) == {}
    assert remove("br0", after) == {MAIN_FILE: before}


def test_a_line_that_would_be_lost_is_named_with_its_file() -> None:
    with pytest.raises(RefusedError, match=rf"^uplink: {PART}:2: 'up ip rule add from 10.0.0.2' is a command of eth0"):
        refuse_losses(CONFIG, {MAIN_FILE: MAIN, PART: "iface eth0 inet static\nup ip rule add from 10.0.0.2\n"})
    with pytest.raises(RefusedError, match=rf"^name: {MAIN_FILE}:7: 'bridge_vlan_aware yes' is an option of br0"):
        refuse_losses(CONFIG, {MAIN_FILE: f"{MAIN}\n\niface br0 inet manual\n    bridge_vlan_aware yes\n"})


def test_lines_of_others_of_the_block_and_of_comments_are_none_that_would_be_lost() -> None:
    refuse_losses(CONFIG, {MAIN_FILE: AFTER.replace("#     gateway", "#     up true"), PART: "iface eth1 inet dhcp\n    up true\n"})
    with pytest.raises(RefusedError, match=rf"^uplink: {MAIN_FILE}:{len(AFTER.splitlines()) + 1}: 'iface eth0 inet dhcp' would be lost"):
        refuse_losses(CONFIG, {MAIN_FILE: f"{AFTER}iface eth0 inet dhcp\n"})


@pytest.mark.parametrize(("text", "message"), UNBALANCED.values(), ids=UNBALANCED.keys())
def test_a_block_without_begin_or_end_is_not_touched(text: str, message: str) -> None:
    for attempt in (lambda: render(CONFIG, {MAIN_FILE: text}), lambda: remove("br0", {MAIN_FILE: text})):
        with pytest.raises(RefusedError) as caught:
            attempt()
        assert str(caught.value).startswith(message)
    assert remove("lab0", {MAIN_FILE: text}) == {}


def test_addresses_are_added_in_an_order_in_which_they_are_listed_as_before() -> None:
    listed = tuple(Address(cidr) for cidr in ("10.0.0.9/24", "10.0.0.10/24", "fd00::9/64", "fd00::10/64"))
    lines = render(replace(CONFIG, addresses=listed), {})[MAIN_FILE].splitlines()
    assert [line.split()[4] for line in lines if "address replace" in line] == ["10.0.0.9/24", "10.0.0.10/24", "fd00::10/64", "fd00::9/64"]


def test_name_servers_of_the_bridge_are_found_again() -> None:
    assert name_servers("br0", {MAIN_FILE: AFTER}) == ("dns-nameservers 10.0.0.3",)
    config = replace(CONFIG, uplink="eth1", bridge_lines=("dns-nameservers 10.0.0.3", "DNS=10.0.0.4"))
    text = render(config, {MAIN_FILE: AFTER})[MAIN_FILE]
    assert "iface br0 inet manual\n    dns-nameservers 10.0.0.3\n    pre-up" in text
    assert "\niface eth0 inet static\n" in text
    assert "\n#zonal-br0# iface eth1 inet manual\n" in text


@given(LINES)
def test_any_file_comes_back_as_it_was(lines: list[str]) -> None:
    text = "".join(f"{line}\n" for line in lines)
    changed = {MAIN_FILE: text, **render(CONFIG, {MAIN_FILE: text})}
    assert render(CONFIG, changed) == {}
    assert remove("br0", changed) == {MAIN_FILE: text}
    assert mentions(changed[MAIN_FILE], "br0")


@pytest.mark.parametrize(("text", "yes"), MENTIONS.values(), ids=MENTIONS.keys())
def test_which_text_has_a_stanza(text: str, yes: bool) -> None:
    assert mentions(text, "eth0") is yes


@pytest.mark.parametrize(("text", "patterns"), SOURCES.values(), ids=SOURCES.keys())
def test_which_files_are_included(text: str, patterns: list[Source]) -> None:
    assert sources(text) == patterns


@pytest.mark.parametrize(("source", "path", "yes"), TAKEN.values(), ids=TAKEN.keys())
def test_which_files_of_a_folder_count(source: Source, path: str, yes: bool) -> None:
    assert source.takes(path) is yes
