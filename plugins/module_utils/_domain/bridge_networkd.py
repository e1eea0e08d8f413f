# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: may change without notice.
"""A bridge as files of systemd-networkd.

networkd takes the first file, in the order of names, that matches an interface. So the uplink's former file need not be
touched: ours sorts before it, and without ours the former one holds again.
"""

from __future__ import annotations

import json
from collections.abc import Mapping

from .bridge import FOREVER, MAIN_TABLE, Address, BridgeConfig, Route

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
    comes, more = _parts(config.bridge_lines)
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
    section, bridge, uplink = "", [("", "")], [("", "")]
    for raw in text.replace("\\\n", " ").splitlines():
        line = raw.strip()
        if not line or line[0] in "#;":
            continue
        if line[0] == "[":
            section = line.strip("[]")
            # The same section may come several times and each is an object of its own, so its head is kept as it is.
            target = bridge if section in _BRIDGE_SECTIONS else uplink
            if section not in _REPLACED_SECTIONS and section != "Network":
                target.append((section, line))
            continue
        key = line.split("=", 1)[0].strip()
        if section in _REPLACED_SECTIONS or (section == "Network" and key in _REPLACED):
            continue
        to_bridge = key not in _STAYS if section == "Network" else section in _BRIDGE_SECTIONS
        (bridge if to_bridge else uplink).append((section, line))
    return tuple(line for _head, line in _network_first(bridge)), tuple(line for _head, line in _network_first(uplink))


def _network_first(lines: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """Lines of [Network] first and without a head: the renderer has a [Network] section that they go into."""
    kept = [entry for entry in lines if entry[1]]
    return [entry for entry in kept if entry[0] == "Network"] + [entry for entry in kept if entry[0] != "Network"]


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
    network, sections = _parts(config.bridge_lines)
    text = f"{_HEADER}{config_line(config)}[Match]\nName={config.name}\n\n"
    if not config.uplink:
        # Nothing to wait for at boot: such a bridge has a carrier only while a guest is plugged in.
        text += "[Link]\nRequiredForOnline=no\n\n"
        network += "ConfigureWithoutCarrier=yes\n"
    return f"{text}[Network]\n{network}{_addresses(config)}{sections}"


def _addresses(config: BridgeConfig) -> str:
    addresses = "".join(f"\n[Address]\n{_address(address)}" for address in config.addresses)
    return addresses + "".join(f"\n[Route]\n{_route(route)}" for route in config.routes)


def _uplink_network(config: BridgeConfig) -> str:
    network, sections = _parts(config.uplink_lines)
    if config.mtu and "MTUBytes=" not in sections:
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
