# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: may change without notice.
"""A network of docker's on a bridge that the host owns, both ways."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from ipaddress import IPv4Network
from typing import Any

from .container_config import LABEL
from .names import network_of


def render_network(bridge: str, cidr: str, gateway: str) -> dict[str, Any]:
    """Return the body of ``POST /networks/create``: docker's bridge driver on a bridge that the host owns.

    ``inhibit_ipv4`` keeps docker from giving the bridge an address; the gateway is the router outside.
    """
    pool = {"Subnet": cidr}
    if gateway:
        pool["Gateway"] = gateway
    return {
        "Name": network_of(bridge),
        "Driver": "bridge",
        "IPAM": {"Driver": "default", "Config": [pool]},
        "Options": {
            "com.docker.network.bridge.name": bridge,
            "com.docker.network.bridge.inhibit_ipv4": "true",
            "com.docker.network.bridge.enable_ip_masquerade": "false",
        },
        "Labels": {LABEL + "bridge": bridge},
    }


def parse_network(body: Mapping[str, Any]) -> tuple[str, str]:
    """Return subnet and gateway of a docker network; empty text for what it has not."""
    pools: Sequence[Mapping[str, str]] = (body.get("IPAM") or {}).get("Config") or [{}]
    return pools[0].get("Subnet", ""), pools[0].get("Gateway", "")


def overlaps(body: Mapping[str, Any], cidr: str) -> bool:
    """Return whether a docker network has addresses of ``cidr``."""
    for pool in (body.get("IPAM") or {}).get("Config") or ():
        # Networks of the other family, or without addresses, have none of them.
        with suppress(ValueError):
            if IPv4Network(pool.get("Subnet", ""), strict=False).overlaps(IPv4Network(cidr)):
                return True
    return False


def bridge_of(body: Mapping[str, Any]) -> str:
    """Return the bridge for which this collection made a docker network; empty when it did not make it."""
    return str((body.get("Labels") or {}).get(LABEL + "bridge") or "")


def is_network_of(body: Mapping[str, Any], bridge: str) -> bool:
    """Return whether this collection made a docker network for the bridge."""
    return bridge_of(body) == bridge


def holder_of(body: Mapping[str, Any], address: str) -> str:
    """Return the name of the running container that has the address in a docker network; empty when there is none."""
    endpoints: Sequence[Mapping[str, str]] = list((body.get("Containers") or {}).values())
    holders = (item.get("Name", "") for item in endpoints if item.get("IPv4Address", "").partition("/")[0] == address)
    return next(holders, "")


def joined_network(body: Mapping[str, Any], network: str) -> str | None:
    """Return the id of the network of that name that a container was in last; empty before its first start, None when it is in none."""
    endpoint = ((body.get("NetworkSettings") or {}).get("Networks") or {}).get(network)
    return None if endpoint is None else str(endpoint.get("NetworkID") or "")
