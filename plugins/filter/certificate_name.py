# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The filter ``certificate_name``; documented in the file of its name."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ansible.errors import AnsibleFilterError

from ansible_collections.zonal.cloud.plugins.module_utils._domain import certificate_name as names
from ansible_collections.zonal.cloud.plugins.module_utils._domain.errors import ZonalError


def certificate_name(value: Any, field: str = "certificate_name") -> str:
    """Return a name or address in the words of openssl."""
    try:
        return names.certificate_name(field, value)
    except ZonalError as error:
        raise AnsibleFilterError(str(error)) from error


class FilterModule:
    """Filters of this file."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Return the filters by name."""
        return {"certificate_name": certificate_name}
