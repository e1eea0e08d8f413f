# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: may change without notice.
"""How a domain of libvirt comes to rest and goes on. libvirt's own errors are for the caller."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from .deps import need_libvirt

_POLL = 0.5
_LOOKS = 6


def is_paused(domain: Any) -> bool:
    """Tell whether it is held, by an operator or by an error of a disk, and not just until its start is done."""
    libvirt = need_libvirt()
    state, reason = domain.state()
    return bool(state == libvirt.VIR_DOMAIN_PAUSED and reason != libvirt.VIR_DOMAIN_PAUSED_STARTING_UP)


def stop(domain: Any, timeout: int) -> None:
    """Let the guest shut down, and cut its power after so many seconds; with 0 at once."""
    if not domain.isActive():
        return
    deadline = time.monotonic() + timeout
    if timeout > 0:
        _shut_down(domain)
    while domain.isActive():
        # One whose disk gives errors is held again, and would never end.
        if time.monotonic() >= deadline or is_paused(domain):
            cut_power(domain)
            return
        time.sleep(_POLL)


def cut_power(domain: Any) -> None:
    """End it at once; no error when it ends by itself meanwhile."""
    libvirt = need_libvirt()
    try:
        domain.destroy()
    except libvirt.libvirtError as error:
        if error.get_error_code() != libvirt.VIR_ERR_OPERATION_INVALID or domain.isActive():
            raise


def resume(domain: Any) -> str:
    """Let it go on. One that a disk's error held tries that write once more: return why it is held again, empty when it is not."""
    libvirt = need_libvirt()
    failed = domain.state() == [libvirt.VIR_DOMAIN_PAUSED, libvirt.VIR_DOMAIN_PAUSED_IOERROR]
    domain.resume()
    for _look in range(_LOOKS if failed else 0):
        time.sleep(_POLL)
        if is_paused(domain):
            return _why_held(domain.diskErrors())
    return ""


def _shut_down(domain: Any) -> None:
    libvirt = need_libvirt()
    try:
        if is_paused(domain):
            # Or its guest would not hear of it.
            domain.resume()
        domain.shutdown()
    except libvirt.libvirtError as error:
        # The guest went down by itself, or is held again.
        if error.get_error_code() != libvirt.VIR_ERR_OPERATION_INVALID:
            raise


def _why_held(errors: Mapping[str, int]) -> str:
    full = [disk for disk, error in errors.items() if error == need_libvirt().VIR_DOMAIN_DISK_ERROR_NO_SPACE]
    if full:
        return f"no space is left where its disk {', '.join(full)} is; make room in that pool"
    return f"what it is stored on gives errors (disk {', '.join(errors) or 'not told'}); QEMU's log on the host and the kernel's tell more"
