# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What libvirt calls paused, and who is."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from ansible_collections.zonal.cloud.plugins.module_utils._adapters import domain_power

# As in libvirt-domain.h.
LIBVIRT = SimpleNamespace(VIR_DOMAIN_PAUSED=3, VIR_DOMAIN_PAUSED_STARTING_UP=11)
RUNNING, PAUSED, BY_USER, IO_ERROR, STARTING_UP = 1, 3, 1, 5, 11


@pytest.mark.parametrize(
    ("state", "held"),
    [([RUNNING, BY_USER], False), ([PAUSED, BY_USER], True), ([PAUSED, IO_ERROR], True), ([PAUSED, STARTING_UP], False)],
)
def test_who_is_being_started_is_not_held(monkeypatch: pytest.MonkeyPatch, state: list[int], held: bool) -> None:
    monkeypatch.setattr(domain_power, "need_libvirt", lambda: LIBVIRT)
    assert domain_power.is_paused(SimpleNamespace(state=lambda: state)) is held
