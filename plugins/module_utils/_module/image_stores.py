# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: may change without notice.
"""The options by which modules reach stores of images: an S3 store, a docker registry."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .._adapters.s3 import S3Access
from .._domain.errors import MissingError, SpecError
from .._ports import Login
from .s3_options import s3_access

_PREFIX = "s3_"


def image_store(params: Mapping[str, Any], why: str) -> S3Access:
    """Return where the store is and who asks; MissingError tells ``why`` that is needed."""
    for option in (f"{_PREFIX}{name}" for name in ("endpoint", "access_key", "secret_key")):
        if not params[option]:
            raise MissingError(option, why)
    return s3_access(params, _PREFIX)


def registry_login(params: Mapping[str, Any]) -> Login:
    """Return who asks the registry."""
    user, password = params["registry_user"] or "", params["registry_password"] or ""
    if ":" in user:
        raise SpecError("registry_user", user, "has a colon, which no user of a registry can have")
    if bool(user) != bool(password):
        raise MissingError("registry_user" if password else "registry_password", "a registry knows users by both")
    return Login(user, password)
