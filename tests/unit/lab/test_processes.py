# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Only the very process that the lab started is ever signalled."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from lab import lifecycle, state
from lab.aptsources import Source
from lab.errors import LabError
from lab.model import identity
from lab.paths import Paths
from lab.process import Process
from lab.progress import Progress
from lab.relay import Route, routes
from lab.state import HostRecord
from lab.uml import boot, on_one_cpu

SLEEPER = [sys.executable, "-c", "import time; time.sleep(60)", "mark-of-this-test"]


@pytest.fixture
def sleeper() -> Any:
    with subprocess.Popen(SLEEPER, start_new_session=True) as child:
        yield Process.remember(child.pid, "mark-of-this-test")
        child.kill()


def test_our_process_is_alive_until_ended(sleeper: Any) -> None:
    assert sleeper.alive()
    assert sleeper.end() is True
    assert not sleeper.alive()
    assert sleeper.end() is False


@pytest.mark.parametrize("change", [{"start": 1}, {"mark": "someone-else"}])
def test_another_process_with_our_pid_is_left_alone(sleeper: Any, change: Any) -> None:
    stranger = replace(sleeper, **change)
    assert not stranger.alive()
    assert stranger.end() is False
    assert sleeper.alive()


@pytest.mark.parametrize("gone", ["base image", "kernel"])
def test_a_host_whose_cache_was_cleared_is_not_started(tmp_path: Path, gone: str) -> None:
    there = tmp_path / "there"
    there.touch()
    files = {what: str(tmp_path / "gone" if what == gone else there) for what in ("base image", "kernel")}
    record = HostRecord("trixie", "prebaked", "1G", files["base image"], files["kernel"])
    with pytest.raises(LabError, match=f"h1: its {gone} {files[gone]} is gone .*: run zonal-lab down, then up"):
        boot(Paths(tmp_path / "cache", tmp_path / "state"), identity("h1"), record, "key")
    assert not (tmp_path / "state").exists()


@pytest.mark.parametrize("number", [1, 2, 32])
def test_a_host_is_kept_on_one_cpu_of_ours(number: int) -> None:
    ask = [sys.executable, "-c", "import os; print(*os.sched_getaffinity(0))"]
    told = subprocess.run([*on_one_cpu(number), *ask], capture_output=True, text=True, check=True).stdout.split()
    allowed = sorted(os.sched_getaffinity(0))
    assert told == [str(allowed[number % len(allowed)])]


def test_book_survives_writing_and_reading(tmp_path: Path) -> None:
    host = state.HostRecord("trixie", "bare", "2G", "/base", "/kernel", Process(7, 8, "m"))
    book = state.Book(hosts={"h1": host}, relay=Process(1, 2, "relay"), namespace=True)
    state.save(tmp_path / "sub" / "lab.json", book)
    assert state.load(tmp_path / "sub" / "lab.json") == book
    assert state.load(tmp_path / "none.json") == state.Book()


def test_unknown_host_names_the_known_ones() -> None:
    book = state.Book(hosts={"h1": state.HostRecord("trixie", "bare", "2G", "/base")})
    with pytest.raises(LabError, match=r"no host h2 \(hosts: h1\)"):
        book.host("h2")


def test_routes_are_one_for_each_mirror_and_survive_the_command_line() -> None:
    sources = [
        Source("http://m.example/debian", ""),
        Source("http://m.example/debian", "-updates"),
        Source("https://s.example/debian-security", "-security"),
    ]
    found = routes(sources)
    assert found == [Route("10.99.0.2", "m.example", 80), Route("10.99.0.3", "s.example", 443)]
    assert [Route.from_word(route.word()) for route in found] == found


@pytest.mark.parametrize(
    "text",
    ["", "{", "[]", "{}", '{"hosts": {"h1": 1}, "relay": null, "namespace": true}', '{"hosts": {}, "relay": {"pid": 1}, "namespace": 1}'],
)
def test_a_damaged_book_is_one_message(text: str, tmp_path: Path) -> None:
    (tmp_path / "lab.json").write_text(text)
    with pytest.raises(LabError, match=r"cannot read the lab's state .*lab\.json: .*; zonal-lab down takes down what it finds without"):
        state.load(tmp_path / "lab.json")


@pytest.mark.parametrize("text", [None, "", "{}", '{"hosts": {}, "relay": null, "namespace": false}'])
def test_down_ends_what_the_book_does_not_know(text: str | None, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    paths = Paths(tmp_path / "cache", tmp_path / "state")
    paths.state.mkdir()
    if text is not None:
        paths.book.write_text(text)
    words = (f"umid={paths.umid('h1')}", f"umid={paths.umid('h12')}", paths.relay_mark, f"umid={paths.umid('h1')[1:]}")
    children = [subprocess.Popen([*SLEEPER[:3], *word.split(), "more"], start_new_session=True) for word in words]
    try:
        lifecycle.down(paths, Progress())
        assert [child.poll() for child in children] == [-9, -9, -9, None]
    finally:
        for child in children:
            child.kill()
            child.wait()
    told = capsys.readouterr().err
    assert ("cannot read the lab's state" in told) == (text in ("", "{}"))
    assert "h1: stopped" in told
    assert "h12: stopped" in told
    assert not paths.state.exists()
