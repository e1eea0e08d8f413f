# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A run that is cut off: every port is wrapped, and the call before which the power goes away is counted out."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


class PowerCut(BaseException):
    """The process is gone; nothing may catch this."""


class Fuse:
    """Lets ``calls`` calls that change something pass, then raises PowerCut before each further one."""

    def __init__(self, calls: int) -> None:
        self._left = calls
        self.blown = False
        self.passed: list[str] = []

    def guard(self, port: Any, *changing: str) -> Any:
        """Return ``port`` with the methods named in ``changing`` counted."""
        return _Guarded(self, port, frozenset(changing))

    def burn(self, call: str) -> None:
        if self._left == 0:
            self.blown = True
            raise PowerCut(call)
        self._left -= 1
        self.passed.append(call)


class _Guarded:
    def __init__(self, fuse: Fuse, port: Any, changing: frozenset[str]) -> None:
        self._fuse = fuse
        self._port = port
        self._changing = changing

    def __getattr__(self, name: str) -> Any:
        method: Callable[..., Any] = getattr(self._port, name)
        if name not in self._changing:
            return method

        def counted(*arguments: Any, **options: Any) -> Any:
            self._fuse.burn(f"{name} {arguments[:1]}")
            return method(*arguments, **options)

        return counted


VOLUME_CHANGES = ("create", "clone", "preserve", "grow", "rename", "retag", "set_read_only", "remove")
IMAGE_CHANGES = ("create", "grow", "rename", "remove", "claim", "release")
DISK_CHANGES = ("make", "pack", "flatten", "personalise", "add_bootloader")
OBJECT_CHANGES = ("put", "put_file", "delete")
BOOT_CHANGES = ("store", "remove")
VM_CHANGES = (
    "define",
    "adjust",
    "change_device",
    "set_crash_action",
    "set_autostart",
    "start",
    "stop",
    "pause",
    "resume",
    "remove",
    "attach",
    "detach",
    "resize",
)
DATA_CHANGES = ("make", "fill")
CONTAINER_CHANGES = (
    "create",
    "put_files",
    "rename",
    "start",
    "stop",
    "pause",
    "resume",
    "update",
    "remove",
    "create_network",
    "remove_network",
    "remove_volume",
    "import_image",
    "push",
    "remove_image",
    "remove_nameless",
)
