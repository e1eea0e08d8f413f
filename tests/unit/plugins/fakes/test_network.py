# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The fake network keeps the contract of the true one."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from ansible_collections.zonal.cloud.plugins.module_utils._domain.bridge import Address, Link, Route
from ansible_collections.zonal.cloud.plugins.module_utils._ports_network import Links
from ansible_collections.zonal.cloud.tests.unit.plugins.contracts.links import CONTRACT, MAC, UPLINK
from ansible_collections.zonal.cloud.tests.unit.plugins.fakes.network import FakeLinks

HOST = Link(
    UPLINK,
    index=2,
    mac=MAC,
    up=True,
    addresses=(Address("10.7.0.2/24"), Address("fd07::2/64")),
    routes=(Route("0.0.0.0/0", "10.7.0.1", 50), Route("::/0", "fd07::1", 60)),
)


@pytest.mark.parametrize("clause", CONTRACT, ids=lambda clause: clause.__name__)
def test_the_fake_keeps_the_contract(clause: Callable[[Links], None]) -> None:
    clause(FakeLinks(HOST))
