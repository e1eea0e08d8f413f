# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What every ``Wire`` must do, with one neighbour on it that has ADDRESS and no other.

The fake runs it in the unit tests, the packet socket in network namespaces in tests/integration/engines/test_address_probe.py.
"""

from __future__ import annotations

from collections.abc import Callable

from ansible_collections.zonal.cloud.plugins.module_utils._domain.arp import Answers, build_probe
from ansible_collections.zonal.cloud.plugins.module_utils._domain.pools import number_of, ranges_of
from ansible_collections.zonal.cloud.plugins.module_utils._ports_network import Wire

Clock = Callable[[], float]
ADDRESS, NOBODYS = "10.77.0.7", "10.77.0.8"
NEIGHBOUR, OWN = "02:00:00:00:77:07", "02:00:00:00:77:01"


def heard(wire: Wire, clock: Clock, seconds: float) -> list[bytes]:
    end, frames = clock() + seconds, []
    while (left := end - clock()) > 0:
        frame = wire.hear(left)
        frames += [frame] if frame is not None else []
    return frames


def who_has(wire: Wire, clock: Clock, address: str) -> list[dict[str, object]]:
    answers = Answers(ranges_of([number_of(address)]), wire.mac)
    wire.send(build_probe(wire.mac, number_of(address)))
    for frame in heard(wire, clock, 0.5):
        answers.take(frame)
    return answers.show()


def it_knows_its_mac(wire: Wire, clock: Clock) -> None:
    assert wire.mac.hex(":") == OWN


def whoever_has_the_address_answers(wire: Wire, clock: Clock) -> None:
    for _again in range(2):
        assert who_has(wire, clock, ADDRESS) == [{"address": ADDRESS, "macs": [NEIGHBOUR]}]


def for_others_there_is_silence(wire: Wire, clock: Clock) -> None:
    assert who_has(wire, clock, NOBODYS) == []


def silence_takes_its_time(wire: Wire, clock: Clock) -> None:
    begin = clock()
    assert wire.hear(0.2) is None
    assert 0.19 <= clock() - begin < 5
    assert wire.hear(0) is None


CONTRACT = [it_knows_its_mac, whoever_has_the_address_answers, for_others_there_is_silence, silence_takes_its_time]
