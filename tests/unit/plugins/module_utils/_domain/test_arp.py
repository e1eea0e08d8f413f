# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""ARP probes: what is sent, when, and what is believed of what comes back."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.zonal.cloud.plugins.module_utils._domain.arp import Answers, Pace, build_probe
from ansible_collections.zonal.cloud.plugins.module_utils._domain.pools import number_of, parse_ranges
from ansible_collections.zonal.cloud.tests.unit.plugins.contracts.wire import OWN
from ansible_collections.zonal.cloud.tests.unit.plugins.fakes.wire import arp, packed

ASKED = parse_ranges("x", ["10.0.0.1-10.0.0.9"])
ONE, TWO = "52:54:00:00:00:01", "52:54:00:00:00:02"
PROBE = "ffffffffffff 020000007701 0806 0001 0800 06 04 0001 020000007701 00000000 000000000000 0a000007"
BELIEVED = {
    "reply": arp(ONE, "10.0.0.7"),
    "reply with padding": arp(ONE, "10.0.0.7") + bytes(18),
    "request": arp(ONE, "10.0.0.7", operation=1),
    "another sender of the frame": arp(ONE, "10.0.0.7", source=TWO),
}
NOT_BELIEVED = {
    "nothing": b"",
    "short": arp(ONE, "10.0.0.7")[:-1],
    "not asked for": arp(ONE, "10.0.0.10"),
    "a probe of somebody else": arp(ONE, "0.0.0.0", operation=1),
    "reverse ARP": arp(ONE, "10.0.0.7", operation=4),
    "operation 0": arp(ONE, "10.0.0.7", operation=0),
    "IPv4": arp(ONE, "10.0.0.7", kind="0800 0001 0800 06 04"),
    "in a VLAN": arp(ONE, "10.0.0.7", kind="8100 0007 0806 0001 0800 06 04"),
    "other hardware": arp(ONE, "10.0.0.7", kind="0806 0006 0800 06 04"),
    "other protocol": arp(ONE, "10.0.0.7", kind="0806 0001 86dd 06 04"),
    "long hardware address": arp(ONE, "10.0.0.7", kind="0806 0001 0800 08 04"),
    "long address": arp(ONE, "10.0.0.7", kind="0806 0001 0800 06 10"),
    "our own": arp(OWN, "10.0.0.7"),
    "our own in another's frame": arp(OWN, "10.0.0.7", source=ONE),
    "another's in our own frame": arp(ONE, "10.0.0.7", source=OWN),
}


def show(*frames: bytes) -> list[dict[str, object]]:
    answers = Answers(ASKED, packed(OWN))
    for frame in frames:
        answers.take(frame)
    return answers.show()


def test_a_probe_to_the_byte() -> None:
    assert build_probe(packed(OWN), number_of("10.0.0.7")) == bytes.fromhex(PROBE)


@pytest.mark.parametrize("case", BELIEVED)
def test_what_is_believed(case: str) -> None:
    assert show(BELIEVED[case]) == [{"address": "10.0.0.7", "macs": [ONE]}]


@pytest.mark.parametrize("case", NOT_BELIEVED)
def test_what_is_not_believed(case: str) -> None:
    assert show(NOT_BELIEVED[case]) == []


def test_address_0_has_nobody_even_when_asked_for() -> None:
    answers = Answers(parse_ranges("x", ["0.0.0.0/30"]), packed(OWN))
    answers.take(arp(ONE, "0.0.0.0", operation=1))
    assert answers.show() == []


def test_several_machines_and_several_addresses_are_sorted() -> None:
    frames = [arp(TWO, "10.0.0.9"), arp(TWO, "10.0.0.2"), arp(ONE, "10.0.0.9"), arp(TWO, "10.0.0.9")]
    assert show(*frames) == [{"address": "10.0.0.2", "macs": [TWO]}, {"address": "10.0.0.9", "macs": [ONE, TWO]}]


def test_invented_macs_fill_no_memory() -> None:
    [found] = show(*(arp(f"52:54:00:00:00:{number:02x}", "10.0.0.9") for number in range(200)))
    assert len(str(found["macs"]).split()) == 8


def test_who_is_silent() -> None:
    answers = Answers(ASKED, packed(OWN))
    for address in ("10.0.0.1", "10.0.0.4", "10.0.0.5"):
        answers.take(arp(ONE, address))
    assert answers.silent().show() == ["10.0.0.2-10.0.0.3", "10.0.0.6-10.0.0.9"]


WHOLE = arp(ONE, "10.0.0.7")
# Anything at all, and frames that are right but for some bytes.
FRAMES = st.binary(max_size=70) | st.builds(
    lambda place, junk: WHOLE[:place] + junk + WHOLE[place + len(junk) :], st.integers(0, 41), st.binary(max_size=8)
)


@given(st.lists(FRAMES, max_size=20))
def test_whatever_comes_in_only_answers_come_out(frames: list[bytes]) -> None:
    for found in show(*frames):
        assert number_of(str(found["address"])) in ASKED
        assert found["macs"]
        assert OWN not in str(found["macs"])


@given(st.integers(1, 600), st.integers(1, 10000), st.integers(1, 4))
def test_all_are_asked_as_often_as_wanted_and_never_too_fast(size: int, rate: int, tries: int) -> None:
    asked = parse_ranges("x", [f"10.0.0.0-10.0.{(size - 1) // 256}.{(size - 1) % 256}"])
    plan = list(Pace(rate, tries, 0).schedule(asked))
    moments = [moment for moment, _address in plan]
    assert [address for _moment, address in plan] == list(asked.lowest(())) * tries
    assert all(later - sooner > 0.999 / rate for sooner, later in pairwise(moments))
    assert all(later - sooner > 0.999 for sooner, later in zip(moments, moments[size:], strict=False))
    assert moments[-1] <= tries * max(size / rate, 1)


def test_a_22_takes_ten_seconds() -> None:
    asked = parse_ranges("x", ["10.0.0.1-10.0.3.254"])
    assert max(moment for moment, _address in Pace(200, 2, 1).schedule(asked)) < 10.3
