# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""One writer at a time on a host."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from ansible_collections.zonal.cloud.plugins.module_utils._adapters.host_lock import host_lock, is_held
from ansible_collections.zonal.cloud.plugins.module_utils._ports import EngineError

HOLDER = """
import fcntl, os, sys
handle = os.open(sys.argv[1], os.O_RDWR | os.O_CREAT, 0o600)
fcntl.flock(handle, fcntl.LOCK_EX)
os.pwrite(handle, str(os.getpid()).encode(), 0)
print("held", flush=True)
sys.stdin.read()
"""


def test_it_is_held_by_one_and_dropped(tmp_path: Path) -> None:
    path = str(tmp_path / "lock")
    for _dummy in range(2):
        with host_lock(path, timeout=0):
            assert Path(path).read_text() == str(os.getpid())
            with (
                pytest.raises(EngineError, match=f"^Cannot lock {path}: process {os.getpid()} has held it for over 0 seconds"),
                host_lock(path, 0),
            ):
                pass


def test_whether_it_is_held_is_told_and_nothing_written(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    assert not is_held(str(path))
    assert not path.exists()
    with host_lock(str(path)):
        assert is_held(str(path))
    assert not is_held(str(path))


def test_an_error_inside_drops_it(tmp_path: Path) -> None:
    path = str(tmp_path / "lock")
    with pytest.raises(KeyError), host_lock(path, timeout=0):
        raise KeyError
    with host_lock(path, timeout=0):
        pass


def test_it_ends_with_the_process_that_holds_it(tmp_path: Path) -> None:
    path = str(tmp_path / "lock")
    argv = [sys.executable, "-c", HOLDER, path]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(EngineError, match=f"process {holder.pid} has held it"), host_lock(path, timeout=0.3):
            pass
        holder.kill()
    with host_lock(path, timeout=0):
        assert Path(path).read_text() == str(os.getpid())


def test_a_link_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "target")
    with pytest.raises(EngineError, match=r"^Cannot open the lock \S+/link: "), host_lock(str(tmp_path / "link")):
        pass
    assert not (tmp_path / "target").exists()


def test_a_folder_that_is_not_there_is_one_message(tmp_path: Path) -> None:
    with pytest.raises(EngineError, match=r"No such file or directory; run with become: true"), host_lock(str(tmp_path / "none" / "lock")):
        pass
