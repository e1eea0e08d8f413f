# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Snapshots of a VM on a real LVM and of a container on XFS: what was destroyed after them comes back, nothing of them is left, and who is
killed meanwhile leaves nothing either."""

from __future__ import annotations

from typing import Any

import pytest

from tests.lab.leftovers import leftovers
from tests.lab.zone.cut_snapshots import KEPT
from tests.lab.zone.host import HOST, Host

LABEL = "lab-test"
_KEPT = f"""
lvs --noheadings --options lv_attr,lv_tags --select 'lv_name=~snap.{LABEL}' zonal
ls /var/lib/docker/zonal-snapshots/* 2>/dev/null || true
"""


def test_what_was_destroyed_comes_back(host: Host, lab: Any) -> None:
    guests = dict(lab.placed(kind, HOST) for kind in ("vm", "container"))
    options = ("-e", f"zonal_names={','.join(guests)}", "-e", f"zonal_snapshot={LABEL}")
    for address in guests.values():
        lab.login(address, "echo precious > /root/kept; mkdir /root/folder; ln -s / /root/folder/link; sync")
    assert f"{LABEL} of 2 instances: present" in lab.play("zonal.cloud.snapshot", *options)
    kept = lab.on(HOST, _KEPT)
    # A thin volume that is read-only and not active.
    assert (kept.split()[0][:2], kept.split()[0][4]) == ("Vr", "-"), kept
    assert "zonal.consistent=agent" in kept
    assert LABEL in kept.splitlines()[-1]
    for address in guests.values():
        lab.login(address, "rm -rf /root/kept /root/folder; echo new > /root/lost; sync")
    # An image of the VM's holds the same.
    told = host.script("tests.lab.zone.captures", lab.placed("vm", HOST)[0], "zonal", "pool", "root/kept", LABEL)
    assert "captured vm True because" in told, told
    assert "content precious" in told, told
    told = lab.play("zonal.cloud.snapshot", *options, "-e", "zonal_snapshot_state=restored", "-e", "zonal_snapshot_allow=restart")
    assert f"{LABEL} of 2 instances: restored" in told
    for address in guests.values():
        lab.eventually(lambda address=address: lab.answers(address), f"{address} answers again", 420)
        assert lab.login(address, "cat /root/kept; readlink /root/folder/link; ls /root/lost 2>/dev/null || true").split() == [
            "precious",
            "/",
        ]
        lab.login(address, "rm -r /root/kept /root/folder")
    lab.play("zonal.cloud.snapshot", *options, "-e", "zonal_snapshot_state=absent")
    assert LABEL not in lab.on(HOST, _KEPT)


@pytest.mark.parametrize("what", ["take", "restore"])
def test_who_is_killed_meanwhile_leaves_nothing(host: Host, lab: Any, what: str) -> None:
    """Of a VM that runs; of a container tests/integration/engines/test_snapshots.py has it."""
    name, address = lab.placed("vm", HOST)
    lab.login(address, f"echo {KEPT} > /root/kept; sync")
    told = host.script("tests.lab.zone.cut_snapshots", what, name, "zonal", "pool", "/root/kept")
    print(told)
    assert leftovers(lab, HOST) == []
