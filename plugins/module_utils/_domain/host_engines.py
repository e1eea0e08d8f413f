# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: may change without notice.
"""The engines of a host: what they are and what they can do, from their own words."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

_VERSION = re.compile(r"\d+(?:\.\d+)+")


@dataclass(frozen=True)
class Engine:
    """``version`` is empty for an engine that is not installed; ``reason`` says why one that is installed does not run."""

    name: str
    version: str = ""
    running: bool = False
    reason: str = ""
    details: Mapping[str, Any] = field(default_factory=dict)

    @property
    def installed(self) -> bool:
        return bool(self.version)


def parse_version(text: str) -> str:
    """Return the first version number in what a program says to --version; ``unknown`` when it names none."""
    match = _VERSION.search(text)
    return match.group() if match else "unknown"


def read_docker_info(info: Mapping[str, Any]) -> Engine | None:
    """Return the docker that answered ``docker info``; None when only its client answered."""
    if not info.get("ServerVersion"):
        return None
    details = {
        "storage_driver": info.get("Driver", ""),
        "data_root": info.get("DockerRootDir", ""),
        "cgroup_version": int(info.get("CgroupVersion") or 1),
        "cgroup_driver": info.get("CgroupDriver", ""),
        "cpuset": bool(info.get("CPUSet")),
        "live_restore": bool(info.get("LiveRestoreEnabled")),
    }
    return Engine("docker", str(info["ServerVersion"]), True, details=details)


def read_docker_error(info: Mapping[str, Any]) -> str:
    """Return why only the client answered, in its own words where it has some."""
    errors = info.get("ServerErrors") or ["its daemon does not answer"]
    return " ".join(str(errors[0]).split())
