# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: may change without notice.
"""Of which type the VMs of a host are."""

from __future__ import annotations

from .._adapters.kvm import kvm_usable
from .._domain.domain_type import AUTO, KVM, QEMU, check_type
from .._ports import Command, VmEngine


def domain_type_of(wanted: str, engine: VmEngine, command: Command) -> str:
    """Return the type of a new VM, of which a type is wanted; SpecError when this host has no VMs of that."""
    driver = engine.driver()
    check_type(wanted, driver)
    if wanted != AUTO:
        return wanted
    return driver if driver != QEMU else KVM if kvm_usable(command)[0] else QEMU
