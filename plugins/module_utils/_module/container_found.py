# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: may change without notice.
"""Containers as docker tells of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .._domain.container_found import parse_container, renamed_container
from .._domain.facts import with_printed
from .._domain.fields import Spec, of_stopped
from .._domain.instance import STOPPED, Instance, Renamed
from .._domain.snapshot_policy import read_policy
from .._ports import ContainerEngine
from .._ports_layers import LayerCopies


def read_container(body: Mapping[str, Any], copies: LayerCopies, wanted: Spec | None = None) -> Instance:
    """Return the instance that a container's description tells of, and what is noted beside its snapshots."""
    parsed = parse_container(body)
    spec = parsed.spec if wanted is None else with_printed(parsed.spec, parsed.facts, wanted)
    if parsed.power == STOPPED:
        spec = of_stopped("container", spec, wanted or Spec())
    policy = read_policy(copies.policy(parsed.name))
    if policy:
        spec = {**spec, "snapshots": policy}
    # One that somebody has made of what docker commits of ours has its labels.
    ours = parsed.facts.get("name") == parsed.name
    return Instance("container", parsed.name, parsed.power, spec, ours=ours, whole=not parsed.dead, note=parsed.note)


def list_containers(engine: ContainerEngine, copies: LayerCopies, renamed: list[Renamed] | None = None) -> list[Instance]:
    """Return all containers of this collection on the host; those that are not whole have another name than they will.

    ``renamed`` gets those that have addresses under another name.
    """
    bodies = engine.managed()
    if renamed is not None:
        renamed += filter(None, map(renamed_container, map(parse_container, bodies)))
    found = (read_container(body, copies) for body in bodies)
    return sorted((item for item in found if item.ours), key=lambda item: item.name)
