# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: may change without notice.
"""The options that VMs and containers share, and their way into a spec."""

from __future__ import annotations

from typing import Any

from .._domain.errors import SpecError
from .._domain.fields import RECREATE, RESTART, Spec, check_kind, parse_spec
from .._domain.instance import ABSENT, PAUSED, RUNNING, STOPPED, Wish
from .._domain.instance_disks import check_mounts
from .._domain.names import parse_label
from .._domain.rbd import RBD, THIN

_STATES = (RUNNING, STOPPED, PAUSED, ABSENT)


def instance_options() -> dict[str, Any]:
    """Return the argument specification of an instance; documented in the fragment ``zonal.cloud.instance``."""
    return {
        "name": {"type": "str", "required": True},
        "state": {"type": "str", "choices": list(_STATES), "default": RUNNING},
        "zone": {"type": "str"},
        "tenant": {"type": "str"},
        "app": {"type": "str"},
        "index": {"type": "int"},
        "image": {"type": "str"},
        "vcpus": {"type": "int"},
        "memory": {"type": "str"},
        "disk": {"type": "str"},
        "disks": {
            "type": "list",
            "elements": "dict",
            "options": {
                "name": {"type": "str", "required": True},
                "size": {"type": "str"},
                "mount": {"type": "str"},
                "store": {"type": "str", "choices": [THIN, RBD]},
            },
        },
        "address": {"type": "str"},
        "network": {
            "type": "dict",
            "options": {
                "bridge": {"type": "str", "required": True},
                "cidr": {"type": "str", "required": True},
                "gateway": {"type": "str"},
                "dns": {"type": "list", "elements": "str"},
            },
        },
        "hostname": {"type": "str"},
        "ssh_keys": {"type": "list", "elements": "str", "no_log": False},
        "user_data": {"type": "str"},
        "autostart": {"type": "bool"},
        "max_vcpus": {"type": "int"},
        "max_memory": {"type": "str"},
        "hugepages": {"type": "bool"},
        "pci_devices": {"type": "list", "elements": "str"},
        "io_limits": {
            "type": "dict",
            "options": {
                "read_bytes": {"type": "str"},
                "write_bytes": {"type": "str"},
                "read_iops": {"type": "int"},
                "write_iops": {"type": "int"},
            },
        },
        "link": {"type": "str", "choices": ["up", "down"]},
        "bandwidth": {"type": "dict", "options": {"inbound": {"type": "str"}, "outbound": {"type": "str"}}},
        "labels": {"type": "dict"},
        "environment": {"type": "dict"},
        "command": {"type": "list", "elements": "str"},
        "capabilities": {"type": "list", "elements": "str"},
        "allow": {"type": "list", "elements": "str", "choices": [RESTART, RECREATE], "default": []},
        "restart": {"type": "bool", "default": False},
        "stop_timeout": {"type": "int", "default": 60},
    }


def batch_options() -> dict[str, Any]:
    """Return the argument specification of ``instances``: what is each instance's own, and what goes for all of them."""
    own = instance_options()
    common = {name: own.pop(name) for name in ("allow", "stop_timeout")}
    del own["restart"]
    kind = {"type": "str", "choices": ["container", "vm"], "required": True}
    return {
        "instances": {"type": "list", "elements": "dict", "required": True, "options": {**own, "kind": kind}},
        **common,
        "workers": {"type": "int", "default": 4},
        "progress": {"type": "int", "default": 10},
        "accelerator": {"type": "str", "choices": ["auto", "kvm", "tcg"], "default": "auto"},
        **pool_options(),
        **rbd_options(),
    }


def pool_options() -> dict[str, Any]:
    """Return the options that name the thin pool of the host's volumes."""
    return {"group": {"type": "str", "default": "zonal"}, "pool": {"type": "str", "default": "pool"}}


def rbd_options() -> dict[str, Any]:
    """Return the options that name the Ceph pool of disks there; documented in the fragment ``zonal.cloud.rbd``."""
    return {
        "rbd_pool": {"type": "str", "default": "zonal-disks"},
        "rbd_user": {"type": "str", "default": "zonal-disks"},
        "rbd_conf": {"type": "path", "default": "/etc/ceph/ceph.conf"},
    }


def read_wish(kind: str, params: dict[str, Any]) -> Wish:
    """Return what the module's parameters wish; SpecError names the first bad one."""
    network = params["network"] or {}
    if params["stop_timeout"] < 0:
        raise SpecError("stop_timeout", params["stop_timeout"], "is less than 0 seconds")
    spec: Spec = parse_spec({**params, **network})
    check_kind(kind, spec)
    check_mounts(kind, spec.get("disks", ()))
    return Wish(
        kind=kind,
        name=parse_label("name", params["name"]),
        power=params["state"],
        spec=spec,
        allow=tuple(params["allow"]),
        restart=params["restart"],
    )
