# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: may change without notice.
"""The ports of an S3 store. See _ports.py."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from ._domain.s3_bucket import S3BucketState


class Buckets(Protocol):
    """The buckets of one user."""

    def find(self, name: str) -> S3BucketState:
        """Return what is there under that name. EngineError when it belongs to somebody else."""

    def create(self, name: str) -> None:
        """Create an empty bucket that is nobody else's to see; no error when the user has it already."""

    def set_policy(self, name: str, policy: Mapping[str, Any]) -> None:
        """Replace the bucket's policy; an empty one removes it."""


@dataclass(frozen=True)
class StoredObject:
    """What a store tells of an object. Keys of ``metadata`` are lower-case."""

    size: int
    metadata: Mapping[str, str]


class Objects(Protocol):
    """The objects of one bucket, which is there: without it, EngineError.

    An object appears whole or not at all, and replaces one of the same key. What goes over the wire has a checksum, and what the store
    has in the end is held against what was sent. One writer for each key: a second one ends the first.
    """

    def head(self, key: str) -> StoredObject | None:
        """Return what the store tells of an object; None when there is none."""

    def list(self, prefix: str) -> Mapping[str, int]:
        """Return the sizes of all objects whose key begins with ``prefix``, in order of the bytes of their keys."""

    def read(self, key: str, limit: int) -> bytes | None:
        """Return the content of a small object; None when there is none, EngineError when it has more than ``limit`` bytes."""

    def put(self, key: str, content: bytes) -> None:
        """Write a small object, in one request."""

    def put_file(self, key: str, path: str, sha256: str, metadata: Mapping[str, str]) -> None:
        """Write a file as an object. RefusedError and no object when the bytes that were read have another ``sha256``."""

    def delete(self, key: str) -> None:
        """Remove an object; no error when there is none."""
