# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which options of a thin pool are accepted."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.zonal.cloud.plugins.module_utils._domain.errors import ZonalError
from ansible_collections.zonal.cloud.plugins.module_utils._domain.thin_pool import (
    GIB,
    KIB,
    MIB,
    Autoextend,
    ThinPoolSpec,
    WantedSize,
    parse_spec,
    parse_wanted_size,
)

PARAMS: dict[str, Any] = {
    "name": "pool",
    "group": "zonal",
    "devices": ["/dev/sdb"],
    "size": "90%",
    "metadata_size": None,
    "chunk_size": None,
    "autoextend_threshold": 80,
    "autoextend_percent": 5,
    "tags": None,
    "wipe": False,
    "adopt": False,
    "force": False,
    "state": "present",
}

BAD = {
    "no devices": ({"devices": None}, "devices: is missing"),
    "empty devices": ({"devices": []}, "devices: is missing"),
    "relative path": ({"devices": ["sdb"]}, "devices: 'sdb' is not the path of a device"),
    "a file": ({"devices": ["/root/disk.img"]}, "devices: '/root/disk.img' is not the path of a device"),
    "two lines": ({"devices": ["/dev/sdb\n/dev/sdc"]}, "devices: '/dev/sdb\\n/dev/sdc' is not the path"),
    "apples": ({"size": "4 apples"}, "size: '4 apples' is not a size"),
    "of what is free": ({"size": "90%FREE"}, "size: '90%FREE' is not a size; write 100G, or 90% for a share"),
    "nothing": ({"size": "0%"}, "size: 0 is out of range"),
    "more than all": ({"size": "101%"}, "size: 101 is out of range"),
    "negative": ({"size": "-1G"}, "size: '-1G' is not a size"),
    "huge metadata": ({"metadata_size": "16G"}, "metadata_size: '16G' is not possible"),
    "tiny metadata": ({"metadata_size": "1M"}, "metadata_size: '1M' is not possible"),
    "odd chunks": ({"chunk_size": "100K"}, "chunk_size: '100K' is not possible; it must be a multiple of 64K"),
    "tiny chunks": ({"chunk_size": "4K"}, "chunk_size: '4K' is not possible"),
    "huge chunks": ({"chunk_size": "2G"}, "chunk_size: '2G' is not possible"),
    "low threshold": ({"autoextend_threshold": 49}, "autoextend_threshold: 49 is out of range"),
    "high threshold": ({"autoextend_threshold": 101}, "autoextend_threshold: 101 is out of range"),
    "no growth": ({"autoextend_percent": 0}, "autoextend_percent: 0 is out of range"),
    "shell in the name": ({"name": "a;reboot"}, "name: 'a;reboot' is not a name"),
    "a path as name": ({"name": "../x"}, "name: '../x' is not a name"),
    "two dots": ({"name": ".."}, "name: '..' is a name that LVM keeps"),
    "an option as group": ({"group": "-f"}, "group: '-f' is not a name"),
    "empty group": ({"group": ""}, "group: '' is not a name"),
    "LVM's own name": ({"name": "pool_tdata"}, "name: 'pool_tdata' is a name that LVM keeps"),
    "LVM's own beginning": ({"name": "snapshot1"}, "name: 'snapshot1' is a name that LVM keeps"),
    "our tag": ({"tags": ["zonal.cloud"]}, "tags: 'zonal.cloud' begins with zonal."),
    "empty tag": ({"tags": [""]}, "tags: '' is not a tag"),
}


def test_defaults() -> None:
    assert parse_spec(PARAMS) == ThinPoolSpec("pool", "zonal", devices=("/dev/sdb",))


def test_all_options() -> None:
    options = {
        "size": "100G",
        "metadata_size": "1G",
        "chunk_size": "128K",
        "autoextend_threshold": 100,
        "autoextend_percent": 20,
        "tags": ["ssd", "fast"],
        "wipe": True,
    }
    assert parse_spec({**PARAMS, **options}) == ThinPoolSpec(
        "pool",
        "zonal",
        devices=("/dev/sdb",),
        size=WantedSize(100 * GIB),
        metadata_size=GIB,
        chunk_size=128 * KIB,
        autoextend=Autoextend(100, 20),
        tags=frozenset({"ssd", "fast"}),
        wipe=True,
    )


def test_nothing_but_names_is_needed_to_remove() -> None:
    assert not parse_spec({**PARAMS, "state": "absent", "devices": None}).present


@pytest.mark.parametrize(("options", "message"), BAD.values(), ids=BAD.keys())
def test_bad_options(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ZonalError) as caught:
        parse_spec({**PARAMS, **options})
    assert str(caught.value).startswith(message)


@pytest.mark.parametrize(
    ("text", "extents", "tag", "shown"),
    [
        ("90%", 921, "zonal.size=90/100", "90%"),
        ("90 %VG", 921, "zonal.size=90/100", "90%"),
        ("100%", 1024, "zonal.size=100/100", "100%"),
        ("1G", 256, "zonal.size=1073741824", "1G"),
        ("1025M", 257, "zonal.size=1074790400", "1025M"),
    ],
)
def test_sizes(text: str, extents: int, tag: str, shown: str) -> None:
    wanted = parse_wanted_size("size", text)
    assert (wanted.extents(1024, 4 * MIB), wanted.tag, str(wanted)) == (extents, tag, shown)


@pytest.mark.parametrize(
    ("ours", "others"),
    [(("a-b", "c"), ("a", "b-c")), (("a--b", "c"), ("a-b", "c")), (("a-", "b"), ("a", "b")), (("a-b-c", "d"), ("a-b", "c-d"))],
)
def test_no_two_pools_have_one_profile(ours: tuple[str, str], others: tuple[str, str]) -> None:
    assert ThinPoolSpec(ours[1], ours[0]).profile != ThinPoolSpec(others[1], others[0]).profile


def test_the_profile_of_a_group_without_hyphens_is_named_as_ever() -> None:
    assert ThinPoolSpec("pool-b", "zonal").profile == "zonal-zonal-pool-b"
