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
    access_key, secret_key = (_key(f"{prefix}{name}", params) for name in ("access_key", "secret_key"))
    return S3Access(endpoint, access_key, secret_key, params["ca_file"], params.get("region", _REGION))


def _key(option: str, params: Mapping[str, Any]) -> str:
    key = str(params[option])
    if not key or not key.isprintable():
        raise RefusedError(f"{option}: is no key; one has letters, digits and signs only", field=option)
    return key
