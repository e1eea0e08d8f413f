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

from .addresses import check_addresses
from .errors import MissingError, SpecError
from .field_values import (
    ALWAYS,
    BOOT_KERNEL,
    HOST_MODEL,
    NEVER,
    ON_FAILURE,
    SHARED,
    parse_address,
    parse_addresses,
    parse_bandwidth,
    parse_bool,
    parse_boot,
    parse_capabilities,
    parse_command,
    parse_cpu_model,
    parse_cpu_policy,
    parse_cpu_shares,
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
    parse_restart_policy,
    parse_user_data,
    parse_vcpus,
    show_io_limits,
    show_sizes,
)
from .instance_disks import DiskEntry, grown, parse_disks, placed, show_disks
from .names import parse_image, parse_interface, parse_label
from .plan import Difference
from .quantity import format_size, parse_size
from .snapshot_policy import parse_policy, show_policy

LIVE, RESTART, RECREATE = "live", "restart", "recreate"
# Written when the instance is made, and never compared again.
KEPT = "kept"
# The other kind has no such thing, or needs none.
REFUSED = "refused"
# The weight of a container for each of its CPUs, when no other is wanted.
SHARES_OF_A_CPU = 1024
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
    extra_addresses: list[str]
    hostname: str
    ssh_keys: list[str]
    user_data: str
    autostart: bool
    restart_policy: str
    max_vcpus: int
    max_memory: int  # bytes
    cpu_shares: int
    cpu_policy: str
    cpu_model: str
    boot: str
    hugepages: bool
    pci_devices: list[str]
    io_limits: dict[str, int]  # bytes or operations per second
    snapshots: dict[str, int]  # every so many seconds, and how many are kept
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
    of the kind has of which nothing else is known. What is ``secret`` is not reported. ``judge`` tells what a difference takes when that
    is not always the same, and nothing when it is left.
    """

    name: str
    parse: Callable[[str, Any], Any]
    container: str
    vm: str
    path: str = ""
    required: bool = False
    show: Callable[[Any], Any] = lambda value: value
    room: str = ""
    none: Callable[[str, Spec], Any] = lambda _kind, _spec: None
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


def _usual_policy(kind: str, spec: Spec) -> str:
    if kind == "vm":
        return ON_FAILURE
    return ALWAYS if spec.get("autostart") else NEVER


def _usual_shares(kind: str, spec: Spec) -> int | None:
    """What a VM's are depends on the version of its host's cgroups."""
    return spec.get("vcpus", 0) * SHARES_OF_A_CPU if kind == "container" else None


FIELDS: tuple[Field, ...] = (
    Field("zone", parse_label, RECREATE, LIVE, required=True),
    Field("tenant", parse_label, RECREATE, LIVE),
    Field("app", parse_label, RECREATE, LIVE),
    Field("index", parse_index, KEPT, KEPT),
    # Of a container docker lets no label be changed.
    Field("labels", parse_labels, RECREATE, LIVE, none=lambda _kind, _spec: {}),
    Field("image", parse_image, RECREATE, RECREATE, required=True),
    Field("vcpus", parse_vcpus, LIVE, RESTART, required=True, room="max_vcpus"),
    Field("memory", parse_memory, LIVE, RESTART, required=True, show=format_size, room="max_memory"),
    Field("max_vcpus", parse_vcpus, REFUSED, RESTART, none=lambda _kind, spec: spec.get("vcpus")),
    Field("max_memory", parse_memory, REFUSED, RESTART, show=format_size, none=lambda _kind, spec: spec.get("memory")),
    Field("cpu_shares", parse_cpu_shares, LIVE, LIVE, none=_usual_shares),
    Field("cpu_policy", parse_cpu_policy, REFUSED, RESTART, none=lambda _kind, _spec: SHARED),
    Field("cpu_model", parse_cpu_model, REFUSED, RESTART, none=lambda _kind, _spec: HOST_MODEL),
    Field("boot", parse_boot, REFUSED, RESTART, none=lambda _kind, _spec: BOOT_KERNEL),
    Field("hugepages", parse_bool, REFUSED, RESTART, none=lambda _kind, _spec: False),
    Field("pci_devices", parse_pci_devices, REFUSED, RESTART, none=lambda _kind, _spec: []),
    Field("disk", parse_size, RECREATE, RESTART, show=format_size),
    Field("disks", _parse_disks, RECREATE, LIVE, show=show_disks, none=lambda _kind, _spec: [], judge=_judge_disks),
    Field("io_limits", parse_io_limits, RECREATE, LIVE, show=show_io_limits, none=lambda _kind, _spec: {}),
    Field("snapshots", parse_policy, LIVE, LIVE, show=show_policy, none=lambda _kind, _spec: {}),
    Field("bridge", parse_interface, RECREATE, RESTART, path="network.bridge", required=True),
    Field("link", parse_link, REFUSED, LIVE, none=lambda _kind, _spec: "up"),
    Field("bandwidth", parse_bandwidth, REFUSED, LIVE, show=show_sizes, none=lambda _kind, _spec: {}),
    # Address, hostname, keys and user-data stand in the guest's own file system, which is not opened again once a guest had it.
    Field("cidr", parse_network, RECREATE, RECREATE, path="network.cidr", required=True),
    Field("gateway", parse_address, RECREATE, RECREATE, path="network.gateway"),
    Field("dns", parse_dns, RECREATE, RECREATE, path="network.dns", none=lambda _kind, _spec: []),
    Field("address", parse_address, RECREATE, RECREATE, required=True),
    # docker takes one address for an endpoint, and beside it only such as 169.254.0.0/16 has.
    Field("extra_addresses", parse_addresses, REFUSED, RECREATE, none=lambda _kind, _spec: []),
    Field("hostname", parse_label, RECREATE, RECREATE),
    Field("ssh_keys", parse_keys, RECREATE, RECREATE),
    Field("user_data", parse_user_data, REFUSED, RECREATE, show=_hide, none=lambda _kind, _spec: "", secret=True),
    Field("command", parse_command, RECREATE, REFUSED, none=lambda _kind, _spec: []),
    Field("environment", parse_environment, RECREATE, REFUSED, show=_hide, none=lambda _kind, _spec: {}, secret=True),
    Field("capabilities", parse_capabilities, RECREATE, REFUSED, none=lambda _kind, _spec: []),
    Field("autostart", parse_bool, LIVE, LIVE),
    Field("restart_policy", parse_restart_policy, LIVE, LIVE, none=_usual_policy),
)


def parse_spec(raw: dict[str, Any]) -> Spec:
    """Return the normal form of the values that were given (None means not given); SpecError names the first bad one."""
    spec: dict[str, Any] = {}
    for field in FIELDS:
        value = raw.get(field.name)
        if value is not None:
            spec[field.name] = field.parse(field.option, value)
    check_addresses(spec)
    for name in ("vcpus", "memory"):
        most = f"max_{name}"
        if name in spec and spec.get(most, spec[name]) < spec[name]:
            raise SpecError(most, raw[most], f"is less than {name}, {raw[name]!r}")
    return cast(Spec, spec)


def check_kind(kind: str, spec: Spec) -> None:
    """SpecError when a field is given that instances of this kind do not have, or a value of it."""
    values = cast("dict[str, Any]", spec)
    for field in FIELDS:
        if field.name in values and getattr(field, kind) == REFUSED:
            raise SpecError(field.option, field.show(values[field.name]), f"is for {_OTHER[kind]} only")
    check_restart_policy(kind, spec)


def check_restart_policy(kind: str, spec: Spec) -> None:
    """SpecError when the engine of the kind cannot do what the restart policy says, beside the autostart, which without a word is true."""
    policy = spec.get("restart_policy", "")
    if kind == "vm" and policy == ALWAYS:
        raise SpecError("restart_policy", policy, "is for containers only: such a VM would not go off with its host")
    starts = policy != NEVER
    if kind == "container" and policy and spec.get("autostart", True) is not starts:
        needed = "true" if starts else "false"
        raise SpecError("restart_policy", policy, f"needs autostart: {needed}; docker has one word for both")


def of_stopped(kind: str, found: Spec, wanted: Spec) -> Spec:
    """Return what is known of an instance that is stopped. Of a container docker holds then that it starts with its host, but not whether
    it is restarted on failure only, so that is taken to be as wanted."""
    if kind == "container" and found.get("autostart") and wanted.get("restart_policy") == ON_FAILURE:
        return cast(Spec, {**found, "restart_policy": ON_FAILURE})
    return found


def differences(kind: str, wanted: Spec, found: Spec) -> list[Difference]:
    """Compare field by field, in the words of the specs; a field that is not wanted is left alone."""
    want, have = cast("dict[str, Any]", wanted), cast("dict[str, Any]", found)
    differing = []
    for field in FIELDS:
        mend = getattr(field, kind)
        if field.name in want and mend != KEPT:
            value, present = want[field.name], have.get(field.name, field.none(kind, found))
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


def addresses_of(spec: Spec) -> list[str]:
    """Return all addresses of an instance, its own first; none of one that does not tell its own."""
    return [spec["address"], *spec.get("extra_addresses", [])] if "address" in spec else []


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
