# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Work in several processes: all of it is done, what dies is told, and the end comes when it is asked for."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.zonal.cloud.plugins.module_utils._adapters.lanes import in_lanes


def wait_for(path: Path) -> None:
    deadline = time.monotonic() + 30
    while not path.exists():
        assert time.monotonic() < deadline, f"{path.name} did not come"
        time.sleep(0.01)


@pytest.mark.parametrize("lanes", [1, 3, 50])
def test_each_is_done_once_and_its_result_comes_back(lanes: int, tmp_path: Path) -> None:
    def work(number: int) -> str:
        (tmp_path / str(number)).touch(exist_ok=False)
        return str(number) * 100_000  # more than a pipe holds

    numbers = list(range(7, 27))
    assert dict(in_lanes(lanes, numbers, work)) == {number: str(number) * 100_000 for number in numbers}
    assert len(list(tmp_path.iterdir())) == len(numbers)


def test_more_than_a_pipe_holds() -> None:
    assert sum(number for number, _result in in_lanes(2, range(17_000), lambda number: number)) == sum(range(17_000))


def test_they_are_done_side_by_side_in_other_processes(tmp_path: Path) -> None:
    def work(number: int) -> int:
        (tmp_path / str(number)).touch()
        wait_for(tmp_path / str(1 - number))
        return os.getpid()

    lanes = dict(in_lanes(2, [0, 1], work)).values()
    assert len({*lanes, os.getpid()}) == 3


def test_one_that_dies_is_told_and_the_others_are_done() -> None:
    def work(number: int) -> int:
        if number == 2:
            os.kill(os.getpid(), signal.SIGKILL)
        return number

    assert dict(in_lanes(2, [1, 2, 3, 4, 5], work)) == {1: 1, 2: None, 3: 3, 4: 4, 5: 5}


def test_what_nobody_was_left_to_begin_is_not_told() -> None:
    def work(_number: int) -> None:
        os._exit(1)

    assert dict(in_lanes(2, [1, 2, 3], work)) == {1: None, 2: None}


def test_after_its_time_nothing_is_begun(tmp_path: Path) -> None:
    def work(number: int) -> Any:
        if number == 2:
            (tmp_path / "begun").touch()
            time.sleep(1.5)
        return number

    assert dict(in_lanes(1, [1, 2, 3], work, 1)) == {1: 1, 2: 2}
    assert (tmp_path / "begun").exists()


SCRIPT = """
import sys, time
from pathlib import Path
from ansible_collections.zonal.cloud.plugins.module_utils._adapters.lanes import in_lanes

def work(number):
    Path(sys.argv[1], str(number)).touch()
    time.sleep(1)

list(in_lanes(2, range(100), work))
"""


def test_lanes_end_with_who_wanted_them(tmp_path: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    # Lanes have this pipe too: it ends with the last of them.
    with subprocess.Popen([sys.executable, "-c", SCRIPT, str(tmp_path)], env=environment, stdout=subprocess.PIPE) as parent:
        wait_for(tmp_path / "1")
        parent.kill()
        parent.communicate(timeout=30)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["0", "1"]
