# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The fake store keeps the contract of the true ones."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from ansible_collections.zonal.cloud.plugins.module_utils._ports import EngineError
from ansible_collections.zonal.cloud.plugins.module_utils._ports_s3 import Objects
from ansible_collections.zonal.cloud.tests.unit.plugins.contracts.objects import CONTRACT, without_a_bucket_there_is_an_error
from ansible_collections.zonal.cloud.tests.unit.plugins.fakes.objects import FakeObjects


@pytest.mark.parametrize("check", CONTRACT, ids=lambda check: check.__name__)
def test_contract(check: Callable[[Objects], None]) -> None:
    check(FakeObjects())


def test_without_a_bucket_there_is_an_error() -> None:
    objects = FakeObjects()
    objects.missing = True
    without_a_bucket_there_is_an_error(objects)
    with pytest.raises(EngineError):
        objects.list("")
