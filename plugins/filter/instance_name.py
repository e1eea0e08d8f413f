# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The filter ``instance_name``; documented in the file of its name."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ansible.errors import AnsibleFilterError

from ansible_collections.zonal.cloud.plugins.module_utils._domain.errors import MissingError, ZonalError
from ansible_collections.zonal.cloud.plugins.module_utils._domain.names import parse_label
from ansible_collections.zonal.cloud.plugins.module_utils._domain.naming import DEFAULT_TEMPLATE, parse_template, render_name
from ansible_collections.zonal.cloud.plugins.module_utils._domain.zone_spec import parse_count


def instance_name(
    address: Any,
    zone: Any,
    app: Any,
    *,
    tenant: Any = "none",
    kind: Any = None,
    index: Any = None,
    template: Any = DEFAULT_TEMPLATE,
) -> str:
    """Return the name that an instance with this address gets in its zone."""
    try:
        parsed = parse_template("template", template)
        words = {"zone": zone, "tenant": tenant, "app": app, "kind": kind}
        owner = {word: parse_label(word, value) for word, value in words.items() if value is not None}
        for word, value in ({**words, "index": index}).items():
            if value is None and f"{{{word}}}" in parsed:
                raise MissingError(word, f"the template {parsed} needs it")
        return render_name(parsed, owner, index=1 if index is None else parse_count("index", index, 1), address=address)
    except ZonalError as error:
        raise AnsibleFilterError(str(error)) from error


class FilterModule:
    """Filters of this file."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Return the filters by name."""
        return {"instance_name": instance_name}
