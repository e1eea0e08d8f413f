# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: may change without notice.
"""Which of docker's images are ours: what somebody builds of one inherits its labels."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from .._domain.container_config import LABEL
from .._domain.names import CAPTURE
from .deps import need_docker


def our_images(api: Any, **filters: bool) -> list[Mapping[str, Any]]:
    """Return the images that were imported with our labels, and those that instances are captured as, as docker lists them."""
    return [image for image in api.images(filters={"label": LABEL + "digest", **filters}) if _is_ours(api, image)]


def drop_nameless(api: Any) -> None:
    """Remove those of them that have no name, as far as nothing uses them."""
    for image in our_images(api, dangling=True):
        with suppress(need_docker().errors.APIError):
            api.remove_image(image["Id"])


def _is_ours(api: Any, image: Mapping[str, Any]) -> bool:
    if any(name.startswith(f"{CAPTURE}:") for name in image["RepoTags"] or ()):
        return True
    try:
        # What was imported has but one step; each line of a Dockerfile and each commit is one more.
        return len(api.history(image["Id"])) == 1
    except need_docker().errors.NotFound:  # it has gone meanwhile
        return False
