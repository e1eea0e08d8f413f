# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lab's book: which hosts exist and which processes belong to them (one JSON file)."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from lab.errors import LabError
from lab.model import identity
from lab.process import Process


@dataclass
class HostRecord:
    """One host: what it was made from, and its process while it was last seen running."""

    release: str
    flavour: str
    memory: str
    base: str  # path of the base image its copy-on-write disk refers to
    kernel: str = ""  # path of the program that it runs; its modules are on the base image
    process: Process | None = None


@dataclass
class Book:
    """Everything remembered between two commands."""

    hosts: dict[str, HostRecord] = field(default_factory=dict)
    relay: Process | None = None
    namespace: bool = False  # True once we set out to make the namespace

    def host(self, name: str) -> HostRecord:
        """Record of a host; LabError when the lab has no such host."""
        identity(name)
        if name not in self.hosts:
            raise LabError(f"the lab has no host {name} (hosts: {', '.join(sorted(self.hosts)) or 'none'}); see zonal-lab up")
        return self.hosts[name]


def load(path: Path) -> Book:
    """Read the book; an empty one when there is no file."""
    try:
        data: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return Book()
    except (OSError, ValueError) as error:
        raise LabError(f"cannot read the lab's state {path}: {error}") from error
    hosts = {name: HostRecord(**{**entry, "process": _process(entry["process"])}) for name, entry in data["hosts"].items()}
    return Book(hosts=hosts, relay=_process(data["relay"]), namespace=data["namespace"])


def save(path: Path, book: Book) -> None:
    """Write the book under a temporary name, then rename."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_suffix(".new")
    draft.write_text(json.dumps(asdict(book), indent=2, sort_keys=True) + "\n", encoding="utf-8")
    os.replace(draft, path)


def _process(entry: dict[str, Any] | None) -> Process | None:
    return None if entry is None else Process(**entry)
