# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which images are ours, by what docker was seen to list; the true one is in tests/integration/engines/test_images.py."""

from __future__ import annotations

from typing import Any

import pytest
from docker import errors

from ansible_collections.zonal.cloud.plugins.module_utils._adapters.docker_images import our_images

IMAGES: dict[str, tuple[list[str] | None, int, bool]] = {
    "imported": (["debian:13"], 1, True),
    "imported, without a name": (None, 1, True),
    "built of it": (["web:3"], 2, False),
    "built of it, without a name": (["<none>:<none>"], 2, False),
    "an instance that is captured": (["zonal-capture.new:lab-web"], 2, True),
    "one that is called nearly so": (["zonal-capture.newer:lab-web"], 2, False),
    "gone meanwhile": (["web:4"], 0, False),
}


class Api:
    def images(self, filters: dict[str, Any]) -> list[dict[str, Any]]:
        assert filters == {"label": "cloud.zonal.digest", "dangling": True}
        return [{"Id": name, "RepoTags": tags} for name, (tags, _steps, _ours) in IMAGES.items()]

    def history(self, image: str) -> list[dict[str, Any]]:
        if not IMAGES[image][1]:
            raise errors.ImageNotFound(image)
        return [{}] * IMAGES[image][1]


@pytest.mark.parametrize("image", IMAGES)
def test_what_is_made_of_ours_is_not_ours(image: str) -> None:
    assert (image in [found["Id"] for found in our_images(Api(), dangling=True)]) == IMAGES[image][2]
