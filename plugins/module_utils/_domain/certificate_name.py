# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: may change without notice.
"""What a server's certificate is good for: names of hosts, and addresses."""

from __future__ import annotations

import re
from ipaddress import IPv4Address, IPv6Address, ip_address

from .errors import SpecError

_LABEL = r"[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?"
# The last part of a name is no number (RFC 3696, section 2), so that an address with a mistake in it is not taken for one.
_NAME = re.compile(rf"(?=.{{1,253}}\Z)(?:\*\.)?(?:{_LABEL}\.)*(?![0-9]+\Z){_LABEL}", re.ASCII)


def certificate_name(field: str, value: object) -> str:
    """Return a name or an address, IPv6 with or without brackets, in the words of openssl; SpecError for anything else."""
    if isinstance(value, str):
        address = _address(value)
        if isinstance(address, IPv6Address):
            return "IP Address:" + ":".join(f"{int(group, 16):X}" for group in re.findall("....", address.packed.hex()))
        if address is not None:
            return f"IP Address:{address}"
        if _NAME.fullmatch(value):
            return f"DNS:{value}"
    raise SpecError(field, value, "is neither the name of a host nor an address, such as registry.example, 10.20.0.7 or 2001:db8::7")


def _address(value: str) -> IPv4Address | IPv6Address | None:
    bracketed = value.startswith("[") and value.endswith("]")
    try:
        found = ip_address(value[1:-1] if bracketed else value)
    except ValueError:
        return None
    return None if "%" in value or (bracketed and found.version == 4) else found
