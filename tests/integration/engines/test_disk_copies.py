# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Copies of disks in the S3 store of a real Ceph. What LVM does is shown in the lab (tests/lab/zone/disk_copies.py)."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from ansible_collections.zonal.cloud.tests.integration.engines import disk_copies
from ansible_collections.zonal.cloud.tests.integration.engines.ceph_registry import IMAGES, Registry


def module(folder: Path, name: str, options: dict[str, str]) -> dict[str, Any]:
    """Run a module on this machine by the Python that has boto3, and return its result. The options come by a file: they are secret."""
    variables = folder / "options.json"
    variables.touch(mode=0o600)
    variables.write_text(json.dumps({"ansible_python_interpreter": "/usr/bin/python3", "options": options}))
    ansible = [str(Path(sys.executable).parent / "ansible"), "localhost", "--connection", "local", "--extra-vars", f"@{variables}"]
    words = ["--module-name", f"zonal.cloud.{name}", "--args", json.dumps({option: f"{{{{ options.{option} }}}}" for option in options})]
    env = {**os.environ, "ANSIBLE_NOCOLOR": "1", "ANSIBLE_CALLBACK_RESULT_FORMAT": "json"}
    done = subprocess.run([*ansible, *words], env=env, capture_output=True, text=True, timeout=120, check=False)
    result: dict[str, Any] = json.loads(done.stdout[done.stdout.index("=> {") + 3 :])
    return result


def test_a_disk_is_copied_and_restored(registry: Registry, prefix: str, tmp_path: Path) -> None:
    keys = registry.keys("zonal-images")
    print(registry.by_hosts_python(disk_copies.__name__, str(tmp_path), prefix))
    options = {"bucket": IMAGES, "endpoint": registry.s3_url, "ca_file": registry.ca_file, "volume": f"{prefix}disk"}
    options.update(access_key=keys["aws_access_key_id"], secret_key=keys["aws_secret_access_key"])
    told = module(tmp_path, "disk_copy_info", options)
    assert [(copy["name"], copy["problem"], copy["size"], copy["tags"]) for copy in told["copies"]] == [("monday", "", "2G", ["gold"])]
    for changed in (True, False):
        assert module(tmp_path, "disk_copy", {**options, "name": "monday", "state": "absent"})["changed"] is changed
    assert module(tmp_path, "disk_copy_info", options)["copies"] == []
    wrong = module(tmp_path, "disk_copy_info", {**options, "secret_key": "wrong"})
    assert "the store refuses this user" in wrong["msg"]
