# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: may change without notice.
"""What an instance is: its fields, how each is written, and what mending a difference in it takes.

This table is the only place that knows. A new field is a line here, a line in the specification of its kind's engine
(``container_config.py``, ``domain_xml.py``) and an option in ``_module/instance_options.py``.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any, Callable, TypedDict, cast

from .addresses import check_host_address
from .errors import MissingError, SpecError
from .field_values import (
    BOOT_KERNEL,
    parse_address,
    parse_bandwidth,
    parse_bool,
    parse_boot,
    parse_capabilities,
    parse_command,
    parse_dns,
    parse_environment,
    parse_index,
    parse_io_limits,
    parse_keys,
    parse_labels,
    parse_link,
    parse_list,
    parse_memory,
    parse_network,
    parse_pci_devices,
    parse_user_data,
    parse_vcpus,
    show_io_limits,
    show_sizes,
)
from .instance_disks import DiskEntry, grown, parse_disks, placed, show_disks
from .names import parse_image, parse_interface, parse_label
from .plan import Difference
from .quantity import format_size, parse_size

LIVE, RESTART, RECREATE = "live", "restart", "recreate"
# Written when the instance is made, and never compared again.
KEPT = "kept"
# The other kind has no such thing, or needs none.
REFUSED = "refused"
_OTHER = {"container": "VMs", "vm": "containers"}


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
    user_data: str
    autostart: bool
    max_vcpus: int
    max_memory: int  # bytes
    boot: str
    hugepages: bool
    pci_devices: list[str]
    io_limits: dict[str, int]  # bytes or operations per second
    link: str
    bandwidth: dict[str, int]  # bytes per second
    labels: dict[str, str]
    environment: dict[str, str]
    command: list[str]
    capabilities: list[str]


@dataclass(frozen=True)
class Field:
    """One field: how it is read (``parse(path, value)``) and shown, and how a difference is mended for each kind.

    ``room`` is the field up to which a VM that runs takes more of this one, so that no restart is needed. ``none`` tells what an instance
    has of which nothing else is known. What is ``secret`` is not reported. ``judge`` tells what a difference takes when that is not
    always the same, and nothing when it is left.
    """

    name: str
    parse: Callable[[str, Any], Any]
    container: str
    vm: str
    path: str = ""
    required: bool = False
    show: Callable[[Any], Any] = lambda value: value
    room: str = ""
    none: Callable[[Spec], Any] = lambda _spec: None
    secret: bool = False
    judge: Callable[[str, Any, Any, str], str] = lambda _kind, _wanted, _found, mend: mend

    @property
    def option(self) -> str:
        """The name under which users know the field."""
        return self.path or self.name


def _hide(_value: Any) -> str:
    return "(not shown)"


def _parse_disks(field: str, value: Any) -> list[DiskEntry]:
    return parse_disks(field, parse_list(field, value))


def _judge_disks(kind: str, wanted: list[DiskEntry], found: list[DiskEntry], mend: str) -> str:
    """A disk grows while it is in use. A container does not know an order of its disks, and a VM names them in theirs."""
    if placed(wanted, kind) != placed(found, kind):
        return mend
    return LIVE if grown(wanted, found) else ""


FIELDS: tuple[Field, ...] = (
    Field("zone", parse_label, RECREATE, LIVE, required=True),
    Field("tenant", parse_label, RECREATE, LIVE),
    Field("app", parse_label, RECREATE, LIVE),
    Field("index", parse_index, KEPT, KEPT),
    # Of a container docker lets no label be changed.
    Field("labels", parse_labels, RECREATE, LIVE, none=lambda _spec: {}),
    Field("image", parse_image, RECREATE, RECREATE, required=True),
    Field("vcpus", parse_vcpus, LIVE, RESTART, required=True, room="max_vcpus"),
    Field("memory", parse_memory, LIVE, RESTART, required=True, show=format_size, room="max_memory"),
    Field("max_vcpus", parse_vcpus, REFUSED, RESTART, none=lambda spec: spec.get("vcpus")),
    Field("max_memory", parse_memory, REFUSED, RESTART, show=format_size, none=lambda spec: spec.get("memory")),
    Field("boot", parse_boot, REFUSED, RESTART, none=lambda _spec: BOOT_KERNEL),
    Field("hugepages", parse_bool, REFUSED, RESTART, none=lambda _spec: False),
    Field("pci_devices", parse_pci_devices, REFUSED, RESTART, none=lambda _spec: []),
    Field("disk", parse_size, RECREATE, RESTART, show=format_size),
    Field("disks", _parse_disks, RECREATE, LIVE, show=show_disks, none=lambda _spec: [], judge=_judge_disks),
    Field("io_limits", parse_io_limits, RECREATE, LIVE, show=show_io_limits, none=lambda _spec: {}),
    Field("bridge", parse_interface, RECREATE, RESTART, path="network.bridge", required=True),
    Field("link", parse_link, REFUSED, LIVE, none=lambda _spec: "up"),
    Field("bandwidth", parse_bandwidth, REFUSED, LIVE, show=show_sizes, none=lambda _spec: {}),
    # Address, hostname, keys and user-data stand in the guest's own file system, which is not opened again once a guest had it.
    Field("cidr", parse_network, RECREATE, RECREATE, path="network.cidr", required=True),
    Field("gateway", parse_address, RECREATE, RECREATE, path="network.gateway"),
    Field("dns", parse_dns, RECREATE, RECREATE, path="network.dns", none=lambda _spec: []),
    Field("address", parse_address, RECREATE, RECREATE, required=True),
    Field("hostname", parse_label, RECREATE, RECREATE),
    Field("ssh_keys", parse_keys, RECREATE, RECREATE),
    Field("user_data", parse_user_data, REFUSED, RECREATE, show=_hide, none=lambda _spec: "", secret=True),
    Field("command", parse_command, RECREATE, REFUSED, none=lambda _spec: []),
    Field("environment", parse_environment, RECREATE, REFUSED, show=_hide, none=lambda _spec: {}, secret=True),
    Field("capabilities", parse_capabilities, RECREATE, REFUSED, none=lambda _spec: []),
    Field("autostart", parse_bool, LIVE, LIVE),
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
    for name in ("vcpus", "memory"):
        most = f"max_{name}"
        if name in spec and spec.get(most, spec[name]) < spec[name]:
            raise SpecError(most, raw[most], f"is less than {name}, {raw[name]!r}")
    return cast(Spec, spec)


def check_kind(kind: str, spec: Spec) -> None:
    """SpecError when a field is given that instances of this kind do not have."""
    values = cast("dict[str, Any]", spec)
    for field in FIELDS:
        if field.name in values and getattr(field, kind) == REFUSED:
            raise SpecError(field.option, field.show(values[field.name]), f"is for {_OTHER[kind]} only")


def differences(kind: str, wanted: Spec, found: Spec) -> list[Difference]:
    """Compare field by field, in the words of the specs; a field that is not wanted is left alone."""
    want, have = cast("dict[str, Any]", wanted), cast("dict[str, Any]", found)
    differing = []
    for field in FIELDS:
        mend = getattr(field, kind)
        if field.name in want and mend != KEPT:
            value, present = want[field.name], have.get(field.name, field.none(found))
            if value != present:
                most = have.get(field.room)
                grows = kind == "vm" and most is not None and present is not None and present < value <= most
                takes = field.judge(kind, value, present, LIVE if grows else mend)
                if takes:
                    differing.append(Difference(field.name, value, present, takes))
    return differing


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
        if field.name in values and not field.secret:
            target, _dummy, leaf = field.option.rpartition(".")
            (shown.setdefault(target, {}) if target else shown)[leaf] = field.show(values[field.name])
    return shown
