# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: may change without notice.
"""A container as the docker Engine API writes it, both ways (https://docs.docker.com/reference/api/engine/, v1.41 and later)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, cast

from .cpus import format_cpus, parse_cpus
from .disk import DISK_TAG, disk_volume_of, filesystem_of
from .errors import ZonalError
from .facts import dump_facts, load_facts
from .fields import Spec
from .instance import PAUSED, RUNNING, STOPPED
from .names import mac_of, network_of
from .quantity import parse_size
from .volume import Volume, tag_value

LABEL = "cloud.zonal."
_SHARES_OF_A_CPU = 1024
_MOST_SHARES = 262144
# NET_ADMIN and NET_RAW could change and forge addresses: this is the container half of anti-spoofing.
_DROPPED = ["NET_ADMIN", "NET_RAW"]
# What stands on a disk cannot give rights on the host; discard gives the space of what is deleted back to the thin pool.
_MOUNT_OPTIONS = "nodev,nosuid,discard"


@dataclass(frozen=True)
class EngineFacts:
    """What docker and its host can do: ``cpus`` are the usable CPU numbers, empty when there is no cpuset controller."""

    api: tuple[int, int]
    cgroup: int
    size_limits: bool
    cpus: frozenset[int]


@dataclass(frozen=True)
class ParsedContainer:
    """What ``docker inspect`` tells of one container. A ``dead`` one was being removed when docker was killed: it can only be removed."""

    name: str
    spec: Spec
    facts: Mapping[str, str]
    power: str
    ours: bool
    cpus: frozenset[int]
    dead: bool


def render_container(
    name: str, spec: Spec, cpus: frozenset[int], engine: EngineFacts, disks: Mapping[str, Volume] | None = None
) -> dict[str, Any]:
    """Return the body of ``POST /containers/create``; equal input gives an equal body. ``disks`` are the volumes of the spec's disks."""
    network = network_of(spec["bridge"])
    endpoint: dict[str, Any] = {"IPAMConfig": {"IPv4Address": spec["address"]}}
    body: dict[str, Any] = {
        "Image": spec["image"],
        "Hostname": spec["hostname"],
        "Labels": {LABEL + key: value for key, value in dump_facts(name, spec).items()},
        "HostConfig": {
            **render_limits(spec, cpus, engine),
            "CapDrop": list(_DROPPED),
            "NetworkMode": network,
            "RestartPolicy": restart_policy(spec["autostart"]),
            "Dns": list(spec["dns"]),
        },
        "NetworkingConfig": {"EndpointsConfig": {network: endpoint}},
    }
    if "disk" in spec:
        body["HostConfig"]["StorageOpt"] = {"size": str(spec["disk"])}
    mounts = [render_mount(entry["mount"], disks[entry["name"]]) for entry in spec.get("disks", ())] if disks else []
    if mounts:
        body["HostConfig"]["Mounts"] = mounts
    # From API 1.44 on the MAC belongs to the endpoint; before, only the container has one.
    (endpoint if engine.api >= (1, 44) else body)["MacAddress"] = mac_of(spec["address"])
    return body


def render_mount(target: str, disk: Volume) -> dict[str, Any]:
    """Return the mount of a disk, by which docker makes a volume of its own that stands for it, and mounts that while it is needed."""
    name = tag_value(disk, DISK_TAG)
    options = {"type": filesystem_of(disk), "device": disk.path, "o": _MOUNT_OPTIONS}
    return {
        "Type": "volume",
        "Source": docker_volume_of(name),
        "Target": target,
        # NoCopy: otherwise docker would fill an empty disk with what the image has there.
        "VolumeOptions": {"NoCopy": True, "Labels": {LABEL + "disk": name}, "DriverConfig": {"Name": "local", "Options": options}},
    }


def docker_volume_of(disk: str) -> str:
    """Return docker's volume that stands for a disk."""
    return f"zonal-{disk_volume_of(disk)}"


def is_volume_of(body: Mapping[str, Any], disk: str) -> bool:
    """Tell whether a docker volume was made to stand for the disk."""
    return (body.get("Labels") or {}).get(LABEL + "disk") == disk


def render_limits(spec: Spec, cpus: frozenset[int], engine: EngineFacts) -> dict[str, Any]:
    """Return the limits that may change while a container runs; memory and swap always together.

    Memory and memory+swap are equal, so that an overflow ends this container and touches no neighbour.
    """
    limits: dict[str, Any] = {
        "Memory": spec["memory"],
        "MemorySwap": spec["memory"],
        "CpuShares": min(spec["vcpus"] * _SHARES_OF_A_CPU, _MOST_SHARES),
    }
    if engine.cpus:
        limits["CpusetCpus"] = format_cpus(cpus)
    if engine.cgroup == 1:
        limits["MemorySwappiness"] = 1
    return limits


def restart_policy(autostart: bool) -> dict[str, Any]:
    """Return docker's restart policy: what is started at boot, except what the operator has stopped."""
    return {"Name": "unless-stopped" if autostart else "no"}


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


def is_network_of(body: Mapping[str, Any], bridge: str) -> bool:
    """Return whether this collection made a docker network for the bridge."""
    return (body.get("Labels") or {}).get(LABEL + "bridge") == bridge


def parse_container(body: Mapping[str, Any]) -> ParsedContainer:
    """Return what the answer of ``GET /containers/NAME/json`` tells."""
    config, host = body.get("Config") or {}, body.get("HostConfig") or {}
    facts = {key[len(LABEL) :]: value for key, value in (config.get("Labels") or {}).items() if key.startswith(LABEL)}
    spec = dict(load_facts(facts))
    cpus = parse_cpus(host.get("CpusetCpus") or "")
    spec["vcpus"] = len(cpus) or (host.get("CpuShares") or 0) // _SHARES_OF_A_CPU
    # A swap limit that is not the memory limit is a difference too, so it must not read as the wanted memory.
    spec["memory"] = host.get("Memory") if host.get("Memory") == host.get("MemorySwap") else 0
    size = (host.get("StorageOpt") or {}).get("size", "")
    with suppress(ZonalError):
        spec["disk"] = parse_size("disk", size)
    spec["autostart"] = (host.get("RestartPolicy") or {}).get("Name") in ("always", "unless-stopped")
    if config.get("Hostname"):
        spec["hostname"] = config["Hostname"]
    _parse_endpoint(body, host, spec)
    return ParsedContainer(
        name=str(body.get("Name", "")).lstrip("/"),
        spec=cast(Spec, spec),
        facts=facts,
        power=_power(body.get("State") or {}),
        ours="name" in facts,
        cpus=cpus,
        dead=_is_dead(body.get("State") or {}),
    )


def _parse_endpoint(body: Mapping[str, Any], host: Mapping[str, Any], spec: dict[str, Any]) -> None:
    """What docker's network says of address and bridge wins over the facts."""
    mode = str(host.get("NetworkMode") or "")
    prefix = network_of("")
    if mode.startswith(prefix):
        spec["bridge"] = mode[len(prefix) :]
    endpoint = ((body.get("NetworkSettings") or {}).get("Networks") or {}).get(mode) or {}
    address = (endpoint.get("IPAMConfig") or {}).get("IPv4Address")
    if address:
        spec["address"] = address


def _is_dead(state: Mapping[str, Any]) -> bool:
    return bool(state.get("Dead")) or state.get("Status") in ("dead", "removing")


def _power(state: Mapping[str, Any]) -> str:
    if state.get("Paused"):
        return PAUSED
    return RUNNING if state.get("Running") or state.get("Restarting") else STOPPED
