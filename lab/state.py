# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lab's book: which hosts exist and which processes belong to them (one JSON file)."""

from __future__ import annotations

import json
import os
import re
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from lab.errors import LabError
from lab.model import identity
from lab.paths import Paths
from lab.process import Process, leaders


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
    """Read the book; an empty one when there is no file, LabError for one that is damaged."""
    try:
        return _read(json.loads(path.read_text(encoding="utf-8")))
    except FileNotFoundError:
        return Book()
    except (OSError, ValueError, RecursionError) as error:
        why = str(error)
    except (KeyError, TypeError, AttributeError, LabError) as error:
        why = f"it is not what zonal-lab has written ({error})"
    raise LabError(f"cannot read the lab's state {path}: {why}; zonal-lab down takes down what it finds without")


def found_running(paths: Paths) -> Book:
    """A book of what runs now: the hosts and the relay whose command lines tell that they are of this lab."""
    hosts = leaders(re.compile(rf"umid=({re.escape(paths.umid(''))}h\d+) "))
    relays = leaders(re.compile(rf"({re.escape(paths.relay_mark)})"))
    return Book(
        hosts={mark.removeprefix(paths.umid("")): HostRecord("", "", "", base="", process=process) for mark, process in hosts.items()},
        relay=relays.get(paths.relay_mark),
    )


def save(path: Path, book: Book) -> None:
    """Write the book under a temporary name, then rename."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_suffix(".new")
    draft.write_text(json.dumps(asdict(book), indent=2, sort_keys=True) + "\n", encoding="utf-8")
    os.replace(draft, path)


def _read(data: dict[str, Any]) -> Book:
    hosts = {name: HostRecord(**{**entry, "process": _process(entry["process"])}) for name, entry in data["hosts"].items()}
    for name in hosts:
        identity(name)
    return Book(hosts=hosts, relay=_process(data["relay"]), namespace=data["namespace"])


def _process(entry: dict[str, Any] | None) -> Process | None:
    return None if entry is None else Process(**entry)
