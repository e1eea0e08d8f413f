# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Only a kernel that has run proves KVM."""

from __future__ import annotations

import pytest

from ansible_collections.zonal.cloud.plugins.module_utils._domain.host_kvm import judge_boot

KERNEL = "/boot/vmlinuz-6.12"
# The words of Linux 6.1 without a root filesystem.
PANIC = "[    0.8] Kernel panic - not syncing: VFS: Unable to mount root fs on unknown-block(0,0)\n"
CONSOLES = {
    "panic": (PANIC, True),
    "panic after other lines": ("[    0.1] ACPI: broken table\n" + PANIC + "[    0.8] Kernel Offset: 0x20c00000\n", True),
    # A triple fault with -no-reboot also ends QEMU with exit status 0.
    "processor reset": ("", False),
    "firmware only": ("SeaBIOS (version 1.16.2)\nBooting from ROM...\n", False),
}


@pytest.mark.parametrize(("console", "usable"), CONSOLES.values(), ids=CONSOLES.keys())
def test_judge_boot(console: str, usable: bool) -> None:
    verdict, reason = judge_boot(KERNEL, console)
    assert verdict is usable
    assert KERNEL in reason
