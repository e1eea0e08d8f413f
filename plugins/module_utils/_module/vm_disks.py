# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: may change without notice.
"""Data disks that a VM gets and loses while it runs."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from .._domain.domain_xml import DiskSource, disk_alias, free_target, render_disk
from .._ports import VmEngine

# A guest that runs needs a moment to let a disk go, and one that hangs never does.
_DETACH_SECONDS = 30


def plug(engine: VmEngine, name: str, attached: Collection[str], wanted: Mapping[str, DiskSource], *, is_block: bool) -> None:
    """Take from a running VM the disks that are ``attached`` and not ``wanted``, and give it those that it lacks; ``wanted`` are devices
    or images by the names of disks. Its definition has them already, so that the next run goes on where this one is cut off.
    """
    for disk in attached:
        if disk not in wanted:
            engine.detach(name, disk_alias(disk), _DETACH_SECONDS)
    for disk, path in wanted.items():
        found = None if disk in attached else engine.find(name)
        # It may have gone off meanwhile, and then starts with them.
        if found is not None and found.live_xml:
            engine.attach(name, render_disk(disk, path, free_target(found.live_xml), is_block=is_block))
