# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: may change without notice.
"""Which of libvirt's drivers this host uses: its administrators set that once for all programs, as the role ``hypervisor`` does."""

from __future__ import annotations

from .._domain.domain_type import driver_in, uri_of
from .._ports import EngineError

SETTINGS = "/etc/libvirt/libvirt.conf"


def system_uri(path: str = SETTINGS) -> str:
    """Return the URI of the host's libvirt."""
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return uri_of(driver_in(file.read()))
    except FileNotFoundError:
        return uri_of(driver_in(""))
    except OSError as error:
        raise EngineError("read", path, str(error)) from error
