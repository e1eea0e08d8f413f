# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: may change without notice.
"""Asks the host's engines what they are, through their own programs. An engine that is absent or stopped is no error."""

from __future__ import annotations

import json
from typing import Any

from .._domain.host_engines import Engine, parse_version, read_docker_error, read_docker_info
from .._ports import Command, EngineAbsent, EngineError
from .libvirt_settings import system_uri

# Enough for a daemon that its socket starts on a slow host.
_TIMEOUT = 60.0
_QEMU_PROGRAMS = ("qemu-system-x86_64", "/usr/libexec/qemu-kvm", "qemu-system-aarch64")


def find_engines(command: Command) -> list[Engine]:
    """Return docker, libvirt and QEMU, installed or not."""
    return [find_docker(command), find_libvirt(command), find_qemu(command)]


def find_docker(command: Command) -> Engine:
    try:
        info = _parse(command(["docker", "info", "--format", "{{json .}}"], timeout=_TIMEOUT))
    except EngineAbsent:
        return Engine("docker")
    except EngineError as error:
        info = {"ServerErrors": [error.details["cause"]]}
    return read_docker_info(info) or Engine("docker", parse_version(command(["docker", "--version"])), reason=read_docker_error(info))


def find_libvirt(command: Command) -> Engine:
    try:
        version = parse_version(command(["virsh", "--version"]))
    except EngineAbsent:
        return Engine("libvirt")
    try:
        # Not "virsh version": that makes a daemon probe QEMU first, which takes a minute on a slow host.
        command(["virsh", "--connect", system_uri(), "--readonly", "uri"], timeout=_TIMEOUT)
    except EngineError as error:
        return Engine("libvirt", version, reason=str(error.details["cause"]))
    return Engine("libvirt", version, running=True)


def find_qemu(command: Command) -> Engine:
    for program in _QEMU_PROGRAMS:
        try:
            # It has no daemon: installed, it can run.
            return Engine("qemu", parse_version(command([program, "--version"])), running=True)
        except EngineAbsent:
            continue
        except EngineError as error:
            return Engine("qemu", "unknown", reason=str(error.details["cause"]))
    return Engine("qemu")


def _parse(text: str) -> dict[str, Any]:
    try:
        document = json.loads(text)
    except ValueError as error:
        raise EngineError("read the answer of", "docker info", f"{error} in {text[:200]!r}") from error
    return document if isinstance(document, dict) else {}
