# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The true ``Command`` for tests that have no AnsibleModule, whose ``run_command`` it takes the place of."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ansible_collections.zonal.cloud.plugins.module_utils._adapters.command import HostCommand


def _run(
    argv: Sequence[str],
    *,
    data: str | None,
    environ_update: Mapping[str, str],
    before_communicate_callback: Callable[[subprocess.Popen[str]], None],
    **_others: Any,
) -> tuple[int, str, str]:
    environment = {**os.environ, **environ_update}
    pipe = subprocess.PIPE
    with subprocess.Popen(argv, stdin=pipe, stdout=pipe, stderr=pipe, text=True, errors="replace", env=environment) as process:
        before_communicate_callback(process)
        output, errors = process.communicate(data or "")
    return process.returncode, output, errors


run_command = HostCommand(_run)
