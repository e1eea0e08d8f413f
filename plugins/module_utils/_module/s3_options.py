# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: may change without notice.
"""The options of modules that keep something in an S3 store."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .._adapters.s3 import S3Access
from .._domain.errors import RefusedError
from .._domain.s3_bucket import parse_endpoint

_REGION = "us-east-1"
_KEYS = ("access_key", "secret_key")


def s3_options() -> dict[str, Any]:
    """Return the argument specification of a store; documented in the fragment ``zonal.cloud.s3_store``."""
    return {
        "endpoint": {"type": "str", "required": True},
        "access_key": {"type": "str", "required": True, "no_log": False},
        "secret_key": {"type": "str", "required": True, "no_log": True},
        "ca_file": {"type": "path"},
        "region": {"type": "str", "default": _REGION},
    }


def s3_access(params: Mapping[str, Any], prefix: str = "") -> S3Access:
    """Return where the store is and who asks; where it is one store beside others, its options have a ``prefix``."""
    option = f"{prefix}endpoint"
    endpoint = parse_endpoint(option, params[option])
    keys = [params[f"{prefix}{name}"] for name in _KEYS]
    for name, key in zip(_KEYS, keys):
        if not key or not key.isprintable():
            raise RefusedError(f"{prefix}{name}: is no key; one has letters, digits and signs only", field=f"{prefix}{name}")
    return S3Access(endpoint, *keys, params["ca_file"], params.get("region", _REGION))
