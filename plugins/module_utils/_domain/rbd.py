# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: may change without notice.
"""Disks on Ceph (RBD): images of a pool that all hosts of a zone share. How a host reaches them, and who has one."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .errors import SpecError

# Where a disk is: on the thin pool of its host, or an image that all hosts reach.
THIN, RBD = "thin", "rbd"
# Of a pool and of a user; Ceph allows more, of which some mean something else in the name of an image.
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,63}", re.ASCII)
_FILE = re.compile(r"/[A-Za-z0-9_./+-]{1,254}", re.ASCII)


@dataclass(frozen=True)
class Cluster:
    """How a host reaches the images: their ``pool``, the ``user`` (without "client.") who may use it, and the file of settings ``conf``.

    The user's key stands in a keyring for the program rbd, and in a secret of libvirt for QEMU; it is never spoken of here.
    """

    pool: str
    user: str
    conf: str


@dataclass(frozen=True)
class RbdSource:
    """What a VM has an ``image`` of a cluster by: POOL/NAME."""

    image: str
    user: str
    conf: str

    @property
    def secret(self) -> str:
        """Return for which usage libvirt has a secret that is the user's key; the role hypervisor makes it."""
        return f"client.{self.user}"


@dataclass(frozen=True)
class Holder:
    """The instance that has an image, noted on the image itself; ``here`` tells whether its host is this one."""

    instance: str
    host: str
    here: bool


def parse_cluster(params: Mapping[str, Any]) -> Cluster:
    """Turn a module's options into the cluster of the disks with ``store: rbd``; SpecError names the option."""
    for option in ("rbd_pool", "rbd_user"):
        if not _NAME.fullmatch(params[option]):
            raise SpecError(option, params[option], "is not a name; use 1 to 64 letters, digits, '_', '.' and '-'")
    if not _FILE.fullmatch(params["rbd_conf"]):
        raise SpecError("rbd_conf", params["rbd_conf"], "is not the absolute path of a file such as /etc/ceph/ceph.conf")
    return Cluster(params["rbd_pool"], params["rbd_user"], params["rbd_conf"])
