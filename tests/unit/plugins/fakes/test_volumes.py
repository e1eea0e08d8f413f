# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The fake volumes keep the contract of the true ones."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from ansible_collections.zonal.cloud.plugins.module_utils._ports import EngineAbsent, EngineError
from ansible_collections.zonal.cloud.plugins.module_utils._ports_storage import Volumes
from ansible_collections.zonal.cloud.tests.unit.plugins.contracts.volumes import CONTRACT, MIB, A
from ansible_collections.zonal.cloud.tests.unit.plugins.fakes.volumes import FakeVolumes


@pytest.mark.parametrize("check", CONTRACT, ids=lambda check: check.__name__)
def test_contract(check: Callable[[Volumes], None]) -> None:
    check(FakeVolumes())


def test_nothing_works_without_the_engine() -> None:
    volumes = FakeVolumes()
    volumes.installed = False
    with pytest.raises(EngineAbsent):
        volumes.find(A)


def test_a_busy_volume_stays() -> None:
    volumes = FakeVolumes()
    volumes.create(A, MIB, [])
    volumes.busy.add(A)
    with pytest.raises(EngineError, match="in use"):
        volumes.remove(A)


def test_without_a_pool_there_is_nothing_and_nothing_is_made() -> None:
    volumes = FakeVolumes()
    volumes.exists = False
    assert (volumes.list(), volumes.free()) == ([], 0)
    with pytest.raises(EngineError, match="no pool zonal/pool"):
        volumes.create(A, MIB, [])
