# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The S3 library of Debian against servers that are no store. The store itself is in test_ceph_registry.py."""

from __future__ import annotations

import os
import subprocess
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
CALLS = """
import sys
from ansible_collections.zonal.cloud.plugins.module_utils._adapters import s3
from ansible_collections.zonal.cloud.plugins.module_utils._ports import EngineError

s3._ATTEMPTS = 1
access = s3.S3Access(sys.argv[1], "key", "word", None, "us-east-1")
objects, buckets = s3.S3Objects(access, "images"), s3.S3Buckets(access)
calls = [lambda: buckets.find("images"), lambda: buckets.create("images"), lambda: objects.head("a"), lambda: objects.list("a")]
for call in [*calls, lambda: objects.read("a", 100), lambda: objects.put("a", b"x"), lambda: objects.delete("a")]:
    try:
        call()
    except EngineError as error:
        print(error)
"""
SENT_ON, NO_STORE = "it sends requests on to another address; write that one, https://", "what answers there is no S3 store;"
# What is answered to everything, and how many of the seven calls find out what.
ANSWERS: dict[str, tuple[int, dict[str, str], bytes, int, str]] = {
    "a redirection": (301, {"Location": "https://127.0.0.1:1/", "Content-Length": "0"}, b"", 7, SENT_ON),
    "a page": (200, {"Content-Length": "26"}, b"<html><br>It works!</html>", 4, NO_STORE),
    "a length that is none": (200, {"Content-Length": "x"}, b"", 2, NO_STORE),
    "no length": (200, {}, b"", 2, NO_STORE),
}


SEND = """
import hashlib, sys
from ansible_collections.zonal.cloud.plugins.module_utils._adapters import s3

access = s3.S3Access(sys.argv[1], "key", "word", None, "us-east-1")
content = open(sys.argv[2], "rb").read()
s3.S3Objects(access, "images").put_file("blobs/own", sys.argv[2], hashlib.sha256(content).hexdigest(), {})
"""
NOW = "Mon, 30 Nov 2026 12:00:00 GMT"
UPLOADS = {"own": "2026-11-30T11:59:00.000Z", "lost": "2026-11-23T11:59:00.000Z", "begun": "2026-11-23T12:01:00.000Z"}


@pytest.fixture
def endpoint(request: pytest.FixtureRequest) -> Iterator[str]:
    status, headers, body, _many, _words = request.param

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body)

        do_HEAD = do_PUT = do_POST = do_DELETE = do_GET

        def log_message(self, *_words: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Answer) as running:
        threading.Thread(target=running.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{running.server_address[1]}"
        running.shutdown()


@pytest.mark.parametrize(("endpoint", "case"), [(answer, answer) for answer in ANSWERS.values()], ids=list(ANSWERS), indirect=["endpoint"])
def test_what_is_no_store_is_one_message(endpoint: str, case: tuple[int, dict[str, str], bytes, int, str]) -> None:
    environment = {**os.environ, "PYTHONPATH": str(ROOT / ".work" / "collections")}
    done = subprocess.run(["/usr/bin/python3", "-c", CALLS, endpoint], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    *_facts, many, words = case
    assert sum(f" at {endpoint}: {words}" in line for line in done.stdout.splitlines()) == many, done.stdout


def test_parts_that_nobody_goes_on_with_are_removed_when_something_is_sent(tmp_path: Path) -> None:
    (tmp_path / "archive").write_bytes(b"archive")
    uploads = [f"<Upload><Key>blobs/{of}</Key><UploadId>{of}</UploadId><Initiated>{at}</Initiated></Upload>" for of, at in UPLOADS.items()]
    listed = f"<ListMultipartUploadsResult>{''.join(uploads)}</ListMultipartUploadsResult>".encode()
    asked = []

    class Store(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(f"{self.command} {self.path}")
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
            body = {"GET": listed, "HEAD": b"archive"}.get(self.command, b"")
            self.send_response_only(204 if self.command == "DELETE" else 200)
            # By the clock of this machine all of them may be old, or none.
            for name, value in {"Date": NOW, "Content-Length": str(len(body))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(b"" if self.command == "HEAD" else body)

        do_HEAD = do_PUT = do_DELETE = do_GET

        def log_message(self, *_words: object) -> None:
            pass

    environment = {**os.environ, "PYTHONPATH": str(ROOT / ".work" / "collections")}
    with ThreadingHTTPServer(("127.0.0.1", 0), Store) as running:
        threading.Thread(target=running.serve_forever, daemon=True).start()
        argv = ["/usr/bin/python3", "-c", SEND, f"http://127.0.0.1:{running.server_address[1]}", str(tmp_path / "archive")]
        done = subprocess.run(argv, env=environment, capture_output=True, text=True, check=False)
        running.shutdown()
    assert done.returncode == 0, done.stderr
    removed = [line.split("uploadId=")[1] for line in asked if line.startswith("DELETE")]
    assert removed == ["own", "lost"]
