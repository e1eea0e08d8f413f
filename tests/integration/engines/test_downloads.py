# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Downloads with the real aria2 from a server that misbehaves on demand."""

from __future__ import annotations

import hashlib
import os
import random
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from ansible_collections.zonal.cloud.plugins.module_utils._adapters import download
from ansible_collections.zonal.cloud.plugins.module_utils._adapters.boot_files import BootFolder
from ansible_collections.zonal.cloud.plugins.module_utils._adapters.download import Downloads
from ansible_collections.zonal.cloud.plugins.module_utils._domain.image import ImageWish
from ansible_collections.zonal.cloud.plugins.module_utils._domain.image_policy import Policy
from ansible_collections.zonal.cloud.plugins.module_utils._module.image_download import DownloadedImageResource, ImageDownload
from ansible_collections.zonal.cloud.plugins.module_utils._ports import EngineError, Pause
from ansible_collections.zonal.cloud.tests.host_command import run_command
from ansible_collections.zonal.cloud.tests.unit.plugins.contracts.archives import member, pack
from ansible_collections.zonal.cloud.tests.unit.plugins.fakes.containers import FakeContainers
from ansible_collections.zonal.cloud.tests.unit.plugins.fakes.guest_disks import FakeDisks, FilledVolumes

_SIZE = 48 * 1024**2
_LIMIT = 2 * _SIZE
_CONTENT = random.Random(7).randbytes(_SIZE)
_BLOCK = 512 * 1024
_SHA256 = hashlib.sha256(_CONTENT).hexdigest()


class _Server(ThreadingHTTPServer):
    """Counts the bytes that it has sent."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.sent = 0
        self.content = _CONTENT

    def handle_error(self, request: object, client_address: object) -> None:
        """Clients that go away are what is tested here."""

    def url(self, path: str) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/{path}"


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def do_GET(self) -> None:
        way = self.path.split("?")[0].strip("/")
        if way.isdigit():
            self.send_response(int(way))
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        if way in ("silent", "talk", "elsewhere"):
            getattr(self, way)()
            return
        content = self.server.content
        begin, end = 0, len(content) - 1
        asked = self.headers.get("Range", "").removeprefix("bytes=").split("-")
        if asked[0] and way not in ("plain", "slow-plain"):
            begin, end = int(asked[0]), int(asked[1] or end)
            self.send_response(206)
            shift = begin if way == "wrong" else 0
            self.send_header("Content-Range", f"bytes {begin - shift}-{end - shift}/{len(content)}")
        else:
            self.send_response(200)
        if way in ("endless", "cut"):
            self.send_header("Connection", "close")
        else:
            self.send_header("Content-Length", str(end + 1 - begin))
        self.end_headers()
        if way == "cut":
            end //= 2
            self.close_connection = True
        while True:
            for start in range(begin, end + 1, _BLOCK):
                block = content[start : min(start + _BLOCK, end + 1)]
                self.wfile.write(block)
                self.server.sent += len(block)
                time.sleep(0.1 if way.startswith("slow") else 0)
            if way != "endless":
                return

    def silent(self) -> None:
        time.sleep(20)

    def talk(self) -> None:
        self.wfile.write(b"HTTP/1.1 200 OK\r\n")
        while True:
            self.wfile.write(500 * (b"X-More: " + 1000 * b"x" + b"\r\n"))

    def elsewhere(self) -> None:
        self.send_response(302)
        self.send_header("Location", "https://127.0.0.1:1/?X-Amz-Signature=secret")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_words: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[_Server]:
    with _Server() as running:
        threading.Thread(target=running.serve_forever, daemon=True).start()
        yield running
        running.shutdown()


@pytest.fixture
def downloads(tmp_path: Path) -> Downloads:
    return Downloads(run_command, str(tmp_path / "images"))


def digest(path: str) -> str:
    return hashlib.sha256(Path(path).read_bytes()).hexdigest()


@pytest.mark.parametrize("way", ["file", "plain", "file?X-Amz-Signature=secret"])
def test_it_comes_whole_and_only_once(server: _Server, downloads: Downloads, tmp_path: Path, way: str) -> None:
    for _again in range(2):
        path = downloads.fetch(server.url(way), "shown", "name", _LIMIT)
    assert digest(path) == _SHA256
    assert _SIZE <= server.sent < 2 * _SIZE
    assert os.listdir(tmp_path / "images") == ["name"]
    downloads.forget("name")
    assert os.listdir(tmp_path / "images") == []


_REFUSED = {
    "404": "Cannot download shown: the server does not have it",
    "403": "Cannot download shown: the server refuses to send it",
    "401": "Cannot download shown: the server wants another user or password",
    "endless": f"Cannot download shown: it is larger than {_LIMIT} bytes",
    "elsewhere": "Cannot download shown: the server does not answer",
}


@pytest.mark.parametrize("way", _REFUSED)
def test_a_refusal_is_told_without_the_address(server: _Server, downloads: Downloads, tmp_path: Path, way: str) -> None:
    with pytest.raises(EngineError) as refused:
        downloads.fetch(server.url(f"{way}?X-Amz-Signature=secret"), "shown", "name", _LIMIT)
    assert str(refused.value).startswith(_REFUSED[way])
    assert "secret" not in str(refused.value)
    assert not (tmp_path / "images" / "name").exists()


def test_a_server_that_talks_without_end_does_not_fill_the_memory(
    server: _Server, downloads: Downloads, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(download, "_MEMORY", 64 * 1024**2, raising=False)
    with pytest.raises(EngineError, match=r"^Cannot download shown: the server's answers have no end$"):
        downloads.fetch(server.url("talk"), "shown", "name", _LIMIT)
    assert not (tmp_path / "images" / "name").exists()


def test_no_server_is_told(downloads: Downloads) -> None:
    with pytest.raises(EngineError, match="Cannot download shown: "):
        downloads.fetch("http://127.0.0.1:1/secret", "shown", "name", _LIMIT)


def test_one_that_says_that_it_is_larger_is_told_at_once(server: _Server, downloads: Downloads, tmp_path: Path) -> None:
    with pytest.raises(EngineError, match=f"^Cannot download shown: it is larger than {_SIZE // 2} bytes$"):
        downloads.fetch(server.url("file"), "shown", "name", _SIZE // 2)
    assert os.listdir(tmp_path / "images") == []


def test_one_that_was_cut_without_a_length_is_not_taken(server: _Server, downloads: Downloads, tmp_path: Path) -> None:
    with pytest.raises(EngineError, match=f"^Cannot download shown: what came has the sha256 .*, but {_SHA256} is wanted$"):
        downloads.fetch(server.url("cut"), "shown", "name", _LIMIT, _SHA256)
    assert os.listdir(tmp_path / "images") == []


def interrupt(server: _Server, folder: Path) -> None:
    """Kill a download in the middle."""
    child = _start(server.url("slow"), folder)
    try:
        deadline = time.monotonic() + 60
        while not ((folder / "images" / "name.new.aria2").exists() and server.sent > _SIZE // 4):
            assert time.monotonic() < deadline, "the download has not begun"
            time.sleep(0.05)
        time.sleep(1.5)  # aria2 notes what it has once in a second
    finally:
        os.killpg(child.pid, signal.SIGKILL)
        child.wait()


def test_a_killed_one_goes_on_where_it_was(server: _Server, downloads: Downloads, tmp_path: Path) -> None:
    interrupt(server, tmp_path)
    before = server.sent
    path = downloads.fetch(server.url("file"), "shown", "name", _LIMIT)
    assert digest(path) == _SHA256
    assert server.sent - before < _SIZE


_OTHERS = {"of the same size": bytes(_SIZE), "of another size": _CONTENT[: _SIZE // 2] + b"x"}


def test_it_tells_how_far_it_is_and_goes_on(server: _Server, tmp_path: Path) -> None:
    told = []
    while not (tmp_path / "images" / "name").exists():
        try:
            Downloads(run_command, str(tmp_path / "images"), progress=1).fetch(server.url("slow"), "shown", "name", _LIMIT, _SHA256)
        except Pause as pause:
            told.append(pause.line)
    shares = [re.fullmatch(r"downloading shown: \d+M of 48M \((\d+) %\)", line) for line in told]
    percents = [int(share[1]) for share in shares if share]
    assert len(percents) == len(told) > 1
    assert percents == sorted(set(percents))
    # What was stopped in the middle of a piece comes again.
    assert server.sent < 1.5 * _SIZE


def test_of_a_server_that_cannot_go_on_it_comes_nevertheless(server: _Server, tmp_path: Path) -> None:
    downloads = Downloads(run_command, str(tmp_path / "images"), progress=1)
    with pytest.raises(Pause):
        downloads.fetch(server.url("slow-plain"), "shown", "name", _LIMIT, _SHA256)
    assert digest(downloads.fetch(server.url("slow-plain"), "shown", "name", _LIMIT, _SHA256)) == _SHA256


def test_a_silent_server_is_found_out_although_it_pauses(server: _Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(download, "_STALLED", 1)
    monkeypatch.setattr(download, "_TRIES", 2)
    with pytest.raises(EngineError, match=r"^Cannot download shown: the server sent nothing for 60 seconds$"):
        Downloads(run_command, str(tmp_path / "images"), progress=1).fetch(server.url("silent"), "shown", "name", _LIMIT)


@pytest.mark.parametrize("other", _OTHERS.values(), ids=_OTHERS.keys())
def test_one_that_changed_meanwhile_begins_anew(server: _Server, downloads: Downloads, tmp_path: Path, other: bytes) -> None:
    interrupt(server, tmp_path)
    server.content = other
    sha256 = hashlib.sha256(other).hexdigest()
    assert digest(downloads.fetch(server.url("file"), "shown", "name", _LIMIT, sha256)) == sha256
    assert os.listdir(tmp_path / "images") == ["name"]


def test_a_server_that_sends_other_parts_than_asked_for_does_no_harm(server: _Server, downloads: Downloads, tmp_path: Path) -> None:
    interrupt(server, tmp_path)
    # From nothing it may well come right: the first part is what is asked for first.
    with suppress(EngineError):
        downloads.fetch(server.url("wrong"), "shown", "name", _LIMIT, _SHA256)
    assert digest(downloads.fetch(server.url("file"), "shown", "name", _LIMIT, _SHA256)) == _SHA256
    assert os.listdir(tmp_path / "images") == ["name"]


def test_parts_without_notes_are_not_trusted(server: _Server, downloads: Downloads, tmp_path: Path) -> None:
    (tmp_path / "images").mkdir()
    (tmp_path / "images" / "name.new").write_bytes(bytes(_SIZE))
    assert digest(downloads.fetch(server.url("file"), "shown", "name", _LIMIT)) == _SHA256


def test_an_image_comes_from_a_server_and_a_second_run_fetches_nothing(server: _Server, tmp_path: Path) -> None:
    server.content = pack(member("etc/motd", size=_SIZE))
    sha256 = hashlib.sha256(server.content).hexdigest()
    folder, containers, volumes = tmp_path / "images", FakeContainers(), FilledVolumes()

    def resource() -> DownloadedImageResource:
        address = server.url("file?X-Amz-Signature=secret")
        download = ImageDownload(Downloads(run_command, str(folder)), lambda: address, "shown", sha256, _LIMIT, sha256)
        wish = ImageWish("debian:13", frozenset(["container"]), sha256=sha256)
        return DownloadedImageResource(download, wish, Policy(), containers, volumes, FakeDisks(volumes), BootFolder(str(tmp_path)))

    def converge() -> tuple[int, int]:
        image = resource()
        with image.fetched(image.plan(image.observe())) as told:
            steps = image.plan(image.observe()).steps
            for step in steps:
                image.apply(step)
        return len(steps), told.get("download", {}).get("bytes", 0)

    assert converge() == (1, len(server.content))
    sent = server.sent
    assert (converge(), server.sent - sent, os.listdir(folder)) == ((0, 0), 0, [])


def _start(url: str, folder: Path) -> subprocess.Popen[bytes]:
    """Download in a process group of its own, as a module does that is then killed with its host."""
    words = [
        "from ansible_collections.zonal.cloud.plugins.module_utils._adapters.download import Downloads",
        "from tests.host_command import run_command",
        f"Downloads(run_command, {str(folder / 'images')!r}).fetch({url!r}, 'shown', 'name', {_LIMIT})",
    ]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    return subprocess.Popen([sys.executable, "-c", "\n".join(words)], env=environment, start_new_session=True)
