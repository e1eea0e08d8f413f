# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""``Objects`` in memory; it passes the same contract as a true store (contracts/objects.py)."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from ansible_collections.zonal.cloud.plugins.module_utils._domain.errors import RefusedError
from ansible_collections.zonal.cloud.plugins.module_utils._ports import EngineError
from ansible_collections.zonal.cloud.plugins.module_utils._ports_s3 import Readable, Sent, StoredObject

_PART = 16 * 1024**2


class FakeObjects:
    """See ``Objects`` in ``_ports_s3.py``. ``content`` is what the bucket has, ``written`` the keys in the order they were written;
    tests may set ``missing``: there is no bucket.
    """

    def __init__(self) -> None:
        self.content: dict[str, bytes] = {}
        self.metadata: dict[str, Mapping[str, str]] = {}
        self.written: list[str] = []
        self.missing = False

    def head(self, key: str) -> StoredObject | None:
        # A true store answers the same whether the object or the bucket is missing.
        return StoredObject(len(self.content[key]), self.metadata[key]) if key in self.content else None

    def list(self, prefix: str) -> Mapping[str, int]:
        self._must_be_there("list", prefix)
        return {key: len(self.content[key]) for key in sorted(self.content, key=str.encode) if key.startswith(prefix)}

    def read(self, key: str, limit: int) -> bytes | None:
        self._must_be_there("read", key)
        content = self.content.get(key)
        if content is not None and len(content) > limit:
            raise EngineError("read", key, f"it has more than {limit} bytes")
        return content

    @contextmanager
    def open(self, key: str) -> Iterator[Readable]:
        self._must_be_there("read", key)
        if key not in self.content:
            raise EngineError("read", key, "there is no such object")
        yield io.BytesIO(self.content[key])

    def put(self, key: str, content: bytes) -> None:
        self._write(key, content, {})

    def put_file(self, key: str, path: str, sha256: str, metadata: Mapping[str, str]) -> None:
        try:
            content = Path(path).read_bytes()
        except OSError as error:
            raise EngineError("read", path, str(error.strerror)) from error
        if hashlib.sha256(content).hexdigest() != sha256:
            raise RefusedError(f"src: {path} has changed since it was checked; nothing of it was stored", field="src")
        self._write(key, content, metadata)

    def put_stream(self, key: str, stream: Readable, metadata: Mapping[str, str], limit: int) -> Sent:
        content = b"".join(iter(lambda: stream.read(_PART), b""))
        if len(content) > limit:
            raise EngineError("write", key, f"it has more than {limit} bytes")
        self._write(key, content, metadata)
        return Sent(len(content), hashlib.sha256(content).hexdigest())

    def delete(self, key: str) -> None:
        self._must_be_there("remove", key)
        self.content.pop(key, None)
        self.metadata.pop(key, None)

    def _write(self, key: str, content: bytes, metadata: Mapping[str, str]) -> None:
        self._must_be_there("write", key)
        self.content[key], self.metadata[key] = content, dict(metadata)
        self.written.append(key)

    def _must_be_there(self, tried: str, key: str) -> None:
        if self.missing:
            raise EngineError(tried, key, "there is no such bucket")
