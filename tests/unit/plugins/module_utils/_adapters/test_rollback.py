# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The watchdog of the network where systemd runs; what it undoes is tested on the kernel (integration/engines/test_bridge.py)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from ansible_collections.zonal.cloud.plugins.module_utils._adapters import rollback
from ansible_collections.zonal.cloud.plugins.module_utils._ports import EngineError


def test_what_was_armed_by_a_killed_run_is_undone_though_no_timer_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rollback, "_SYSTEMD_RUNS", str(tmp_path))
    ran: list[str] = []

    def command(argv: Sequence[str], *, stdin: str | None = None, timeout: float = 120) -> str:
        ran.append(argv[0])
        if argv[0] == "systemd-run":
            raise KeyboardInterrupt
        if argv[0] == "systemctl":
            raise EngineError("run", " ".join(argv), "Unit zonal-undo-bridge-br0.timer not loaded.")
        return ""

    script = rollback.RollbackScript(command, str(tmp_path))
    with pytest.raises(KeyboardInterrupt):
        script.arm("br0", {"name": "br0"}, None, [("link", "del", "dev", "br0")], 60)
    assert script.pending("br0")
    script.undo("br0")
    assert ran == ["systemd-run", "sh", "systemctl"]
