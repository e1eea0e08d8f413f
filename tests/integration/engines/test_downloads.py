# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Downloads with the real aria2 from a server that misbehaves on demand."""

from __future__ import annotations

import hashlib
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from ansible_collections.zonal.cloud.plugins.module_utils._adapters.download import Downloads
from ansible_collections.zonal.cloud.plugins.module_utils._ports import EngineError
from tests.host_command import run_command

_SIZE = 48 * 1024**2
_LIMIT = 2 * _SIZE
_CONTENT = random.Random(7).randbytes(_SIZE)
_BLOCK = 512 * 1024


class _Server(ThreadingHTTPServer):
    """Counts the bytes that it has sent."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.sent = 0

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
        begin, end = 0, _SIZE - 1
        asked = self.headers.get("Range", "").removeprefix("bytes=").split("-")
        if asked[0] and way != "plain":
            begin, end = int(asked[0]), int(asked[1] or end)
            self.send_response(206)
            self.send_header("Content-Range", f"bytes {begin}-{end}/{_SIZE}")
        else:
            self.send_response(200)
        if way == "endless":
            self.send_header("Connection", "close")
        else:
            self.send_header("Content-Length", str(end + 1 - begin))
        self.end_headers()
        while True:
            for start in range(begin, end + 1, _BLOCK):
                block = _CONTENT[start : min(start + _BLOCK, end + 1)]
                self.wfile.write(block)
                self.server.sent += len(block)
                time.sleep(0.1 if way == "slow" else 0)
            if way != "endless":
                return

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
    assert digest(path) == hashlib.sha256(_CONTENT).hexdigest()
    assert _SIZE <= server.sent < 2 * _SIZE
    assert os.listdir(tmp_path / "images") == ["name"]
    downloads.forget("name")
    assert os.listdir(tmp_path / "images") == []


_REFUSED = {
    "404": "Cannot download shown: the server does not have it",
    "403": "Cannot download shown: the server refuses to send it",
    "401": "Cannot download shown: the server wants another user or password",
    "endless": f"Cannot download shown: it is larger than {_LIMIT} bytes",
}


@pytest.mark.parametrize("way", _REFUSED)
def test_a_refusal_is_told_without_the_address(server: _Server, downloads: Downloads, tmp_path: Path, way: str) -> None:
    with pytest.raises(EngineError) as refused:
        downloads.fetch(server.url(f"{way}?X-Amz-Signature=secret"), "shown", "name", _LIMIT)
    assert str(refused.value).startswith(_REFUSED[way])
    assert "secret" not in str(refused.value)
    assert not (tmp_path / "images" / "name").exists()


def test_no_server_is_told(downloads: Downloads) -> None:
    with pytest.raises(EngineError, match="Cannot download shown: "):
        downloads.fetch("http://127.0.0.1:1/secret", "shown", "name", _LIMIT)


def test_a_killed_one_goes_on_where_it_was(server: _Server, downloads: Downloads, tmp_path: Path) -> None:
    notes = tmp_path / "images" / "name.new.aria2"
    child = _start(server.url("slow"), tmp_path)
    try:
        deadline = time.monotonic() + 60
        while not (notes.exists() and server.sent > _SIZE // 4):
            assert time.monotonic() < deadline, "the download has not begun"
            time.sleep(0.05)
        time.sleep(1.5)  # aria2 notes what it has once in a second
    finally:
        os.killpg(child.pid, signal.SIGKILL)
        child.wait()
    before = server.sent
    path = downloads.fetch(server.url("file"), "shown", "name", _LIMIT)
    assert digest(path) == hashlib.sha256(_CONTENT).hexdigest()
    assert server.sent - before < _SIZE


def test_parts_without_notes_are_not_trusted(server: _Server, downloads: Downloads, tmp_path: Path) -> None:
    (tmp_path / "images").mkdir()
    (tmp_path / "images" / "name.new").write_bytes(bytes(_SIZE))
    assert digest(downloads.fetch(server.url("file"), "shown", "name", _LIMIT)) == hashlib.sha256(_CONTENT).hexdigest()


def _start(url: str, folder: Path) -> subprocess.Popen[bytes]:
    """Download in a process group of its own, as a module does that is then killed with its host."""
    words = [
        "from ansible_collections.zonal.cloud.plugins.module_utils._adapters.download import Downloads",
        "from tests.host_command import run_command",
        f"Downloads(run_command, {str(folder / 'images')!r}).fetch({url!r}, 'shown', 'name', {_LIMIT})",
    ]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    return subprocess.Popen([sys.executable, "-c", "\n".join(words)], env=environment, start_new_session=True)
