# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The life cycle of all modules: where check mode stops, what is returned, and how it fails."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, cast

import pytest

from ansible_collections.zonal.cloud.plugins.module_utils._domain.errors import MissingError, SpecError, ZonalError
from ansible_collections.zonal.cloud.plugins.module_utils._domain.plan import Difference, Plan, Step
from ansible_collections.zonal.cloud.plugins.module_utils._module import run as run_module
from ansible_collections.zonal.cloud.plugins.module_utils._module.run import inform, run
from ansible_collections.zonal.cloud.plugins.module_utils._ports import EngineAbsent, EngineError, Pause


class Ended(Exception):
    """A module ends its process; here it ends the test's call."""


class FakeModule:
    """What ``run`` needs of AnsibleModule."""

    run_command = None

    def __init__(self, *, check_mode: bool = False) -> None:
        self.check_mode = check_mode
        self.params = {"size": 2}
        self.warnings: list[str] = []
        self.result: dict[str, Any] = {}
        self.failed = False

    def warn(self, text: str) -> None:
        self.warnings.append(text)

    def exit_json(self, **result: Any) -> None:
        self.result = result
        raise Ended

    def fail_json(self, **result: Any) -> None:
        self.failed = True
        self.exit_json(**result)


class Counter:
    """A resource whose state is a number; each step adds one. It tells what is done to it in ``events``."""

    name = "counter"

    def __init__(self, wanted: int, events: list[str]) -> None:
        self.wanted = wanted
        self.events = events
        self.state = 0
        self.observe_error: Exception | None = None
        self.plan_error: Exception | None = None
        self.apply_error: dict[str, Exception] = {}
        self.pending: tuple[Difference, ...] = ()

    def observe(self) -> int:
        self.events.append("observe")
        if self.observe_error:
            raise self.observe_error
        return self.state

    def nothing(self) -> int:
        return 0

    def plan(self, found: int) -> Plan[int]:
        self.events.append("plan")
        if self.plan_error:
            raise self.plan_error
        steps = (Step("add", str(number), "it is too small", ("size",)) for number in range(found, self.wanted))
        return Plan(self.wanted, tuple(steps), self.pending)

    def apply(self, step: Step) -> None:
        self.events.append(f"apply {step.target}")
        if step.target in self.apply_error:
            raise self.apply_error[step.target]
        self.state += 1

    def report(self, state: int) -> dict[str, Any]:
        return {"size": state}


@pytest.fixture
def events(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    happened: list[str] = []

    @contextmanager
    def lock() -> Iterator[None]:
        happened.append("lock")
        yield
        happened.append("unlock")

    monkeypatch.setattr(run_module, "host_lock", lock)
    return happened


def end(module: FakeModule, build: Callable[[dict[str, Any], Any], Any]) -> dict[str, Any]:
    with pytest.raises(Ended):
        run(cast(Any, module), build)
    return module.result


def step(number: int) -> dict[str, Any]:
    return {"action": "add", "target": str(number), "reason": "it is too small", "fields": ["size"]}


def test_a_change(events: list[str]) -> None:
    module, resource = FakeModule(), Counter(2, events)
    assert end(module, lambda params, command: resource) == {
        "changed": True,
        "plan": [step(0), step(1)],
        "pending": [],
        "diff": {"before": {"size": 0}, "after": {"size": 2}},
        "counter": {"size": 2},
    }
    assert events == ["lock", "observe", "plan", "apply 0", "apply 1", "observe", "unlock"]
    assert not module.failed


class Watched(Counter):
    def warning(self, state: int) -> str:
        return f"{state} is few" if state < 3 else ""


@pytest.mark.parametrize(
    ("wanted", "check_mode", "warnings"), [(0, False, ["0 is few"]), (2, False, ["2 is few"]), (3, False, []), (2, True, [])]
)
def test_more_is_told_of_what_was_found_last(events: list[str], wanted: int, check_mode: bool, warnings: list[str]) -> None:
    module = FakeModule(check_mode=check_mode)
    end(module, lambda params, command: Watched(wanted, events))
    assert module.warnings == warnings


def test_check_mode_returns_the_same_and_neither_locks_nor_applies(events: list[str]) -> None:
    done, checked = FakeModule(), FakeModule(check_mode=True)
    end(done, lambda params, command: Counter(2, []))
    events.clear()
    assert end(checked, lambda params, command: Counter(2, events)) == done.result
    assert events == ["observe", "plan"]


class Fetched(Counter):
    """Brings something for its steps."""

    @contextmanager
    def fetched(self, plan: Plan[int]) -> Iterator[dict[str, Any]]:
        self.events.append(f"fetch for {len(plan.steps)}")
        yield {"brought": len(plan.steps)}
        self.events.append("remove")


def test_what_is_brought_is_brought_before_the_host_is_locked(events: list[str]) -> None:
    assert end(FakeModule(), lambda params, command: Fetched(1, events))["brought"] == 1
    before, after = ["observe", "plan", "fetch for 1"], ["apply 0", "observe", "unlock", "remove"]
    assert events == [*before, "lock", "observe", "plan", *after]


class Pausing(Counter):
    """Brings something that takes long."""

    @contextmanager
    def fetched(self, plan: Plan[int]) -> Iterator[dict[str, Any]]:
        if plan.steps:
            raise Pause("half of it is there", last=True)
        yield {}


def test_a_pause_ends_the_module_with_what_there_is_to_tell(events: list[str]) -> None:
    module = FakeModule()
    result = end(module, lambda params, command: Pausing(2, events))
    assert 0 <= result.pop("seconds") < 60
    assert result == {"changed": False, "unfinished": True, "told": ["half of it is there"], "last": True}
    assert not module.failed
    assert events == ["observe", "plan"]


def test_check_mode_brings_nothing(events: list[str]) -> None:
    assert "brought" not in end(FakeModule(check_mode=True), lambda params, command: Fetched(1, events))
    assert events == ["observe", "plan"]


def test_after_a_failure_what_was_brought_stays(events: list[str]) -> None:
    resource = Fetched(1, events)
    resource.apply_error["0"] = EngineError("start", "VM web", "no memory")
    assert end(FakeModule(), lambda params, command: resource)["msg"] == "Cannot start VM web: no memory"
    assert "remove" not in events


def test_nothing_to_do_observes_once(events: list[str]) -> None:
    assert end(FakeModule(), lambda params, command: Counter(0, events))["changed"] is False
    assert events == ["lock", "observe", "plan", "unlock"]


def test_the_report_after_a_change_is_what_is_there_not_what_was_planned(events: list[str]) -> None:
    class Idle(Counter):
        def apply(self, step: Step) -> None:
            """Do nothing."""

    resource = Idle(2, events)
    assert end(FakeModule(), lambda params, command: resource)["counter"] == {"size": 0}


def test_the_parameters_are_handed_to_the_builder(events: list[str]) -> None:
    assert end(FakeModule(), lambda params, command: Counter(params["size"], events))["counter"] == {"size": 2}


def test_without_an_engine_check_mode_assumes_nothing(events: list[str]) -> None:
    module, resource = FakeModule(check_mode=True), Counter(1, events)
    resource.observe_error = EngineAbsent("reach", "docker", "no socket")
    assert end(module, lambda params, command: resource)["diff"] == {"before": {"size": 0}, "after": {"size": 1}}
    assert module.warnings == ["Cannot reach docker: no socket. Assuming that nothing exists there yet."]


def test_without_an_engine_a_real_run_fails(events: list[str]) -> None:
    module, resource = FakeModule(), Counter(1, events)
    resource.observe_error = EngineAbsent("reach", "docker", "no socket")
    assert end(module, lambda params, command: resource) == {
        "msg": "Cannot reach docker: no socket",
        "failure": {"tried": "reach", "target": "docker", "cause": "no socket"},
        "changed": False,
        "plan": [],
    }
    assert (module.failed, module.warnings) == (True, [])


def test_an_engine_that_answers_wrongly_fails_in_check_mode_too(events: list[str]) -> None:
    module, resource = FakeModule(check_mode=True), Counter(1, events)
    resource.observe_error = EngineError("list", "VMs", "internal\n  error")
    assert end(module, lambda params, command: resource)["msg"] == "Cannot list VMs: internal error"
    assert module.failed


@pytest.mark.parametrize("check_mode", [False, True])
def test_bad_parameters_end_before_anything_is_looked_at(events: list[str], check_mode: bool) -> None:
    def build(params: dict[str, Any], command: Any) -> Counter:
        raise SpecError("memory", "4 apples", "is not a size")

    module = FakeModule(check_mode=check_mode)
    assert end(module, build) == {
        "msg": "memory: '4 apples' is not a size",
        "failure": {"field": "memory", "value": "4 apples"},
        "changed": False,
        "plan": [],
    }
    assert (module.failed, events) == (True, [])


@pytest.mark.parametrize("check_mode", [False, True])
def test_a_refused_plan_applies_nothing(events: list[str], check_mode: bool) -> None:
    module, resource = FakeModule(check_mode=check_mode), Counter(1, events)
    resource.plan_error = MissingError("image", "it is needed")
    assert end(module, lambda params, command: resource)["msg"] == "image: is missing; it is needed"
    assert (module.failed, resource.state) == (True, 0)


def test_a_failure_tells_what_was_done_before_it(events: list[str]) -> None:
    module, resource = FakeModule(), Counter(3, events)
    resource.apply_error["1"] = EngineError("start", "VM web", "no memory")
    assert end(module, lambda params, command: resource) == {
        "msg": "Cannot start VM web: no memory",
        "failure": {"tried": "start", "target": "VM web", "cause": "no memory"},
        "changed": True,
        "plan": [step(0)],
    }
    assert module.failed
    assert "apply 2" not in events


def test_pending_differences_are_returned_and_warned_about(events: list[str]) -> None:
    module, resource = FakeModule(), Counter(0, events)
    resource.pending = (Difference("memory", "4G", "2G", "restart"),)
    found = {"field": "memory", "wanted": "4G", "found": "2G", "needs": "restart"}
    assert end(module, lambda params, command: resource)["pending"] == [found]
    assert module.warnings == [
        "memory: is '2G', wanted '4G'; left as it is because mending it needs a restart: add restart to the option allow",
    ]


def test_inform_returns_what_is_read() -> None:
    module = FakeModule()
    with pytest.raises(Ended):
        inform(cast(Any, module), lambda params, command: {"host": params})
    assert module.result == {"changed": False, "host": {"size": 2}}


def test_inform_fails_with_one_message() -> None:
    def read(params: dict[str, Any], command: Any) -> dict[str, Any]:
        raise ZonalError("it cannot be read", where="here")

    module = FakeModule()
    with pytest.raises(Ended):
        inform(cast(Any, module), read)
    assert (module.failed, module.result["msg"], module.result["failure"]) == (True, "it cannot be read", {"where": "here"})
