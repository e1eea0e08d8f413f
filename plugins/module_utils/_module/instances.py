# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: may change without notice.
"""All instances of one host in one run: each engine is asked once for all of them, and one that fails stops no other."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cache, partial
from typing import Any, Callable, NoReturn

from ansible.module_utils.basic import AnsibleModule

from .._adapters.boot_files import BootFolder
from .._adapters.command import HostCommand
from .._adapters.data_filesystems import DiskFilesystems
from .._adapters.docker_engine import DockerEngine
from .._adapters.guest_disks import MountedGuestDisks
from .._adapters.lanes import in_lanes
from .._adapters.layer_copies import FolderLayers
from .._adapters.libvirt_engine import LibvirtEngine
from .._adapters.rbd import RbdImages
from .._domain.batch import Outcome, check_batch, in_turns, told_lines
from .._domain.errors import SpecError, ZonalError
from .._domain.failure import failure_of
from .._domain.instance import Instance, Wish, show_instance
from .._domain.plan import Plan
from .._domain.quantity import check_wait
from .._domain.rbd import parse_cluster
from .._ports import Command, ContainerEngine, EngineAbsent, EngineSilent, VmEngine
from .._ports_disks import DataFilesystems, DiskImages
from .._ports_layers import LayerCopies
from .._ports_storage import GuestDisks, Volumes
from .container import ContainerResource
from .data_disks import DataDisks, volumes_of
from .instance import InstanceResource
from .instance_options import read_wish
from .remembered import forget, remembered_containers, remembered_images, remembered_vms, remembered_volumes
from .run import fail, locked, warn_pending
from .vm import VmResource
from .vm_type import domain_type_of


class _NotAskedAgain(ZonalError):
    """The engine of a kind was lost for another instance of the run."""


@dataclass(frozen=True)
class HostEngines:
    """What instances are made with. ``domain_type`` tells of which type a new VM is."""

    docker: ContainerEngine
    libvirt: VmEngine
    volumes: Volumes
    disks: GuestDisks
    filesystems: DataFilesystems
    boot: BootFolder
    domain_type: Callable[[], str]
    copies: LayerCopies
    images: DiskImages | None = None


@dataclass(frozen=True)
class Applied:
    """How many steps of an instance were done, what went wrong then, and why its engine is not asked again, if so."""

    steps: int
    error: str = ""
    lost: str = ""


# Does the work for each number, and yields what comes of it (None: nobody knows) in any order; what it leaves out was not begun.
Lanes = Callable[[Sequence[int], Callable[[int], Applied]], Iterable["tuple[int, Applied | None]"]]


class Batch:
    """The instances of a run. ``wishes`` and ``resources`` belong together, one by one; ``forget`` lets engines be asked anew."""

    def __init__(self, wishes: Sequence[Wish], resources: Sequence[InstanceResource], forget: Callable[[], None]) -> None:
        check_batch(wishes)
        self._wishes = wishes
        self._resources = resources
        self._forget = forget
        self.warnings: list[str] = []
        # Why an engine is not asked again, by kind: each further call could take minutes.
        self._lost: dict[str, str] = {}

    def converge(self, lanes: Lanes, *, check_mode: bool) -> list[Outcome | None]:
        """Bring all to what is wanted, or in check mode tell what that would be.

        Outcomes are in the order of the wishes, with None for what was not begun.
        """
        outcomes: dict[int, Outcome] = {}
        going, staying = in_turns(self._wishes)
        for numbers in (going, staying):
            # All of a turn are planned before the first is touched, so that the engines are asked once.
            planned = {number: self._planned(number, check_mode) for number in numbers}
            outcomes.update(planned if check_mode else self._applied(planned, lanes))
            if check_mode and numbers is going:
                for number in staying:
                    self._resources[number].ignore({(outcome.kind, outcome.name) for outcome in planned.values() if not outcome.error})
            if not planned.keys() <= outcomes.keys():
                break
        if not check_mode:
            # Again, all are looked at when none is touched any more.
            outcomes.update({number: self._seen(number, outcome) for number, outcome in outcomes.items() if outcome.plan.steps})
            self.warnings += [line for number, outcome in outcomes.items() if (line := self._warning(number, outcome))]
        return [outcomes.get(number) for number in range(len(self._wishes))]

    def _planned(self, number: int, check_mode: bool) -> Outcome:
        """Return the outcome of check mode: the plan's steps count as done."""
        resource, wish = self._resources[number], self._wishes[number]
        before = resource.nothing()
        try:
            with self._asking(wish.kind):
                before = self._observe(resource, check_mode)
                plan = resource.plan(before)
        except ZonalError as error:
            return Outcome(wish.kind, wish.name, before, before, Plan(before), error=str(error))
        return Outcome(wish.kind, wish.name, before, plan.after, plan, done=plan.steps)

    @contextmanager
    def _asking(self, kind: str) -> Iterator[None]:
        if kind in self._lost:
            raise _NotAskedAgain(self._lost[kind])
        try:
            yield
        except (EngineAbsent, EngineSilent) as error:
            self._lost[kind] = str(error)
            raise

    def _observe(self, resource: InstanceResource, check_mode: bool) -> Instance:
        try:
            return resource.observe()
        except EngineAbsent as error:
            if not check_mode:
                raise
            warning = f"{error}. Assuming that nothing exists there yet."
            if warning not in self.warnings:
                self.warnings.append(warning)
            return resource.nothing()

    def _applied(self, planned: dict[int, Outcome], lanes: Lanes) -> dict[int, Outcome]:
        """Do the steps of those that are planned, and return the outcomes of all but those that were not begun."""
        planned = {number: self._prepared(number, outcome) for number, outcome in planned.items()}
        outcomes = {number: outcome for number, outcome in planned.items() if not outcome.done}
        for number, applied in lanes([number for number in planned if number not in outcomes], partial(self._apply, planned)):
            outcome = planned[number]
            if applied is None:
                applied = Applied(0, "the process that worked on it died; what it has done is finished by the next run")
            if applied.lost:
                self._lost[outcome.kind] = applied.lost
            if applied.error:
                outcome = replace(outcome, after=outcome.before, done=outcome.done[: applied.steps], error=applied.error)
            outcomes[number] = outcome
        # The changes were made by other processes.
        self._forget()
        return outcomes

    def _prepared(self, number: int, planned: Outcome) -> Outcome:
        """Return the outcome of an instance that cannot be created or started, or what was planned."""
        actions = [step.action for step in planned.done]
        if "remove" in actions or {"create", "start"}.isdisjoint(actions):
            return planned
        try:
            with self._asking(planned.kind):
                self._resources[number].prepare(created="create" in actions)
        except ZonalError as error:
            return replace(planned, after=planned.before, done=(), error=str(error))
        return planned

    def _apply(self, planned: dict[int, Outcome], number: int) -> Applied:
        """Do the steps of one instance; other processes know of that only what this returns."""
        steps, kind = 0, planned[number].kind
        try:
            for step in planned[number].done:
                with self._asking(kind):
                    self._resources[number].apply(step)
                steps += 1
        except ZonalError as error:
            return Applied(steps, str(error), self._lost.get(kind, ""))
        except Exception as error:  # a lane must tell of it, or nobody would
            return Applied(steps, f"{type(error).__name__}: {error}")
        return Applied(steps)

    def _seen(self, number: int, outcome: Outcome) -> Outcome:
        """Return the outcome with the instance as it is now."""
        try:
            with self._asking(outcome.kind):
                return replace(outcome, after=self._resources[number].observe())
        except ZonalError as error:
            return replace(outcome, error=outcome.error or str(error))

    def _warning(self, number: int, outcome: Outcome) -> str:
        """Return what people should know of an instance that was started, or runs; empty when all is well or they know already."""
        return "" if outcome.error else self._resources[number].warning(outcome.after)


def run_batch(module: AnsibleModule) -> NoReturn:
    """Converge the instances of the module's parameters, and end the module; when some went wrong, with one message for all of them."""
    try:
        batch, lanes = build_batch(module.params, HostCommand(module.run_command))
        with locked(module):
            found = batch.converge(lanes, check_mode=module.check_mode)
    except ZonalError as error:
        fail(module, error)
    outcomes = [outcome for outcome in found if outcome is not None]
    for warning in batch.warnings:
        module.warn(warning)
    for outcome in outcomes:
        warn_pending(module, outcome.plan, f"{outcome.name}: ")
    changed = [outcome for outcome in outcomes if outcome.changed]
    result: dict[str, Any] = {
        "changed": bool(changed),
        "instances": [outcome.as_dict() for outcome in outcomes],
        "told": told_lines(outcomes),
        "diff": {
            "before": {outcome.name: show_instance(outcome.before) for outcome in changed},
            "after": {outcome.name: show_instance(outcome.after) for outcome in changed},
        },
    }
    if None in found:
        result["unfinished"] = True
    failure = failure_of(result["instances"])
    if failure:
        module.fail_json(msg=failure, **result)
    module.exit_json(**result)


def build_batch(params: dict[str, Any], command: Command) -> tuple[Batch, Lanes]:
    """Return the batch for the module's parameters, and its lanes; ZonalError names the instance whose option is bad."""
    if params["workers"] < 1:
        raise SpecError("workers", params["workers"], "is less than 1")
    check_wait("progress", params["progress"])
    common = {name: params[name] for name in ("allow", "stop_timeout")}
    wishes = [_wish({**item, **common, "restart": False}) for item in params["instances"]]
    docker, libvirt, disks = DockerEngine(), LibvirtEngine(), MountedGuestDisks(command)
    engines = HostEngines(
        docker,
        libvirt,
        volumes_of(params, command),
        disks,
        DiskFilesystems(command, disks),
        BootFolder(),
        cache(partial(domain_type_of, params["domain_type"], libvirt, command)),
        FolderLayers(command, lambda: docker.facts().root),
        RbdImages(command, parse_cluster(params)),
    )
    return batch_of(wishes, engines, params["stop_timeout"]), side_by_side(params["workers"], (docker, libvirt), params["progress"])


def side_by_side(workers: int, connections: Sequence[DockerEngine | LibvirtEngine], seconds: int = 0) -> Lanes:
    """Return lanes that are processes, of which each makes its own connections; see ``in_lanes``."""

    def lanes(numbers: Sequence[int], work: Callable[[int], Applied]) -> Iterator[tuple[int, Applied | None]]:
        for connection in connections:
            connection.close()
        return in_lanes(workers, numbers, work, seconds)

    return lanes


def batch_of(wishes: Sequence[Wish], engines: HostEngines, stop_timeout: int) -> Batch:
    """Return the batch whose resources share the engines, so that none is asked twice."""
    docker, libvirt = remembered_containers(engines.docker), remembered_vms(engines.libvirt)
    volumes, images = remembered_volumes(engines.volumes), engines.images and remembered_images(engines.images)
    data = DataDisks(volumes, engines.filesystems, libvirt, images)
    # CPUs that instances of this run get: the next one shall get others.
    given: list[frozenset[int]] = []

    def resource(wish: Wish) -> InstanceResource:
        if wish.kind == "container":
            return ContainerResource(wish, docker, libvirt, engines.copies, data, stop_timeout, given)
        return VmResource(wish, libvirt, docker, volumes, engines.disks, data, engines.boot, engines.domain_type, stop_timeout, given)

    return Batch(wishes, [resource(wish) for wish in wishes], partial(forget, docker, libvirt, volumes, images))


def _wish(item: dict[str, Any]) -> Wish:
    try:
        return read_wish(item["kind"], item)
    except ZonalError as error:
        raise SpecError("instances", item["name"], str(error)) from error
