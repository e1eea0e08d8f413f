# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: may change without notice.
"""Where an archive comes from: a file of the host, an address that it is downloaded from, or an image in a registry."""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import unquote, urlsplit

from .errors import SpecError
from .names import IMAGE

FILE, WEB, S3, REGISTRY = "file", "web", "s3", "registry"
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://", re.ASCII)
_SCHEMES = {"http": WEB, "https": WEB, "s3": S3, "docker": REGISTRY}
_HINT = "write a full path on the host, https://..., http://..., s3://BUCKET/KEY or docker://HOST[:PORT]/PATH:TAG"
_PART = r"[a-z0-9]+(?:(?:\.|__?|-+)[a-z0-9]+)*"
# What docker takes for a registry rather than for a part of a name on its hub: there is a dot or a port.
_HOST = r"(?:localhost|[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)+|[A-Za-z0-9-]+(?=:))(?::[0-9]{1,5})?"
_REFERENCE = re.compile(rf"{_HOST}/{_PART}(?:/{_PART})*(?::[A-Za-z0-9_][A-Za-z0-9_.-]{{0,127}}|@sha256:[0-9a-f]{{64}})", re.ASCII)
_BUCKET = re.compile(r"[A-Za-z0-9._-]{1,255}", re.ASCII)
_LAST_PORT = 65535
# Characters that end an address, or that stand for themselves in no address (RFC 3986, section 2).
_STRANGE = re.compile(r"[^\x21-\x7e]|[<>\"{}|\\^`]")


@dataclass(frozen=True)
class Source:
    """``location`` is the path or address; ``shown`` is the same without what may be secret."""

    kind: str
    location: str
    shown: str

    @property
    def bucket(self) -> str:
        """Bucket of an S3 object."""
        return urlsplit(self.location).netloc

    @property
    def key(self) -> str:
        """Key of an S3 object within its bucket, of which an address writes some characters as %XX."""
        return unquote(self.location.split("/", 3)[3])

    @property
    def reference(self) -> str:
        """An image of a registry as HOST[:PORT]/PATH:TAG or HOST[:PORT]/PATH@sha256:DIGEST."""
        return self.location.split("://", 1)[1]


def parse_source(field: str, value: str) -> Source:
    """Return what ``value`` names; SpecError when it is neither a path nor an address of a known kind."""
    scheme = _SCHEME.match(value)
    if scheme is None:
        return Source(FILE, value, value)
    kind = _SCHEMES.get(scheme.group(1).lower())
    if kind == REGISTRY:
        return _parse_image(field, value, value[scheme.end() :])
    strange = _STRANGE.search(value)
    try:
        address = urlsplit(value)
        shown = f"{address.scheme}://{address.netloc.rpartition('@')[2]}{address.path}"
        host, _port = address.hostname, address.port
    except ValueError as error:
        raise SpecError(field, _scrubbed(value), f"is not an address ({error}); {_HINT}") from None
    if kind is None:
        raise SpecError(field, shown, f"is of no kind that can be downloaded; {_HINT}")
    if strange:
        raise SpecError(field, shown, f"has the character {strange.group()!r}, which an address must write as %XX")
    if not host or (kind == S3 and (not _is_object(address.netloc, address.path) or address.query or address.fragment)):
        raise SpecError(field, shown, f"is not a whole address; {_HINT}")
    return Source(kind, value, shown)


def parse_registry(field: str, value: str) -> str:
    """Return ``HOST[:PORT]`` as it begins the names of images; SpecError when it is none."""
    if not re.fullmatch(_HOST, value, re.ASCII) or not _is_port(value):
        raise SpecError(field, value, "is no registry; write HOST:PORT, such as registry.example:5000")
    return value


def parse_local_image(field: str, value: str) -> str:
    """Return the name of an image of the host's docker, with a tag; SpecError when it cannot be one."""
    if not re.fullmatch(rf"(?:{_HOST}/)?{IMAGE.pattern}", value, re.ASCII):
        raise SpecError(field, value, 'is no image of docker; write name:tag, such as "debian:13"')
    return value


def _parse_image(field: str, value: str, reference: str) -> Source:
    if not _REFERENCE.fullmatch(reference) or not _is_port(reference.split("/", 1)[0]):
        raise SpecError(
            field, _scrubbed(value), "is not an image of a registry; write docker://HOST[:PORT]/PATH:TAG, in lower case, without a user"
        )
    return Source(REGISTRY, value, value)


def _is_port(host: str) -> bool:
    """Tell whether the port that a host may have is one."""
    return 0 < int(host.partition(":")[2] or 1) <= _LAST_PORT


def _is_object(netloc: str, path: str) -> bool:
    """Tell whether an address names a bucket and a key in it."""
    try:
        return _BUCKET.fullmatch(netloc) is not None and len(unquote(path, errors="strict")) > 1
    except UnicodeDecodeError:
        return False


def _scrubbed(value: str) -> str:
    return value.split("?", 1)[0].rpartition("@")[2]
