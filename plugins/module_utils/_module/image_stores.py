# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: may change without notice.
"""The options by which modules reach stores of images: an S3 store, a docker registry."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .._adapters.s3 import S3Access
from .._domain.errors import MissingError, SpecError
from .._domain.s3_bucket import parse_endpoint
from .._ports import Login

_REGION = "us-east-1"
_S3_OPTIONS = ("s3_endpoint", "s3_access_key", "s3_secret_key")


def s3_access(params: Mapping[str, Any], why: str) -> S3Access:
    """Return where the store is and who asks; MissingError tells ``why`` that is needed."""
    for option in _S3_OPTIONS:
        if not params[option]:
            raise MissingError(option, why)
    endpoint = parse_endpoint("s3_endpoint", params["s3_endpoint"])
    return S3Access(endpoint, params["s3_access_key"], params["s3_secret_key"], params["ca_file"], _REGION)


def registry_login(params: Mapping[str, Any]) -> Login:
    """Return who asks the registry."""
    user, password = params["registry_user"] or "", params["registry_password"] or ""
    if ":" in user:
        raise SpecError("registry_user", user, "has a colon, which no user of a registry can have")
    if bool(user) != bool(password):
        raise MissingError("registry_user" if password else "registry_password", "a registry knows users by both")
    return Login(user, password)
