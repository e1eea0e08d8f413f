# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which kernel a bootloader starts, and the file that says so."""

from __future__ import annotations

import pytest

from ansible_collections.zonal.cloud.plugins.module_utils._domain.bootloader import choose_kernel, loader_config

GUESTS: dict[str, tuple[str, tuple[str, str]]] = {
    "Debian's links": (
        "/boot/initrd.img-6.1.0-2 /boot/vmlinuz-6.1.0-2 /boot/vmlinuz-6.1.0-10 /initrd.img /vmlinuz",
        ("/vmlinuz", "/initrd.img"),
    ),
    "plain names": ("/boot/initrd.img /boot/vmlinuz", ("/boot/vmlinuz", "/boot/initrd.img")),
    "versions": (
        "/boot/initrd.img-6.1.0-1 /boot/initrd.img-6.1.0-2 /boot/vmlinuz-6.1.0-1 /boot/vmlinuz-6.1.0-2",
        ("/boot/vmlinuz-6.1.0-2", "/boot/initrd.img-6.1.0-2"),
    ),
    "an Enterprise Linux": (
        "/boot/initramfs-5.14.el9.img /boot/vmlinuz-5.14.el9",
        ("/boot/vmlinuz-5.14.el9", "/boot/initramfs-5.14.el9.img"),
    ),
    "an Alpine": ("/boot/initramfs-virt /boot/vmlinuz-virt", ("/boot/vmlinuz-virt", "/boot/initramfs-virt")),
    "one initrd": ("/boot/initrd.img /boot/vmlinuz-6", ("/boot/vmlinuz-6", "/boot/initrd.img")),
    "no initrd": ("/boot/vmlinuz /initrd.img", ("/boot/vmlinuz", "")),
    "no kernel": ("/boot/initrd.img /boot/vmlinuz.old", ("", "")),
    "nothing": ("", ("", "")),
}


@pytest.mark.parametrize(("paths", "chosen"), GUESTS.values(), ids=GUESTS.keys())
def test_a_guests_newest_kernel_is_taken(paths: str, chosen: tuple[str, str]) -> None:
    assert choose_kernel(paths.split()) == chosen


@pytest.mark.parametrize("initrd", ["/initrd.img", ""])
def test_the_file_names_kernel_and_root(initrd: str) -> None:
    file = loader_config("/vmlinuz", initrd)
    assert file.path == "/boot/extlinux/extlinux.conf"
    assert file.content.splitlines()[5:] == [
        "LABEL linux",
        "    LINUX /vmlinuz",
        *([f"    INITRD {initrd}"] if initrd else []),
        "    APPEND root=/dev/vda rw console=ttyS0 net.ifnames=0 no_timer_check",
    ]
