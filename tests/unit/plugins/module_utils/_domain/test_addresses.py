# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""IPv4 addresses and networks."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.zonal.cloud.plugins.module_utils._domain.addresses import check_host_address, parse_cidr, parse_ipv4
from ansible_collections.zonal.cloud.plugins.module_utils._domain.errors import SpecError

NO_ADDRESSES: list[Any] = [
    "",
    "10.0.0",
    "10.0.0.0.1",
    "10.0.0.256",
    "10.0.0.01",
    "010.0.0.1",
    "0x0a.0.0.1",
    "10.0.0.1/24",
    "10.0.0.1 ",
    "10.0.0.1\n",
    "10,0,0,1",
    "-1.0.0.1",
    "\u0661.0.0.1",
    "::1",
    "2001:db8::1",
    "::ffff:10.0.0.1",
    "localhost",
    "$(id)",
    "<a/>",
    10,
    167772161,
    1.5,
    None,
    True,
    [],
    ["10.0.0.1"],
    {},
    b"\n\x00\x00\x01",
]
NO_NETWORKS: list[Any] = [
    *[value for value in NO_ADDRESSES if value != "10.0.0.1/24"],
    "10.0.0.0",
    "10.0.0.0/",
    "10.0.0.0/33",
    "10.0.0.0/-1",
    "10.0.0.0/8/8",
    "10.0.0.0/a",
    "10.20.0.1/16",
    "10.0.0.0/31",
    "10.0.0.1/32",
    "10.0.0.0 /8",
    "fd00::/64",
    ("10.0.0.0", 8),
    (167772160, 8),
]


@pytest.mark.parametrize("value", ["0.0.0.0", "10.20.101.7", "255.255.255.255"])
def test_good_address(value: str) -> None:
    assert str(parse_ipv4("address", value)) == value


@pytest.mark.parametrize("value", NO_ADDRESSES, ids=repr)
def test_bad_address(value: object) -> None:
    with pytest.raises(SpecError) as caught:
        parse_ipv4("address", value)
    assert str(caught.value) == f"address: {value!r} is not an IPv4 address, such as 10.20.101.7"


@pytest.mark.parametrize("value", ["10.0.0.0/8", "192.0.2.0/24", "192.0.2.4/30", "0.0.0.0/0"])
def test_good_network(value: str) -> None:
    assert str(parse_cidr("network.cidr", value)) == value


@pytest.mark.parametrize("value", NO_NETWORKS, ids=repr)
def test_bad_network(value: object) -> None:
    with pytest.raises(SpecError) as caught:
        parse_cidr("network.cidr", value)
    assert str(caught.value).startswith(f"network.cidr: {value!r} ")
    assert "\n" not in str(caught.value)


def test_host_bits_are_told() -> None:
    with pytest.raises(SpecError, match=r"\(10\.20\.0\.1/16 has host bits set\)"):
        parse_cidr("network.cidr", "10.20.0.1/16")


@pytest.mark.parametrize("prefix", [31, 32])
def test_too_small_a_network(prefix: int) -> None:
    with pytest.raises(SpecError, match="has no room for a gateway and an instance"):
        parse_cidr("network.cidr", f"10.0.0.0/{prefix}")


@pytest.mark.parametrize("address", ["192.0.2.5", "192.0.2.6"])
def test_host_address(address: str) -> None:
    check_host_address("address", address, "192.0.2.4/30")


@pytest.mark.parametrize(
    ("address", "why"),
    [
        ("192.0.2.4", "is the network or broadcast address of 192.0.2.4/30"),
        ("192.0.2.7", "is the network or broadcast address of 192.0.2.4/30"),
        ("192.0.2.8", "is not in the network 192.0.2.4/30"),
        ("10.0.0.1", "is not in the network 192.0.2.4/30"),
    ],
)
def test_no_host_address(address: str, why: str) -> None:
    with pytest.raises(SpecError) as caught:
        check_host_address("address", address, "192.0.2.4/30")
    assert str(caught.value) == f"address: '{address}' {why}"
