# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The zone that these tests begin with: one instance of each kind on each host."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.lab.conftest import APPS
from tests.lab.zone.host import Host
from tests.lab.zone.registry import Registry, made_registry, published


@pytest.fixture(scope="session", autouse=True)
def spread_zone(lab: Any) -> None:
    """Make the zone anew when one of the runs that were cut off had placed its instances while a host was away: nothing moves them."""
    if not _is_spread(lab):
        names = [claim["name"] for claim in lab.claims()]
        lab.play("zonal.cloud.retire", "-e", json.dumps({"zonal_retire": names}))
        # Their addresses would rest for a day.
        Path(next(iter(lab.inventory()["_meta"]["hostvars"].values()))["zonal_ledger_url"]).unlink()
        lab.play("zonal.cloud.provision")


def _is_spread(lab: Any) -> bool:
    return sorted((claim["app"], claim["host"]) for claim in lab.claims()) == [(app, host) for app in APPS for host in ("h1", "h2")]


@pytest.fixture(scope="module")
def host() -> Iterator[Host]:
    """The host that the tests of a file change."""
    opened = Host()
    yield opened
    opened.close()


@pytest.fixture(scope="session")
def registry(lab: Any, tmp_path_factory: pytest.TempPathFactory) -> Registry:
    """A registry on one of the hosts; it stays there."""
    return made_registry(lab, tmp_path_factory.mktemp("registry"))


@pytest.fixture(scope="session")
def entries(registry: Registry) -> list[dict[str, str]]:
    """What to write into zonal_images for the two images that are published there."""
    return published(registry)
