# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Actions that call their module again until it is done, with a module that answers as it was told."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from ansible_collections.zonal.cloud.plugins.action import image, instances
from ansible_collections.zonal.cloud.plugins.plugin_utils import continued_action


class Called:
    """What an action made of the module's answers: the options of its calls, its result, and what people saw."""

    def __init__(self, plugin: Any, options: dict[str, Any], monkeypatch: pytest.MonkeyPatch, *answers: dict[str, Any], seconds: int = 0):
        self.options: list[dict[str, Any]] = []
        self.shown: list[str] = []
        task = SimpleNamespace(args=options, check_mode=False, async_val=seconds, action="zonal.cloud.x", diff=True, ignore_errors=False)
        connection: Any = SimpleNamespace(_shell=SimpleNamespace(tmpdir=None), has_pipelining=False, has_native_async=False)
        action = plugin.ActionModule(task, connection, SimpleNamespace(check_mode=False), None, None, None)
        left = list(answers)

        def execute(module_args: dict[str, Any], **_others: Any) -> dict[str, Any]:
            self.options.append(module_args)
            return dict(left.pop(0))

        monkeypatch.setattr(action, "_execute_module", execute)
        monkeypatch.setattr(continued_action, "Display", lambda: SimpleNamespace(display=self.shown.append))
        self.result = action.run(task_vars={"inventory_hostname": "kvm01"})
        assert left == []


def test_an_image_that_downloads_is_told_of_until_it_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    paused = {"changed": False, "unfinished": True, "told": ["downloading a: 1M"], "last": False, "seconds": 10.0}
    made = {"changed": True, "download": {"bytes": 9, "seconds": 2.5}, "image": {}}
    called = Called(image, {"name": "a:1"}, monkeypatch, paused, {**paused, "told": ["downloading a: 2M"]}, made)
    assert called.options == [{"name": "a:1"}] * 3
    assert called.shown == ["kvm01: downloading a: 1M", "kvm01: downloading a: 2M"]
    assert called.result == {"changed": True, "download": {"bytes": 9, "seconds": 22.5}, "image": {}}


def test_what_must_not_pause_again_is_not_asked_to(monkeypatch: pytest.MonkeyPatch) -> None:
    paused = {"changed": False, "unfinished": True, "told": ["downloading"], "last": True, "seconds": 0.5}
    called = Called(image, {"name": "a:1"}, monkeypatch, paused, {"failed": True, "msg": "the registry went away"})
    assert called.options == [{"name": "a:1"}, {"name": "a:1", "progress": 0}]
    assert called.result == {"failed": True, "msg": "the registry went away"}


def test_in_the_background_nobody_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    called = Called(image, {"name": "a:1", "progress": 5}, monkeypatch, {"started": 1}, seconds=60)
    assert called.options == [{"name": "a:1", "progress": 0}]
    assert called.result == {"started": 1}


def outcome(name: str, error: str = "") -> dict[str, Any]:
    return {"name": name, "kind": "container", "changed": not error, "error": error}


def told(name: str) -> dict[str, Any]:
    return {"changed": True, "told": [f"container {name}: create"], "diff": {"before": {name: 0}, "after": {name: 1}}}


@pytest.mark.parametrize("first", ["a", 1, "1"])
def test_instances_that_are_left_are_asked_for_again(monkeypatch: pytest.MonkeyPatch, first: Any) -> None:
    given = [{"name": first}, {"name": "b"}, {"name": "c"}]
    begun = {**told("b"), "instances": [outcome("b")], "unfinished": True, "warnings": ["b is old"]}
    rest = {**told(str(first)), "instances": [outcome(str(first)), outcome("c")], "warnings": ["c is older"]}
    called = Called(instances, {"instances": given, "workers": 2}, monkeypatch, begun, rest)
    assert called.options[1] == {"instances": [given[0], given[2]], "workers": 2}
    assert called.shown == ["kvm01: container b: create", f"kvm01: container {first}: create"]
    assert called.result == {
        "changed": True,
        "instances": [outcome(str(first)), outcome("b"), outcome("c")],
        "told": ["container b: create", f"container {first}: create"],
        "warnings": ["b is old", "c is older"],
        "diff": {"before": {"b": 0, str(first): 0}, "after": {"b": 1, str(first): 1}},
    }


def test_a_failure_of_any_call_is_one_of_the_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    given = {"instances": [{"name": "a"}, {"name": "b"}]}
    failed = {"instances": [outcome("a", "no room")], "unfinished": True, "failed": True, "msg": "1 of 1 instances are ..."}
    called = Called(instances, given, monkeypatch, failed, {**told("b"), "instances": [outcome("b")]})
    assert (called.result["failed"], called.result["msg"]) == (True, "1 of 2 instances are not as wanted: container a: no room")
    locked = {"failed": True, "msg": "Cannot lock the host", "changed": False}
    called = Called(instances, given, monkeypatch, failed, locked)
    assert called.result["msg"] == "1 of 1 instances are not as wanted: container a: no room; Cannot lock the host"
    assert [instance["name"] for instance in called.result["instances"]] == ["a"]
