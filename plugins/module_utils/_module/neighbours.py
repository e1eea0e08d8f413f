# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: may change without notice.
"""What each engine of a host runs, for the instances of the other kind: both are on the same network."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from .._domain.container_config import parse_container
from .._domain.domain_xml import parse_domain
from .._domain.instance import Instance
from .._ports import ContainerEngine, EngineAbsent, EngineSilent, VmEngine

Item = TypeVar("Item")


def containers_beside(engine: ContainerEngine) -> list[Instance]:
    """Return the containers of this collection; none where docker is not installed, or hangs: that is no reason to leave VMs undone."""
    try:
        found = or_none(lambda: [parse_container(body) for body in engine.managed()])
    except EngineSilent:
        found = []
    return [Instance("container", item.name, item.power, item.spec) for item in found]


def vms_beside(engine: VmEngine) -> list[Instance]:
    """Return the VMs of this collection; none where libvirt is not installed."""
    found = or_none(lambda: [(domain, parse_domain(domain.xml)) for domain in engine.domains()])
    return [Instance("vm", domain.name, domain.power, parsed.spec) for domain, parsed in found if parsed.ours]


def or_none(read: Callable[[], list[Item]]) -> list[Item]:
    """Return what ``read`` returns; an engine that is not there has nothing."""
    try:
        return read()
    except EngineAbsent:
        return []
