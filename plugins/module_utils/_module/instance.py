# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: may change without notice.
"""What VMs and containers share as resources: the life of an instance, with the engine's part left to each kind."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Iterable, Iterator
from dataclasses import replace
from typing import Any

from .._adapters.kernel import memory_total
from .._domain.errors import SpecError
from .._domain.fields import Spec
from .._domain.instance import (
    ABSENT,
    RUNNING,
    STOPPED,
    Instance,
    Wish,
    check_address,
    check_disks,
    check_volumes,
    plan_instance,
    show_instance,
)
from .._domain.instance_disks import check_stores, disk_names
from .._domain.plan import Plan, Step
from .._domain.quantity import format_size, rough_size
from .._ports import PowerEngine
from .data_disks import DataDisks


class InstanceResource(ABC):
    """See ``Resource`` in ``run.py``. ``stop_timeout`` is how many seconds an instance gets to stop by itself."""

    name: str

    def __init__(self, wish: Wish, power: PowerEngine, data: DataDisks, stop_timeout: int) -> None:
        self._wish = wish
        self._power = power
        self._data = data
        self._stop_timeout = stop_timeout
        # Filled by observe and plan; at first the disks have only the sizes that are wanted.
        self._sized = wish
        self._is_there = False
        self._inherited: Collection[str] = ()
        self._ignored: Collection[tuple[str, str]] = ()
        self._target = Spec()

    def observe(self) -> Instance:
        found = self._data.measured(self._look())
        left = self._left_snapshots() if found.power == ABSENT else []
        if left and self._wish.power == ABSENT:
            # Of one that somebody has removed by hand.
            found = replace(found, power=STOPPED, whole=False)
        self._inherited = left or self._inherited
        self._sized = replace(self._wish, spec=self._data.sized(self._wish.spec))
        self._is_there = True
        return found

    def nothing(self) -> Instance:
        return Instance(self.name, self._wish.name)

    def plan(self, found: Instance) -> Plan[Instance]:
        plan = plan_instance(self._sized, found, self._staying(self._neighbours()))
        self._target = plan.after.spec
        if self._is_there:
            self._foresee({step.action for step in plan.steps})
            self._foresee_disks(found)
        return plan

    def ignore(self, going: Collection[tuple[str, str]]) -> None:
        """Plan as if these instances, by kind and name, were gone already."""
        self._ignored = going

    def report(self, state: Instance) -> dict[str, Any]:
        return show_instance(state)

    def warning(self, state: Instance) -> str:
        """Return what should be known of one that was made, or why it does not stay up though it is wanted to; empty when all is well."""
        if self._inherited and self._wish.power != ABSENT:
            left = ", ".join(self._inherited)
            return (
                f"{self.name} {state.name}: it is new and has the snapshots of an earlier one of this name, {left}: restore or remove them"
            )
        if not state.note or self._wish.power != RUNNING:
            return ""
        return f"{self.name} {state.name}: it is wanted to run, but {state.note}"

    def apply(self, step: Step) -> None:
        name = self._wish.name
        if step.action == "create":
            self._create(self._target)
        elif step.action == "update":
            self._update(step.fields)
        elif step.action == "start":
            self._power.start(name)
        elif step.action == "pause":
            self._power.pause(name)
        elif step.action == "resume":
            self._power.resume(name)
        elif step.action == "stop":
            self._power.stop(name, self._stop_timeout)
        elif step.action == "remove":
            if self._target:
                # What creating it anew would fail at is found while it is still there.
                self._check_target(self._target)
            self._remove()

    def _foresee(self, actions: Collection[str]) -> None:
        """Refuse now, and so in check mode too, what a step would refuse.

        An image or a bridge that is not there, and what the roles of a bootstrap set up, is left to the steps: in check mode an
        earlier task of the same run has only pretended to make it. The steps look for it before they change anything.
        """
        total, wanted = memory_total(), {"memory": self._target.get("memory", 0), "max_memory": self._target.get("max_memory", 0)}
        for option, memory in wanted.items():
            if memory > total and not {"create", "update"}.isdisjoint(actions):
                # A VM, which is started with its maximum, would be stopped for that and not start again, and a container would take that
                # of others.
                raise SpecError(option, format_size(memory), f"is more than this host has, which is {rough_size(total)}")
        if not {"create", "remove"}.isdisjoint(actions):
            self._check_hidden()
        if "create" in actions:
            check_address(self._wish, self._target, self._staying(self._elsewhere()))
            self._check_host(self._target)

    def _foresee_disks(self, found: Instance) -> None:
        """Refuse disks that another instance has, or that cannot be what they are wanted to be."""
        disks, had = self._target.get("disks", []), disk_names(found.spec)
        if not disks:
            return
        check_volumes(self._wish, disk_names(self._target), found)
        check_stores(disks, found.spec.get("disks", ()))
        self._data.check_holders(disks)
        self._data.check_sizes(self._wish.spec.get("disks", ()))
        self._data.check(self.name, disks, there=False)
        coming = [entry for entry in disks if entry["name"] not in had]
        if coming:
            others = [*self._neighbours(), *self._elsewhere(surely=self._data.are_there(coming))]
            check_disks(self._wish, [entry["name"] for entry in coming], self._staying(others))
            going = {name for other in others if (other.kind, other.name) in self._ignored for name in disk_names(other.spec)}
            self._data.check_free(entry for entry in coming if entry["name"] not in going)

    def _staying(self, instances: Iterable[Instance]) -> Iterator[Instance]:
        return (item for item in instances if (item.kind, item.name) not in self._ignored)

    @abstractmethod
    def _look(self) -> Instance:
        """Return the instance as it is, and note what else is on the host."""

    @abstractmethod
    def _left_snapshots(self) -> Collection[str]:
        """Return the snapshots that there are of an instance that is not there."""

    @abstractmethod
    def _neighbours(self) -> Iterable[Instance]:
        """Return the other instances of this kind that were there; reading what they are may take long, and few plans need it."""

    def prepare(self, *, created: bool) -> None:
        """Before several are created or started side by side: do what is theirs together. SpecError when this one cannot be created."""
        if created:
            self._check(self._target)

    @abstractmethod
    def _check(self, spec: Spec) -> object:
        """SpecError when the instance cannot be made on this host."""

    @abstractmethod
    def _check_hidden(self) -> bool:
        """Tell whether its unfinished part is there; RefusedError when what has that name was not made for this instance."""

    @abstractmethod
    def _elsewhere(self, *, surely: bool = False) -> list[Instance]:
        """Return the instances of the other kind on this host."""

    @abstractmethod
    def _check_host(self, spec: Spec) -> None:
        """SpecError when this host as it is has no place for an instance like this; what may still be made is not looked for."""

    @abstractmethod
    def _check_target(self, spec: Spec) -> None:
        """Raise SpecError when an instance like this cannot be made on this host."""

    @abstractmethod
    def _create(self, spec: Spec) -> None:
        """Make it, stopped, and visible under its name only when it is whole."""

    @abstractmethod
    def _update(self, options: Collection[str]) -> None:
        """Mend just these options; the others stay, also those that differ and may not be mended now."""

    @abstractmethod
    def _remove(self) -> None:
        """Remove it with all that belongs to it, also what an earlier run has left half-made."""
