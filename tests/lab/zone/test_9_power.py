# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Power cuts: hosts come back by themselves with bridge, pool, registry and all instances at their addresses; nothing is left to mend."""

from __future__ import annotations

import re
from functools import partial
from typing import Any

import pytest

from tests.lab.zone.registry import PUSHED, USER, Registry

_KEPT = "cat /sys/class/net/br0/address; ip -o -4 address show dev br0 | grep -o 'inet [0-9./]*'"
_BOOT = "cat /proc/sys/kernel/random/boot_id"


def came_back(lab: Any, host: str, boot: str, kept: str) -> None:
    assert lab.on(host, _BOOT) != boot
    assert lab.on(host, _KEPT) == kept
    guests = [claim["address"] for claim in lab.claims() if claim["host"] == host]
    assert len(guests) == 2
    for guest in guests:
        lab.eventually(partial(lab.answers, guest), f"{guest} answers after the power cut of {host}", 420)
    assert "docker0" not in lab.on(host, "ip -o link")


@pytest.mark.usefixtures("registry", "entries")
def test_a_host_without_power_holds_up_nobody_and_all_come_back(lab: Any) -> None:
    before = {host: (lab.on(host, _BOOT), lab.on(host, _KEPT)) for host in ("h1", "h2")}
    lab.cli("kill", "h1")
    try:
        told = " ".join(lab.start_play("zonal.cloud.provision").finish(status=2).split())
        assert "h1 does not answer; its instances keep their addresses" in told
        assert re.search(r"Converge the instances\] \*+ ok: \[h2\]", told)
    finally:
        lab.cli("kill", "h2")
        lab.cli("up", "--hosts", "2", "--release", "trixie,bookworm", timeout=900)
    for host, (boot, kept) in before.items():
        came_back(lab, host, boot, kept)


def test_then_a_run_has_nothing_to_do(lab: Any) -> None:
    output = lab.play("zonal.cloud.site")
    assert set(re.findall(r"changed=(\d+)", output)) == {"0"}, output


def test_then_the_registry_serves_again(registry: Registry, lab: Any, entries: list[dict[str, str]]) -> None:
    """By itself: nobody runs registry.yml, whose second run tests/integration/engines/test_ceph_growth.py has."""
    registry.play("zonal.cloud.images", "--limit", USER, zonal_images=entries[1:])
    lab.on(USER, f"docker image rm {PUSHED}")
    assert "changed=1" in registry.play("zonal.cloud.images", "--limit", USER, zonal_images=entries[1:])
