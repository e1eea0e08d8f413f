# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A process that holds a guest still ends, well or killed."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from ansible_collections.zonal.cloud.plugins.module_utils._adapters import guest_release

HOLDS = """
import os, signal, subprocess
from ansible_collections.zonal.cloud.plugins.module_utils._adapters.guest_release import released_after_us
with released_after_us(subprocess.check_output, "web", folder="."):
    {ends}
"""
RELEASED = "--connect qemu:///system domfsthaw web"


@pytest.mark.parametrize(("ends", "told"), [("pass", ""), ("os.kill(os.getpid(), signal.SIGKILL)", RELEASED)])
def test_the_guest_is_released_when_its_holder_was_killed(tmp_path: Path, ends: str, told: str) -> None:
    virsh, heard = tmp_path / "virsh", tmp_path / "heard"
    virsh.write_text(f'#!/bin/sh\necho "$@" > {heard}\n')
    virsh.chmod(0o755)
    collections = Path(guest_release.__file__).parents[6]
    env = {**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}", "PYTHONPATH": str(collections)}
    subprocess.run([sys.executable, "-c", HOLDS.format(ends=ends)], env=env, cwd=tmp_path, check=False)
    mark = tmp_path / "zonal-cloud.held.web"
    deadline = time.monotonic() + 30
    while mark.exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    assert (heard.read_text().strip() if heard.exists() else "") == told
