# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A registry that sends on to another server, as those do that keep layers elsewhere, or that somebody has taken over: who is told what."""

from __future__ import annotations

import hashlib
import ssl
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from ansible_collections.zonal.cloud.plugins.module_utils._adapters.registry_download import RegistryDownloads
from ansible_collections.zonal.cloud.plugins.module_utils._adapters.skopeo import Registry, RegistryAccess
from ansible_collections.zonal.cloud.plugins.module_utils._ports import EngineError
from ansible_collections.zonal.cloud.tests.host_command import run_command
from ansible_collections.zonal.cloud.tests.integration.engines.docker_registry import PASSWORD, USER, DockerRegistry, made_docker_registry

_LAYERS = (b"the lower layer" * 999, b"the upper one" * 999)
_LIMIT = 1024**2


class _Server(ThreadingHTTPServer):
    """Notes as whom it was asked for layers."""

    daemon_threads = True

    def __init__(self, handler: type[BaseHTTPRequestHandler]) -> None:
        super().__init__(("127.0.0.1", 0), handler)
        self.told: list[str | None] = []
        self.port = self.server_address[1]


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def answer(self, code: int, body: bytes = b"", **headers: str) -> None:
        self.send_response(code)
        for name, value in {**headers, "Content-Length": str(len(body))}.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(body if self.command == "GET" else b"")

    def log_message(self, *_words: object) -> None:
        pass


class _Elsewhere(_Handler):
    """Has all layers; with ``asks`` only for who shows a password."""

    asks = True

    def do_GET(self) -> None:
        self.server.told.append(self.headers.get("Authorization"))
        if self.asks and not self.server.told[-1]:
            self.answer(401, WWW_Authenticate='Basic realm="elsewhere"')
        else:
            self.answer(200, next(layer for layer in _LAYERS if hashlib.sha256(layer).hexdigest() in self.path))


class _OpenElsewhere(_Elsewhere):
    asks = False


def _front(behind: DockerRegistry, elsewhere: str) -> type[_Handler]:
    """Return what answers as the registry ``behind``, and sends who asks for layers on."""
    trust = ssl.create_default_context(cafile=behind.ca_file)

    class Front(_Handler):
        def do_GET(self) -> None:
            login = self.headers.get("Authorization")
            if login and any(hashlib.sha256(layer).hexdigest() in self.path for layer in _LAYERS):
                self.server.told.append(login)
                self.answer(307, Location=f"{elsewhere}{self.path}")
                return
            headers = {"Accept": ", ".join(self.headers.get_all("Accept", [])), **({"Authorization": login} if login else {})}
            request = urllib.request.Request(f"https://{behind.name}{self.path}", headers=headers)
            try:
                with urllib.request.urlopen(request, context=trust, timeout=60) as found:
                    self.answer(200, found.read(), Content_Type=found.headers["Content-Type"])
            except urllib.error.HTTPError as error:
                self.answer(error.code, WWW_Authenticate=error.headers.get("WWW-Authenticate", "Basic"))

    return Front


@contextmanager
def _serving(handler: type[_Handler], certificate: Path | None = None) -> Iterator[_Server]:
    with _Server(handler) as server:
        if certificate:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate / "server.crt", certificate / "server.key")
            server.socket = context.wrap_socket(server.socket, server_side=True)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DockerRegistry]:
    with made_docker_registry(tmp_path_factory.mktemp("registry")) as made:
        for count in (1, 2):
            made.push("images/sent", f"on{count}", *_LAYERS[-count:])
        yield made


@pytest.mark.parametrize("count", [1, 2], ids=["one layer, by aria2", "two, by skopeo"])
@pytest.mark.parametrize("asks", [True, False], ids=["who asks", "who gives"])
def test_only_the_registry_is_told_the_password(registry: DockerRegistry, tmp_path: Path, count: int, asks: bool) -> None:
    with (
        _serving(_Elsewhere if asks else _OpenElsewhere) as elsewhere,
        _serving(_front(registry, f"http://localhost:{elsewhere.port}"), registry.folder) as front,
    ):
        access = RegistryAccess(USER, PASSWORD, registry.ca_file)
        downloads = RegistryDownloads(run_command, str(tmp_path / "images"), Registry(run_command, access))
        reference = f"127.0.0.1:{front.port}/images/sent:on{count}"
        if asks:
            with pytest.raises(EngineError) as refused:
                downloads.fetch(reference, "shown", "name", _LIMIT)
            assert PASSWORD not in str(refused.value)
        else:
            downloads.fetch(reference, "shown", "name", _LIMIT)
            assert downloads.size("name") >= len(_LAYERS[-1])
    assert len(front.told) >= count
    assert set(elsewhere.told) == {None}


def test_neither_is_it_told_to_another_port_of_the_same_host(registry: DockerRegistry, tmp_path: Path) -> None:
    with (
        _serving(_OpenElsewhere) as elsewhere,
        _serving(_front(registry, f"http://127.0.0.1:{elsewhere.port}"), registry.folder) as front,
    ):
        access = RegistryAccess(USER, PASSWORD, registry.ca_file)
        downloads = RegistryDownloads(run_command, str(tmp_path / "images"), Registry(run_command, access))
        downloads.fetch(f"127.0.0.1:{front.port}/images/sent:on1", "shown", "name", _LIMIT)
    assert (len(front.told) > 0, set(elsewhere.told)) == (True, {None})
