# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A host of the lab that runs modules, scripts of these tests and shell scripts through one lasting connection."""

from __future__ import annotations

import io
import json
import subprocess
import tarfile
from typing import Any

from tests.lab.conftest import ROOT

HOST = "h1"
FOLDER = "/var/tmp/zonal-storage"
GROUP = "zonaltest"
_POOL: dict[str, Any] = {
    "name": "pool",
    "group": GROUP,
    "devices": None,
    "size": "90%",
    "metadata_size": None,
    "chunk_size": None,
    "autoextend_threshold": 80,
    "autoextend_percent": 5,
    "tags": None,
    "wipe": False,
    "adopt": False,
    "force": False,
    "state": "present",
}
_VOLUME: dict[str, Any] = {
    "name": "data",
    "group": GROUP,
    "pool": "pool",
    "size": None,
    "filesystem": "none",
    "tags": None,
    "force": False,
    "state": "present",
}
_SNAPSHOT: dict[str, Any] = {"keep": None}
# What is sent to the host: all that on_host.py and the contract of the volumes import.
_FOLDER = "ansible_collections/zonal/cloud"
PACKAGE = _FOLDER.replace("/", ".")
_SENT = ("plugins/module_utils", "tests/unit/plugins/contracts", "tests/host_command.py", "tests/lab/zone", "tests/unit/plugins/fakes")


class Host:
    """A lab host that runs modules and shell scripts through one lasting connection (on_host.py)."""

    def __init__(self) -> None:
        buffer = io.BytesIO()
        with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
            for part in _SENT:
                archive.add(ROOT / part, f"{_FOLDER}/{part}", filter=lambda entry: None if "__pycache__" in entry.name else entry)
        ssh = [str(ROOT / "lab" / "zonal-lab"), "ssh", HOST]
        subprocess.run([*ssh, f"mkdir -p {FOLDER}/tree && tar xz -C {FOLDER}/tree"], input=buffer.getvalue(), check=True, timeout=120)
        runner = [*ssh, f"cd {FOLDER}/tree && exec python3 -m {PACKAGE}.tests.lab.zone.on_host"]
        self.report: dict[str, Any] = {}
        self._process = subprocess.Popen(runner, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def ask(self, **request: Any) -> dict[str, Any]:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        print(json.dumps(request), file=self._process.stdin, flush=True)
        told: dict[str, Any] = json.loads(self._process.stdout.readline())
        return told

    def sh(self, script: str) -> str:
        """Run a shell script and return its output."""
        told = self.ask(shell=script)
        assert told["code"] == 0, f"{script}\n{told['output']}{told['errors']}"
        return str(told["output"])

    def pool(self, check: bool = False, **options: Any) -> list[str]:
        """Do what the module thin_pool does and return its actions, or the error."""
        return self._do("thin_pool", check, {**_POOL, **options})

    def volume(self, **options: Any) -> list[str]:
        """Do what the module thin_volume does and return its actions, or the error."""
        return self._do("thin_volume", False, {**_VOLUME, **options})

    def snapshot(self, instance: str, state: str, name: str | None = None) -> list[str]:
        """Do what the module snapshot does and return its actions, or the error."""
        return self._do("snapshot", False, {**_SNAPSHOT, "instance": instance, "state": state, "name": name})

    def instance(self, kind: str, name: str, check: bool = False, **options: Any) -> list[str]:
        """Do what the module vm or container does and return its actions, or the error."""
        return self._do(kind, check, {"name": name, **options})

    def _do(self, module: str, check: bool, options: dict[str, Any]) -> list[str]:
        told = self.ask(module=module, check=check, options=options)
        self.report = told["report"]
        return list(told["actions"])

    def script(self, module: str, *words: str) -> str:
        """Run a module of the collection's tests as a program, and return what it said."""
        return self.sh(f"cd {FOLDER}/tree && python3 -m {PACKAGE}.{module} {' '.join(words)} 2>&1")

    def close(self) -> None:
        self.sh(f"rm -rf {FOLDER}/tree")
        self._process.communicate(timeout=60)
