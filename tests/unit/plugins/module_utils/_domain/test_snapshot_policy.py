# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What an instance's own policy takes and removes, whatever the clock of its host does."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.zonal.cloud.plugins.module_utils._domain.errors import RefusedError
from ansible_collections.zonal.cloud.plugins.module_utils._domain.snapshot import (
    CURRENT,
    Snapshot,
    SnapshotState,
    SnapshotWish,
    plan_snapshot,
)
from ansible_collections.zonal.cloud.plugins.module_utils._domain.snapshot_policy import (
    parse_policy,
    policy_name,
    read_policy,
    show_policy,
)

BEGIN = datetime(2026, 11, 28, 2, 0, tzinfo=UTC)
DAILY = {"every": 86400, "keep": 2}
# Not of the policy: by hand, by a timer with variables, and two whose names only look like it.
OTHERS = ("before-upgrade", "auto-20261128-020000", "policy-20261128", "policy-20261345-990000")


def at(hours: float) -> str:
    return policy_name((BEGIN + timedelta(hours=hours)).strftime("%Y-%m-%dT%H:%M:%SZ"))


def state(*names: str, policy: dict[str, int] | None = None, fault: str = "") -> SnapshotState:
    return SnapshotState(snapshots=tuple(map(Snapshot, names)), policy=DAILY if policy is None else policy, fault=fault)


def run(found: SnapshotState, name: str) -> tuple[str, SnapshotState]:
    plan = plan_snapshot(SnapshotWish("web", name, CURRENT), found)
    return " ".join(step.action for step in plan.steps), plan.after


CASES: dict[str, tuple[SnapshotState, str, tuple[str, ...]]] = {
    "the first": (state(), "take", (at(0),)),
    "not yet": (state(at(-12)), "", (at(-12),)),
    "due": (state(at(-24)), "take", (at(-24), at(0))),
    "a timer that is a little early": (state(at(-23.1)), "take", (at(-23.1), at(0))),
    "a timer that is much too early": (state(at(-22.9)), "", (at(-22.9),)),
    "too many": (state(at(-48), at(-24)), "take expire", (at(-24), at(0))),
    "fewer are kept": (state(at(-48), at(-24), at(-12)), "expire", (at(-24), at(-12))),
    "just one": (state(at(-24), policy={"every": 86400, "keep": 1}), "take expire", (at(0),)),
    "just taken by a clock that is a little ahead": (state(at(0.5)), "", (at(0.5),)),
    "the clock was set back": (state(at(24)), "take", (at(24), at(0))),
    "one of the future goes first": (state(at(-24), at(9000)), "take expire", (at(-24), at(0))),
    "others are left": (state(*OTHERS, at(-48), at(-24)), "take expire", (*OTHERS, at(-24), at(0))),
    "no policy any more": (state(at(-48), at(-24), at(-12), policy={}), "", (at(-48), at(-24), at(-12))),
    "no policy, and what a run has left": (replace(state(policy={}), unfinished="x"), "", ()),
    "what a run has left": (replace(state(at(-12)), unfinished="x"), "sweep", (at(-12),)),
    "nothing can be taken, and need not": (state(at(-12), fault="no overlay2"), "", (at(-12),)),
}


@pytest.mark.parametrize(("found", "steps", "names"), CASES.values(), ids=CASES.keys())
def test_what_a_run_does(found: SnapshotState, steps: str, names: tuple[str, ...]) -> None:
    done, after = run(found, at(0))
    assert (done, tuple(item.name for item in after.snapshots)) == (steps, names)


def test_why_is_told() -> None:
    take, expire = plan_snapshot(SnapshotWish("web", at(0), CURRENT), state(at(-48), at(-24))).steps
    assert (take.target, take.reason) == ("web/policy-20261128-020000", "the policy wants one every 1d")
    assert expire.reason == "of those called policy-... 2 are kept: policy-20261126-020000"


def test_what_cannot_be_taken_is_one_message() -> None:
    with pytest.raises(RefusedError, match=r"^instance: no overlay2$"):
        run(state(at(-24), fault="no overlay2"), at(0))


policies = st.fixed_dictionaries({"every": st.integers(60, 10**6), "keep": st.integers(1, 5)})
clocks = st.integers(-(10**6), 10**6).map(lambda seconds: at(seconds / 3600))


@given(policies, st.lists(clocks, max_size=8, unique=True), st.lists(clocks, min_size=1, max_size=8))
def test_no_clock_stops_a_policy_or_lets_it_remove_too_much(policy: dict[str, int], before: list[str], readings: list[str]) -> None:
    found = state(*OTHERS, *before, policy=policy)
    for now in readings:
        done, after = run(found, now)
        names, had = {item.name for item in after.snapshots}, {item.name for item in found.snapshots}
        assert set(OTHERS) <= names
        assert len(names) - len(OTHERS) == min(policy["keep"], len(had | names) - len(OTHERS))
        assert ("take" in done) is (now in names - had)
        # Nothing more is to be done at the same moment, whatever was there: so the newest is new enough, and none is too many.
        assert run(after, now) == ("", after)
        found = after


@given(policies, st.integers(1, 20), st.data())
def test_a_timer_gets_one_each_time_and_the_newest_are_kept(policy: dict[str, int], rounds: int, data: st.DataObject) -> None:
    """However late playbook and host are each time, as long as that is within the tolerance."""
    late = st.integers(0, min(policy["every"] // 10, 3600) - 1)
    found, taken = state(policy=policy), []
    for number in range(rounds):
        taken.append(at((number * policy["every"] + data.draw(late)) / 3600))
        done, found = run(found, taken[-1])
        assert done.startswith("take")
        assert [item.name for item in found.snapshots] == taken[-policy["keep"] :]


@given(policies)
def test_what_is_shown_reads_back(policy: dict[str, int]) -> None:
    assert parse_policy("snapshots", show_policy(policy)) == policy
    assert read_policy(policy) == policy


@pytest.mark.parametrize("told", [{}, {"every": 5, "keep": 1}, {"every": [], "keep": {}}, {"policy": 1}])
def test_what_is_noted_and_is_no_policy_is_none(told: dict[str, object]) -> None:
    assert read_policy(told) == {}
    assert show_policy({}) == {}
