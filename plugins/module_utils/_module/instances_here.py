# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: may change without notice.
"""All instances of one host, whatever their kind, as the engines themselves tell."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .._adapters.docker_engine import DockerEngine
from .._adapters.layer_copies import FolderLayers
from .._adapters.libvirt_engine import LibvirtEngine
from .._adapters.lvm import LvmVolumes
from .._domain.instance import Instance, Renamed, show_instance
from .._domain.instance_disks import is_rbd
from .._domain.names import parse_label
from .._domain.thin_pool import parse_name
from .._ports import Command, ContainerEngine, EngineAbsent, EngineDown, VmEngine
from .._ports_layers import LayerCopies
from .._ports_storage import Volumes
from .container_found import list_containers
from .data_disks import volume_sizes, with_sizes
from .vm_found import list_vms


def instances_here(
    docker: ContainerEngine,
    copies: LayerCopies,
    libvirt: VmEngine,
    volumes: Volumes,
    down: dict[str, str] | None = None,
    renamed: list[Renamed] | None = None,
) -> list[dict[str, Any]]:
    """Return what runs on this host in the words of the options, sorted by name; an engine that is not there has nothing.

    ``down`` gets the engines that are installed and did not run when they were asked, each with why: theirs is not known. ``renamed`` gets
    what has addresses of instances under another name.
    """
    found: list[Instance] = []
    listed = {"docker": lambda: list_containers(docker, copies, renamed), "libvirt": lambda: list_vms(libvirt, volumes, renamed)}
    for engine, read in listed.items():
        try:
            found += read()
        except EngineDown as error:
            if down is not None:
                down[engine] = str(error)
        except EngineAbsent:
            continue
    if any("disks" in instance.spec for instance in found):
        sizes = volume_sizes(volumes)
        found = [with_sizes(instance, _of_thin(instance, sizes)) for instance in found]
    return [show_instance(instance) for instance in sorted(found, key=lambda instance: (instance.name, instance.kind))]


def _of_thin(instance: Instance, sizes: Mapping[str, int]) -> dict[str, int]:
    """Return the sizes of an instance's disks; of those on Ceph only Ceph knows, and is not asked here."""
    named = [entry["name"] for entry in instance.spec.get("disks", ()) if not is_rbd(entry)]
    return {name: sizes[name] for name in named if name in sizes}


def read_instances(params: dict[str, Any], command: Command) -> dict[str, Any]:
    """Return what ``instance_info`` returns."""
    names = params["names"] and [parse_label(f"names[{number}]", name) for number, name in enumerate(params["names"])]
    volumes = LvmVolumes(command, parse_name("group", params["group"]), parse_name("pool", params["pool"]))
    docker = DockerEngine()
    found = instances_here(docker, FolderLayers(command, lambda: docker.facts().root), LibvirtEngine(), volumes)
    return {"instances": [item for item in found if names is None or item["name"] in names]}
