# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Debian's docker-registry on this machine's loopback, with an authority of its own, one user, and whatever is put into it."""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
import re
import ssl
import subprocess
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ansible_collections.zonal.cloud.tests.integration.engines.node import wait_for

USER, PASSWORD = "zonal", "open-sesame"
MANIFEST = "application/vnd.oci.image.manifest.v1+json"
INDEX = "application/vnd.oci.image.index.v1+json"
_CONFIG = "application/vnd.oci.image.config.v1+json"
_LAYER = "application/vnd.oci.image.layer.v1.tar"
_GZIP, _ZSTD = b"\x1f\x8b", b"\x28\xb5\x2f\xfd"
_SERVER = """\
version: 0.1
log: {{level: info}}
storage: {{filesystem: {{rootdirectory: {folder}/data}}}}
http: {{addr: "127.0.0.1:0", secret: any, tls: {{certificate: {folder}/server.crt, key: {folder}/server.key}}}}
auth: {{htpasswd: {{realm: test, path: {folder}/htpasswd}}}}
"""


class DockerRegistry:
    """``process`` may be stopped and go on; ``folder`` holds all that it has."""

    def __init__(self, folder: Path, process: subprocess.Popen[bytes], port: int) -> None:
        self.process = process
        self.folder = folder
        self.name = f"127.0.0.1:{port}"
        self.ca_file = str(folder / "ca.crt")
        self._trust = ssl.create_default_context(cafile=self.ca_file)

    def push(self, path: str, tag: str, *layers: bytes, **changes: Any) -> str:
        """Put an image of archives and return its reference. ``changes`` are what its manifest tells of the last layer instead."""
        diff_ids = [_digest(gzip.decompress(layer) if layer.startswith(_GZIP) else layer) for layer in layers]
        config = {"architecture": "amd64", "os": "linux", "config": {}, "rootfs": {"type": "layers", "diff_ids": diff_ids}}
        told = [{"mediaType": _kind(layer), **self._put_blob(path, layer)} for layer in layers]
        told[-1].update(changes)
        about = self._put_blob(path, json.dumps(config).encode())
        self.put_manifest(path, tag, MANIFEST, {"config": {"mediaType": _CONFIG, **about}, "layers": told})
        return f"{self.name}/{path}:{tag}"

    def put_manifest(self, path: str, tag: str, kind: str, content: dict[str, Any]) -> dict[str, Any]:
        """Put a manifest or a list of them, and return how a list refers to it."""
        body = json.dumps({"schemaVersion": 2, "mediaType": kind, **content}).encode()
        self._ask("PUT", f"/v2/{path}/manifests/{tag}", body, kind)
        return {"mediaType": kind, "digest": _digest(body), "size": len(body)}

    def manifest(self, path: str, tag: str) -> dict[str, Any]:
        """Return how a list refers to a manifest that is there."""
        body = self._ask("GET", f"/v2/{path}/manifests/{tag}", None, MANIFEST).read()
        return {"mediaType": MANIFEST, "digest": _digest(body), "size": len(body)}

    def _put_blob(self, path: str, content: bytes) -> dict[str, Any]:
        place = self._ask("POST", f"/v2/{path}/blobs/uploads/", b"").headers["Location"]
        self._ask("PUT", f"{place}&digest={_digest(content)}", content, "application/octet-stream")
        return {"digest": _digest(content), "size": len(content)}

    def _ask(self, method: str, address: str, body: bytes | None, kind: str = "") -> Any:
        url = address if address.startswith("https://") else f"https://{self.name}{address}"
        login = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
        headers = {"Authorization": f"Basic {login}", "Accept": kind, "Content-Type": kind}
        request = urllib.request.Request(url, body, headers, method=method)
        return urllib.request.urlopen(request, context=self._trust, timeout=60)


@contextmanager
def made_docker_registry(folder: Path, enter: Callable[..., list[str]] = lambda *argv: list(argv)) -> Iterator[DockerRegistry]:
    """Start one in ``folder``, with what an earlier one has left there, and end it. ``enter`` is that of a node, if it is to be there."""
    _certify(folder)
    users = _run(["htpasswd", "-B", "-i", "-n", USER], stdin=PASSWORD)
    (folder / "htpasswd").write_text(users)
    (folder / "config.yml").write_text(_SERVER.format(folder=folder))
    log = folder / "log"
    with open(log, "wb") as output:
        argv = enter("setpriv", "--pdeathsig", "KILL", "docker-registry", "serve", str(folder / "config.yml"))
        process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=output, stderr=output)
    try:
        wait_for("the registry", lambda: "listening on" in log.read_text() or process.poll() is not None, 20)
        found = re.search(r"listening on 127\.0\.0\.1:([0-9]+)", log.read_text())
        if found is None:
            raise RuntimeError(f"the registry does not start:\n{log.read_text()[-2000:]}")
        yield DockerRegistry(folder, process, int(found.group(1)))
    finally:
        process.kill()
        process.wait()


def _certify(folder: Path) -> None:
    """Make an authority, and a certificate of it for the loopback."""
    new = ["openssl", "req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-batch", "-days", "2"]
    key = ["-keyout", f"{folder}/ca.key", "-out", f"{folder}/ca.crt"]
    _run([*new, "-x509", "-subj", "/CN=authority of a test", "-addext", "keyUsage=critical,keyCertSign", *key])
    signed = ["-CA", f"{folder}/ca.crt", "-CAkey", f"{folder}/ca.key", "-days", "2", "-CAcreateserial"]
    _run([*new, "-subj", "/CN=registry of a test", "-keyout", f"{folder}/server.key", "-out", f"{folder}/server.csr"])
    (folder / "server.ext").write_text("subjectAltName=IP:127.0.0.1\nauthorityKeyIdentifier=keyid\n")
    request = ["-in", f"{folder}/server.csr", "-extfile", f"{folder}/server.ext", "-out", f"{folder}/server.crt"]
    _run(["openssl", "x509", "-req", *signed, *request])


def _kind(layer: bytes) -> str:
    return _LAYER + ("+gzip" if layer.startswith(_GZIP) else "+zstd" if layer.startswith(_ZSTD) else "")


def _digest(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def _run(argv: Sequence[str], stdin: str = "") -> str:
    return subprocess.run(argv, input=stdin, capture_output=True, text=True, check=True).stdout
