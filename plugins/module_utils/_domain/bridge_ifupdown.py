# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: may change without notice.
"""A bridge in the files of ifupdown (/etc/network/interfaces and what it sources).

The former stanzas of the uplink become comments with a mark, and one marked block is added, so that taking the bridge away
is the exact reverse and what the user writes elsewhere in the file stays. bridge-utils is not needed: the block uses ip.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from .bridge import BridgeConfig, Snapshot
from .bridge_commands import address_words, ordered, present_commands, route_words
from .bridge_networkd import config_in, config_line

MAIN_FILE = "/etc/network/interfaces"
_ALONE = ("source", "source-directory", "rename", "template")
_MANY = ("auto", "no-auto-down", "no-scripts")  # and allow-*


def sources(text: str) -> list[str]:
    """Patterns of the files that a file includes; a folder's pattern ends with ``/*``."""
    found = []
    for line in text.replace("\\\n", " ").splitlines():
        words = line.split()
        if len(words) > 1 and words[0] in ("source", "source-directory"):
            found += [word if words[0] == "source" else f"{word.rstrip('/')}/*" for word in words[1:]]
    return found


def mentions(text: str, interface: str) -> bool:
    """True when the text has a stanza of the interface that is in force."""
    return any(words[:1] == ["iface"] and _is(words[1:2], interface) for words in map(str.split, text.splitlines()))


def render(config: BridgeConfig, files: Mapping[str, str]) -> dict[str, str]:
    """Path to new text of the files that must change, the one with the block first; empty when all is as wanted."""
    plain = {path: restore(text, config.name) for path, text in files.items()}
    names = [name for name in (config.uplink, config.name) if name]
    home = next((path for path, text in plain.items() if any(mentions(text, name) for name in names)), MAIN_FILE)
    plain.setdefault(home, "")
    options, others = [], {}
    for path in sorted(plain, key=lambda path: (path != home, path)):
        text, kept, dns = _comment_out(plain[path], config.name, names)
        options += dns
        others[path] = (text, kept)
    block = _block(config, options)
    wanted = {path: text + kept + (block if path == home else "") for path, (text, kept) in others.items()}
    return {path: text for path, text in wanted.items() if files.get(path, "") != text}


def remove(name: str, files: Mapping[str, str]) -> dict[str, str]:
    """Path to text without the bridge, for those files that it was in."""
    wanted = {path: restore(text, name) for path, text in files.items()}
    return {path: text for path, text in wanted.items() if files[path] != text}


def stored_config(name: str, files: Mapping[str, str]) -> BridgeConfig | None:
    """The configuration that the block says it was rendered from; None when there is no block."""
    found = (config_in(text, name) for text in files.values())
    return next((config for config in found if config), None)


def restore(text: str, name: str) -> str:
    """Take the block out and the marks off."""
    begin, end, mark = _marks(name)
    lines, inside = [], False
    for line in text.splitlines(keepends=True):
        inside = inside or line.rstrip("\n") == begin
        if not inside:
            lines.append(line[len(mark) :] if line.startswith(mark) else line)
        inside = inside and line.rstrip("\n") != end
    return "".join(lines)


def _marks(name: str) -> tuple[str, str, str]:
    return f"# BEGIN zonal.cloud bridge {name}", f"# END zonal.cloud bridge {name}", f"#zonal-{name}# "


def _is(words: Iterable[str], interface: str) -> bool:
    """True for the interface itself and for its aliases such as eth0:1."""
    return any(word == interface or word.startswith(f"{interface}:") for word in words)


def _comment_out(text: str, bridge: str, names: list[str]) -> tuple[str, str, list[str]]:
    """The text with the stanzas of ``names`` as marked comments, lines to keep for other interfaces, DNS options."""
    begin, end, mark = _marks(bridge)
    lines, kept, dns, ours, continued = [], [], [], False, False
    text += "" if not text or text.endswith("\n") else "\n"
    for line in text.splitlines(keepends=True):
        words = line.split()
        head = words[0] if words and not continued else ""
        several = head in _MANY or head.startswith("allow-")
        if head in ("iface", "mapping"):
            ours = any(_is(words[1:2], name) for name in names)
        elif several:
            rest = [word for word in words[1:] if not any(_is([word], name) for name in names)]
            ours = len(rest) < len(words) - 1
            kept += [" ".join([head, *rest]) + "\n"] if ours and rest else []
        elif head in _ALONE:
            ours = False
        dns += [line.strip()] if ours and head.startswith("dns-") else []
        comment = not words or head.startswith("#")
        lines.append(mark + line if ours and not comment else line)
        continued = line.endswith("\\\n")
        ours = ours and not (several and not continued)
    others = f"{begin}\n{''.join(kept)}{end}\n" if kept else ""
    return "".join(lines), others, dns


def _block(config: BridgeConfig, options: list[str]) -> str:
    begin, end, _mark = _marks(config.name)
    text = f"{begin}\n# Made by zonal.cloud.bridge; removed by its state=absent.\n{config_line(config)}"
    if config.uplink:
        text += f"auto {config.uplink}\niface {config.uplink} inet manual\n"
    text += f"auto {config.name}\niface {config.name} inet manual\n"
    text += "".join(f"    {option}\n" for option in dict.fromkeys(options))
    make, *links = present_commands(Snapshot(), _bare(config), None)
    lines = [f"pre-up ip link show dev {config.name} >/dev/null 2>&1 || ip {' '.join(make)}"]
    if config.uplink:
        lines += [f"pre-up ip link set dev {config.uplink} mtu {config.mtu}"] if config.mtu else []
        lines += [f"pre-up ip link set dev {config.uplink} master {config.name}"]
    lines += [f"pre-up ip {' '.join(line)}" for line in links]
    lines += [f"up ip {' '.join(address_words(address, config.name))}" for address in config.addresses]
    lines += [f"up ip {' '.join(route_words(route, config.name))}" for route in ordered(config.routes)]
    lines += [f"post-down ip link del dev {config.name}"]
    return text + "".join(f"    {line}\n" for line in lines) + f"{end}\n"


def _bare(config: BridgeConfig) -> BridgeConfig:
    """The same bridge without addresses and routes: these come after the links are up."""
    return BridgeConfig.from_dict({**config.as_dict(), "addresses": [], "routes": []})
