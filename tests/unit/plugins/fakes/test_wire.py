# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The fake passes the contract that the packet socket passes too."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from ansible_collections.zonal.cloud.plugins.module_utils._ports_network import Wire
from ansible_collections.zonal.cloud.tests.unit.plugins.contracts.wire import ADDRESS, CONTRACT, NEIGHBOUR, Clock
from ansible_collections.zonal.cloud.tests.unit.plugins.fakes.wire import FakeWire


@pytest.mark.parametrize("clause", CONTRACT, ids=lambda clause: clause.__name__)
def test_the_fake_keeps_the_contract(clause: Callable[[Wire, Clock], None]) -> None:
    wire = FakeWire({ADDRESS: [NEIGHBOUR]})
    clause(wire, wire.clock)
