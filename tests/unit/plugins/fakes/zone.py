# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A small zone, and hosts that do what a plan tells them and report it as ``host_info`` does."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible_collections.zonal.cloud.plugins.module_utils._domain.fields import parse_spec, show_spec
from ansible_collections.zonal.cloud.plugins.module_utils._domain.zone_plan import ZonePlan

G = 1024**3
ZONE: dict[str, Any] = {
    "hosts": "idc01_dev",
    "network": {"cidr": "10.20.0.0/16", "gateway": "10.20.0.1", "bridge": "br0"},
    "pools": ["10.20.101.1-10.20.101.254"],
    "reserved": ["10.20.101.10"],
}
_COMMON: dict[str, Any] = {"tenant": "payments", "image": "debian:13", "vcpus": 2}
WEB: dict[str, Any] = {**_COMMON, "app": "web", "kind": "container", "memory": "1G", "disk": "5G"}
DB: dict[str, Any] = {**_COMMON, "app": "db", "kind": "vm", "memory": "2G", "disk": "10G"}


def report(*instances: Mapping[str, Any], cpus: int = 8, memory: int = 16 * G) -> dict[str, Any]:
    """Return what a host with both engines reports."""
    return {
        "hardware": {"cpus": {"count": cpus}, "memory": {"total": memory, "available": 12345}},
        "storage": {"pools": [{"group": "zonal", "name": "pool", "size": 500 * G}, {"group": "other", "name": "pool", "size": 9 * G}]},
        "engines": {"docker": {"running": True}, "libvirt": {"running": True}, "qemu": {"running": True}},
        "instances": list(instances),
    }


HOSTS = {"kvm01": report(), "kvm02": report()}


def run(plan: ZonePlan, before: Mapping[str, Any] | None = None, *, power: str | None = None) -> dict[str, Any]:
    """Return what the hosts report after they have done what the plan tells them."""
    world = {name: {item["name"]: item for item in (host or {}).get("instances", [])} for name, host in (before or HOSTS).items()}
    for step in plan.steps:
        if step.order is None:
            continue
        if step.order["state"] == "absent":
            world[step.host].pop(step.name, None)
            continue
        spec = parse_spec({**step.order, **step.order["network"]})
        world[step.host][step.name] = {"name": step.name, "kind": step.kind, "state": power or step.order["state"], **show_spec(spec)}
    return {name: report(*instances.values()) for name, instances in world.items()}
