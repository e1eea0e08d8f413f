# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Options of disks on Ceph that are wrong."""

from __future__ import annotations

import re
from typing import Any

import pytest

from ansible_collections.zonal.cloud.plugins.module_utils._domain.disk import DiskSpec, parse_disk_spec
from ansible_collections.zonal.cloud.plugins.module_utils._domain.errors import SpecError
from ansible_collections.zonal.cloud.plugins.module_utils._domain.rbd import Cluster, parse_cluster

CLUSTER = {"rbd_pool": "zonal-disks", "rbd_user": "zonal.disks", "rbd_conf": "/etc/ceph/ceph.conf"}
DISK = {
    "name": "data",
    "group": "zonal",
    "pool": "pool",
    "size": "1G",
    "filesystem": None,
    "state": "present",
    "store": "rbd",
    "lost_host": "kvm01",
}


def test_what_is_given_is_taken() -> None:
    assert parse_cluster(CLUSTER) == Cluster("zonal-disks", "zonal.disks", "/etc/ceph/ceph.conf")
    assert parse_disk_spec(DISK) == DiskSpec("data", "zonal", "pool", size=1024**3, store="rbd", lost_host="kvm01")


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("rbd_pool", "a/b"),
        ("rbd_pool", ""),
        ("rbd_pool", "--conf"),
        ("rbd_user", "a b"),
        ("rbd_user", "a\n"),
        ("rbd_conf", "ceph.conf"),
        ("rbd_conf", "/etc/ceph/<x>"),
    ],
)
def test_a_bad_option_of_the_cluster_is_named(option: str, value: str) -> None:
    with pytest.raises(SpecError, match=rf"^{option}: {re.escape(repr(value))} is not"):
        parse_cluster({**CLUSTER, option: value})


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"filesystem": "ext4"}, r"^filesystem: 'ext4' is for disks of a thin pool"),
        ({"store": "thin"}, r"^lost_host: 'kvm01' is for disks with store: rbd"),
        ({"size": "1M"}, r"^size: '1M' is too small"),
    ],
)
def test_a_bad_option_of_a_disk_is_named(options: dict[str, Any], message: str) -> None:
    with pytest.raises(SpecError, match=message):
        parse_disk_spec({**DISK, **options})
