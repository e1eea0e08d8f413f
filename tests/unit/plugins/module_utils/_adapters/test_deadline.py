# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Calls that have a deadline: what they return and raise comes through, and what hangs is left."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.zonal.cloud.plugins.module_utils._adapters.deadline import Overdue, WithDeadline, in_time


class VirThing:
    def __init__(self, name: str = "thing") -> None:
        self.word = name
        self.hung = threading.Event()

    def name(self) -> str:
        return self.word

    def others(self, *names: str) -> list[Any]:
        return [(VirThing(name), {"name": name}) for name in names]

    def refuse(self) -> None:
        raise ValueError("no")

    def hang(self) -> None:
        self.hung.wait(10)


def test_what_is_returned_and_raised_comes_through() -> None:
    thing = WithDeadline(VirThing(), "Vir", 5)
    assert thing.name() == "thing"
    [(first, told), _second] = thing.others("a", "b")
    assert (first.name(), told) == ("a", {"name": "a"})
    with pytest.raises(ValueError, match=r"^no$"):
        first.refuse()
    assert in_time(5, dict, [(1, 2)]) == {1: 2}
    assert in_time(5, lambda: None) is None


def test_what_hangs_is_left_behind() -> None:
    hanging = VirThing()
    thing = WithDeadline(hanging, "Vir", 0.05)
    with pytest.raises(Overdue, match=r"^no answer within 0\.05 seconds$"):
        thing.hang()
    assert thing.name() == "thing"
    hanging.hung.set()


def test_its_thread_is_gone_afterwards() -> None:
    """A fork in its last moments would copy the locks that it holds then."""
    assert [thread for thread in (in_time(5, threading.get_native_id) for _dummy in range(200)) if is_there(thread)] == []


def is_there(thread: int) -> bool:
    return Path(f"/proc/self/task/{thread}").exists()


def test_what_is_not_there_is_said_at_once() -> None:
    with pytest.raises(AttributeError):
        WithDeadline(VirThing(), "Vir", 5).nothing()
