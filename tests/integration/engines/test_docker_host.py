# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The role docker_engine on a host that has a docker already: what it takes for its own, and what it leaves alone."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.zonal.cloud.tests.host_command import run_command

ROOT = Path(__file__).resolve().parents[3]
FACTS = {"service_mgr": "systemd", "distribution": "Debian", "os_family": "Debian", "distribution_major_version": "13", "cacheable": True}


class Host:
    """What the role looks at, below a folder of the test; ``mount`` puts a device on docker's folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.docker = folder / "lib" / "docker"
        self.docker.mkdir(parents=True)
        self.loop = ""

    def mount(self) -> None:
        image = self.folder / "disk"
        with image.open("wb") as disk:
            disk.truncate(16 * 1024**2)
        run_command(["mkfs.ext4", "-q", str(image)])
        self.loop = run_command(["losetup", "--find", "--show", str(image)]).strip()
        run_command(["mount", self.loop, str(self.docker)])

    def clear(self) -> None:
        if self.loop:
            subprocess.run(["umount", str(self.docker)], check=False)
            subprocess.run(["losetup", "--detach", self.loop], check=False)

    def preflight(self) -> str:
        """Run the role's preflight and return why it refuses; empty when it does not."""
        variables = {
            "docker_engine_data_root": str(self.docker),
            "docker_engine_group": f"..{self.folder}",
            "docker_engine_data_volume": "volume",
            "_docker_engine_settings_path": str(self.folder / "daemon.json"),
            "_docker_engine_unit_path": str(self.folder / "50-zonal.conf"),
            "_docker_engine_other": str(self.folder / "docker-ce.md5sums"),
            "ansible_python_interpreter": sys.executable,
        }
        tasks: list[dict[str, Any]] = [
            {"ansible.builtin.set_fact": FACTS},
            {"ansible.builtin.import_role": {"name": "zonal.cloud.docker_engine", "tasks_from": "preflight"}},
        ]
        play = [{"hosts": "localhost", "connection": "local", "gather_facts": False, "tasks": tasks}]
        (self.folder / "play.json").write_text(json.dumps(play))
        env = {**os.environ, "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"), "ANSIBLE_COLLECTIONS_PATH": str(ROOT / ".work" / "collections")}
        program = [str(Path(sys.executable).parent / "ansible-playbook"), "-i", "localhost,", "-e", json.dumps(variables)]
        command = [*program, str(self.folder / "play.json")]
        done = subprocess.run(command, env={**env, "ANSIBLE_NOCOLOR": "1"}, capture_output=True, text=True, check=False)
        told = " ".join((done.stdout + done.stderr).split())
        assert ("does not take over: " in told) == (done.returncode == 2), told
        return told.partition("does not take over: ")[2].partition(". It was left as it is.")[0]


@pytest.fixture
def host(tmp_path: Path) -> Iterator[Host]:
    made = Host(tmp_path)
    try:
        yield made
    finally:
        made.clear()


def test_ours_is_taken_for_ours(host: Host) -> None:
    host.mount()
    (host.folder / "volume").symlink_to(host.loop)
    (host.docker / "containers" / "one").mkdir(parents=True)
    (host.folder / "50-zonal.conf").write_text("[Service]\n")
    (host.folder / "daemon.json").write_text(json.dumps({"data-root": str(host.docker)}))
    assert host.preflight() == ""


def test_one_without_containers_is_taken_over(host: Host) -> None:
    (host.docker / "containers").mkdir()
    (host.folder / "srv").mkdir()
    (host.folder / "daemon.json").write_text(json.dumps({"data-root": str(host.folder / "srv")}))
    assert host.preflight() == ""


def test_containers_that_would_vanish_below_the_mount_are_told(host: Host) -> None:
    (host.docker / "containers" / "one").mkdir(parents=True)
    assert host.preflight().startswith(f"{host.docker}/containers is not empty, and would vanish below the mount")


def test_a_disk_of_somebody_else_is_not_hidden_below_ours(host: Host) -> None:
    host.mount()
    (host.docker / "containers" / "one").mkdir(parents=True)
    assert f"is mounted on {host.docker}: unmount it" in host.preflight()


@pytest.mark.parametrize("settings", ['{"data-root": "ROOT"}', '{"log-level": "warn", "graph" : "ROOT/"'])
def test_containers_elsewhere_are_not_lost_to_their_docker(host: Host, settings: str) -> None:
    root = host.folder / "srv"
    (root / "containers" / "one").mkdir(parents=True)
    (host.folder / "daemon.json").write_text(settings.replace("ROOT", str(root)))
    assert host.preflight().startswith(f"{root}/containers is not empty, and {host.folder}/daemon.json would no longer lead there")
