# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: may change without notice.
"""The bootloader that a root disk gets which has none: extlinux, which needs no partitions. It starts what a file of the guest says.

Format: https://wiki.syslinux.org/wiki/index.php?title=Config
"""

from __future__ import annotations

from collections.abc import Collection

from .domain_xml import COMMAND_LINE
from .guest_files import GuestFile

LOADER_FOLDER = "/boot/extlinux"
# Of what may be a kernel or an initial ramdisk.
BOOT_PATTERNS = ("/vmlinuz", "/initrd.img", "/boot/vmlinuz*", "/boot/init*")
_KERNELS = ("/vmlinuz", "/boot/vmlinuz")


def choose_kernel(paths: Collection[str]) -> tuple[str, str]:
    """Return the kernel and the initial ramdisk among the files of a guest, and empty text for what is not there.

    First come the links that a distribution moves to its newest kernel.
    """
    newest = sorted((path for path in paths if path.startswith("/boot/vmlinuz-")), reverse=True)
    kernel = next(iter([*(path for path in _KERNELS if path in paths), *newest]), "")
    folder, _dummy, version = kernel.rpartition("vmlinuz")
    names = (f"{folder}initrd.img{version}", f"{folder}initramfs{version}.img", f"{folder}initramfs{version}", "/boot/initrd.img")
    return kernel, next((name for name in names if kernel and name in paths), "")


def loader_config(kernel: str, initrd: str) -> GuestFile:
    """Return the file that lets extlinux start this kernel at once, and tell of that on the console."""
    lines = ["SERIAL 0", "DEFAULT linux", "PROMPT 0", "TIMEOUT 0", "", "LABEL linux", f"    LINUX {kernel}"]
    if initrd:
        lines.append(f"    INITRD {initrd}")
    return GuestFile(f"{LOADER_FOLDER}/extlinux.conf", "\n".join([*lines, f"    APPEND {COMMAND_LINE}"]) + "\n")
