# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: may change without notice.
"""The one life cycle of all modules: observe, plan, (check mode stops here), apply, observe, report."""

from __future__ import annotations

import time
from contextlib import AbstractContextManager, nullcontext
from typing import Any, Callable, NoReturn, Protocol, TypeVar, runtime_checkable

from ansible.module_utils.basic import AnsibleModule

from .._adapters.command import HostCommand
from .._adapters.host_lock import host_lock
from .._domain.errors import ZonalError
from .._domain.plan import Plan, Step
from .._ports import Command, EngineAbsent, Pause

State = TypeVar("State")


class Resource(Protocol[State]):
    """One kind of object that a module manages. ``name`` is also the key under which it is returned."""

    name: str

    def observe(self) -> State:
        """Return what is there now; never writes."""

    def nothing(self) -> State:
        """Return the state of a host on which the engine is not even installed."""

    def plan(self, found: State) -> Plan[State]:
        """Return the steps from ``found`` to what is wanted; never writes. RefusedError or SpecError when it must not be."""

    def apply(self, step: Step) -> None:
        """Do one step; doing it again is harmless."""

    def report(self, state: State) -> dict[str, Any]:
        """Return the state in the words of the module's options; the same for before, after and ``_info``."""


@runtime_checkable
class Fetching(Protocol):
    """A resource that brings much to the host or away from it. That may take long, so it happens before the host is locked.

    It may pause: then the module ends with ``unfinished``, and its action on the controller calls it again.
    """

    def fetched(self, plan: Plan[Any]) -> AbstractContextManager[dict[str, Any]]:
        """Bring what the steps of ``plan`` need, and remove it when they are done; the value is added to the module's result."""


@runtime_checkable
class Watched(Protocol):
    """A resource of which there may be more to tell than what was done."""

    def warning(self, state: Any) -> str:
        """Return what people should know of the state that was found last; empty when all is well."""


def run(module: AnsibleModule, build: Callable[[dict[str, Any], Command], Resource[State]], *, changes_host: bool = True) -> NoReturn:
    """Build the resource from the module's parameters, converge it, and end the module. What changes the host has it alone meanwhile."""
    done: list[Step] = []
    started = time.monotonic()
    try:
        resource = build(module.params, HostCommand(module.run_command))
        with _fetched(module, resource) as told, locked(module, changes_host=changes_host):
            before = _observe(module, resource)
            plan = resource.plan(before)
            after = plan.after
            if plan.steps and not module.check_mode:
                for step in plan.steps:
                    resource.apply(step)
                    done.append(step)
                after = resource.observe()
        result = {**told, **_result(resource, before, after, plan)}
    except Pause as pause:
        module.exit_json(changed=False, unfinished=True, told=[pause.line], last=pause.last, seconds=time.monotonic() - started)
    except ZonalError as error:
        fail(module, error, done)
    warn_pending(module, plan)
    if isinstance(resource, Watched) and not module.check_mode and (warning := resource.warning(after)):
        module.warn(warning)
    module.exit_json(**result)


def inform(module: AnsibleModule, read: Callable[[dict[str, Any], Command], dict[str, Any]]) -> NoReturn:
    """End an ``_info`` module with what ``read`` returns; it never changes anything."""
    try:
        result = read(module.params, HostCommand(module.run_command))
    except ZonalError as error:
        fail(module, error)
    module.exit_json(changed=False, **result)


def warn_pending(module: AnsibleModule, plan: Plan[State], whose: str = "") -> None:
    """Warn of each difference that is left."""
    for difference in plan.pending:
        module.warn(
            f"{whose}{difference.field}: is {difference.found!r}, wanted {difference.wanted!r}; left as it is because mending it "
            f"needs a {difference.mend}: add {difference.mend} to the option allow"
        )


def fail(module: AnsibleModule, error: ZonalError, done: list[Step] | None = None) -> NoReturn:
    """End the module with one message, its machine-readable parts, and the steps that were already done."""
    steps = [step.as_dict() for step in done or []]
    module.fail_json(msg=str(error), failure=error.details, changed=bool(steps), plan=steps)


def _fetched(module: AnsibleModule, resource: Resource[State]) -> AbstractContextManager[dict[str, Any]]:
    if module.check_mode or not isinstance(resource, Fetching):
        return nullcontext({})
    return resource.fetched(resource.plan(resource.observe()))


def locked(module: AnsibleModule, *, changes_host: bool = True) -> AbstractContextManager[None]:
    """Hold the host's lock, unless nothing of it is changed."""
    return host_lock() if changes_host and not module.check_mode else nullcontext()


def _observe(module: AnsibleModule, resource: Resource[State]) -> State:
    try:
        return resource.observe()
    except EngineAbsent as error:
        if not module.check_mode:
            raise
        module.warn(f"{error}. Assuming that nothing exists there yet.")
        return resource.nothing()


def _result(resource: Resource[State], before: State, after: State, plan: Plan[State]) -> dict[str, Any]:
    shown = resource.report(after)
    return {
        "changed": bool(plan.steps),
        "plan": [step.as_dict() for step in plan.steps],
        "pending": [difference.as_dict() for difference in plan.pending],
        "diff": {"before": resource.report(before), "after": shown},
        resource.name: shown,
    }
