# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: may change without notice.
"""A bridge in the files of ifupdown (/etc/network/interfaces and what it sources).

The former stanzas of the uplink become comments with a mark, and one marked block is added, so that taking the bridge away
is the exact reverse and what the user writes elsewhere in the file stays. bridge-utils is not needed: the block uses ip.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from .bridge import BridgeConfig, Snapshot, adding_order
from .bridge_commands import address_words, ordered, present_commands, route_words
from .bridge_networkd import config_in, config_line
from .bridge_stanzas import Entry, carried, entries, is_named, owner, why_lost
from .errors import RefusedError

MAIN_FILE = "/etc/network/interfaces"
_IN_FOLDER = re.compile(r"[A-Za-z0-9_-]+", re.ASCII)


@dataclass(frozen=True)
class Source:
    """A pattern of files that a file includes; ``folder`` for the files of a folder, of which not every name counts."""

    pattern: str
    folder: bool = False

    def takes(self, path: str) -> bool:
        """False for a file of the folder that ifupdown leaves out, such as eth0.bak."""
        return not self.folder or bool(_IN_FOLDER.fullmatch(path.rsplit("/", 1)[-1]))


def sources(text: str) -> list[Source]:
    """What a file includes, in its order."""
    found = []
    for entry in entries(text):
        if entry.words[:1] == ("source",):
            found += [Source(word) for word in entry.words[1:]]
        if entry.words[:1] == ("source-directory",):
            found += [Source(f"{word.rstrip('/')}/*", folder=True) for word in entry.words[1:]]
    return found


def mentions(text: str, interface: str) -> bool:
    """True when the text has a stanza of the interface that is in force."""
    return any(entry.begins and entry.words[:1] == ("iface",) and owner(entry, [interface]) for entry in entries(text))


def render(config: BridgeConfig, files: Mapping[str, str]) -> dict[str, str]:
    """Path to new text of the files that must change, the one with the block first; empty when all is as wanted."""
    plain = {path: restore(path, text, config.name) for path, text in files.items()}
    names = _names(config)
    home = next((path for path, text in plain.items() if any(mentions(text, name) for name in names)), MAIN_FILE)
    plain.setdefault(home, "")
    kept = [line for line in config.bridge_lines if line.startswith("dns")]
    bridge, uplink, others = dict.fromkeys(kept), {}, {}
    for path in sorted(plain, key=lambda path: (path != home, path)):
        others[path] = _comment_out(plain[path], config)
        for entry in entries(plain[path]):
            up, down = carried(entry, owner(entry, names), config)
            bridge.update({up: None} if up else {})
            # One of each: ifupdown makes two of a name one of two lines, which no command takes.
            uplink.update({entry.option: down} if down else {})
    block = _block(config, list(bridge), list(uplink.values()))
    wanted = {path: text + (block if path == home else "") for path, text in others.items()}
    return {path: text for path, text in wanted.items() if files.get(path, "") != text}


def refuse_losses(config: BridgeConfig, files: Mapping[str, str]) -> None:
    """Refuse a line in force that neither the block nor what runs makes up for; RefusedError names it and its file."""
    for path in sorted(files):
        for entry in entries(_in_force(path, files[path], config.name)):
            of = owner(entry, _names(config))
            why = why_lost(entry, of, config) if of else ""
            if why:
                field = "uplink" if of == config.uplink else "name"
                raise RefusedError(f"{field}: {path}:{entry.number}: '{entry.line}' {why}")


def name_servers(name: str, files: Mapping[str, str]) -> tuple[str, ...]:
    """Options with DNS servers and domains that the bridge has in its stanza."""
    found = [entry.line for text in files.values() for entry in entries(text) if owner(entry, [name]) and not entry.begins]
    return tuple(line for line in found if line.startswith("dns"))


def remove(name: str, files: Mapping[str, str]) -> dict[str, str]:
    """Path to text without the bridge, for those files that it was in."""
    wanted = {path: restore(path, text, name) for path, text in files.items()}
    return {path: text for path, text in wanted.items() if files[path] != text}


def stored_config(name: str, files: Mapping[str, str]) -> BridgeConfig | None:
    """The configuration that the block says it was rendered from; None when there is no block."""
    found = (config_in(text, name) for text in files.values())
    return next((config for config in found if config), None)


def restore(path: str, text: str, name: str) -> str:
    """Take the block out and the marks off; RefusedError when it cannot be told where the block ends."""
    mark = _marks(name)[2]
    return "".join(line[len(mark) :] if line.startswith(mark) else line for line, inside in _lines(path, text, name) if not inside)


def _in_force(path: str, text: str, name: str) -> str:
    """The text with empty lines for the block, so that the others keep their numbers."""
    return "".join("\n" if inside else line for line, inside in _lines(path, text, name))


def _lines(path: str, text: str, name: str) -> Iterator[tuple[str, bool]]:
    """The lines, and whether each is one of the block."""
    begin, end, _mark = _marks(name)
    begun = 0
    for number, line in enumerate(text.splitlines(keepends=True), 1):
        marker = line.rstrip("\n")
        if marker == (begin if begun else end):
            raise _unbalanced(path, begun or number, begin if begun else end)
        begun = number if marker == begin else begun
        yield line, bool(begun)
        begun = 0 if marker == end else begun
    if begun:
        raise _unbalanced(path, begun, begin)


def _unbalanced(path: str, number: int, line: str) -> RefusedError:
    return RefusedError(
        f"name: {path}:{number}: '{line}' has no counterpart, so it cannot be told what is of the bridge and what is yours; "
        "put the missing BEGIN or END line back where it was"
    )


def _marks(name: str) -> tuple[str, str, str]:
    return f"# BEGIN zonal.cloud bridge {name}", f"# END zonal.cloud bridge {name}", f"#zonal-{name}# "


def _names(config: BridgeConfig) -> list[str]:
    return [name for name in (config.uplink, config.name) if name]


def _comment_out(text: str, config: BridgeConfig) -> str:
    """The text with the stanzas of bridge and uplink as marked comments, and a block that keeps what is of other interfaces."""
    begin, end, mark = _marks(config.name)
    names, lines, kept = _names(config), [], []
    text += "" if not text or text.endswith("\n") else "\n"
    for entry in entries(text):
        ours, rest = bool(owner(entry, names)), _others(entry, names)
        if entry.lists:
            ours = len(rest) < len(entry.words) - 1
            kept += [" ".join([entry.words[0], *rest]) + "\n"] if ours and rest else []
        lines += [mark + line if ours else line for line in entry.text.splitlines(keepends=True)]
    return "".join(lines) + (f"{begin}\n{''.join(kept)}{end}\n" if kept else "")


def _others(entry: Entry, names: list[str]) -> list[str]:
    return [word for word in entry.words[1:] if not any(is_named(word, name) for name in names)]


def _block(config: BridgeConfig, options: list[str], uplink_options: list[str]) -> str:
    begin, end, _mark = _marks(config.name)
    text = f"{begin}\n# Made by zonal.cloud.bridge; removed by its state=absent.\n{config_line(config)}"
    if config.uplink:
        text += f"auto {config.uplink}\niface {config.uplink} inet manual\n"
        text += "".join(f"    {option}\n" for option in uplink_options)
    text += f"auto {config.name}\niface {config.name} inet manual\n"
    text += "".join(f"    {option}\n" for option in options)
    make, *links = present_commands(Snapshot(), _bare(config), None)
    lines = [f"pre-up ip link show dev {config.name} >/dev/null 2>&1 || ip {' '.join(make)}"]
    if config.uplink:
        lines += [f"pre-up ip link set dev {config.uplink} mtu {config.mtu}"] if config.mtu else []
        lines += [f"pre-up ip link set dev {config.uplink} master {config.name}"]
    lines += [f"pre-up ip {' '.join(line)}" for line in links]
    lines += [f"up ip {' '.join(address_words(address, config.name))}" for address in adding_order(config.addresses)]
    lines += [f"up ip {' '.join(route_words(route, config.name))}" for route in ordered(config.routes)]
    lines += [f"post-down ip link del dev {config.name}"]
    return text + "".join(f"    {line}\n" for line in lines) + f"{end}\n"


def _bare(config: BridgeConfig) -> BridgeConfig:
    """The same bridge without addresses and routes: these come after the links are up."""
    return BridgeConfig.from_dict({**config.as_dict(), "addresses": [], "routes": []})
