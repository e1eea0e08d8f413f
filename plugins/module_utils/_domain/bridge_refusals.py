# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: may change without notice.
"""What a bridge must not do to a host: every reason not to begin, before anything is touched."""

from __future__ import annotations

from . import bridge_ifupdown as ifupdown
from .bridge import SMALLEST_IPV6_MTU, Address, BridgeConfig, BridgeSpec, Link
from .bridge_found import Found, home, interfaces, stored_config
from .bridge_networkd import paths
from .errors import RefusedError, SpecError


def refuse(spec: BridgeSpec, found: Found) -> None:
    """Refuse what must not be begun, whatever the files would hold afterwards."""
    bridge = found.snapshot.find(spec.name)
    if bridge and bridge.kind != "bridge":
        raise RefusedError(f"name: {spec.name} is an interface of another kind ({bridge.kind or 'hardware'}), not a bridge")
    former = stored_config(spec.name, found.files)
    if former and found.snapshot.find(former.uplink) and spec.uplink not in ("", former.uplink):
        raise RefusedError(
            f"uplink: {spec.name} leads outside through {former.uplink}; another card takes two runs, as two cards of one "
            f"segment in a bridge make a loop: first state: absent with uplink: {former.uplink}, then this one"
        )
    if spec.addresses is not None and home(spec, found):
        raise SpecError("addresses", [address.cidr for address in spec.addresses], "cannot be set: those of the uplink hold")
    uplink = found.snapshot.find(home(spec, found))
    if home(spec, found) and not uplink and spec.present:
        names = ", ".join(link.name for link in found.snapshot.links if link.ethernet and link.kind != "bridge")
        raise SpecError("uplink", home(spec, found), f"is not an interface of this host; it has: {names or 'none'}")
    if uplink:
        _refuse_uplink(spec, found, uplink)
    _refuse_order(spec, found)
    if not spec.present and bridge:
        others = [port for port in found.snapshot.ports(spec.name) if port != home(spec, found)]
        if others:
            raise RefusedError(
                f"state: absent would cut off {', '.join(others)}, still attached to {spec.name}; remove these first, "
                "or name as uplink the one that the addresses go back to"
            )
        if uplink:
            _refuse_strange("name", bridge)


def refuse_losses(goal: BridgeConfig, found: Found) -> None:
    """Refuse what is in force now, or would be after a boot, and would be lost with the files of the goal."""
    bridge, uplink = found.snapshot.find(goal.name), found.snapshot.find(goal.uplink)
    adopted = bridge if bridge and not stored_config(goal.name, found.files) else None
    for field, link in (("uplink", uplink), ("name", adopted)):
        leased = [address.cidr for address in link.addresses if _leased(address, goal.backend)] if link else []
        if link and leased:
            raise RefusedError(
                f"{field}: {link.name} has {', '.join(leased)} from DHCP; a host of a zone needs a static address: configure it first"
            )
    if adopted and adopted.vlan_filtering:
        raise RefusedError(
            f"name: {goal.name} filters VLANs, which this module's files do not hold; switch that off first "
            f"(ip link set dev {goal.name} type bridge vlan_filtering 0)"
        )
    if goal.backend == "ifupdown":
        ifupdown.refuse_losses(goal, interfaces(found.files))


def _leased(address: Address, backend: str) -> bool:
    """True for an address that comes from DHCP; one from a router advertisement is never a single host's (/128).

    networkd asks for one of IPv6 again when a router tells it to, ifupdown only by a stanza that is replaced.
    """
    return not address.static and (not address.ipv6 or (backend == "ifupdown" and address.cidr.endswith("/128")))


def _refuse_uplink(spec: BridgeSpec, found: Found, uplink: Link) -> None:
    if found.managers.network_manager:
        raise RefusedError(
            f"uplink: {uplink.name} is managed by NetworkManager, which would undo the change; "
            f"let systemd-networkd or ifupdown manage it (nmcli device set {uplink.name} managed no)"
        )
    if not uplink.ethernet or uplink.kind == "bridge":
        raise SpecError("uplink", uplink.name, f"is no Ethernet interface ({uplink.kind or 'other'}), so it cannot be a port")
    if uplink.master not in ("", spec.name):
        raise RefusedError(f"uplink: {uplink.name} is already a port of {uplink.master}; take it out of there first")
    _refuse_strange("uplink", uplink)
    _refuse_mtu(spec, found, uplink)


def _refuse_strange(field: str, link: Link) -> None:
    if link.strange_routes:
        raise RefusedError(
            f"{field}: the route '{link.strange_routes[0]}' of {link.name} has attributes that this module cannot move; remove it first"
        )


def _refuse_order(spec: BridgeSpec, found: Found) -> None:
    _netdev, bridge, uplink = paths(spec.name)
    for field, theirs, ours in (("uplink", found.managers.uplink_file, uplink), ("name", found.managers.bridge_file, bridge)):
        first = ours.rsplit("/", 1)[-1]
        if spec.present and theirs and theirs.rsplit("/", 1)[-1] < first:
            raise RefusedError(f"{field}: {theirs} would win over {first}, as networkd takes the first name; rename it to 50-...")


def _refuse_mtu(spec: BridgeSpec, found: Found, uplink: Link) -> None:
    if uplink.max_mtu and spec.mtu > uplink.max_mtu:
        raise SpecError("mtu", spec.mtu, f"is more than {uplink.name} can do ({uplink.max_mtu})")
    bridge = found.snapshot.find(spec.name)
    ipv6 = [address.cidr for link in (uplink, bridge) if link for address in link.addresses if address.ipv6]
    if ipv6 and 0 < spec.mtu < SMALLEST_IPV6_MTU:
        raise SpecError("mtu", spec.mtu, f"is too small for IPv6 ({SMALLEST_IPV6_MTU}, RFC 8200); {uplink.name} has {ipv6[0]}")
