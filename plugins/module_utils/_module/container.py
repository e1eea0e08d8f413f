# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: may change without notice.
"""A container: the docker half of an instance."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import replace
from typing import Any, cast

from .._adapters.data_filesystems import DiskFilesystems
from .._adapters.docker_engine import DockerEngine
from .._adapters.guest_disks import MountedGuestDisks
from .._adapters.kernel import is_bridge, numa_nodes
from .._adapters.layer_copies import FolderLayers
from .._adapters.libvirt_engine import LibvirtEngine
from .._domain.container_config import EngineFacts, render_container, render_endpoint, render_limits, restart_policy, without_network
from .._domain.container_found import ParsedContainer, parse_container
from .._domain.cpus import choose_cpus
from .._domain.errors import RefusedError, SpecError
from .._domain.field_values import ON_FAILURE, show_io_limits
from .._domain.fields import Spec, check_restart_policy, complete, pick
from .._domain.guest_files import key_files
from .._domain.instance import STOPPED, Instance, Wish, taken_name
from .._domain.instance_disks import disk_names
from .._domain.names import UNFINISHED
from .._domain.plan import Plan, Step
from .._domain.quantity import format_size
from .._domain.snapshot import is_half_restored
from .._ports import Command, ContainerEngine, VmEngine
from .._ports_layers import LayerCopies
from .container_found import read_container
from .container_network import ContainerNetwork
from .data_disks import DataDisks, forget_stand_ins, stand_ins, volumes_of
from .instance import InstanceResource
from .instance_options import read_wish
from .neighbours import vm_cpus, vms_beside


class ContainerResource(InstanceResource):
    """An instance that is a container. ``given`` are the CPUs that other instances of this run have got."""

    name = "container"

    def __init__(
        self,
        wish: Wish,
        engine: ContainerEngine,
        vms: VmEngine,
        copies: LayerCopies,
        data: DataDisks,
        stop_timeout: int,
        given: list[frozenset[int]] | None = None,
    ) -> None:
        super().__init__(wish, engine, data, stop_timeout)
        self._given = [] if given is None else given
        self._engine = engine
        self._vms = vms
        self._copies = copies
        self._hidden = wish.name + UNFINISHED
        self._network = ContainerNetwork(engine, wish.name, (wish.name, self._hidden), is_bridge)
        self._managed: Collection[Mapping[str, Any]] = ()
        self._cpus: frozenset[int] = frozenset()
        self._was_there = False

    def _look(self) -> Instance:
        self._managed = self._engine.managed()
        body = self._engine.find(self._wish.name)
        self._was_there = body is not None
        if body is not None:
            self._cpus = parse_container(body).cpus
            return self._startable(read_container(body, self._copies, self._wish.spec))
        if any(body["Name"] == f"/{self._hidden}" and self._made(parse_container(body)) for body in self._managed):
            return Instance("container", self._wish.name, STOPPED, whole=False)
        return self.nothing()

    def _startable(self, found: Instance) -> Instance:
        """Return a container that is stopped without the CPUs that its host has not any more: docker would not start it with these."""
        usable = self._engine.facts().cpus if found.power == STOPPED and self._cpus else self._cpus
        if not usable or self._cpus <= usable:
            return found
        self._cpus &= usable
        return replace(found, spec=cast(Spec, {**found.spec, "vcpus": len(self._cpus)}))

    def plan(self, found: Instance) -> Plan[Instance]:
        plan = super().plan(found)
        if "restart_policy" in self._wish.spec:
            check_restart_policy(self.name, self._target)
        actions = {step.action for step in plan.steps}
        if "start" in actions and "create" not in actions and is_half_restored(self._copies.note(self._wish.name)):
            raise RefusedError(
                f"name: a snapshot of {self._wish.name} was being restored when a run was cut off, so its files are not whole; "
                "finish that first with zonal.cloud.snapshot, state: restored",
                field="name",
            )
        return plan

    def apply(self, step: Step) -> None:
        # What was stopped on purpose stays so when docker starts. In this order a run that is cut off leaves a difference.
        on_purpose = step.action == "stop" and self._wish.power == STOPPED
        if self._target.get("restart_policy") == ON_FAILURE and (on_purpose or step.action == "start"):
            policy = restart_policy(self._target["autostart"], ON_FAILURE, stopped=on_purpose)
            self._engine.update(self._wish.name, {"RestartPolicy": policy})
        if step.action == "start" and self._was_there:
            self._network.rejoin(self._target, render_endpoint(self._target, self._engine.facts()))
        super().apply(step)

    def _left_snapshots(self) -> Collection[str]:
        return sorted(self._copies.copies(self._wish.name))

    def _neighbours(self) -> Iterator[Instance]:
        return (Instance(self.name, other.name, other.power, other.spec) for other in self._others())

    def _others(self) -> Iterator[ParsedContainer]:
        names = (f"/{self._wish.name}", f"/{self._hidden}")
        others = (parse_container(body) for body in self._managed if body["Name"] not in names)
        return (other for other in others if not other.dead)

    def prepare(self, *, created: bool) -> None:
        super().prepare(created=created)
        (self._network.make if created else self._network.provide)(self._target)

    def _create(self, spec: Spec) -> None:
        facts = self._check(spec)
        self._discard_hidden()
        left = self._engine.find(self._wish.name)
        if left is not None and parse_container(left).dead:
            self._engine.remove(self._wish.name)
        # Of one that somebody has removed by hand; what this one writes is whole.
        self._copies.sweep(self._wish.name)
        self._network.make(spec)
        disks = self._data.provide(Instance(self.name, self._wish.name, STOPPED, spec))
        forget_stand_ins(self._engine, disks)
        self._engine.create(self._hidden, render_container(self._wish.name, spec, self._cpus, facts, disks))
        self._engine.put_files(self._hidden, key_files(spec))
        self._copies.write_policy(self._wish.name, spec.get("snapshots", {}))
        self._engine.rename(self._hidden, self._wish.name)

    def _check_hidden(self) -> bool:
        body = self._engine.find(self._hidden)
        if body is not None and not self._made(parse_container(body)):
            raise taken_name(self._wish, f"container {self._hidden}")
        return body is not None

    def _discard_hidden(self) -> None:
        if self._check_hidden():
            self._engine.remove(self._hidden)

    def _made(self, found: ParsedContainer) -> bool:
        """Tell whether a container was made for just this instance."""
        return found.facts.get("name") == self._wish.name

    def _elsewhere(self, *, surely: bool = False) -> list[Instance]:
        return vms_beside(self._vms, surely=surely)

    def _foresee(self, actions: Collection[str]) -> None:
        super()._foresee(actions)
        if "cpu_shares" in self._wish.spec and not {"create", "update"}.isdisjoint(actions) and not self._engine.facts().cpus:
            why = "cannot be held: docker here has no cpuset controller, so the weight stands for vcpus"
            raise SpecError("cpu_shares", self._wish.spec["cpu_shares"], why)
        if "create" in actions or ("update" in actions and len(self._cpus) != self._target["vcpus"]):
            # Now, since all containers of a run are planned before the first is made: each shall get others.
            self._cpus = self._choose(self._target, self._engine.facts())
            self._given.append(self._cpus)

    def _check_host(self, spec: Spec) -> None:
        name = self._wish.name
        if len(name) == 1:
            raise SpecError("name", name, "is too short for a container; docker wants two characters")
        self._check_network(spec)
        stand_ins(self._engine, disk_names(spec))
        holder = self._network.holder(spec)
        if holder and holder not in (parse_container(body).name for body in self._managed):
            raise SpecError("address", spec["address"], f"belongs to the container {holder}, which zonal.cloud did not make")

    def _check_target(self, spec: Spec) -> None:
        body = render_container(self._wish.name, spec, self._cpus, self._check(spec))
        self._discard_hidden()
        # Some things only docker knows, such as which capabilities it does; so one is made on trial.
        self._engine.create(self._hidden, without_network(body))
        self._engine.remove(self._hidden)

    def _check(self, spec: Spec) -> EngineFacts:
        """Return what docker can do; SpecError when the container cannot be made on this host."""
        facts = self._engine.facts()
        self._check_image(spec["image"])
        if not is_bridge(spec["bridge"]):
            raise SpecError("network.bridge", spec["bridge"], "is not a bridge on this host; make it with zonal.cloud.bridge")
        if "disk" in spec and not facts.size_limits:
            raise SpecError("disk", format_size(spec["disk"]), "cannot be held: docker here has no overlay2 on XFS with project quota")
        self._data.check(self.name, spec.get("disks", ()))
        stand_ins(self._engine, disk_names(spec))
        if spec.get("io_limits") and not facts.device:
            raise SpecError("io_limits", show_io_limits(spec["io_limits"]), "cannot be held: docker's data here lies on no block device")
        self._check_network(spec)
        return facts

    def _remove(self) -> None:
        name = self._wish.name
        body = self._engine.find(name)
        if body is not None:
            self._engine.stop(name, self._stop_timeout)
        self._copies.clear(name)
        if body is not None:
            self._engine.remove(name)
        self._discard_hidden()
        forget_stand_ins(self._engine, disk_names(parse_container(body).spec) if body is not None else ())

    def _update(self, options: Collection[str]) -> None:
        body = self._engine.find(self._wish.name)
        if body is None:
            raise RefusedError(f"container {self._wish.name} was removed while it was being changed; run again")
        facts, parsed = self._engine.facts(), parse_container(body)
        spec = complete(self._wish.name, {**parsed.spec, **pick(self._wish.spec, options)})
        if "disks" in options:
            self._data.provide(Instance(self.name, self._wish.name, parsed.power, self._target))
        if "snapshots" in options:
            self._copies.write_policy(self._wish.name, spec.get("snapshots", {}))
        if "cpu_shares" in self._wish.spec:
            # One that is just what it has by default is not told from that.
            spec["cpu_shares"] = self._wish.spec["cpu_shares"]
        limits = render_limits(spec, self._cpus, facts)
        policy = restart_policy(spec["autostart"], spec.get("restart_policy", ""), stopped=parsed.power == STOPPED)
        self._engine.update(self._wish.name, {**limits, "RestartPolicy": policy})

    def _choose(self, spec: Spec, facts: EngineFacts) -> frozenset[int]:
        if not facts.cpus:
            return frozenset()
        nodes = [facts.cpus & node for node in numa_nodes()] or [facts.cpus]
        return choose_cpus(spec["vcpus"], nodes, [*(other.cpus for other in self._others()), *vm_cpus(self._vms), *self._given])

    def _check_network(self, spec: Spec) -> None:
        self._network.check(spec, [name for kind, name in self._ignored if kind == self.name])

    def _check_image(self, image: str) -> None:
        if self._engine.image_labels(image) is None:
            raise SpecError("image", image, "is not on this host as a docker image; bring it there with zonal.cloud.image")


def build_container(params: dict[str, Any], command: Command) -> ContainerResource:
    """Return the resource for the module's parameters."""
    docker, libvirt = DockerEngine(), LibvirtEngine()
    copies = FolderLayers(command, lambda: docker.facts().root)
    data = DataDisks(volumes_of(params, command), DiskFilesystems(command, MountedGuestDisks(command)), libvirt)
    return ContainerResource(read_wish("container", params), docker, libvirt, copies, data, params["stop_timeout"])
