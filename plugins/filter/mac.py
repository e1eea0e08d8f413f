# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The filters ``mac`` and ``address_of_mac``; documented in the files of their names."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ansible.errors import AnsibleFilterError

from ansible_collections.zonal.cloud.plugins.module_utils._domain.addresses import parse_ipv4
from ansible_collections.zonal.cloud.plugins.module_utils._domain.errors import ZonalError
from ansible_collections.zonal.cloud.plugins.module_utils._domain.names import mac_of
from ansible_collections.zonal.cloud.plugins.module_utils._domain.naming import address_of_mac


def _told(convert: Callable[[Any], str]) -> Callable[[Any], str]:
    """Return the conversion with its errors as those of a filter."""

    def converted(value: Any) -> str:
        try:
            return convert(value)
        except ZonalError as error:
            raise AnsibleFilterError(str(error)) from error

    return converted


class FilterModule:
    """Filters of this file."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Return the filters by name."""
        return {"mac": _told(lambda value: mac_of(str(parse_ipv4("mac", value)))), "address_of_mac": _told(address_of_mac)}
