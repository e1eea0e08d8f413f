# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: may change without notice.
"""Where an archive comes from: a file of the host, or an address that it is downloaded from."""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import urlsplit

from .errors import SpecError

FILE, WEB, S3 = "file", "web", "s3"
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://", re.ASCII)
_SCHEMES = {"http": WEB, "https": WEB, "s3": S3}
_HINT = "write a full path on the host, https://..., http://... or s3://BUCKET/KEY"
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
        """Key of an S3 object within its bucket."""
        return self.location.split("/", 3)[3]


def parse_source(field: str, value: str) -> Source:
    """Return what ``value`` names; SpecError when it is neither a path nor an address of a known kind."""
    scheme = _SCHEME.match(value)
    if scheme is None:
        return Source(FILE, value, value)
    kind = _SCHEMES.get(scheme.group(1).lower())
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
    if not host or (kind == S3 and (len(address.path) < 2 or address.query or address.fragment)):
        raise SpecError(field, shown, f"is not a whole address; {_HINT}")
    return Source(kind, value, shown)


def _scrubbed(value: str) -> str:
    return value.split("?", 1)[0].rpartition("@")[2]
