# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: may change without notice.
"""Snapshots of an instance's root disk: what is wanted, what was found, and the way from one to the other; the same for both kinds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from .errors import MissingError, RefusedError, SpecError
from .instance import PAUSED, STOPPED
from .names import parse_label, parse_snapshot
from .plan import Plan, Step
from .quantity import check_wait, format_span
from .snapshot_policy import POLICY_PREFIX, an_hour_after, beyond, is_due, policy_name
from .thin_pool import parse_name

PRESENT, CURRENT, RESTORED, ABSENT = "present", "current", "restored", "absent"
# How the disk came to be of one moment; HELD is that of a VM or container that did not run on meanwhile.
AGENT, HELD = "agent", "paused"
_UNDATED = policy_name("1970-01-01T00:00:00Z")
# In the note of a restore of a container.
HALF = "half"
POLICY = "restart_policy"


@dataclass(frozen=True)
class Snapshot:
    """A snapshot. ``created`` is ISO 8601 in UTC, empty when it is still to be made; ``size`` is in bytes, None when it is not known.

    ``fault`` tells why it cannot be restored; empty when it can.
    """

    name: str
    created: str = ""
    consistent: str = ""
    size: int | None = None
    fault: str = ""


@dataclass(frozen=True)
class SnapshotState:
    """The snapshots of an instance, oldest first, and what it does.

    ``unfinished`` tells what runs that were cut off have left, empty for nothing, and ``before`` what the instance did before a restore,
    empty when it did not run. ``policy`` is that of the instance, empty for none.
    ``broken`` says that the disk is not whole until a restore is finished, ``fault`` why there can be neither snapshot nor restore.
    """

    power: str = STOPPED
    snapshots: tuple[Snapshot, ...] = ()
    unfinished: str = ""
    before: str = ""
    broken: bool = False
    fault: str = ""
    policy: Mapping[str, int] = field(default_factory=dict)

    def find(self, name: str) -> Snapshot | None:
        return next((item for item in self.snapshots if item.name == name), None)


@dataclass(frozen=True)
class SnapshotWish:
    """What the user wants. With CURRENT the name is that which the policy would choose now.

    ``keep`` is how many snapshots with the same prefix stay, 0 for all; ``restart`` allows a restart. ``moment`` is now, ISO 8601 in UTC.
    """

    instance: str
    name: str
    state: str = PRESENT
    keep: int = 0
    restart: bool = False
    moment: str = ""

    @property
    def prefix(self) -> str:
        return self.name.partition("-")[0] + "-"


def parse_wish(params: Mapping[str, Any]) -> SnapshotWish:
    """Turn the module's options into a wish; SpecError or MissingError names the option."""
    instance = parse_label("instance", params["instance"])
    current = params["state"] == CURRENT
    if current and params["name"] is not None:
        raise SpecError("name", params["name"], "does not go with state: current, for which the policy chooses it")
    # All names that a policy chooses are as long as this one.
    name = parse_snapshot("name", _UNDATED if current else params["name"], parse_name("group", params["group"]), instance)
    if params["state"] == PRESENT and name.startswith(POLICY_PREFIX):
        raise SpecError("name", name, f"begins like those that an instance's own policy takes and removes, with {POLICY_PREFIX}")
    check_wait("stop_timeout", params["stop_timeout"])
    wish = SnapshotWish(instance, name, params["state"], params["keep"] or 0, "restart" in params["allow"])
    if params["keep"] is not None:
        if params["keep"] < 1:
            raise SpecError("keep", params["keep"], "is less than 1")
        if wish.state != PRESENT:
            raise SpecError("keep", params["keep"], "belongs to state: present")
        if "-" not in name:
            raise MissingError("name", f"with keep it needs a prefix that tells which snapshots are meant, such as auto-{name}")
    return wish


def plan_snapshot(wish: SnapshotWish, found: SnapshotState) -> Plan[SnapshotState]:
    """Return the steps that are to be done; SpecError or RefusedError when they must not be."""
    if wish.state == RESTORED:
        return _plan_restore(wish, found)
    if wish.state == CURRENT and not found.policy:
        return Plan(found)
    if found.broken:
        raise RefusedError(
            f"instance: {wish.instance} was being restored when a run was cut off ({found.unfinished}), and its disk is not whole; "
            f"finish that first, with state: restored; its snapshots are {_names(found)}",
            field="instance",
        )
    steps = [Step("sweep", wish.instance, f"a run that was cut off has left {found.unfinished}")] if found.unfinished else []
    after = replace(found, unfinished="", before="")
    there = found.find(wish.name) is not None
    if wish.state == ABSENT:
        if there:
            steps.append(Step("remove", _target(wish), "it is wanted to be absent"))
        return Plan(_without(after, {wish.name}), tuple(steps))
    missing, why = not there, "it does not exist"
    if wish.state == CURRENT:
        wish = replace(wish, keep=found.policy["keep"])
        missing = is_due(found.policy, _labels(found), wish.name)
        why = f"the policy wants one every {format_span(found.policy['every'])}"
    if missing:
        if found.fault:
            raise RefusedError(f"instance: {found.fault}", field="instance")
        steps.append(Step("take", _target(wish), why))
        after = replace(after, snapshots=(*after.snapshots, Snapshot(wish.name)))
    old = beyond(found.policy, _labels(after), wish.name) if wish.state == CURRENT else _expired(wish, after)
    if old:
        steps.append(Step("expire", wish.instance, f"of those called {wish.prefix}... {wish.keep} are kept: {', '.join(old)}", ("keep",)))
    return Plan(_without(after, set(old)), tuple(steps))


def is_half_restored(note: Mapping[str, Any] | None) -> bool:
    """Tell from the note of a restore whether what a container has written may be neither the old nor the new."""
    return note is not None and bool(note.get(HALF))


def in_order(snapshots: list[Snapshot]) -> tuple[Snapshot, ...]:
    """Return snapshots oldest first."""
    return tuple(sorted(snapshots, key=lambda item: (item.created, item.name)))


def report(instance: str, kind: str, state: SnapshotState) -> dict[str, Any]:
    """Return the snapshots in the words of the module's result."""
    shown = [
        {"name": item.name, "created": item.created or None, "consistent": item.consistent or None, "size": item.size}
        for item in state.snapshots
    ]
    return {"instance": instance, "kind": kind, "state": state.power, "snapshots": shown}


def _plan_restore(wish: SnapshotWish, found: SnapshotState) -> Plan[SnapshotState]:
    snapshot = found.find(wish.name)
    if snapshot is None:
        raise SpecError("name", wish.name, f"is no snapshot of {wish.instance}; there are {_names(found)}")
    if found.fault or snapshot.fault:
        raise RefusedError(f"instance: {found.fault or snapshot.fault}", field="instance")
    if found.power != STOPPED and not wish.restart:
        raise RefusedError(
            f"allow: {wish.instance} is {found.power}, and its disk is restored while it is stopped; "
            "stop it first, or add restart to the option allow",
            field="allow",
        )
    before = found.before or found.power
    steps = [Step("prepare", _target(wish), "it is to be restored")]
    if found.power != STOPPED:
        steps.append(Step("stop", wish.instance, "its disk is restored while it is stopped"))
    steps.append(Step("restore", _target(wish), "it is asked for"))
    if before != STOPPED:
        steps.append(Step("start", wish.instance, f"it was {before}"))
    if before == PAUSED:
        steps.append(Step("pause", wish.instance, "it was paused"))
    steps.append(Step("finish", wish.instance, "what it had before the restore goes"))
    return Plan(replace(found, power=before, unfinished="", before="", broken=False), tuple(steps))


def _expired(wish: SnapshotWish, state: SnapshotState) -> list[str]:
    """Return those that are too many. The one that is asked for stays, also when the clock was set back since the others were made; of
    these go first that claim to come later than now, or they would stay in place of all that comes.
    """
    others = [item for item in state.snapshots if item.name.startswith(wish.prefix) and item.name != wish.name]
    if wish.moment:
        latest = an_hour_after(wish.moment)
        others.sort(key=lambda item: item.created <= latest)
    return [item.name for item in others[: max(0, len(others) + 1 - wish.keep)]] if wish.keep else []


def _without(state: SnapshotState, names: set[str]) -> SnapshotState:
    return replace(state, snapshots=tuple(item for item in state.snapshots if item.name not in names))


def _target(wish: SnapshotWish) -> str:
    return f"{wish.instance}/{wish.name}"


def _names(state: SnapshotState) -> str:
    return ", ".join(_labels(state)) or "none"


def _labels(state: SnapshotState) -> list[str]:
    return [item.name for item in state.snapshots]
