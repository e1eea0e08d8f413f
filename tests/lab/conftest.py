# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lab as tests see it: hosts one can run commands on, play against, and cut the power of."""

from __future__ import annotations

import json
import os
import re
import shlex
import sqlite3
import subprocess
import tempfile
import time
from collections.abc import Callable
from contextlib import closing
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any

import pytest

from tests.processes import kill_tree

ROOT = Path(__file__).resolve().parents[2]
# What inventories/lab declares: two of each, and of each one on every host.
APPS = ("db", "web")
INVENTORY = ROOT / "inventories" / "lab"
# Molecule has a configuration of its own; plays of these tests run as a user of the checkout runs them.
ENVIRONMENT = {**os.environ, "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"), "ANSIBLE_FORCE_COLOR": "0", "ANSIBLE_NOCOLOR": "1"}


def failures(output: str) -> list[str]:
    """Return what a playbook's output tells of tasks that failed."""
    return re.findall(r"^(?:fatal|failed): .*(?:\n[ \t].*)*", output, re.MULTILINE)


class Play:
    """A playbook that runs, in a session of its own. Its output goes to a file, so that it never waits for a reader."""

    def __init__(self, command: list[str]) -> None:
        with tempfile.NamedTemporaryFile("w", suffix=".log", delete=False) as log:
            self._log = Path(log.name)
            self._process = subprocess.Popen(
                command, cwd=ROOT, env=ENVIRONMENT, stdout=log, stderr=subprocess.STDOUT, start_new_session=True
            )

    def finish(self, timeout: float = 900, *, status: int = 0) -> str:
        """Wait for the end and return the output; another exit status than ``status``, or a longer run, fails the test."""
        output = self.wait(timeout)
        assert self._process.returncode == status, "\n".join([*failures(output), output[-6000:]])
        return output

    def wait(self, timeout: float = 900) -> str:
        """Wait for the end, good or bad, and return the output; a longer run fails the test."""
        try:
            self._process.wait(timeout)
        except subprocess.TimeoutExpired:
            pytest.fail(f"no end within {timeout:g} seconds:\n{self.kill()[-4000:]}")
        return self._output()

    def kill(self) -> str:
        """End it at once with all its processes, as a crash would; workers have sessions of their own."""
        kill_tree(self._process.pid)
        self._process.wait()
        return self._output()

    def _output(self) -> str:
        output = self._log.read_text(errors="replace")
        self._log.unlink()
        return output


class Lab:
    """The running lab; every command has a deadline in seconds and shows its output when it fails."""

    def cli(self, *words: str, timeout: float = 300) -> str:
        """Run the lab's own command line and return what it printed."""
        return self._run([str(ROOT / "lab" / "zonal-lab"), *words], timeout)

    def on(self, host: str, script: str, timeout: float = 300) -> str:
        """Run a shell script on a host and return what it printed."""
        return self._run([str(ROOT / "lab" / "zonal-lab"), "ssh", host, script], timeout)

    def router(self, *words: str, timeout: float = 60) -> str:
        """Run a command in the lab's namespace, that is on the router of the zone."""
        return self.cli("exec", "--", *words, timeout=timeout)

    def answers(self, address: str) -> bool:
        """Return whether an address answers the router's ping."""
        return self._reaches([str(ROOT / "lab" / "zonal-lab"), "exec", "--", "ping", "-c1", "-W2", address])

    def login(self, address: str, command: str, timeout: float = 90) -> str:
        """Run a command on a guest by ssh with the injected key and return what it printed."""
        host = next(iter(self.inventory()["_meta"]["hostvars"].values()))
        ssh = ["ssh", "-i", host["ansible_ssh_private_key_file"], "-o", "BatchMode=yes", *shlex.split(host["ansible_ssh_common_args"])]
        # A guest answers pings some seconds before its ssh server is up.
        self.eventually(lambda: self._reaches([*ssh, f"root@{address}", "true"]), f"{address} lets the injected key in", timeout)
        return self._run([*ssh, f"root@{address}", command], timeout)

    def inventory(self) -> dict[str, Any]:
        """Return what the inventory script prints."""
        told: dict[str, Any] = json.loads(self._run([str(INVENTORY / "hosts"), "--list"], 60))
        return told

    def claims(self) -> list[dict[str, Any]]:
        """Return what the ledger has of the instances, by name."""
        ledger = next(iter(self.inventory()["_meta"]["hostvars"].values()))["zonal_ledger_url"]
        with closing(sqlite3.connect(ledger)) as connection:
            connection.row_factory = sqlite3.Row
            rows = [dict(row) for row in connection.execute("SELECT * FROM claims WHERE name IS NOT NULL ORDER BY name")]
        return [{**row, "address": str(IPv4Address(row["address"]))} for row in rows]

    def placed(self, kind: str, host: str) -> tuple[str, str]:
        """Return name and address of the declared instance of a kind that is on a host; each kind has one on each."""
        [found] = [claim for claim in self.claims() if (claim["kind"], claim["host"]) == (kind, host) and claim["app"] in APPS]
        return found["name"], found["address"]

    def start_play(self, playbook: str, *arguments: str) -> Play:
        """Start a playbook of the collection."""
        return Play(["ansible-playbook", "-i", str(INVENTORY), playbook, *arguments])

    def play(self, playbook: str, *arguments: str, timeout: float = 900) -> str:
        """Run a playbook to its end and return its output; a playbook that fails fails the test."""
        return self.start_play(playbook, *arguments).finish(timeout)

    def module(self, host: str, module: str, /, **options: int | str) -> dict[str, Any]:
        """Run a module on a host and return its result; one that fails fails the test."""
        command = ["ansible", host, "-i", str(INVENTORY), "-m", module, "-a", " ".join(f"{key}={value}" for key, value in options.items())]
        output = self._run(command, 300, {**ENVIRONMENT, "ANSIBLE_CALLBACK_RESULT_FORMAT": "json"})
        told: dict[str, Any] = json.loads(output.partition("=>")[2])
        return told

    def eventually(self, check: Callable[[], bool], what: str, timeout: float = 240) -> None:
        """Wait until ``check`` holds; fail the test naming ``what`` when it does not in time."""
        deadline = time.monotonic() + timeout
        while not check():
            if time.monotonic() > deadline:
                pytest.fail(f"not within {timeout:g} seconds: {what}")
            time.sleep(2)

    @staticmethod
    def _reaches(command: list[str]) -> bool:
        return subprocess.run(command, capture_output=True, check=False, timeout=60).returncode == 0

    @staticmethod
    def _run(command: list[str], timeout: float, environment: dict[str, str] | None = None) -> str:
        done = subprocess.run(command, capture_output=True, text=True, timeout=timeout, check=False, env=environment)
        assert done.returncode == 0, f"{shlex.join(command)} ended with {done.returncode}:\n{done.stdout}\n{done.stderr}"
        return done.stdout


@pytest.fixture(scope="session")
def lab() -> Lab:
    """The lab that molecule has booted."""
    return Lab()
