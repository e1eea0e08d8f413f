# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: may change without notice.
"""What an instance is: its fields, how each is written, and what mending a difference in it takes.

This table is the only place that knows. A new field is a line here, a line in the specification of its kind's engine
(``container_config.py``, ``domain_xml.py``) and an option in ``_module/instance_options.py``.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any, Callable, TypedDict, cast

from .addresses import check_host_address, parse_cidr, parse_ipv4
from .errors import MissingError, SpecError
from .instance_disks import DiskEntry, grown, parse_disks, placed, show_disks
from .names import parse_image, parse_interface, parse_label
from .quantity import format_size, parse_size

LIVE, RESTART, RECREATE = "live", "restart", "recreate"
# Written when the instance is made, and never compared again.
KEPT = "kept"
# docker takes CPU shares up to 262144, 1024 for each CPU; libvirt and QEMU q35 go up to 255 without an IOMMU.
MOST_VCPUS = 255
# Below this neither docker (6M) nor a Linux guest starts.
LEAST_MEMORY = 6 * 1024**2
# QEMU rounds memory up to this, so a finer value would differ for ever.
_MEMORY_UNIT = 1024**2
_SSH_KEY = re.compile(r"(?:ssh|ecdsa|sk)-[a-z0-9@.-]+ [A-Za-z0-9+/]+={0,3}(?: [^\x00-\x1f\x7f]*)?", re.ASCII)


class Spec(TypedDict, total=False):
    """The fields of an instance in their normal form. A key that is missing means: leave that field as it is."""

    zone: str
    tenant: str
    app: str
    index: int
    image: str
    vcpus: int
    memory: int  # bytes
    disk: int  # bytes
    disks: list[DiskEntry]
    bridge: str
    cidr: str
    gateway: str
    dns: list[str]
    address: str
    hostname: str
    ssh_keys: list[str]
    autostart: bool


@dataclass(frozen=True)
class Field:
    """One field: how it is read (``parse(path, value)``) and shown, and how a difference is mended for each kind."""

    name: str
    parse: Callable[[str, Any], Any]
    container: str
    vm: str
    path: str = ""
    required: bool = False
    show: Callable[[Any], Any] = lambda value: value
    judge: Callable[[str, Any, Any, str], str] = lambda kind, wanted, found, mend: "" if wanted == found else mend

    @property
    def option(self) -> str:
        """The name under which users know the field."""
        return self.path or self.name

    def mend(self, kind: str, wanted: Any, found: Any) -> str:
        """Return how the difference between two values is mended; empty when there is none that is ever mended."""
        mend = self.judge(kind, wanted, found, getattr(self, kind))
        return "" if mend == KEPT else mend


def parse_list(field: str, value: Any) -> list[Any]:
    """Return the items of a list; SpecError for anything else, also for text, whose items would be its letters."""
    if not isinstance(value, (list, tuple)):
        raise SpecError(field, value, "is not a list")
    return list(value)


def _parse_vcpus(field: str, value: Any) -> int:
    if isinstance(value, bool) or not re.fullmatch(r"\d{1,3}", str(value), re.ASCII) or not 1 <= int(value) <= MOST_VCPUS:
        raise SpecError(field, value, f"is not a number of virtual CPUs from 1 to {MOST_VCPUS}")
    return int(value)


def _parse_index(field: str, value: Any) -> int:
    if isinstance(value, bool) or not re.fullmatch(r"[1-9]\d{0,8}", str(value), re.ASCII):
        raise SpecError(field, value, "is not a whole number from 1")
    return int(value)


def _parse_memory(field: str, value: Any) -> int:
    size = parse_size(field, value)
    if size < LEAST_MEMORY:
        raise SpecError(field, value, f"is too little; the least is {format_size(LEAST_MEMORY)}")
    return -(-size // _MEMORY_UNIT) * _MEMORY_UNIT


def _parse_address(field: str, value: Any) -> str:
    return str(parse_ipv4(field, value))


def _parse_network(field: str, value: Any) -> str:
    return str(parse_cidr(field, value))


def _parse_dns(field: str, value: Any) -> list[str]:
    return [_parse_address(f"{field}[{index}]", item) for index, item in enumerate(parse_list(field, value))]


def _parse_keys(field: str, value: Any) -> list[str]:
    for index, key in enumerate(parse_list(field, value)):
        if not isinstance(key, str) or not _SSH_KEY.fullmatch(key.strip()):
            raise SpecError(f"{field}[{index}]", key, "is not a public ssh key in one line, such as 'ssh-ed25519 AAAA... name'")
    return sorted({key.strip() for key in value})


def _parse_bool(field: str, value: Any) -> bool:
    if not isinstance(value, bool):
        raise SpecError(field, value, "is neither true nor false")
    return value


def _parse_disks(field: str, value: Any) -> list[DiskEntry]:
    return parse_disks(field, parse_list(field, value))


def _judge_disks(kind: str, wanted: list[DiskEntry], found: list[DiskEntry] | None, mend: str) -> str:
    """A disk grows while it is in use. A container does not know an order of its disks, and a VM names them in theirs."""
    if placed(wanted, kind) != placed(found, kind):
        return mend
    return LIVE if grown(wanted, found) else ""


FIELDS: tuple[Field, ...] = (
    Field("zone", parse_label, RECREATE, LIVE, required=True),
    Field("tenant", parse_label, RECREATE, LIVE),
    Field("app", parse_label, RECREATE, LIVE),
    Field("index", _parse_index, KEPT, KEPT),
    Field("image", parse_image, RECREATE, RECREATE, required=True),
    Field("vcpus", _parse_vcpus, LIVE, RESTART, required=True),
    Field("memory", _parse_memory, LIVE, RESTART, required=True, show=format_size),
    Field("disk", parse_size, RECREATE, RESTART, show=format_size),
    Field("disks", _parse_disks, RECREATE, LIVE, show=show_disks, judge=_judge_disks),
    Field("bridge", parse_interface, RECREATE, RESTART, path="network.bridge", required=True),
    # Address, hostname and keys stand in the guest's own file system, which is not opened again once a guest had it.
    Field("cidr", _parse_network, RECREATE, RECREATE, path="network.cidr", required=True),
    Field("gateway", _parse_address, RECREATE, RECREATE, path="network.gateway"),
    Field("dns", _parse_dns, RECREATE, RECREATE, path="network.dns"),
    Field("address", _parse_address, RECREATE, RECREATE, required=True),
    Field("hostname", parse_label, RECREATE, RECREATE),
    Field("ssh_keys", _parse_keys, RECREATE, RECREATE),
    Field("autostart", _parse_bool, LIVE, LIVE),
)


def parse_spec(raw: dict[str, Any]) -> Spec:
    """Return the normal form of the values that were given (None means not given); SpecError names the first bad one."""
    spec: dict[str, Any] = {}
    for field in FIELDS:
        value = raw.get(field.name)
        if value is not None:
            spec[field.name] = field.parse(field.option, value)
    if "cidr" in spec:
        for name in ("address", "gateway"):
            if name in spec:
                check_host_address(name if name == "address" else "network.gateway", spec[name], spec["cidr"])
        if "address" in spec and spec["address"] == spec.get("gateway"):
            raise SpecError("address", spec["address"], "is the gateway of the network")
    return cast(Spec, spec)


def complete(name: str, spec: Spec) -> Spec:
    """Return the spec of an instance that is to be created, with defaults; MissingError names a field without one."""
    for field in FIELDS:
        if field.required and field.name not in spec:
            raise MissingError(field.option, f"it is needed to create the instance {name}")
    defaults: Spec = {"hostname": name, "autostart": True, "ssh_keys": [], "dns": [], "tenant": "none", "app": "none"}
    return cast(Spec, {**defaults, **spec})


def pick(spec: Spec, options: Collection[str]) -> Spec:
    """Return the fields of ``spec`` that users know under the names ``options``."""
    values = cast("dict[str, Any]", spec)
    return cast(Spec, {field.name: values[field.name] for field in FIELDS if field.option in options and field.name in values})


def show_spec(spec: Spec) -> dict[str, Any]:
    """Return the spec in the words and units of the options."""
    shown: dict[str, Any] = {}
    values = cast("dict[str, Any]", spec)
    for field in FIELDS:
        if field.name in values:
            target, _dummy, leaf = field.option.rpartition(".")
            (shown.setdefault(target, {}) if target else shown)[leaf] = field.show(values[field.name])
    return shown
