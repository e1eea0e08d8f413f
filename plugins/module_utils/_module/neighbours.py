# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: may change without notice.
"""What each engine of a host runs, for the instances of the other kind: both are on the same network."""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

from .._domain.container_found import parse_container
from .._domain.domain_found import attached_in, parse_domain, pinned_in
from .._domain.errors import RefusedError, SpecError
from .._domain.fields import Spec
from .._domain.instance import Instance
from .._domain.instance_disks import DiskEntry
from .._domain.rbd import RBD
from .._ports import ContainerEngine, Domain, EngineAbsent, EngineDown, EngineSilent, VmEngine
from .or_none import Item, or_none


def containers_beside(engine: ContainerEngine, *, surely: bool = False) -> list[Instance]:
    """Return the containers of this collection; none where docker is not installed, does not run, or hangs: that is no reason to leave
    VMs undone. With ``surely`` that holds only where docker is not installed, and else is an EngineError: what it has would be lost.
    """
    read = _or_nothing if not surely else _surely
    found = read(lambda: [parse_container(body) for body in engine.managed()])
    return [Instance("container", item.name, item.power, item.spec, ours=item.facts.get("name") == item.name) for item in found]


def vms_beside(engine: VmEngine, *, surely: bool = False) -> list[Instance]:
    """Return the VMs of this collection; none where libvirt is not installed, or, without ``surely``, does not run, or hangs."""
    read = _or_nothing if not surely else _surely
    found = read(lambda: list(map(read_neighbour, engine.domains())))
    return [item for item in found if item.ours]


def instance_called(name: str, containers: ContainerEngine, vms: VmEngine, option: str) -> Instance:
    """Return the instance of that name on this host, which the ``option`` names; RefusedError when there is one of either kind."""
    found = [item for item in (*containers_beside(containers), *vms_beside(vms)) if item.name == name and item.ours]
    if len(found) > 1:
        why = "is the name of a container and of a VM on this host, so it is not known which of them is meant; make one of them anew"
        raise RefusedError(f"{option}: {name!r} {why} under another name", field=option, value=name)
    if not found:
        # It may be of an engine that does not answer.
        containers_beside(containers, surely=True)
        vms_beside(vms, surely=True)
        raise SpecError(option, name, "is no instance of zonal.cloud on this host; zonal.cloud.host_info tells those that are")
    return found[0]


def container_cpus(engine: ContainerEngine) -> list[frozenset[int]]:
    """Return the CPUs that each container of this collection is bound to."""
    return _or_nothing(lambda: [parse_container(body).cpus for body in engine.managed()])


def vm_cpus(engine: VmEngine) -> list[frozenset[int]]:
    """Return the CPUs that each VM is bound to, whoever made it."""
    return _or_nothing(lambda: [pinned_in(domain.xml) for domain in engine.domains()])


def read_neighbour(domain: Domain) -> Instance:
    """Return a VM as others must see it: it has the disks of its definition, and those that it has not let go of yet."""
    parsed = parse_domain(domain.xml)
    held = {name: DiskEntry(name=name, store=RBD) for name in parsed.held}
    defined = {entry["name"]: entry for entry in parsed.spec.get("disks", ())}
    spec = cast(Spec, {**parsed.spec, "disks": list({**held, **attached_in(domain.live_xml), **defined}.values())})
    return Instance("vm", domain.name, domain.power, spec, ours=parsed.ours)


def _or_nothing(read: Callable[[], list[Item]]) -> list[Item]:
    """Return what ``read`` returns; an engine that is not there, or hangs, has nothing."""
    try:
        return or_none(read)
    except EngineSilent:
        return []


def _surely(read: Callable[[], list[Item]]) -> list[Item]:
    """Return what ``read`` returns; only an engine that is not installed has nothing."""
    try:
        return read()
    except EngineDown:
        raise
    except EngineAbsent:
        return []
