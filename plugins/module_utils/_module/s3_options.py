# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: may change without notice.
"""The options of modules that keep something in an S3 store."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .._adapters.s3 import S3Access
from .._domain.s3_bucket import parse_endpoint


def s3_options() -> dict[str, Any]:
    """Return the argument specification of a store; documented in the fragment ``zonal.cloud.s3_store``."""
    return {
        "endpoint": {"type": "str", "required": True},
        "access_key": {"type": "str", "required": True, "no_log": False},
        "secret_key": {"type": "str", "required": True, "no_log": True},
        "ca_file": {"type": "path"},
        "region": {"type": "str", "default": "us-east-1"},
    }


def s3_access(params: Mapping[str, Any]) -> S3Access:
    """Return where the store is and who asks."""
    endpoint = parse_endpoint("endpoint", params["endpoint"])
    return S3Access(endpoint, params["access_key"], params["secret_key"], params["ca_file"], params["region"])
