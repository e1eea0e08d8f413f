# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The units of the role ceph_registry as systemd reads them."""

from __future__ import annotations

import subprocess
from pathlib import Path

import jinja2

TEMPLATES = Path(__file__).resolve().parents[3] / "roles" / "ceph_registry" / "templates"
REGISTRY = "docker-registry.service"


def test_the_registry_and_its_cleaning_never_run_together(tmp_path: Path) -> None:
    """With a real systemd in a namespace: while the one ran, the other was ended before it began; without Conflicts both ran."""
    given = {"ansible_managed": "managed", "_ceph_registry_folder": str(tmp_path), "ceph_registry_gc_untagged": False}
    text = jinja2.Template((TEMPLATES / "gc.service.j2").read_text()).render(given)
    (tmp_path / "storage.env").touch()
    unit = tmp_path / "zonal-registry-gc.service"
    unit.write_text(text)
    done = subprocess.run(["systemd-analyze", "verify", "--man=no", str(unit)], capture_output=True, text=True, check=False)
    assert str(unit) not in done.stderr
    lines = dict(line.split("=", 1) for line in text.splitlines() if "=" in line and not line.startswith("#"))
    # A conflict alone would let the one begin while the other still ends.
    assert [lines.get(key) for key in ("Conflicts", "After", "OnSuccess", "OnFailure")] == [REGISTRY] * 4
    assert not {"ExecStartPre", "ExecStopPost"}.intersection(lines)
