# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: may change without notice.
"""One thin volume with all that is on it: LVM, signatures, mounts and filesystem."""

from __future__ import annotations

from .._domain.thin_volume import ThinVolume
from .._ports import Command
from .block import BlockDevices
from .filesystem import Filesystems
from .lvm import parse_percent, read_volumes, split_list

_FIELDS = (
    "lv_name",
    "lv_path",
    "lv_size",
    "pool_lv",
    "lv_tags",
    "lv_active",
    "lv_device_open",
    "data_percent",
    "vg_extent_size",
)


def read_thin_volume(command: Command, devices: BlockDevices, filesystems: Filesystems, group: str, name: str) -> ThinVolume | None:
    """Return the volume; None when there is none, also when the group does not exist."""
    rows = read_volumes(command, _FIELDS, f'vg_name="{group}" && lv_name="{name}"')
    if not rows:
        return None
    row = rows[0]
    path = row["lv_path"]
    active = row["lv_active"] == "active" and bool(path)
    signatures = devices.signatures([path])[path] if active else ()
    mounts = devices.mount_points(path) if active else []
    return ThinVolume(
        size=int(row["lv_size"]),
        pool=row["pool_lv"],
        extent_size=int(row["vg_extent_size"]),
        tags=frozenset(split_list(row["lv_tags"])),
        data_percent=parse_percent(row["data_percent"]),
        active=active,
        in_use=row["lv_device_open"] == "open",
        signatures=signatures,
        mounts=tuple(mounts),
        filesystem_size=filesystems.size(signatures[0], path, mounts[0]) if mounts and len(signatures) == 1 else None,
    )
