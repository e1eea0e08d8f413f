# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What instance_stats tells of containers of a real docker, beside loads that are known. The lab has VMs, and cgroups of version 2."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.zonal.cloud.plugins.module_utils._adapters.docker_engine import DockerEngine
from ansible_collections.zonal.cloud.tests.integration.engines.conftest import IMAGE
from ansible_collections.zonal.cloud.tests.integration.engines.node import Node, wait_for
from ansible_collections.zonal.cloud.tests.integration.engines.test_containers import Lab

MIB = 1024**2
SIZE = 8 * MIB
READ = """
import json
from ansible_collections.zonal.cloud.plugins.module_utils._module.instance_stats import read_stats
print(json.dumps(read_stats({"interval": 0}, None)))
"""
# The shell's own account of its CPU time comes last.
BURN = "i=0; while [ $i -lt 2000000 ]; do i=$((i+1)); done; times"
SEND = """
import socket, sys
with socket.create_connection((sys.argv[1], 9), 30) as there:
    there.sendall(bytes(int(sys.argv[2])))
    there.shutdown(socket.SHUT_WR)
    there.recv(1)
"""


@pytest.fixture
def lab(node: Node, docker_url: str, archive: str, prefix: str) -> Iterator[Lab]:
    DockerEngine(docker_url).import_image(archive, IMAGE, {})
    made = Lab(node, docker_url, prefix)
    made.converge(made.wish())
    yield made
    made.clean()


def read(lab: Lab) -> dict[str, Any]:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    done = subprocess.run(lab.node.enter(sys.executable, "-c", READ), env=environment, capture_output=True, text=True, check=True)
    found = {item["name"]: item for item in json.loads(done.stdout)["instances"]}
    mine: dict[str, Any] = found[f"{lab.prefix}11"]
    return mine


def grown(lab: Lab, before: dict[str, Any], counter: str) -> float:
    return float(read(lab)["totals"][counter] - before["totals"][counter])


def limit_far_above(lab: Lab) -> None:
    """With cgroups of version 1 a kernel of today counts what goes to a disk only from when there is a limit."""
    device = os.stat(lab.node.folder).st_dev
    for folder in Path("/sys/fs/cgroup/blkio").rglob(lab.inspect()["Id"]):
        (folder / "blkio.throttle.write_bps_device").write_text(f"{os.major(device)}:{os.minor(device)} {1 << 40}")


def seconds(told: str) -> float:
    """Return the sum of what the shell's ``times`` tells."""
    return sum(60 * int(minutes) + float(rest) for minutes, rest in re.findall(r"(\d+)m([\d.]+)s", told))


def test_it_agrees_with_cpu_time_that_was_burnt(lab: Lab) -> None:
    before = read(lab)
    burnt = seconds(lab.do(11, "sh", "-c", BURN))
    assert burnt > 0.5
    assert grown(lab, before, "cpu_seconds") == pytest.approx(burnt, rel=0.1)


def test_it_agrees_with_what_was_written_and_read(lab: Lab) -> None:
    limit_far_above(lab)
    before = read(lab)
    lab.do(11, "busybox", "dd", "if=/dev/zero", "of=/data", "bs=1M", f"count={SIZE // MIB}", "oflag=direct")
    assert grown(lab, before, "written_bytes") == pytest.approx(SIZE, rel=0.1)
    lab.do(11, "busybox", "dd", "if=/data", "of=/dev/null", "bs=1M", "iflag=direct")
    assert grown(lab, before, "read_bytes") == pytest.approx(SIZE, rel=0.1)
    assert 1 <= grown(lab, before, "reads") <= SIZE / 4096


def test_it_agrees_with_what_came_and_went_over_the_network(lab: Lab) -> None:
    name = f"{lab.prefix}11"
    serve = lab.api.exec_create(name, ["sh", "-c", "nc -l -p 9 >/dev/null"])
    before = read(lab)
    lab.api.exec_start(serve, detach=True)
    wait_for("the listener", lambda: ":0009 " in lab.do(11, "cat", "/proc/net/tcp", "/proc/net/tcp6"), 20)
    lab.node.run(sys.executable, "-c", SEND, "10.88.0.11", str(SIZE))
    assert grown(lab, before, "received_bytes") == pytest.approx(SIZE, rel=0.1)
    assert 0 < grown(lab, before, "sent_bytes") < SIZE / 2


def test_one_that_is_stopped_uses_nothing(lab: Lab) -> None:
    assert (read(lab)["state"], read(lab)["memory"] > 0) == ("running", True)
    lab.api.stop(f"{lab.prefix}11", timeout=0)
    assert read(lab) == {"name": f"{lab.prefix}11", "kind": "container", "state": "stopped"}
