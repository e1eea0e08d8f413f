# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: may change without notice.
"""Images in docker registries, by skopeo. Servers must show a certificate that is trusted, always."""

from __future__ import annotations

import base64
import json
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from glob import escape, glob
from urllib.parse import quote

from .._domain.registry_image import RegistryImage, check_manifest, choose_manifest, parse_manifest, repository_of
from .._ports import Command, EngineAbsent, EngineError
from .._ports_storage import LAYOUT_TAG

TIMEOUT = 24 * 3600  # seconds
_ASK_SECONDS = 120
_CERTIFICATES = "/etc/docker/certs.d"
_TRIES = "3"
# What else skopeo writes than layers: manifest, configuration, its cache of where layers are.
_SPARE = 16 * 1024**2
_NO_SKOPEO = ("program skopeo is not installed", "failed to execute skopeo", "'skopeo': No such file")
_MISSING = ("manifest unknown", "name unknown", "repository name not known to registry")
_CAUSES = {
    "x509: ": "the registry's certificate is not trusted; name the authority in ca_file",
    "no such host": "the registry's name is not known here",
    "connection refused": "the registry does not answer",
    "no route to host": "the registry does not answer",
    "i/o timeout": "the registry does not answer",
    "server gave HTTP response to HTTPS client": "it speaks no TLS, and without TLS nothing is taken from a registry",
    "unauthorized": "the registry wants another user or password",
    "authentication required": "the registry wants another user or password",
    "denied": "the registry refuses it to this user",
    "file too large": "more came than the registry had told",
    "no space left on device": "there is not enough room for it on the host",
    "exit status -9": "skopeo was killed",
    "no answer within": "the registry takes too long",
}
_MESSAGE = re.compile(r'msg="((?:[^"\\]|\\.)*)"')
# A registry may send on to addresses whose query is a secret.
_QUERY = re.compile(r"\?[^\s\"\\]*")


@dataclass(frozen=True)
class RegistryAccess:
    """Who asks, and the file of the authorities that the registry is checked against; empty: nobody, and those of the host."""

    user: str = ""
    password: str = field(default="", repr=False)
    ca_file: str = ""


class Registry:
    """Images are named HOST[:PORT]/PATH:TAG or HOST[:PORT]/PATH@sha256:DIGEST."""

    def __init__(self, command: Command, access: RegistryAccess, machine: str = os.uname().machine) -> None:
        self._command = command
        self._access = access
        self._machine = machine

    def find(self, reference: str) -> RegistryImage | None:
        """Return what the registry has there, of a list the image for this host's architecture; None when it has nothing."""
        raw = self._ask(reference, "--raw")
        if raw is None:
            return None
        with _understood(reference):
            chosen = choose_manifest(check_manifest(reference, raw), self._machine)
            if chosen:
                pinned = f"{repository_of(reference)}@sha256:{chosen}"
                raw = check_manifest(pinned, self._ask(pinned, "--raw") or "")
            return parse_manifest(reference, raw)

    def copy(self, image: RegistryImage, folder: str) -> None:
        """Make ``folder`` an OCI layout of the image under the tag LAYOUT_TAG. No file of it becomes larger than the largest layer."""
        largest = max(layer.size for layer in image.layers)
        argv = ["setpriv", "--pdeathsig=KILL", "prlimit", f"--fsize={largest + _SPARE}", "skopeo", "copy", "--quiet"]
        with self._login(image.pinned) as login:
            argv += [f"--retry-times={_TRIES}", "--src-tls-verify=true", f"--src-{login}", "--dest-oci-accept-uncompressed-layers"]
            argv += [f"docker://{image.pinned}", f"oci:{folder}:{LAYOUT_TAG}"]
            self._run("download", image.pinned, argv, TIMEOUT)

    def web_access(self, image: RegistryImage) -> tuple[str, str | None]:
        """Return the address of the lowest layer, with who asks for it, and the authorities that the registry is checked against (None:
        those of the host)."""
        host, path = image.repository.split("/", 1)
        user, password = quote(self._access.user, safe=""), quote(self._access.password, safe="")
        of_docker = sorted(glob(f"{escape(os.path.join(_CERTIFICATES, host))}/*.crt"))
        ca_file = self._access.ca_file or (of_docker[0] if of_docker else None)
        asking = f"{user}:{password}@" if user else ""
        return f"https://{asking}{host}/v2/{path}/blobs/sha256:{image.layers[0].sha256}", ca_file

    def _ask(self, reference: str, *options: str) -> str | None:
        """Return what skopeo tells of a reference; None when the registry has nothing there."""
        with self._login(reference) as login:
            argv = ["skopeo", "inspect", "--tls-verify=true", f"--{login}", *options, f"docker://{reference}"]
            try:
                return self._run("look for", reference, argv, _ASK_SECONDS)
            except _Missing:
                return None

    def _run(self, tried: str, reference: str, argv: list[str], timeout: float) -> str:
        try:
            return self._command([*self._trust(reference), *argv], timeout=timeout)
        except EngineError as error:
            raise _failure(tried, reference, error.details["cause"]) from None

    def _trust(self, reference: str) -> list[str]:
        """Let skopeo know no authorities but those of ca_file, and of /etc/docker/certs.d for the very registry (see crypto/x509 of Go)."""
        ca_file = self._access.ca_file
        if ca_file and not os.path.isfile(ca_file):
            raise EngineError("check the certificate of", reference, f"there is no file {ca_file} (option ca_file)")
        return ["env", f"SSL_CERT_FILE={ca_file}", "SSL_CERT_DIR=/dev/null"] if ca_file else []

    @contextmanager
    def _login(self, reference: str) -> Iterator[str]:
        """Yield the option that says who asks: a file in memory, which only this user can open, and which goes with this process."""
        if not self._access.user:
            yield "no-creds"
            return
        pair = f"{self._access.user}:{self._access.password}".encode()
        entry = {"auth": base64.b64encode(pair).decode()}
        handle = os.memfd_create("registry-login")
        try:
            os.fchmod(handle, 0o600)
            os.write(handle, json.dumps({"auths": {reference.split("/", 1)[0]: entry}}).encode())
            yield f"authfile=/proc/{os.getpid()}/fd/{handle}"
        finally:
            os.close(handle)


class _Missing(EngineError):
    """The registry has no such repository or tag."""


@contextmanager
def _understood(reference: str) -> Iterator[None]:
    try:
        yield
    except ValueError as error:
        raise EngineError("read the manifest of", reference, str(error)) from None


def _failure(tried: str, reference: str, said: str) -> EngineError:
    """Return the error for what skopeo said."""
    if any(words in said for words in _NO_SKOPEO):
        return EngineAbsent(tried, reference, "the program skopeo is not installed; install the package skopeo")
    if any(words in said for words in _MISSING):
        return _Missing(tried, reference, "the registry does not have it")
    known = next((cause for words, cause in _CAUSES.items() if words in said), "")
    message = _MESSAGE.search(said)
    return EngineError(tried, reference, known or _QUERY.sub("", message.group(1).replace("\\", "") if message else said))


class LocalImages:
    """The images of the docker of this host."""

    def __init__(self, command: Command, daemon: str = "unix:///var/run/docker.sock") -> None:
        self._command = command
        self._daemon = daemon

    def copy(self, name: str, folder: str, limit: int) -> list[str]:
        """Make ``folder`` an OCI layout of the image ``name:tag`` under the tag LAYOUT_TAG, no file of it larger than ``limit`` bytes, and
        return the paths of its layers, the lowest first, each packed with gzip.
        """
        os.mkdir(folder, mode=0o700)
        # It keeps what docker exports in a file first.
        argv = ["env", f"TMPDIR={folder}", "setpriv", "--pdeathsig=KILL", "prlimit", f"--fsize={limit}", "skopeo", "copy", "--quiet"]
        argv += [f"--src-daemon-host={self._daemon}", f"docker-daemon:{name}", f"oci:{folder}:{LAYOUT_TAG}"]
        try:
            self._command(argv, timeout=TIMEOUT)
            raw = self._command(["skopeo", "inspect", "--raw", f"oci:{folder}:{LAYOUT_TAG}"])
        except EngineError as error:
            raise _failure("export", name, error.details["cause"]) from None
        with _understood(name):
            manifest = parse_manifest(f"localhost/{name}", raw)
        return [f"{folder}/blobs/sha256/{layer.sha256}" for layer in manifest.layers]
