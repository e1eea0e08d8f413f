# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Wishes for instances, and the life cycle of ``run.py`` without a module around it."""

from __future__ import annotations

from typing import Any

from ansible_collections.zonal.cloud.plugins.module_utils._domain.fields import parse_spec
from ansible_collections.zonal.cloud.plugins.module_utils._domain.instance import RUNNING, Wish

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIBZ0 operator@example"
OPTIONS: dict[str, Any] = {
    "zone": "lab",
    "tenant": "payments",
    "app": "web",
    "image": "debian:13",
    "vcpus": 2,
    "memory": "256M",
    "address": "10.20.0.7",
    "bridge": "br0",
    "cidr": "10.20.0.0/16",
    "gateway": "10.20.0.1",
    "dns": ["10.20.0.2"],
    "hostname": "web",
    "ssh_keys": [KEY],
    "autostart": True,
}


def wish(kind: str, name: str = "web", power: str = RUNNING, *, allow: tuple[str, ...] = (), restart: bool = False, **options: Any) -> Wish:
    """Return a wish for everything in OPTIONS; an option that is given as None is left out."""
    return Wish(kind, name, power, parse_spec({**OPTIONS, **options}), allow, restart)


def planned(resource: Any) -> tuple[list[str], list[str]]:
    """Return the actions of the plan's steps, and the options that wait for permission."""
    plan = resource.plan(resource.observe())
    return [step.action for step in plan.steps], [item.field for item in plan.pending]


def converge(resource: Any) -> list[str]:
    """Do what ``run`` does and return the actions of the plan's steps."""
    plan = resource.plan(resource.observe())
    for step in plan.steps:
        resource.apply(step)
    return [step.action for step in plan.steps]
