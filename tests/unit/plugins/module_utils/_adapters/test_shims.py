# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Shims are told from other processes by their words."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from ansible_collections.zonal.cloud.plugins.module_utils._adapters.shims import end_shim

ID, OTHER = "f00d" * 16, "beef" * 16
SHIM = "/usr/bin/containerd-shim-runc-v2"
IDLE = ["-c", "import sys; print(flush=True); sys.stdin.read()"]


@pytest.fixture
def processes() -> Iterator[dict[str, subprocess.Popen[bytes]]]:
    started: dict[str, subprocess.Popen[bytes]] = {}
    with ExitStack() as stack:
        for name, program, namespace, container in (
            ("shim", SHIM, "moby", ID),
            ("another container's", SHIM, "moby", OTHER),
            ("not docker's", SHIM, "k8s.io", ID),
            ("no shim", "/usr/bin/ctr", "moby", ID),
        ):
            words = [program, *IDLE, "-namespace", namespace, "-id", container, "-address", "/x"]
            pipe = subprocess.PIPE
            started[name] = stack.enter_context(subprocess.Popen(words, executable=sys.executable, stdin=pipe, stdout=pipe))
            stack.callback(started[name].kill)
        for process in started.values():
            assert process.stdout is not None
            process.stdout.readline()
        yield started


def test_only_the_containers_own_shim_is_killed(processes: dict[str, subprocess.Popen[bytes]]) -> None:
    assert end_shim(ID)
    assert processes["shim"].wait(10) == -signal.SIGKILL
    assert not end_shim(ID)
    assert [name for name, process in processes.items() if process.poll() is None] == ["another container's", "not docker's", "no shim"]
