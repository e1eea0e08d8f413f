# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""libvirt as the host's administrators set it up."""

from __future__ import annotations

from pathlib import Path

import pytest

from ansible_collections.zonal.cloud.plugins.module_utils._adapters.libvirt_settings import system_uri
from ansible_collections.zonal.cloud.plugins.module_utils._ports import EngineError


@pytest.mark.parametrize(
    ("settings", "uri"),
    [(None, "qemu:///system"), (b"\xff\n", "qemu:///system"), (b'\xff\nuri_default = "lxc:///system"\n', "lxc:///system")],
)
def test_the_hosts_own_driver_is_asked(tmp_path: Path, settings: bytes | None, uri: str) -> None:
    path = tmp_path / "libvirt.conf"
    if settings is not None:
        path.write_bytes(settings)
    assert system_uri(str(path)) == uri


def test_settings_that_cannot_be_read_are_one_message(tmp_path: Path) -> None:
    with pytest.raises(EngineError, match=f"^Cannot read {tmp_path}: .*Is a directory"):
        system_uri(str(tmp_path))
