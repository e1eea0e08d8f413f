# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: may change without notice.
"""What ``host_info`` returns: each section from its own reader, so that only what is asked for costs time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from functools import partial
from typing import Any, Callable

from .._adapters.docker_engine import DockerEngine
from .._adapters.engines import find_engines
from .._adapters.host_links import read_links
from .._adapters.kvm import try_kvm
from .._adapters.layer_copies import FolderLayers
from .._adapters.libvirt_engine import LibvirtEngine
from .._adapters.lvm import LvmVolumes, read_volumes
from .._adapters.sysfs import Sysfs
from .._domain.errors import SpecError
from .._domain.host_engines import Engine
from .._domain.host_kvm import KvmTrial
from .._domain.host_network import find_bridges
from .._domain.host_storage import POOL_FIELDS, Pool, find_pools
from .._domain.instance import Renamed
from .._domain.thin_pool import parse_name
from .._ports import Command, EngineAbsent
from .image_info import images_here
from .instances_here import instances_here
from .remembered import remembered_volumes

SECTIONS = ("hardware", "storage", "network", "engines", "kvm", "instances", "images")
# Thin pools and thin volumes.
_THIN = "lv_attr=~^[tV]"
Objects = Callable[[], "list[dict[str, Any]]"]


class HostReader:
    """Reads a host; ``instances`` returns what runs on it, in the words of the modules vm and container, and ``images`` its images.

    ``down`` has the engines that did not run when they were asked for ``instances``, by their names, with why, and ``renamed`` then has
    what was found under other names.
    """

    def __init__(
        self,
        command: Command,
        sysfs: Sysfs,
        instances: Objects,
        images: Objects,
        *,
        down: Mapping[str, str] | None = None,
        renamed: Sequence[Renamed] = (),
        remember: bool = False,
        root: str = "/",
    ) -> None:
        self._command = command
        self._sysfs = sysfs
        self._instances = instances
        self._images = images
        self._down = {} if down is None else down
        self._renamed = renamed
        self._remember = remember
        self._root = root

    def read(self, params: Mapping[str, Any]) -> dict[str, Any]:
        """Return the host's identity and the sections that ``gather`` names."""
        timeout = float(params["kvm_timeout"])
        if timeout <= 0:
            raise SpecError("kvm_timeout", params["kvm_timeout"], "is not a time; write a number of seconds above 0")
        readers: dict[str, Callable[[], Any]] = {
            "hardware": self._hardware,
            "storage": self._storage,
            "network": self._network,
            "engines": self._engines,
            "kvm": lambda: self._kvm(timeout),
            "instances": self._instances,
            "images": self._images,
        }
        wanted = set(params["gather"])
        told = {name: readers[name]() for name in SECTIONS if name in wanted}
        if "instances" in told:
            told["renamed"] = [asdict(item) for item in self._renamed]
        for engine, why in self._down.items() if "engines" in told else ():
            # It went between the two questions, so an instance that is not told of need not be gone.
            told["engines"][engine].update(installed=True, running=False, reason=why)
        return {"host": {**asdict(self._sysfs.identity()), **told}}

    def _hardware(self) -> dict[str, Any]:
        processor, topology, memory = self._sysfs.processor(), self._sysfs.topology(), self._sysfs.memory()
        return {
            "processor": {"model": processor.model, "virtualization": processor.virtualization},
            "cpus": {
                "count": len(topology.online),
                "online": sorted(topology.online),
                "offline": sorted(topology.offline),
                "isolated": sorted(topology.isolated),
                "packages": topology.packages,
                "threads_per_core": topology.threads_per_core,
                "cores": [{"package": c.package, "node": c.node, "cpus": sorted(c.cpus)} for c in topology.cores],
            },
            "nodes": [{"id": n.number, "cpus": sorted(n.cpus), "memory": n.memory} for n in topology.nodes],
            "memory": {**asdict(memory), "huge_pages": [asdict(kind) for kind in memory.huge_pages]},
        }

    def _storage(self) -> dict[str, Any]:
        try:
            rows = read_volumes(self._command, POOL_FIELDS, _THIN)
        except EngineAbsent:
            rows = []
        return {"pools": [_show_pool(pool) for pool in find_pools(rows)]}

    def _network(self) -> dict[str, Any]:
        return {"bridges": [asdict(bridge) for bridge in find_bridges(read_links(self._command))]}

    def _engines(self) -> dict[str, Any]:
        return {engine.name: _show_engine(engine) for engine in find_engines(self._command)}

    def _kvm(self, timeout: float) -> dict[str, Any]:
        return _show_trial(try_kvm(self._command, timeout=timeout, remember=self._remember, root=self._root))


def read_host(params: Mapping[str, Any], command: Command, *, remember: bool) -> dict[str, Any]:
    """Return what the module returns; ``remember`` lets it keep the result of the KVM trial for as long as the host is up."""
    docker, libvirt = DockerEngine(), LibvirtEngine()
    volumes = remembered_volumes(LvmVolumes(command, parse_name("group", params["group"]), parse_name("pool", params["pool"])))
    down: dict[str, str] = {}
    renamed: list[Renamed] = []
    instances = partial(instances_here, docker, FolderLayers(command, lambda: docker.facts().root), libvirt, volumes, down, renamed)
    images = partial(images_here, docker, volumes)
    reader = HostReader(command, Sysfs(), instances, images, down=down, renamed=renamed, remember=remember)
    return reader.read(params)


def _show_pool(pool: Pool) -> dict[str, Any]:
    return {**asdict(pool), "free": pool.free}


def _show_engine(engine: Engine) -> dict[str, Any]:
    shown = {"installed": engine.installed, "version": engine.version, "running": engine.running, "reason": engine.reason}
    return {**shown, **engine.details}


def _show_trial(trial: KvmTrial) -> dict[str, Any]:
    return {"usable": trial.usable, "reason": trial.reason, "seconds": round(trial.seconds, 1)}
