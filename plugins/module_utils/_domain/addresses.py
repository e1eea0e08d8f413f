# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: may change without notice.
"""IPv4 addresses of instances. IPv6 is not handed out: MAC addresses and names are derived from four octets."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from typing import Any

from .errors import SpecError


def parse_ipv4(field: str, value: object) -> ipaddress.IPv4Address:
    """Return the address that a dotted quad means; SpecError for anything else, also for numbers and leading zeros."""
    try:
        if not isinstance(value, str):
            raise ValueError
        return ipaddress.IPv4Address(value)
    except ValueError:
        raise SpecError(field, value, "is not an IPv4 address, such as 10.20.101.7") from None


def parse_cidr(field: str, value: object) -> ipaddress.IPv4Network:
    """Return the network that ``address/prefix`` means; SpecError also when host bits are set or no host fits."""
    try:
        if not isinstance(value, str) or "/" not in value:
            raise ValueError("no prefix length")
        network = ipaddress.IPv4Network(value)
    except ValueError as error:
        hint = f" ({error})" if "host bits" in str(error) else ""
        raise SpecError(field, value, f"is not an IPv4 network such as 10.20.0.0/16{hint}") from None
    if network.prefixlen > 30:
        raise SpecError(field, value, "has no room for a gateway and an instance; use a prefix of /30 or shorter")
    return network


def check_host_address(field: str, address: str, cidr: str) -> None:
    """SpecError unless ``address`` is one that an interface in ``cidr`` may carry (not network nor broadcast)."""
    network = ipaddress.IPv4Network(cidr)
    parsed = parse_ipv4(field, address)
    if parsed not in network:
        raise SpecError(field, address, f"is not in the network {cidr}")
    if parsed in (network.network_address, network.broadcast_address):
        raise SpecError(field, address, f"is the network or broadcast address of {cidr}")


def check_addresses(spec: Mapping[str, Any]) -> None:
    """SpecError unless all addresses of an instance's spec are ones of its network, and none is another's."""
    own, extra, gateway = spec.get("address"), spec.get("extra_addresses", []), spec.get("gateway")
    if "cidr" in spec:
        named = [("address", own), ("network.gateway", gateway), *(("extra_addresses", item) for item in extra)]
        for name, address in named:
            if address is not None:
                check_host_address(name, address, spec["cidr"])
        if own is not None and own == gateway:
            raise SpecError("address", own, "is the gateway of the network")
    for address, whose in ((gateway, "the gateway of the network"), (own, "the address that it has anyway")):
        if address in extra:
            raise SpecError("extra_addresses", address, f"is {whose}")
