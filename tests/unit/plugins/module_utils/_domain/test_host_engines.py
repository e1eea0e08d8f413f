# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The engines' own words."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.zonal.cloud.plugins.module_utils._domain.host_engines import (
    Engine,
    parse_version,
    read_docker_error,
    read_docker_info,
)

VERSIONS = {
    "docker": ("Docker version 28.2.2, build e6534b4", "28.2.2"),
    "virsh": ("9.0.0\n", "9.0.0"),
    "qemu": ("QEMU emulator version 7.2.22 (Debian 1:7.2+dfsg-7+deb12u18)", "7.2.22"),
    "docker of Debian": ("Docker version 26.1.5+dfsg1, build a72d7cd", "26.1.5"),
    "no number": ("a development build", "unknown"),
}
INFO: dict[str, Any] = {
    "ServerVersion": "26.1.5",
    "Driver": "overlay2",
    "DockerRootDir": "/var/lib/docker",
    "CgroupVersion": "2",
    "CgroupDriver": "systemd",
    "CPUSet": True,
    "LiveRestoreEnabled": True,
}
DETAILS = {
    "storage_driver": "overlay2",
    "data_root": "/var/lib/docker",
    "cgroup_version": 2,
    "cgroup_driver": "systemd",
    "cpuset": True,
    "live_restore": True,
}


@pytest.mark.parametrize(("text", "expected"), VERSIONS.values(), ids=VERSIONS.keys())
def test_parse_version(text: str, expected: str) -> None:
    assert parse_version(text) == expected


def test_a_docker_that_runs() -> None:
    assert read_docker_info(INFO) == Engine("docker", "26.1.5", True, details=DETAILS)


def test_an_old_docker_does_not_tell_its_cgroup_version() -> None:
    engine = read_docker_info({"ServerVersion": "19.03.15"})
    assert engine is not None
    assert (engine.details["cgroup_version"], engine.details["cpuset"]) == (1, False)


@pytest.mark.parametrize("info", [{}, {"ServerVersion": ""}, {"ServerErrors": ["Cannot connect"]}])
def test_a_client_without_its_daemon(info: dict[str, Any]) -> None:
    assert read_docker_info(info) is None


@pytest.mark.parametrize(
    ("info", "reason"),
    [
        ({}, "its daemon does not answer"),
        ({"ServerErrors": []}, "its daemon does not answer"),
        ({"ServerErrors": ["Cannot\n connect", "x"]}, "Cannot connect"),
    ],
)
def test_why_docker_does_not_run(info: dict[str, Any], reason: str) -> None:
    assert read_docker_error(info) == reason
