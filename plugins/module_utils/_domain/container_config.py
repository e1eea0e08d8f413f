# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: may change without notice.
"""A container as the docker Engine API writes it, both ways (https://docs.docker.com/reference/api/engine/, v1.41 and later)."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from ipaddress import IPv4Network
from typing import Any, cast

from .cpus import format_cpus, parse_cpus
from .disk import DISK_TAG, disk_volume_of, filesystem_of
from .errors import ZonalError
from .facts import dump_facts, load_facts
from .field_values import IO_LIMITS, parse_environment
from .fields import Spec
from .instance import PAUSED, RUNNING, STOPPED
from .names import mac_of, network_of
from .quantity import parse_size
from .volume import Volume, tag_value

LABEL = "cloud.zonal."
_SHARES_OF_A_CPU = 1024
_MOST_SHARES = 262144
# NET_ADMIN and NET_RAW could change and forge addresses: this is the container half of anti-spoofing.
# What stands on a disk cannot give rights on the host; discard gives the space of what is deleted back to the thin pool.
_MOUNT_OPTIONS = "nodev,nosuid,discard"
_DROPPED = ("NET_ADMIN", "NET_RAW")
# The names of the variables that were declared; docker holds them with those of the image.
_VARIABLES = "environment"
# docker's words for the limits, which it has for each device.
_IO_LIMITS = dict(zip(IO_LIMITS, ("BlkioDeviceReadBps", "BlkioDeviceWriteBps", "BlkioDeviceReadIOps", "BlkioDeviceWriteIOps")))


@dataclass(frozen=True)
class EngineFacts:
    """What docker and its host can do: ``cpus`` are the usable CPU numbers, empty when there is no cpuset controller; ``root`` is
    the folder of docker's data, ``device`` the block device that this lies on, empty when that is none whose throughput can be limited."""

    api: tuple[int, int]
    cgroup: int
    size_limits: bool
    cpus: frozenset[int]
    root: str = "/var/lib/docker"
    device: str = ""


@dataclass(frozen=True)
class Layer:
    """Where docker keeps what a container has written: by which driver, in which folder, over which image."""

    driver: str
    folder: str
    image: str


@dataclass(frozen=True)
class ParsedContainer:
    """What ``docker inspect`` tells of one container. A ``dead`` one was being removed when docker was killed: it can only be removed.

    ``note`` tells why it does not stay up; empty when it does.
    """

    name: str
    spec: Spec
    facts: Mapping[str, str]
    power: str
    ours: bool
    cpus: frozenset[int]
    dead: bool
    note: str


def render_container(
    name: str, spec: Spec, cpus: frozenset[int], engine: EngineFacts, disks: Mapping[str, Volume] | None = None
) -> dict[str, Any]:
    """Return the body of ``POST /containers/create``; equal input gives an equal body. ``disks`` are the volumes of the spec's disks."""
    network = network_of(spec["bridge"])
    endpoint: dict[str, Any] = {"IPAMConfig": {"IPv4Address": spec["address"]}}
    capabilities, variables = spec.get("capabilities", []), spec.get("environment", {})
    facts = {**dump_facts(name, spec), **({_VARIABLES: json.dumps(list(variables))} if variables else {})}
    body: dict[str, Any] = {
        "Image": spec["image"],
        "Hostname": spec["hostname"],
        "Labels": {**spec.get("labels", {}), **{LABEL + key: value for key, value in sorted(facts.items())}},
        "HostConfig": {
            **render_limits(spec, cpus, engine),
            **{_IO_LIMITS[key]: [{"Path": engine.device, "Rate": rate}] for key, rate in spec.get("io_limits", {}).items()},
            "CapAdd": list(capabilities),
            "CapDrop": [name for name in _DROPPED if name not in capabilities],
            "NetworkMode": network,
            "RestartPolicy": restart_policy(spec["autostart"]),
            "Dns": list(spec["dns"]),
        },
        "NetworkingConfig": {"EndpointsConfig": {network: endpoint}},
    }
    if variables:
        body["Env"] = [f"{key}={value}" for key, value in variables.items()]
    if spec.get("command"):
        body["Cmd"] = list(spec["command"])
    if "disk" in spec:
        body["HostConfig"]["StorageOpt"] = {"size": str(spec["disk"])}
    mounts = [render_mount(entry["mount"], disks[entry["name"]]) for entry in spec.get("disks", ())] if disks else []
    if mounts:
        body["HostConfig"]["Mounts"] = mounts
    # From API 1.44 on the MAC belongs to the endpoint; before, only the container has one.
    (endpoint if engine.api >= (1, 44) else body)["MacAddress"] = mac_of(spec["address"])
    return body


def without_network(body: Mapping[str, Any]) -> dict[str, Any]:
    """Return the body of a container that is like another, but takes no address."""
    kept = {key: value for key, value in body.items() if key not in ("NetworkingConfig", "MacAddress")}
    return {**kept, "HostConfig": {**body["HostConfig"], "NetworkMode": "none"}}


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
    if _VARIABLES in facts:
        spec["environment"] = _parse_variables(facts[_VARIABLES], config.get("Env") or ())
    rates = {key: (host.get(words) or [{}])[0].get("Rate") for key, words in _IO_LIMITS.items()}
    if any(rates.values()):
        spec["io_limits"] = {key: rate for key, rate in rates.items() if rate}
    _parse_endpoint(body, host, spec)
    return ParsedContainer(
        name=str(body.get("Name", "")).lstrip("/"),
        spec=cast(Spec, spec),
        facts=facts,
        power=_power(body.get("State") or {}),
        ours="name" in facts,
        cpus=cpus,
        dead=_is_dead(body.get("State") or {}),
        note=_note(body.get("State") or {}),
    )


def _parse_variables(names: str, lines: Sequence[str]) -> dict[str, str] | None:
    """Return the variables of those names; None, which no wish is, when the names cannot be read."""
    try:
        values = dict(line.split("=", 1) for line in lines if "=" in line)
        return parse_environment("environment", {name: values[name] for name in json.loads(names)})
    except (ZonalError, ValueError, TypeError, KeyError, RecursionError):
        return None


def parse_layer(body: Mapping[str, Any]) -> Layer:
    """Return what the answer of ``GET /containers/NAME/json`` tells of the writable layer; empty text for what it does not tell."""
    driver = body.get("GraphDriver") or {}
    return Layer(driver.get("Name") or "", (driver.get("Data") or {}).get("UpperDir") or "", body.get("Image") or "")


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


def _note(state: Mapping[str, Any]) -> str:
    ended = f"{state.get('ExitCode')}{', for lack of memory' if state.get('OOMKilled') else ''}"
    if state.get("Restarting"):
        return f"its program ends again and again (last with {ended}), and docker starts it anew"
    return f"its program has ended (with {ended})" if state.get("Status") == "exited" else ""


def _power(state: Mapping[str, Any]) -> str:
    if state.get("Paused"):
        return PAUSED
    return RUNNING if state.get("Running") or state.get("Restarting") else STOPPED
