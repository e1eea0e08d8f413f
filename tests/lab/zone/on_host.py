# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs on a lab host: one request a line, one answer a line, both JSON. Ansible itself would take seconds for each.

{"shell": TEXT} answers its output; {"module": NAME, "options": {...}, "check": BOOL} does what the module would do.
"""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

from ansible_collections.zonal.cloud.plugins.module_utils._adapters.host_lock import host_lock
from ansible_collections.zonal.cloud.plugins.module_utils._domain.errors import ZonalError
from ansible_collections.zonal.cloud.plugins.module_utils._module.container import build_container
from ansible_collections.zonal.cloud.plugins.module_utils._module.instance_options import (
    instance_options,
    pool_options,
    rbd_options,
    type_options,
)
from ansible_collections.zonal.cloud.plugins.module_utils._module.snapshot import build_snapshot
from ansible_collections.zonal.cloud.plugins.module_utils._module.thin_pool import build_thin_pool
from ansible_collections.zonal.cloud.plugins.module_utils._module.thin_volume import build_thin_volume
from ansible_collections.zonal.cloud.plugins.module_utils._module.vm import build_vm
from ansible_collections.zonal.cloud.tests.host_command import run_command

BUILD: dict[str, Any] = {
    "container": build_container,
    "snapshot": build_snapshot,
    "thin_pool": build_thin_pool,
    "thin_volume": build_thin_volume,
    "vm": build_vm,
}
_OPTIONS = {**instance_options(), **pool_options(), **rbd_options(), **type_options()}
DEFAULTS = {name: option.get("default") for name, option in _OPTIONS.items()}


def answer(request: dict[str, Any]) -> dict[str, Any]:
    if "shell" in request:
        done = subprocess.run(["/bin/sh", "-c", request["shell"]], stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
        return {"code": done.returncode, "output": done.stdout, "errors": done.stderr}
    try:
        resource = BUILD[request["module"]]({**DEFAULTS, **request["options"]}, run_command)
        with host_lock():
            state = resource.observe()
            plan = resource.plan(state)
            for step in plan.steps if not request["check"] else ():
                resource.apply(step)
            after = plan.after if request["check"] else resource.observe()
    except ZonalError as error:
        return {"actions": [str(error)], "report": None}
    return {"actions": [step.action for step in plan.steps], "report": resource.report(after)}


if __name__ == "__main__":
    for line in sys.stdin:
        print(json.dumps(answer(json.loads(line))), flush=True)
