# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: may change without notice.
"""The life of a bridge: how the steps of its plan are done with the host's engines."""

from __future__ import annotations

import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from typing import Any, Callable

from .._adapters.iproute import IpRoute
from .._adapters.network_files import EtcNetwork
from .._adapters.rollback import RollbackScript
from .._domain.bridge import BridgeConfig, BridgeSpec, bridge_spec
from .._domain.bridge_commands import restore_commands
from .._domain.bridge_found import Found, describe, file_changes, home, stored_config
from .._domain.bridge_networkd import leaving_path, render_leaving
from .._domain.bridge_plan import goal_config, guarded, lost_by, plan_bridge, runtime_changes
from .._domain.errors import RefusedError, ZonalError
from .._domain.plan import Plan, Step
from .._ports import Command, EngineError
from .._ports_network import Links, NetworkFiles, Watchdog

SETTLE_SECONDS, STEADY_LOOKS = 15, 3


class BridgeResource:
    """One bridge of the host; see ``Resource`` in ``run.py``."""

    name = "bridge"

    def __init__(
        self,
        spec: BridgeSpec,
        links: Links,
        files: NetworkFiles,
        watchdog: Watchdog,
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        self._spec = spec
        self._links = links
        self._files = files
        self._watchdog = watchdog
        self._pause = pause
        self._found = Found()

    def observe(self) -> Found:
        name = self._spec.name
        files = self._files.read()
        former = stored_config(name, files)
        uplink = self._spec.uplink or (former.uplink if former else "")
        return Found(
            snapshot=self._links.snapshot(),
            managers=self._files.managers(uplink=uplink, bridge=name),
            files=files,
            pending=self._watchdog.pending(name),
            rolled_back=self._watchdog.rolled_back(name),
        )

    def nothing(self) -> Found:
        return Found()

    def plan(self, found: Found) -> Plan[Found]:
        self._found = found
        return plan_bridge(self._spec, found)

    def apply(self, step: Step) -> None:
        {"undo": self._undo, "switch": self._switch, "persist": self._persist, "confirm": self._confirm}[step.action]()

    def report(self, state: Found) -> dict[str, Any]:
        return describe(self._spec.name, state)

    def _undo(self) -> None:
        self._watchdog.undo(self._spec.name)
        self._found = self.observe()

    def _switch(self) -> None:
        spec, found = self._spec, self._found
        goal = goal_config(spec, found)
        former = stored_config(spec.name, found.files)
        uplinks = [uplink] if (uplink := home(spec, found)) else []
        back = restore_commands(found.snapshot, spec.name, uplinks, goal)
        watched = guarded(spec, found)
        if watched:
            self._watchdog.arm(spec.name, spec.wish(), goal, back, spec.confirm_timeout)
        try:
            if former and former.backend == "networkd" and former.uplink and goal is None:
                self._tell_networkd(replace(former, uplink=home(spec, found)), watched)
            self._links.change(runtime_changes(spec, goal, found))
        except ZonalError as error:
            if watched:
                self._watchdog.undo(spec.name)
            else:
                self._files.write({leaving_path(spec.name): None})
                with suppress(EngineError):
                    self._files.reload({})
                self._try_back(back)
            raise EngineError("change the network for", spec.name, f"{error}; the former network was put back") from error

    def _tell_networkd(self, former: BridgeConfig, watched: bool) -> None:
        path = leaving_path(former.name)
        if watched:
            self._watchdog.protect(former.name, {path: None})
        self._files.write({path: render_leaving(former)})
        self._files.reload({})

    def _try_back(self, back: list[tuple[str, ...]]) -> None:
        """Line by line, as some fail on purpose: they mend what may not have been done at all."""
        for line in back:
            try:
                self._links.change([line])
            except EngineError:
                continue

    def _persist(self) -> None:
        goal, files = goal_config(self._spec, self._found), self._files.read()
        changes = file_changes(self._spec.name, goal, files)
        try:
            self._write(changes, goal)
        except ZonalError:
            back = {path: files.get(path) for path in reversed(list(changes))}
            self._files.write(back)
            self._files.reload(back)
            raise

    def _confirm(self) -> None:
        name, pending = self._spec.name, self._found.pending
        if pending is None:
            return
        files = self._files.read()
        changes = file_changes(name, pending.config, files)
        try:
            with self._watchdog.claim(name, pending.token):
                self._watchdog.protect(name, {path: files.get(path) for path in reversed(list(changes))})
                self._write(changes, pending.config)
                self._watchdog.disarm(name)
        except RefusedError:
            # Undoing it is what made the host answer, and this run had to wait for its end; planning again tells what that means.
            plan_bridge(self._spec, self.observe())
            raise
        except EngineError as error:
            self._watchdog.undo(name)
            raise EngineError("keep", name, f"{error}; the former network was put back") from error

    def _write(self, changes: Mapping[str, str | None], goal: BridgeConfig | None) -> None:
        """Write the files and see to it that the running network, which was proved to work, stays as it is."""
        self._files.write(changes)
        # networkd goes on for a moment after it has answered, so one look at it is not enough.
        looks = STEADY_LOOKS if self._files.reload(changes) else 1
        left = SETTLE_SECONDS
        while True:
            lost = lost_by(self._spec, goal, replace(self._found, snapshot=self._links.snapshot()))
            looks = STEADY_LOOKS if lost else looks - 1
            if not looks:
                return
            if not left:
                raise EngineError("keep the network over", "a reload of its files", f"not in force: {lost or 'it changes on'}")
            left -= 1
            self._pause(1)


def build(params: Mapping[str, Any], command: Command) -> BridgeResource:
    """The bridge of this host that the module's parameters speak of."""
    return BridgeResource(bridge_spec(params), IpRoute(command), EtcNetwork(command), RollbackScript(command))
