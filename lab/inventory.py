# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ansible's view of the lab. Building it is pure; asking the lab is the caller's part."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Mapping
from typing import Any

from lab.model import RELEASES
from lab.paths import REPO, Paths
from lab.remote import QUIET

GROUPS = ("lab", "zonal_hosts", *(f"lab_{release}" for release in RELEASES))


def build(paths: Paths, hosts: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """The answer to ``--list`` for rows of ``zonal-lab status``; empty groups when there are no hosts."""
    groups: dict[str, list[str]] = {name: [] for name in GROUPS}
    variables: dict[str, dict[str, Any]] = {}
    for row in hosts:
        for group in ("lab", "zonal_hosts", f"lab_{row['release']}"):
            groups[group].append(row["name"])
        variables[row["name"]] = {
            "ansible_host": row["address"],
            "ansible_user": "root",
            "ansible_ssh_private_key_file": str(paths.key),
            "ansible_ssh_args": _options(_persistence(paths)),
            "ansible_ssh_common_args": _options(_reach(paths)),
            "ansible_python_interpreter": "/usr/bin/python3",
            # A lab's ledger goes down with its hosts.
            "zonal_ledger_url": str(paths.state / "ledger.db"),
        }
    listed: dict[str, Any] = {name: {"hosts": members} for name, members in groups.items()}
    return {**listed, "_meta": {"hostvars": variables}}


def _reach(paths: Paths) -> dict[str, str]:
    command = ["env", f"ZONAL_LAB_STATE={paths.state}", str(REPO / "lab" / "zonal-lab"), "proxy"]
    proxy = shlex.join(command).replace("%", "%%") + " %h %p"
    return {"ProxyCommand": proxy, **{name: QUIET[name] for name in QUIET if name != "BatchMode"}}


def _persistence(paths: Paths) -> dict[str, str]:
    """One connection for each host, kept 10 minutes; its socket is the lab's own, so that ``kill`` and ``down`` find it."""
    return {
        "ControlMaster": "auto",
        "ControlPersist": "600",
        "ControlPath": f"{paths.control_dir}/%h",
        "ServerAliveInterval": "15",
        "ServerAliveCountMax": "4",
    }


def _options(options: Mapping[str, str]) -> str:
    return " ".join(shlex.join(["-o", f"{name}={value}"]) for name, value in options.items())
