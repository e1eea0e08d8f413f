# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A copy of a zone's pages: what the ledger wrote is read as it was, and anything else is told field by field."""

from __future__ import annotations

import json
from dataclasses import asdict, fields, replace
from typing import Any

import pytest

from ansible_collections.zonal.cloud.plugins.module_utils._domain import copied
from ansible_collections.zonal.cloud.plugins.module_utils._domain.claims import ADDRESS_LISTS, Claim, Held, KnownHost, Snapshot
from ansible_collections.zonal.cloud.plugins.module_utils._domain.errors import ZonalError
from ansible_collections.zonal.cloud.plugins.module_utils._domain.placement_types import Rule

CIDR = "10.20.0.0/16"
RULE = Rule(("none", "db"), together=False, required=True)
WEB = Claim(
    "web-1", "10.20.0.1", "kvm01", "none", "web", "vm", 1, 2, 4, 8, protected=True, rules=(RULE,), devices=(("0000:3b:00.0", 1), ("gpu", 1))
)
PAGES = Snapshot(
    (WEB, replace(WEB, name="web-2", address="10.20.0.2", index=2, extra_addresses=("10.20.0.5",), leaving=("10.20.0.6",))),
    (Held("10.20.0.9", "quarantined", "a\nprinter", "2026-11-22T20:30:00Z"),),
    (KnownHost("kvm01", 8, 16, 32, "cordoned", "declared", ("vm",), {"gpu": 2}),),
)


def dumped() -> dict[str, Any]:
    """Return the pages as a file has them."""
    hosts = [{**asdict(host), "kinds": list(host.kinds)} for host in PAGES.hosts]
    pages = {"claims": [claim.as_dict() for claim in PAGES.claims], "held": [asdict(item) for item in PAGES.held], "hosts": hosts}
    loaded: dict[str, Any] = json.loads(json.dumps(pages))
    return loaded


def test_what_was_written_is_read() -> None:
    assert copied.read_pages(dumped(), CIDR) == PAGES


def test_an_older_file_has_no_further_addresses() -> None:
    pages = dumped()
    for key in ADDRESS_LISTS:
        del pages["claims"][0][key]
    assert copied.read_pages(pages, CIDR) == PAGES


def test_every_field_is_checked() -> None:
    assert set(copied._CLAIM) == {field.name for field in fields(Claim)} | {"mac"}
    assert set(copied._HELD) == {field.name for field in fields(Held)}
    assert set(copied._HOST) == {field.name for field in fields(KnownHost)}


WRONG: dict[str, tuple[str, dict[str, Any], str]] = {
    "outside": ("claims", {"address": "192.168.9.9"}, "claims[0].address: '192.168.9.9' is not in the network 10.20.0.0/16"),
    "no address": ("claims", {"address": None}, "claims[0].address: None is not an IPv4 address"),
    "address twice": ("claims", {"address": "10.20.0.2", "mac": "02:42:0a:14:00:02"}, "address: '10.20.0.2' is there 2 times"),
    "address held": ("claims", {"address": "10.20.0.9", "mac": "02:42:0a:14:00:09"}, "address: '10.20.0.9' is there 2 times"),
    "extra twice": ("claims", {"extra_addresses": ["10.20.0.6"]}, "address: '10.20.0.6' is there 2 times"),
    "extra outside": ("claims", {"leaving": ["10.9.9.9"]}, "claims[0].leaving[0]: '10.9.9.9' is not in the network 10.20.0.0/16"),
    "extra": ("claims", {"extra_addresses": "10.20.0.6"}, "claims[0].extra_addresses: '10.20.0.6' is not a list"),
    "name": ("claims", {"name": "../../etc {{ 1 }}"}, "claims[0].name: '../../etc {{ 1 }}' is not a valid name"),
    "name twice": ("claims", {"name": "web-2"}, "name: 'web-2' is there 2 times"),
    "mac": ("claims", {"mac": "aa:bb:cc:00:00:00"}, "mac: 'aa:bb:cc:00:00:00' of web-1 does not belong to its address 10.20.0.1"),
    "text": ("claims", {"vcpus": "abc"}, "claims[0].vcpus: 'abc' is not a whole number from 0"),
    "negative": ("claims", {"vcpus": -5}, "claims[0].vcpus: -5 is not a whole number from 0"),
    "true": ("claims", {"memory": True}, "claims[0].memory: True is not a whole number"),
    "too much": ("claims", {"disk": 2**63}, "claims[0].disk: 9223372036854775808 is not a whole number"),
    "index": ("claims", {"index": 0}, "claims[0].index: 0 is not a whole number from 1"),
    "index twice": ("claims", {"index": 2}, "app: 'none web vm 2' is there 2 times"),
    "state": ("claims", {"state": "banana"}, "claims[0].state: 'banana' is none of planned, settled, removing"),
    "kind": ("claims", {"kind": ["vm"]}, "claims[0].kind: ['vm'] is none of container, vm"),
    "host": ("claims", {"host": None}, "claims[0].host: None is not the name of a host"),
    "flag": ("claims", {"protected": "no"}, "claims[0].protected: 'no' is neither true nor false"),
    "rule": ("claims", {"rules": [{"app": "x"}]}, "claims[0].rules[0].tenant: is missing; claims[0].rules[0].together: is missing"),
    "rules": ("claims", {"rules": {}}, "claims[0].rules: {} is not a list"),
    "devices": ("claims", {"devices": {"gpu": 0}}, "claims[0].devices.gpu: 0 is not a whole number of at least 1"),
    "PCI devices": ("claims", {"devices": {"0000:3b:00.0": 2}}, "claims[0].devices: {'0000:3b:00.0': 2} are not one PCI device each"),
    "no PCI device": ("claims", {"devices": {"a:b": 1}}, "claims[0].devices[0]: 'a:b' is not the address of a PCI device"),
    "PCI device of a host": ("hosts", {"devices": {"0000:3b:00.0": 1}}, "hosts[0].devices: '0000:3b:00.0' is not a valid name"),
    "more": ("claims", {"colour": 1}, "claims[0].colour: is not a known field"),
    "held state": ("held", {"state": "planned"}, "held[0].state: 'planned' is none of released, quarantined"),
    "moment": ("held", {"since": "today"}, "held[0].since: 'today' is not a moment"),
    "why": ("held", {"why": "x\0"}, "held[0].why: 'x\\x00' is not a text"),
    "host state": ("hosts", {"state": "up"}, "hosts[0].state: 'up' is none of active, cordoned, failed"),
    "kinds": ("hosts", {"kinds": ["jail"]}, "hosts[0].kinds[0]: 'jail' is none of container, vm"),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_is_wrong_is_told(case: str) -> None:
    part, change, message = WRONG[case]
    pages = dumped()
    pages[part][0].update(change)
    with pytest.raises(ZonalError) as told:
        copied.read_pages(pages, CIDR)
    assert str(told.value).startswith("path: this export was changed or cut off: ")
    assert message in str(told.value)


def test_all_that_is_wrong_is_told_at_once() -> None:
    with pytest.raises(ZonalError) as told:
        copied.read_pages({"claims": [5, {**dumped()["claims"][0], "vcpus": "x", "state": 1}], "held": [{}] * 9, "hosts": None}, CIDR)
    message = str(told.value)
    assert "claims[0]: 5 is not a mapping" in message
    assert "claims[1].vcpus: 'x'" in message
    assert "claims[1].state: 1 is none of" in message
    assert message.endswith("; and 20 more; nothing was imported")
