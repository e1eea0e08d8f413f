# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A ``Command`` that is skopeo with one image of some layers; the true one is in tests/integration/engines/test_registry_images.py."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path

from ansible_collections.zonal.cloud.plugins.module_utils._ports import EngineError


class FakeSkopeo:
    """``said`` is what it says instead of working; ``calls`` are the command lines, ``logins`` what was in the files that they name.

    It is aria2, too: the registry gives it the first layer if it is ``plain``; ``asked`` is what it reads of its standard input.
    """

    def __init__(self, *layers: bytes) -> None:
        self.layers = layers
        self.said = ""
        self.plain = False
        self.asked = ""
        self.told_size: int | None = None
        self.calls: list[str] = []
        self.logins: list[str] = []

    def __call__(self, argv: Sequence[str], *, stdin: str | None = None, timeout: float = 120) -> str:
        self.calls.append(" ".join(argv))
        if "aria2c" in argv:
            return self._aria2(argv, stdin or "")
        files = [word.partition("authfile=")[2] for word in argv if "authfile=" in word]
        self.logins += [Path(file).read_text(encoding="utf-8") for file in files]
        if self.said:
            raise EngineError("run", self.calls[-1], self.said)
        if "copy" not in argv:
            return self.manifest()
        blobs = Path(argv[-1].split(":")[1], "blobs", "sha256")
        blobs.mkdir(parents=True)
        for layer in self.layers:
            (blobs / hashlib.sha256(layer).hexdigest()).write_bytes(layer)
        return ""

    def _aria2(self, argv: Sequence[str], stdin: str) -> str:
        self.asked = stdin
        if not self.plain:
            raise EngineError("run", "aria2c", "errorCode=24 Authorization failed.")
        folder = next(word.removeprefix("--dir=") for word in argv if word.startswith("--dir="))
        Path(folder, stdin.split("\n  out=")[1].split("\n")[0]).write_bytes(self.layers[0])
        return ""

    def manifest(self) -> str:
        layers = [{"digest": f"sha256:{hashlib.sha256(layer).hexdigest()}", "size": len(layer)} for layer in self.layers]
        if self.told_size is not None:
            layers[-1]["size"] = self.told_size
        return json.dumps({"schemaVersion": 2, "layers": layers})
