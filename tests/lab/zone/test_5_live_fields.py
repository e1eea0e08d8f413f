# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Fields of a VM that need queues and cgroups of a kernel that the machine of tests/integration/engines/test_fields.py has not: a change is
told, done while the VM runs, over after that, and limits what it says."""

from __future__ import annotations

import time
from typing import Any

import pytest

from tests.lab.zone.host import HOST, Host

KIB = 1024
_LIMIT, _SENT = 32 * KIB, 128 * KIB
_LIVES = "pgrep -f '[g]uest={name},'"
_TAP = "$(virsh domiflist {name} | awk '$2 == \"bridge\" {{ print $1 }}')"
_SHOWN = {
    "bandwidth": f"tc qdisc show dev {_TAP} | grep -o 'htb' || true",
    "cpu_shares": "virsh schedinfo {name} | awk '$1 == \"cpu_shares\" {{ print $3 }}'",
}


@pytest.mark.parametrize(
    ("field", "value", "shown", "before", "nothing"),
    [
        ("bandwidth", {"inbound": "32K", "outbound": "32K"}, "htb", {}, ""),
        ("cpu_shares", 200, "200", 100, "100"),
    ],
)
def test_a_change(host: Host, lab: Any, field: str, value: Any, shown: str, before: Any, nothing: str) -> None:
    name, address = lab.placed("vm", HOST)
    lives = host.sh(_LIVES.format(name=name))

    def look() -> str:
        return host.sh(_SHOWN[field].format(name=name)).strip()

    assert host.instance("vm", name, check=True, **{field: value}) == ["update"]
    assert look() == nothing
    assert host.instance("vm", name, **{field: value}) == ["update"]
    assert look() == shown
    assert host.instance("vm", name, **{field: value}) == []
    if field == "bandwidth":
        # The first second's worth goes at once.
        assert seconds_to_send(lab, address) > (_SENT - _LIMIT) / _LIMIT * 0.9
    assert host.instance("vm", name, **{field: before}) == ["update"]
    assert (look(), host.instance("vm", name, **{field: before})) == (nothing, [])
    assert host.sh(_LIVES.format(name=name)) == lives


def seconds_to_send(lab: Any, address: str) -> float:
    lab.login(address, "true")
    began = time.monotonic()
    assert len(lab.login(address, f"head -c {_SENT} /dev/zero")) == _SENT
    return time.monotonic() - began
