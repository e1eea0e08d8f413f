# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: may change without notice.
"""A bridge as files of systemd-networkd.

networkd takes the first file, in the order of names, that matches an interface. So the uplink's former file need not be
touched: ours sorts before it, and without ours the former one holds again.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping

from .bridge import FOREVER, MAIN_TABLE, Address, BridgeConfig, Route, adding_order

FOLDER = "/etc/systemd/network"
PREFIX = "05-zonal-"
RUN_FOLDER = "/run/systemd/network"
RUN_PREFIX = "04-zonal-"
_HEADER = "# Made by zonal.cloud.bridge; removed by its state=absent. Changes by hand are overwritten.\n"
_CONFIG = "# config: "

# What of the uplink's former file stays with the uplink; the rest of [Network] and the sections below go to the bridge.
_STAYS = frozenset({"VLAN", "MACVLAN", "MACVTAP", "IPVLAN", "IPVTAP", "VXLAN", "Tunnel", "Xfrm", "LLDP", "EmitLLDP"})
# Replaced by what was found on the running uplink, or without meaning once it is a port.
_REPLACED = frozenset({"Address", "Gateway", "DHCP", "Bridge", "Bond", "VRF", "BindCarrier", "ConfigureWithoutCarrier"})
_REPLACED_SECTIONS = frozenset({"Match", "Address", "Route", "DHCPv4", "DHCPv6", "DHCP"})
_BRIDGE_SECTIONS = frozenset({"RoutingPolicyRule", "Neighbor", "IPv6AcceptRA", "IPv6AddressLabel"})
# What waits at boot for the network waits for the link that has the addresses; a port never becomes routable.
_WAITING = frozenset({"RequiredForOnline", "RequiredFamilyForOnline"})
_NO = frozenset({"no", "n", "false", "f", "off", "0"})
# Of a bridge's own former file; the rest is kept.
_REPLACED_ON_BRIDGE = frozenset({"Address", "Gateway", "DHCP"})
_ROUTE_METRICS = {"mtu": "MTUBytes", "advmss": "TCPAdvertisedMaximumSegmentSize", "initcwnd": "InitialCongestionWindow"}


def paths(name: str) -> tuple[str, str, str]:
    """The three files of a bridge. The last one is the commit: until it is there the uplink keeps its former file,
    and a bridge without a port has no carrier, so networkd gives it no address."""
    head = f"{FOLDER}/{PREFIX}"
    return f"{head}bridge-{name}.netdev", f"{head}bridge-{name}.network", f"{head}uplink-{name}.network"


def leaving_path(name: str) -> str:
    """A file that wins over the others until the next boot."""
    return f"{RUN_FOLDER}/{RUN_PREFIX}leaving-{name}.network"


def render_leaving(config: BridgeConfig) -> str:
    """What the uplink is to be while the removal of its bridge waits to be confirmed.

    networkd configures a port anew as soon as it leaves its bridge; by the files in /etc it would go back into it.
    """
    stays, sections = _parts(config.uplink_lines)
    comes, more = _bridge_parts(config)
    text = f"{_HEADER}[Match]\nName={config.uplink}\n\n[Network]\n{stays}{comes}"
    return text + _addresses(config) + sections + more


def render(config: BridgeConfig) -> dict[str, str]:
    """Path to text, in the order in which the files are to be written."""
    netdev, bridge, uplink = paths(config.name)
    files = {netdev: _netdev(config), bridge: _bridge_network(config)}
    if config.uplink:
        files[uplink] = _uplink_network(config)
    return files


def stored_config(name: str, files: Mapping[str, str]) -> BridgeConfig | None:
    """The configuration that the files say they were rendered from; None when there is none or it is not readable."""
    return config_in(files.get(paths(name)[1], ""), name)


def config_in(text: str, name: str) -> BridgeConfig | None:
    """Read the line that ``config_line`` wrote for the bridge ``name``."""
    for line in text.splitlines():
        if line.startswith(_CONFIG):
            try:
                config = BridgeConfig.from_dict(json.loads(line[len(_CONFIG) :]))
            except (ValueError, TypeError, KeyError):
                continue  # edited by hand: as good as none, and it is written anew
            if config.name == name:
                return config
    return None


def config_line(config: BridgeConfig) -> str:
    """One comment line from which ``config_in`` reads the configuration back."""
    return _CONFIG + json.dumps(config.as_dict(), sort_keys=True) + "\n"


def carry_over(text: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Split the uplink's former file into the lines that go to the bridge and those that stay with the uplink."""
    sections = [entry for entry in _sections(text) if entry[0] not in _REPLACED_SECTIONS]
    bridge = [(section, [line for line in lines if _goes(section, line)]) for section, lines in sections]
    uplink = [(section, [line for line in lines if _stays(section, line)]) for section, lines in sections]
    return _flat(bridge), _flat(uplink)


def own_lines(text: str) -> tuple[str, ...]:
    """The lines that a bridge keeps of its own former file."""
    sections = [entry for entry in _sections(text) if entry[0] not in _REPLACED_SECTIONS]
    return _flat(
        (section, [line for line in lines if section != "Network" or _key(line) not in _REPLACED_ON_BRIDGE]) for section, lines in sections
    )


def joined(lines: tuple[str, ...], more: tuple[str, ...]) -> tuple[str, ...]:
    """The lines with what only ``more`` has: settings of [Network], and whole sections."""
    settings, *sections = _sections(network_text(lines))
    extra, *others = _sections(network_text(more))
    network = (settings[0], [*settings[1], *(line for line in extra[1] if line not in settings[1])])
    return _flat([network, *sections, *(section for section in others if section not in sections)])


def network_text(lines: tuple[str, ...]) -> str:
    """Lines such as ``carry_over`` gives as the text of a file."""
    return "\n".join(("[Network]", *lines))


def _sections(text: str) -> list[tuple[str, list[str]]]:
    """Names of sections with their settings; the same one may come several times and each is an object of its own."""
    found: list[tuple[str, list[str]]] = []
    for raw in text.replace("\\\n", " ").splitlines():
        line = raw.strip()
        if line.startswith("["):
            found.append((line.strip("[]"), []))
        elif line and line[0] not in "#;" and found:
            found[-1][1].append(line)
    return found


def _key(line: str) -> str:
    return line.split("=", 1)[0].strip()


def _value(line: str) -> str:
    return line.partition("=")[2].strip()


def _goes(section: str, line: str) -> bool:
    if section == "Network":
        return _key(line) not in _STAYS | _REPLACED
    return _key(line) in _WAITING if section == "Link" else section in _BRIDGE_SECTIONS


def _stays(section: str, line: str) -> bool:
    if section == "Network":
        return _key(line) in _STAYS
    # What is not waited for is waited for neither as a port nor as a bridge.
    return section not in _BRIDGE_SECTIONS and (section != "Link" or _key(line) not in _WAITING or _value(line).lower() in _NO)


def _flat(sections: Iterable[tuple[str, list[str]]]) -> tuple[str, ...]:
    """Lines of [Network] first and without a head: the renderer has a [Network] section that they go into."""
    kept = [(section, lines) for section, lines in sections if lines]
    network = [line for section, lines in kept if section == "Network" for line in lines]
    others = [line for section, lines in kept if section != "Network" for line in (f"[{section}]", *lines)]
    return (*network, *others)


def _with_link(lines: tuple[str, ...], key: str, value: object) -> tuple[str, ...]:
    """The lines with another value for a setting of [Link] where it is there; an empty value takes it away."""
    other = [f"{key}={value}"] if value else []
    return _flat(
        (section, [new for line in settings for new in (other if section == "Link" and _key(line) == key else [line])])
        for section, settings in _sections(network_text(lines))
    )


def _bridge_parts(config: BridgeConfig) -> tuple[str, str]:
    """Those of the bridge, without what its netdev says."""
    lines = config.bridge_lines
    for key, said in (("MTUBytes", config.mtu), ("MACAddress", config.mac)):
        lines = _with_link(lines, key, "") if said else lines
    return _parts(lines)


def _parts(lines: tuple[str, ...]) -> tuple[str, str]:
    """Lines of [Network], and the text of all sections after them."""
    heads = [number for number, line in enumerate(lines) if line.startswith("[")]
    cut = heads[0] if heads else len(lines)
    network = "".join(f"{line}\n" for line in lines[:cut])
    sections = "".join(f"\n{line}\n" if line.startswith("[") else f"{line}\n" for line in lines[cut:])
    return network, sections


def _netdev(config: BridgeConfig) -> str:
    text = f"{_HEADER}[NetDev]\nName={config.name}\nKind=bridge\n"
    text += f"MACAddress={config.mac}\n" if config.mac else ""
    text += f"MTUBytes={config.mtu}\n" if config.mtu else ""
    stp = "yes" if config.stp else "no"
    return f"{text}\n[Bridge]\nSTP={stp}\nForwardDelaySec={config.forward_delay}\n"


def _bridge_network(config: BridgeConfig) -> str:
    network, sections = _bridge_parts(config)
    text = f"{_HEADER}{config_line(config)}[Match]\nName={config.name}\n\n"
    if not config.uplink:
        # Nothing to wait for at boot: such a bridge has a carrier only while a guest is plugged in.
        text += "[Link]\nRequiredForOnline=no\n\n"
        network += "ConfigureWithoutCarrier=yes\n"
    return f"{text}[Network]\n{network}{_addresses(config)}{sections}"


def _addresses(config: BridgeConfig) -> str:
    addresses = "".join(f"\n[Address]\n{_address(address)}" for address in adding_order(config.addresses))
    return addresses + "".join(f"\n[Route]\n{_route(route)}" for route in config.routes)


def _uplink_network(config: BridgeConfig) -> str:
    network, sections = _parts(_with_link(config.uplink_lines, "MTUBytes", config.mtu) if config.mtu else config.uplink_lines)
    if config.mtu and f"\nMTUBytes={config.mtu}\n" not in sections:
        sections += f"\n[Link]\nMTUBytes={config.mtu}\n"
    return f"{_HEADER}[Match]\nName={config.uplink}\n\n[Network]\nBridge={config.name}\n{network}{sections}"


def _address(address: Address) -> str:
    lines = [f"Address={address.cidr}"]
    lines += [f"Peer={address.peer}"] if address.peer else []
    lines += [f"Broadcast={address.broadcast}"] if address.broadcast else []
    lines += [f"RouteMetric={address.metric}"] if address.metric else []
    lines += [] if address.prefix_route else ["AddPrefixRoute=no"]
    lines += ["PreferredLifetime=0"] if address.preferred != FOREVER else []
    return "".join(f"{line}\n" for line in lines)


def _route(route: Route) -> str:
    lines = [f"Destination={route.destination}"]
    lines += [f"Gateway={route.gateway}"] if route.gateway else []
    lines += [f"Metric={route.metric}"] if route.metric else []
    lines += [f"Table={route.table}"] if route.table != MAIN_TABLE else []
    lines += ["Scope=link"] if route.scope == 253 and not route.ipv6 else []
    lines += [f"PreferredSource={route.source}"] if route.source else []
    lines += ["GatewayOnLink=yes"] if route.onlink else []
    lines += [f"{_ROUTE_METRICS[name]}={value}" for name, value in route.metrics if name in _ROUTE_METRICS]
    return "".join(f"{line}\n" for line in lines)
