# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A process that holds a guest still ends, well or killed."""

from __future__ import annotations

import os
import select
import subprocess
import sys
from pathlib import Path

import pytest

from ansible_collections.zonal.cloud.plugins.module_utils._adapters import guest_release
from ansible_collections.zonal.cloud.plugins.module_utils._adapters.host_lock import host_lock

HOLDS = """
import os, signal, subprocess
from ansible_collections.zonal.cloud.plugins.module_utils._adapters.guest_release import released_after_us
for earlier in {earlier}:
    with released_after_us(subprocess.check_output, "web", earlier, "."):
        pass
with released_after_us(subprocess.check_output, "web", {release}, "."):
    {ends}
"""
KILLED = "os.kill(os.getpid(), signal.SIGKILL)"
CASES: list[tuple[list[tuple[str, ...]], tuple[str, ...], str, list[str]]] = [
    ([], guest_release.THAW_VM, "pass", []),
    ([], guest_release.THAW_VM, KILLED, ["virsh --connect qemu:///system domfsthaw web"]),
    ([], guest_release.RESUME_CONTAINER, KILLED, ["docker unpause web"]),
    # First by its agent, which it has not.
    ([guest_release.THAW_VM], guest_release.RESUME_VM, KILLED, ["virsh --connect qemu:///system resume web"]),
]


@pytest.mark.parametrize(("earlier", "release", "ends", "told"), CASES)
def test_it_is_released_when_its_holder_was_killed(
    tmp_path: Path, earlier: list[tuple[str, ...]], release: tuple[str, ...], ends: str, told: list[str]
) -> None:
    heard = tmp_path / "heard"
    for name in ("virsh", "docker"):
        program = tmp_path / name
        program.write_text(f'#!/bin/sh\necho "{name} $@" >> {heard}\n')
        program.chmod(0o755)
    collections = Path(guest_release.__file__).parents[6]
    env = {**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}", "PYTHONPATH": str(collections)}
    ended, open_as_long = os.pipe()
    holder = HOLDS.format(earlier=earlier, release=release, ends=ends)
    subprocess.run([sys.executable, "-c", holder], stdin=open_as_long, env=env, cwd=tmp_path, check=False)
    # Who comes next finds it released.
    with host_lock(str(tmp_path / "lock"), timeout=0):
        assert (heard.read_text().splitlines() if heard.exists() else []) == told
    os.close(open_as_long)
    # The process beside has it as its standard input, so this is readable when that one has ended, too.
    assert select.select([ended], [], [], 30)[0]
    os.close(ended)
    assert list(tmp_path.glob("zonal-cloud.held.*")) == []
    assert (heard.read_text().splitlines() if heard.exists() else []) == told


def test_whom_nobody_releases_is_waited_for_once(tmp_path: Path) -> None:
    """The process beside was killed, too."""
    for name in ("zonal-cloud.held.web.resume.7", "other"):
        (tmp_path / name).touch()
    guest_release.await_releases(str(tmp_path), 0)
    assert [path.name for path in tmp_path.iterdir()] == ["other"]
