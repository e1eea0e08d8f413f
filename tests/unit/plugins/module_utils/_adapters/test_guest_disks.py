# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Guests' file systems; mounting is shown in tests/integration/engines and tests/lab."""

from __future__ import annotations

import os
from collections.abc import Sequence

import pytest

from ansible_collections.zonal.cloud.plugins.module_utils._adapters.guest_disks import MountedGuestDisks
from ansible_collections.zonal.cloud.plugins.module_utils._ports import EngineError


def test_nothing_is_touched_when_there_is_no_file_system_to_make() -> None:
    def command(argv: Sequence[str], *, stdin: str | None = None, timeout: float = 120) -> str:
        raise EngineError("run", argv[0], "no such device")

    before = os.getpid(), os.getcwd()
    with pytest.raises(EngineError, match=r"^Cannot run mkfs\.ext4: no such device"):
        MountedGuestDisks(command).make("/dev/nowhere", "/tmp/image.tar", 16384)
    assert (os.getpid(), os.getcwd()) == before
