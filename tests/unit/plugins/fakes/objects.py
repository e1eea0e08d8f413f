# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""``Objects`` in memory; it passes the same contract as a true store (contracts/objects.py)."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path

from ansible_collections.zonal.cloud.plugins.module_utils._domain.errors import RefusedError
from ansible_collections.zonal.cloud.plugins.module_utils._ports import EngineError
from ansible_collections.zonal.cloud.plugins.module_utils._ports_s3 import StoredObject


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
