# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: may change without notice.
"""A container as the docker Engine API writes it (https://docs.docker.com/reference/api/engine/, v1.41 and later)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .cpus import format_cpus
from .disk import DISK_TAG, disk_volume_of, filesystem_of
from .facts import dump_facts
from .field_values import IO_LIMITS, ON_FAILURE
from .fields import SHARES_OF_A_CPU, Spec
from .names import mac_of, network_of
from .volume import Volume, tag_value

LABEL = "cloud.zonal."
_MOST_SHARES = 262144
# From this version of the API on the MAC belongs to the endpoint; before, only the container has one.
_MAC_OF_ENDPOINT = (1, 44)
# What stands on a disk cannot give rights on the host; discard gives the space of what is deleted back to the thin pool.
_MOUNT_OPTIONS = "nodev,nosuid,discard"
# NET_ADMIN and NET_RAW could change and forge addresses: this is the container half of anti-spoofing.
_DROPPED = ("NET_ADMIN", "NET_RAW")
# The names of the variables that were declared; docker holds them with those of the image.
VARIABLES = "environment"
# docker's words for the limits, which it has for each device.
DEVICE_LIMITS = dict(zip(IO_LIMITS, ("BlkioDeviceReadBps", "BlkioDeviceWriteBps", "BlkioDeviceReadIOps", "BlkioDeviceWriteIOps")))


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


def render_container(
    name: str, spec: Spec, cpus: frozenset[int], engine: EngineFacts, disks: Mapping[str, Volume] | None = None
) -> dict[str, Any]:
    """Return the body of ``POST /containers/create``; equal input gives an equal body. ``disks`` are the volumes of the spec's disks."""
    network = network_of(spec["bridge"])
    capabilities, variables = spec.get("capabilities", []), spec.get("environment", {})
    facts = {**dump_facts(name, spec), **({VARIABLES: json.dumps(list(variables))} if variables else {})}
    # It changes while the container runs, and docker lets no label be changed: see ``LayerCopies.policy``.
    facts.pop("snapshots", None)
    body: dict[str, Any] = {
        "Image": spec["image"],
        "Hostname": spec["hostname"],
        "Labels": {**spec.get("labels", {}), **{LABEL + key: value for key, value in sorted(facts.items())}},
        "HostConfig": {
            **render_limits(spec, cpus, engine),
            **{DEVICE_LIMITS[key]: [{"Path": engine.device, "Rate": rate}] for key, rate in spec.get("io_limits", {}).items()},
            "CapAdd": list(capabilities),
            "CapDrop": [name for name in _DROPPED if name not in capabilities],
            "NetworkMode": network,
            "RestartPolicy": restart_policy(spec["autostart"], spec.get("restart_policy", "")),
            "Dns": list(spec["dns"]),
        },
        "NetworkingConfig": {"EndpointsConfig": {network: render_endpoint(spec, engine)}},
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
    if engine.api < _MAC_OF_ENDPOINT:
        body["MacAddress"] = mac_of(spec["address"])
    return body


def render_endpoint(spec: Spec, engine: EngineFacts) -> dict[str, Any]:
    """Return the body of a container's endpoint in its network."""
    endpoint = {"IPAMConfig": {"IPv4Address": spec["address"]}}
    return {**endpoint, "MacAddress": mac_of(spec["address"])} if engine.api >= _MAC_OF_ENDPOINT else endpoint


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
    shares = min(spec["vcpus"] * SHARES_OF_A_CPU, _MOST_SHARES)
    limits: dict[str, Any] = {
        "Memory": spec["memory"],
        "MemorySwap": spec["memory"],
        # Without a CPU set it tells how many CPUs there are, too.
        "CpuShares": spec.get("cpu_shares", shares) if engine.cpus else shares,
    }
    if engine.cpus:
        limits["CpusetCpus"] = format_cpus(cpus)
    if engine.cgroup == 1:
        limits["MemorySwappiness"] = 1
    return limits


def restart_policy(autostart: bool, policy: str = "", *, stopped: bool = False) -> dict[str, Any]:
    """Return docker's restart policy: what is started at boot, except what the operator has ``stopped``.

    With on-failure docker goes by the last exit code alone when it starts, also of what was stopped; so that is not its word then.
    """
    if not autostart:
        return {"Name": "no"}
    return {"Name": "on-failure" if policy == ON_FAILURE and not stopped else "unless-stopped"}
