# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: may change without notice.
"""Kernel and initial ramdisk of each golden volume, in a folder of the host that QEMU may read."""

from __future__ import annotations

import os
import shutil

from .._ports import EngineError
from .._ports_storage import BootFiles

ROOT = "/var/lib/libvirt/boot"
_KERNEL, _INITRD = "vmlinuz", "initrd"


class BootFolder:
    """``root`` holds one folder for each golden volume; it appears whole or not at all."""

    def __init__(self, root: str = ROOT) -> None:
        self._root = root

    def store(self, golden: str, files: BootFiles) -> None:
        """Keep the boot files of a golden volume, replacing older ones; an image without a kernel keeps nothing."""
        self.remove(golden)
        if files.kernel is None:
            return
        hidden = self._folder(golden) + ".new"
        try:
            shutil.rmtree(hidden, ignore_errors=True)
            os.makedirs(hidden, mode=0o755)
            for name, content in ((_KERNEL, files.kernel), (_INITRD, files.initrd)):
                if content is not None:
                    _write(f"{hidden}/{name}", content)
            os.rename(hidden, self._folder(golden))
        except OSError as error:
            raise EngineError("store the kernel in", hidden, str(error)) from error

    def paths(self, golden: str) -> tuple[str, str]:
        """Return the paths of kernel and initial ramdisk; empty text for what the image has not."""
        kernel, initrd = (f"{self._folder(golden)}/{name}" for name in (_KERNEL, _INITRD))
        return (kernel if os.path.exists(kernel) else "", initrd if os.path.exists(initrd) else "")

    def read(self, golden: str) -> tuple[bytes | None, bytes | None]:
        """Return kernel and initial ramdisk of a golden volume; None for what it has not."""
        try:
            kernel, initrd = (_read(path) if path else None for path in self.paths(golden))
        except OSError as error:
            raise EngineError("read the kernel in", self._folder(golden), str(error)) from error
        return kernel, initrd

    def remove(self, golden: str) -> None:
        """Forget the boot files of a golden volume; no error when there are none."""
        shutil.rmtree(self._folder(golden), ignore_errors=True)

    def _folder(self, golden: str) -> str:
        return f"{self._root}/zonal-{golden}"


def _read(path: str) -> bytes:
    with open(path, "rb") as file:
        return file.read()


def _write(path: str, content: bytes) -> None:
    with open(path, "wb") as file:
        file.write(content)
        os.fchmod(file.fileno(), 0o644)
        os.fsync(file.fileno())
