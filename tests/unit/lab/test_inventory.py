# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The inventory is a pure function of the lab's status."""

from __future__ import annotations

import shlex

from lab import inventory
from lab.paths import REPO, Paths

PATHS = Paths.from_environment({"ZONAL_LAB_STATE": "/some where/lab", "XDG_CACHE_HOME": "/x"})
ROWS = [
    {"name": "h1", "address": "10.99.0.11", "release": "trixie"},
    {"name": "h2", "address": "10.99.0.12", "release": "bookworm"},
]


def test_groups() -> None:
    built = inventory.build(PATHS, ROWS)
    assert {name: built[name]["hosts"] for name in built if name != "_meta"} == {
        "lab": ["h1", "h2"],
        "zonal_hosts": ["h1", "h2"],
        "lab_trixie": ["h1"],
        "lab_bookworm": ["h2"],
    }


def test_no_hosts_means_empty_groups() -> None:
    built = inventory.build(PATHS, [])
    assert all(built[name] == {"hosts": []} for name in inventory.GROUPS)
    assert built["_meta"] == {"hostvars": {}}


def test_host_variables() -> None:
    variables = inventory.build(PATHS, ROWS)["_meta"]["hostvars"]["h1"]
    assert variables["ansible_host"] == "10.99.0.11"
    assert variables["ansible_user"] == "root"
    assert variables["ansible_python_interpreter"] == "/usr/bin/python3"
    assert variables["ansible_ssh_private_key_file"] == "/some where/lab/ssh/id_ed25519"


def test_ssh_goes_through_the_lab_and_survives_blanks_in_paths() -> None:
    variables = inventory.build(PATHS, ROWS)["_meta"]["hostvars"]["h1"]
    words = shlex.split(variables["ansible_ssh_common_args"])
    proxy = next(word for word in words if word.startswith("ProxyCommand=")).removeprefix("ProxyCommand=")
    program = str(REPO / "lab" / "zonal-lab")
    assert shlex.split(proxy) == ["env", "ZONAL_LAB_STATE=/some where/lab", program, "proxy", "%h", "%p"]
    assert "StrictHostKeyChecking=no" in words
    assert f"ControlPath={PATHS.control_dir}/%h" in shlex.split(variables["ansible_ssh_args"])
