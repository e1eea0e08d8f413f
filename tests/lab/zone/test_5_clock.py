# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The clock of a host is set forth and back, and jumps while modules work: nothing stops, and no snapshot is missed or kept for ever."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.lab.leftovers import leftovers
from tests.lab.zone.host import HOST, Host

_KINDS = ("vm", "container")
# Some times a second; who counts by the clock has waited long enough after the first one, or never has.
_JUMPS = """
echo 'while :; do date -s "{step}"; sleep 0.3; done' >/run/jumps.sh
setsid sh /run/jumps.sh >/dev/null 2>&1 & echo $! >/run/jumps
"""
_CALM = "[ ! -e /run/jumps ] || kill $(cat /run/jumps); rm -f /run/jumps /run/jumps.sh"
# Somebody has the lock for some seconds, and so makes others wait.
_BUSY = """
setsid flock /run/zonal-cloud.lock sleep 5 >/dev/null 2>&1 &
while flock --nonblock /run/zonal-cloud.lock true; do sleep 0.1; done
"""
_LIVES = "docker inspect {container} --format '{{{{.State.StartedAt}}}}'; pgrep -f '[g]uest={vm},'"


class Clock:
    """The clock of the host."""

    def __init__(self, host: Host) -> None:
        self._host = host

    def set(self, days: int = 0) -> None:
        """Set it so many days ahead of the true time."""
        self._host.sh(f"date -s @{int(time.time()) + days * 86400}")

    @contextmanager
    def jumping(self, step: str) -> Iterator[None]:
        """Let it jump again and again meanwhile."""
        self._host.sh(_JUMPS.format(step=step))
        try:
            yield
        finally:
            self._host.sh(_CALM)
            self.set()


@pytest.fixture
def clock(host: Host) -> Iterator[Clock]:
    made = Clock(host)
    yield made
    made.set()


def days(host: Host) -> list[int]:
    """Return how many days from now those snapshots claim to be of that the host has told, by their names."""
    taken = [datetime.strptime(item["name"] + "Z", "policy-%Y%m%d-%H%M%S%z") for item in host.report["snapshots"]]
    return [round((moment - datetime.now(UTC)) / timedelta(days=1)) for moment in taken]


def test_a_policy_misses_nothing_and_keeps_nothing_for_ever(host: Host, lab: Any, clock: Clock) -> None:
    names = {kind: lab.placed(kind, HOST)[0] for kind in _KINDS}
    lives = host.sh(_LIVES.format(**names))
    for kind, name in names.items():
        assert host.instance(kind, name, snapshots={"every": "1d", "keep": 2}) == ["update"]
    took, exchanged = ["take"], ["take", "expire"]
    # Where the clock is set to, in days from now, what is done then, and of when the snapshots claim to be.
    for ahead, done, kept in (
        (0, took, [0]),
        (40, took, [0, 40]),
        (40, [], [0, 40]),
        (1, exchanged, [0, 1]),
        (-10, exchanged, [-10, 1]),
        (0, exchanged, [-10, 0]),
    ):
        clock.set(ahead)
        for name in names.values():
            assert (ahead, host.snapshot(name, "current"), days(host)) == (ahead, done, kept)
    for kind, name in names.items():
        assert host.instance(kind, name, snapshots={}) == ["update"]
        assert host.snapshot(name, "current") == []
        for item in host.report["snapshots"]:
            host.snapshot(name, "absent", item["name"])
    assert host.sh(_LIVES.format(**names)) == lives
    assert leftovers(lab, HOST) == []


def test_modules_end_well_while_it_jumps(host: Host, lab: Any, clock: Clock) -> None:
    """They wait for the lock and for a container's end; what they do not touch goes on."""
    (vm, _dummy), (container, address) = (lab.placed(kind, HOST) for kind in _KINDS)
    lives = host.sh(f"pgrep -f '[g]uest={vm},'")
    host.sh(_BUSY)
    with clock.jumping("+1 day"):
        assert host.instance("container", container, state="stopped") == ["stop"]
    with clock.jumping("-1 day"):
        assert host.instance("container", container) == ["start"]
        for name in (vm, container):
            assert [host.snapshot(name, state, "jumping") for state in ("present", "present", "absent")] == [["take"], [], ["remove"]]
    lab.eventually(lambda: lab.answers(address), f"{address} answers")
    assert host.sh(f"pgrep -f '[g]uest={vm},'") == lives
    assert leftovers(lab, HOST) == []
