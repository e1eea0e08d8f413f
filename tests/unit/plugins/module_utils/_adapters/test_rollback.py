# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The watchdog of the network where systemd runs; what it undoes is tested on the kernel (integration/engines/test_bridge.py)."""

from __future__ import annotations

import stat
import subprocess
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


def test_files_are_put_back_as_they_were_first(tmp_path: Path) -> None:
    """A change writes a file of its own, and its confirmation takes that away, or is cut off and comes again."""

    def command(argv: Sequence[str], *, stdin: str | None = None, timeout: float = 120) -> str:
        return ""

    script = rollback.RollbackScript(command, str(tmp_path))
    new, secret, other = (tmp_path / name for name in ("new", "secret", "other"))
    secret.write_text("now")
    secret.chmod(0o600)
    script.arm("br0", {}, None, [], 60)
    script.protect("br0", {str(new): None})
    script.protect("br0", {str(new): "made meanwhile", str(secret): "at first", str(other): "gone meanwhile"})
    script.protect("br0", {str(secret): "then"})
    subprocess.run(["sh", "-c", "umask 022; . ./undo-files"], cwd=tmp_path / "bridge-br0", check=True)
    assert (new.exists(), secret.read_text(), other.read_text()) == (False, "at first", "gone meanwhile")
    assert [stat.S_IMODE(path.stat().st_mode) for path in (secret, other)] == [0o600, 0o644]
