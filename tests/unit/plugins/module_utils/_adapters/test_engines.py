# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Engines that are there, stopped or absent."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

import pytest

from ansible_collections.zonal.cloud.plugins.module_utils._adapters.engines import find_engines
from ansible_collections.zonal.cloud.plugins.module_utils._ports import EngineAbsent, EngineError

STOPPED = "Cannot connect to the Docker daemon at unix:///var/run/docker.sock"
RUNNING = {
    "docker info": json.dumps({"ServerVersion": "26.1.5", "Driver": "overlay2"}),
    "virsh --version": "11.3.0\n",
    "virsh --connect": "qemu:///system\n",
    "qemu-system-x86_64 --version": "QEMU emulator version 10.0.2\n",
}


class Host:
    """Answers by the first two words of a command; a program without any answer is not installed."""

    def __init__(self, answers: Mapping[str, str | EngineError]) -> None:
        self._answers = answers

    def __call__(self, argv: Sequence[str], *, stdin: str | None = None, timeout: float = 120) -> str:
        if not any(words.split()[0] == argv[0] for words in self._answers):
            raise EngineAbsent("run", argv[0], "not installed")
        answer = self._answers[" ".join(argv[:2])]
        if isinstance(answer, EngineError):
            raise answer
        return answer


def summary(answers: Mapping[str, str | EngineError]) -> list[tuple[str, str, bool]]:
    return [(engine.name, engine.version, engine.running) for engine in find_engines(Host(answers))]


def test_all_run() -> None:
    assert summary(RUNNING) == [("docker", "26.1.5", True), ("libvirt", "11.3.0", True), ("qemu", "10.0.2", True)]


def test_none_is_installed() -> None:
    engines = find_engines(Host({}))
    assert [(engine.version, engine.running, engine.installed) for engine in engines] == [("", False, False)] * 3


@pytest.mark.parametrize(
    "info", [EngineError("run", "docker info", STOPPED), '{"ServerVersion": "", "ServerErrors": ["x"]}', "not JSON", "[]"]
)
def test_a_docker_that_does_not_run(info: str | EngineError) -> None:
    docker = find_engines(Host({"docker info": info, "docker --version": "Docker version 26.1.5, build x"}))[0]
    assert (docker.version, docker.running, docker.installed) == ("26.1.5", False, True)
    assert docker.reason


def test_a_libvirt_that_does_not_run() -> None:
    stopped = EngineError("run", "virsh", "failed to connect to the hypervisor")
    libvirt = find_engines(Host({"virsh --version": "11.3.0", "virsh --connect": stopped}))[1]
    assert (libvirt.version, libvirt.running, libvirt.reason) == ("11.3.0", False, "failed to connect to the hypervisor")


def test_qemu_of_enterprise_linux() -> None:
    assert summary({"/usr/libexec/qemu-kvm --version": "QEMU emulator version 9.1.0"})[2] == ("qemu", "9.1.0", True)


def test_a_qemu_that_does_not_start() -> None:
    broken = EngineError("run", "qemu", "libfoo.so.1: cannot open shared object file")
    qemu = find_engines(Host({"qemu-system-x86_64 --version": broken}))[2]
    assert (qemu.version, qemu.running, qemu.reason) == ("unknown", False, "libfoo.so.1: cannot open shared object file")
