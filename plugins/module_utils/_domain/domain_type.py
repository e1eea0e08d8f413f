# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: may change without notice.
"""What runs VMs: the driver of libvirt that a host uses, the types of its domains, and what these cannot have.

See https://libvirt.org/drivers.html.
"""

from __future__ import annotations

import re
from typing import Any

from .errors import SpecError
from .fields import FIELDS, Spec

KVM, QEMU, XEN, LXC = "kvm", "qemu", "xen", "lxc"
AUTO = "auto"
DOMAIN_TYPES = (AUTO, KVM, QEMU, XEN, LXC)
# Which types a driver has; that of QEMU has two.
_TYPES = {QEMU: (KVM, QEMU), XEN: (XEN,), LXC: (LXC,)}
# What libvirt's drivers do not do, or not while a VM runs, and for Xen what PVH has not.
_NEITHER = {
    "boot",
    "cpu_model",
    "cpu_policy",
    "cpu_shares",
    "restart_policy",
    "hugepages",
    "pci_devices",
    "disks",
    "io_limits",
    "link",
    "bandwidth",
}
_LACKS = {XEN: _NEITHER, LXC: _NEITHER | {"max_vcpus", "max_memory", "user_data"}}
_DEFAULT = re.compile(r"""^\s*uri_default\s*=\s*["'](\w+):///system["']\s*(?:#.*)?$""", re.ASCII | re.MULTILINE)


def uri_of(driver: str) -> str:
    """Return where libvirt is asked for the instances of a host."""
    return f"{driver}:///system"


def driver_in(settings: str) -> str:
    """Return the driver that the text of /etc/libvirt/libvirt.conf makes the host's default; qemu when it names none of ours."""
    named = _DEFAULT.findall(settings)
    return named[-1] if named and named[-1] in _TYPES else QEMU


def check_type(wanted: str, driver: str) -> None:
    """SpecError when the driver of a host has no domains of the type that is wanted."""
    if wanted not in (AUTO, *_TYPES.get(driver, ())):
        cause = f"is not what libvirt is used for on this host, which is {driver}; the role zonal.cloud.hypervisor sets that"
        raise SpecError("domain_type", wanted, cause)


def check_fields(driver: str, spec: Spec) -> None:
    """SpecError when a field is given that domains of this driver cannot have."""
    values: dict[str, Any] = {**spec}
    lacks = _LACKS.get(driver, ())
    for field in FIELDS:
        if field.name in lacks and values.get(field.name, field.none("vm", spec)) != field.none("vm", spec):
            shown = "(not shown)" if field.secret else field.show(values[field.name])
            raise SpecError(field.option, shown, f"is not for VMs of the type {driver}, which is what this host runs")
