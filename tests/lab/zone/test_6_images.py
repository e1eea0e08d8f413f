# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""With real LVM a further VM of an image costs no copy of it."""

from __future__ import annotations

from ansible_collections.zonal.cloud.bench.images import measured

HOST, MIB = "h1", 600


def test_a_root_disk_is_a_snapshot() -> None:
    told = measured(HOST, MIB, 1)
    image = told["image"]["mib"] * 1024**2
    took = {row["way"]: row["bytes"] for row in told["rows"]}
    assert took["converted_volume"] > 0.9 * image > MIB / 2 * 1024**2
    assert took["zonal_cloud"] < 0.01 * image
