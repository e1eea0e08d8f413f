# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: may change without notice.
"""The options that VMs and containers share, and their way into a spec."""

from __future__ import annotations

from typing import Any

from .._domain.domain_type import AUTO, DOMAIN_TYPES
from .._domain.field_values import CPU_POLICIES, RESTART_POLICIES
from .._domain.fields import RECREATE, RESTART, Spec, check_kind, parse_spec
from .._domain.instance import ABSENT, PAUSED, RUNNING, STOPPED, Wish
from .._domain.instance_disks import check_mounts
from .._domain.names import parse_label
from .._domain.quantity import check_wait
from .._domain.rbd import RBD, THIN

_STATES = (RUNNING, STOPPED, PAUSED, ABSENT)
# Options that are one value of a type, and those that are lists of text.
_PLAIN = {
    "str": "zone tenant app image memory max_memory cpu_model disk address hostname user_data".split(),
    "int": "index vcpus max_vcpus cpu_shares".split(),
    "bool": "autostart hugepages".split(),
    "dict": "labels environment".split(),
}
_LISTS = ("extra_addresses", "pci_devices", "command", "capabilities")


def instance_options() -> dict[str, Any]:
    """Return the argument specification of an instance; documented in the fragment ``zonal.cloud.instance``."""
    return {
        "name": {"type": "str", "required": True},
        "state": {"type": "str", "choices": list(_STATES), "default": RUNNING},
        **{name: {"type": kind} for kind, names in _PLAIN.items() for name in names},
        **{name: {"type": "list", "elements": "str"} for name in _LISTS},
        "ssh_keys": {"type": "list", "elements": "str", "no_log": False},
        "restart_policy": {"type": "str", "choices": list(RESTART_POLICIES)},
        "cpu_policy": {"type": "str", "choices": list(CPU_POLICIES)},
        "boot": {"type": "str", "choices": ["kernel", "disk"]},
        "link": {"type": "str", "choices": ["up", "down"]},
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
        "network": {
            "type": "dict",
            "options": {
                "bridge": {"type": "str", "required": True},
                "cidr": {"type": "str", "required": True},
                "gateway": {"type": "str"},
                "dns": {"type": "list", "elements": "str"},
            },
        },
        "io_limits": {
            "type": "dict",
            "options": {
                "read_bytes": {"type": "str"},
                "write_bytes": {"type": "str"},
                "read_iops": {"type": "int"},
                "write_iops": {"type": "int"},
            },
        },
        "snapshots": {"type": "dict", "options": {"every": {"type": "str"}, "keep": {"type": "int"}}},
        "bandwidth": {"type": "dict", "options": {"inbound": {"type": "str"}, "outbound": {"type": "str"}}},
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
        **type_options(),
        **pool_options(),
        **rbd_options(),
    }


def type_options() -> dict[str, Any]:
    """Return the option that tells of which type new VMs are."""
    return {"domain_type": {"type": "str", "choices": list(DOMAIN_TYPES), "default": AUTO}}


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
    check_wait("stop_timeout", params["stop_timeout"])
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
