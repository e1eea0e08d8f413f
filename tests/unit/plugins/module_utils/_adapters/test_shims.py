# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Shims are told from other processes by their words."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from ansible_collections.zonal.cloud.plugins.module_utils._adapters.shims import end_lost, end_shim, remove_bundle

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


def bundle(folder: Path) -> Path:
    """Return what containerd 1.6 leaves when it is killed before it wrote the file that it needs to clean up."""
    made = folder / "moby" / ID
    (made / "rootfs").mkdir(parents=True)
    (made / "address").touch()
    (made / "work").symlink_to(folder)
    return made


def test_a_bundle_without_a_shim_is_removed(tmp_path: Path) -> None:
    made = bundle(tmp_path)
    assert end_lost(ID, f"failed to start shim: mkdir {made}: file exists: unknown")
    assert (list(made.parent.iterdir()), tmp_path.exists()) == ([], True)


def test_a_bundle_stays_while_its_shim_is_killed(tmp_path: Path, processes: dict[str, subprocess.Popen[bytes]]) -> None:
    made = bundle(tmp_path)
    assert end_lost(ID, f"failed to start shim: mkdir {made}: file exists: unknown")
    assert processes["shim"].wait(10) == -signal.SIGKILL
    assert (made / "address").exists()


def test_a_bundle_that_is_in_use_stays_whole(tmp_path: Path) -> None:
    made = bundle(tmp_path)
    (made / "rootfs" / "etc").mkdir()
    remove_bundle(str(made))
    assert sorted(path.name for path in made.iterdir()) == ["address", "rootfs", "work"]


def test_other_words_tell_of_nothing_lost(tmp_path: Path) -> None:
    made = bundle(tmp_path)
    for told in (
        "driver failed",
        f"mkdir {made.parent}: file exists",
        f"mkdir {tmp_path}/{ID}: file exists",
        f"task {OTHER}: already exists",
    ):
        assert not end_lost(ID, told)
    for told in (f"task {ID}: already exists", "id already in use"):
        assert end_lost(ID, told)
    assert (made / "address").exists()
