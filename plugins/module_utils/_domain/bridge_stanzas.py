# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: may change without notice.
"""The lines of ifupdown's files: to which interface each belongs, and what a bridge makes of it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from .bridge import BridgeConfig

_STANZAS = ("iface", "mapping")
_ALONE = ("source", "source-directory", "rename", "template")
_MANY = ("auto", "no-auto-down", "no-scripts")  # and allow-*

# Names of options, with "_" for "-". Replaced by what was found on the running links:
_ADDRESS = frozenset("address netmask broadcast network gateway pointopoint metric preferred_lifetime dad_attempts dad_interval".split())
# by the options of the module, or only a matter of waiting at boot:
_BRIDGE = frozenset("bridge_ports bridge_stp bridge_fd bridge_hw bridge_maxwait bridge_waitport".split())
# Without these a bond, a VLAN or a card with special settings does not come up: of ifupdown, ifenslave, vlan and ethtool.
_LINK = frozenset("mtu hwaddress description slaves link_speed link_duplex driver_message_level".split())
_LINK_FAMILIES = ("bond_", "vlan_", "ethernet_", "offload_", "hardware_")
_OF_ANY_LINK = frozenset({"mtu", "hwaddress", "description"})
_HOOKS = frozenset("pre_up up post_up pre_down down post_down".split())
# Addresses of these come from the file, or from router advertisements that the bridge hears as well.
_METHODS = frozenset({("inet", "static"), ("inet", "manual"), ("inet6", "static"), ("inet6", "manual"), ("inet6", "auto")})


@dataclass(frozen=True)
class Entry:
    """One logical line: its number, its text with line ends, and its words, of which a comment has none.

    ``head`` are the words of the line that begins its stanza; of a line that begins one, its own.
    """

    number: int
    text: str
    words: tuple[str, ...] = ()
    head: tuple[str, ...] = ()

    @property
    def line(self) -> str:
        return self.text.replace("\\\n", " ").strip()

    @property
    def begins(self) -> bool:
        """True for the head of a stanza."""
        return bool(self.words) and self.words == self.head

    @property
    def option(self) -> str:
        """Name of the option; ifupdown makes no difference between ``-`` and ``_`` in it."""
        return self.words[0].replace("-", "_")

    @property
    def lists(self) -> bool:
        """True for a line that names several interfaces, such as auto."""
        return bool(self.words) and _is_list(self.words[0])


def entries(text: str) -> list[Entry]:
    """The logical lines of a file; a continued line is one, but no comment is continued."""
    found: list[Entry] = []
    head: tuple[str, ...] = ()
    lines, number = text.splitlines(keepends=True), 0
    while number < len(lines):
        first, comment = number, lines[number].lstrip().startswith("#")
        while not comment and lines[number].endswith("\\\n") and number + 1 < len(lines):
            number += 1
        number += 1
        whole = "".join(lines[first:number])
        words = () if comment else tuple(whole.replace("\\\n", " ").split())
        if words and (words[0] in (*_STANZAS, *_ALONE) or _is_list(words[0])):
            head = words
        found.append(Entry(first + 1, whole, words, head if words else ()))
    return found


def is_named(word: str, interface: str) -> bool:
    """True for the interface itself and for its aliases such as eth0:1."""
    return bool(interface) and (word == interface or word.startswith(f"{interface}:"))


def owner(entry: Entry, interfaces: Iterable[str]) -> str:
    """Which of the interfaces the line's stanza is of; empty for none."""
    if entry.head[:1] not in {(stanza,) for stanza in _STANZAS}:
        return ""
    return next((name for name in interfaces if any(is_named(word, name) for word in entry.head[1:2])), "")


def carried(entry: Entry, of: str, config: BridgeConfig) -> tuple[str, str]:
    """What an option becomes: a line for the bridge's stanza and one for the uplink's, empty where it is not needed."""
    if entry.begins or not of:
        return "", ""
    if entry.option.startswith("dns_"):
        return entry.line, ""
    if of == config.uplink and _is_link(entry.option):
        return "", f"mtu {config.mtu}" if entry.option == "mtu" and config.mtu else entry.line
    known = {"mtu": config.mtu, "hwaddress": config.mac}
    return entry.line if of == config.name and entry.option in _OF_ANY_LINK and not known.get(entry.option) else "", ""


def why_lost(entry: Entry, of: str, config: BridgeConfig) -> str:
    """Why the line would be lost when the stanza of an interface is replaced; empty when nothing is lost."""
    if entry.begins:
        return _why_no_stanza(entry.words, config)
    option, values = entry.option, entry.words[1:]
    if option in _HOOKS:
        return (
            f"is a command of {of}, which may not do the same with {config.name}; addresses and routes that are in force move "
            "by themselves, so remove the line, or make it a script in /etc/network/if-up.d"
        )
    if of == config.name and option == "bridge_ports":
        ports = [port for port in values if port not in (config.uplink, "none")]
        return f"has ports besides uplink that would be lost ({', '.join(ports)}); take them out first" if ports else ""
    if of == config.name and option == "bridge_hw" and not config.mac:
        return f"would be lost; say mac: {' '.join(values)}"
    known = option in _ADDRESS or option.startswith("dns_") or (option in _BRIDGE if of == config.name else _is_link(option))
    if known or option in _OF_ANY_LINK:
        return ""
    return f"is an option of {of} that would be lost, as this module does not know it; remove the line, or set it elsewhere"


def _why_no_stanza(words: tuple[str, ...], config: BridgeConfig) -> str:
    if words[0] == "mapping":
        return "chooses a stanza by a script; remove it, and give the interface a stanza of its own"
    if "inherits" in words:
        return "takes options from another stanza; write them into this one"
    if words[2:4] in _METHODS:
        return ""
    if words[3:4] == ("dhcp",):
        return f"would be lost, as {config.name} asks no DHCP server; a host of a zone needs a static address: configure it first"
    return f"has a method that {config.name} cannot have; use static or manual"


def _is_list(word: str) -> bool:
    return word in _MANY or word.startswith("allow-")


def _is_link(option: str) -> bool:
    return option in _LINK or option.startswith(_LINK_FAMILIES)
