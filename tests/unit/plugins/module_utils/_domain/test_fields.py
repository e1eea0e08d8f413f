# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The table of fields: how each is read and shown."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.zonal.cloud.plugins.module_utils._domain.errors import MissingError, SpecError
from ansible_collections.zonal.cloud.plugins.module_utils._domain.field_values import RESTART_POLICIES
from ansible_collections.zonal.cloud.plugins.module_utils._domain.fields import (
    FIELDS,
    KEPT,
    Spec,
    check_kind,
    complete,
    differences,
    parse_spec,
    pick,
    show_spec,
)
from ansible_collections.zonal.cloud.tests.unit.plugins.fakes.instances import KEY, OPTIONS

MIB = 1024**2
NAMES = {field.name: field.option for field in FIELDS}
BAD: list[tuple[str, Any]] = [
    ("zone", "Lab"),
    ("zone", 5),
    ("tenant", "a b"),
    ("tenant", []),
    ("app", "<app>"),
    ("image", "debian"),
    ("image", "debian:13; reboot"),
    ("vcpus", 0),
    ("vcpus", -1),
    ("vcpus", 256),
    ("vcpus", "two"),
    ("vcpus", "\uff12"),
    ("vcpus", "1.0"),
    ("vcpus", 1.5),
    ("vcpus", True),
    ("vcpus", [2]),
    ("vcpus", "9" * 100),
    ("memory", "4 apples"),
    ("memory", "5M"),
    ("memory", 0),
    ("memory", ["4G"]),
    ("disk", "much"),
    ("disk", 0),
    ("bridge", "a" * 16),
    ("bridge", "br0;id"),
    ("bridge", {}),
    ("cidr", "10.20.0.1/16"),
    ("cidr", 10),
    ("gateway", "10.20.0.1/16"),
    ("gateway", "10.21.0.1"),
    ("gateway", "10.20.0.0"),
    ("dns", "10.20.0.2"),
    ("dns", 5),
    ("dns", {"a": "b"}),
    ("address", "10.20.0.07"),
    ("address", "10.21.0.1"),
    ("address", "10.20.0.0"),
    ("address", "10.20.255.255"),
    ("address", "10.20.0.1"),
    ("address", 169148423),
    ("hostname", "web.example.org"),
    ("hostname", "web\n"),
    ("ssh_keys", KEY),
    ("ssh_keys", 5),
    ("ssh_keys", {"key": KEY}),
    ("autostart", "yes"),
    ("autostart", 1),
    ("restart_policy", "unless-stopped"),
    ("restart_policy", False),
    ("cpu_shares", 1),
    ("cpu_shares", 10001),
    ("cpu_shares", True),
    ("cpu_shares", "1.5"),
    ("cpu_policy", "isolated"),
    ("cpu_model", "host model"),
    ("cpu_model", "<model/>"),
    ("cpu_model", "A" * 64),
    ("cpu_model", 5),
    ("user_data", "locale: C"),
    ("max_vcpus", 0),
    ("max_memory", "much"),
    ("hugepages", "2M"),
    ("io_limits", "50M"),
    ("snapshots", "1d"),
    ("labels", ["a=b"]),
    ("environment", "A=b"),
    ("command", "sleep 1"),
    ("capabilities", "ALL"),
]
# What is in a mapping or list of which name and value are wrong, and what the message begins with.
BAD_PARTS: list[tuple[str, Any, str]] = [
    ("max_vcpus", 1, "max_vcpus: 1 is less than vcpus, 2"),
    ("max_memory", "64M", "max_memory: '64M' is less than memory, '256M'"),
    ("io_limits", {"bytes": "1M"}, "io_limits: 'bytes' is not a known limit; known are read_bytes, write_bytes, read_iops, write_iops"),
    ("io_limits", {"read_bytes": "fast"}, "io_limits.read_bytes: 'fast' is not a size"),
    ("ssh_keys", [f"{KEY}\udcff"], "ssh_keys[0]: 'ssh-ed25519 "),
    ("io_limits", {"read_bytes": "1P"}, "io_limits.read_bytes: '1P' is more than can be held; the most are 512T per second"),
    ("io_limits", {"read_iops": "1K"}, "io_limits.read_iops: '1K' is not a whole number"),
    ("io_limits", {"read_iops": True}, "io_limits.read_iops: True is not a whole number"),
    ("io_limits", {"write_iops": -1}, "io_limits.write_iops: -1 is not a whole number"),
    ("snapshots", {"every": "1d", "copy": True}, "snapshots: 'copy' is not a part of a policy; there are every and keep"),
    ("snapshots", {"every": "1d"}, "snapshots: {'every': '1d'} is half a policy; it tells how often"),
    ("snapshots", {"keep": 7}, "snapshots: {'keep': 7} is half a policy"),
    ("snapshots", {"every": "daily", "keep": 7}, "snapshots.every: 'daily' is not a span of time"),
    ("snapshots", {"every": "59s", "keep": 7}, "snapshots.every: '59s' is not between 1m and 520w"),
    ("snapshots", {"every": "999999999w", "keep": 7}, "snapshots.every: '999999999w' is not between 1m and 520w"),
    ("snapshots", {"every": "1d", "keep": 0}, "snapshots.keep: 0 is not a whole number from 1 to 999"),
    ("snapshots", {"every": "1d", "keep": True}, "snapshots.keep: True is not a whole number"),
    ("labels", {"cloud.zonal.name": "x"}, "labels: 'cloud.zonal.name' is not a key"),
    ("labels", {"a b": "x"}, "labels: 'a b' is not a key"),
    ("labels", {5: "x"}, "labels: 5 is not a key"),
    ("labels", {"": "x"}, "labels: '' is not a key"),
    ("labels", {"a": True}, "labels.a: True is not text; put it into quotes"),
    ("labels", {"a": None}, "labels.a: None is not text"),
    ("labels", {"a": "b\nc"}, "labels.a: 'b\\nc' has characters that cannot be printed"),
    ("labels", {"a": "\ufffe"}, "labels.a: '\\ufffe' has characters that cannot be printed"),
    ("environment", {"1A": "x"}, "environment: '1A' is not the name of a variable"),
    ("environment", {"A=B": "x"}, "environment: 'A=B' is not the name of a variable"),
    ("environment", {"A": ["x"]}, "environment.A: ['x'] is not text"),
    ("environment", {"A": "x\0"}, "environment.A: 'x\\x00' has characters that are no text"),
    ("environment", {"A": "\ud800"}, "environment.A: '\\ud800' has characters that are no text"),
    ("command", ["sh", False], "command[1]: False is not text"),
    ("command", [["sh"]], "command[0]: ['sh'] is not text"),
    ("extra_addresses", "10.20.0.9", "extra_addresses: '10.20.0.9' is not a list"),
    ("extra_addresses", ["10.20.0.9/16"], "extra_addresses[0]: '10.20.0.9/16' is not an IPv4 address"),
    ("extra_addresses", ["10.20.0.9", "10.20.0.9"], "extra_addresses[1]: '10.20.0.9' is there twice"),
    ("extra_addresses", ["10.21.0.9"], "extra_addresses: '10.21.0.9' is not in the network 10.20.0.0/16"),
    ("extra_addresses", ["10.20.255.255"], "extra_addresses: '10.20.255.255' is the network or broadcast address of 10.20.0.0/16"),
    ("extra_addresses", ["10.20.0.1"], "extra_addresses: '10.20.0.1' is the gateway of the network"),
    ("extra_addresses", ["10.20.0.7"], "extra_addresses: '10.20.0.7' is the address that it has anyway"),
    ("pci_devices", ["3b:00.0", "0000:3B:00.0"], "pci_devices[1]: '0000:3B:00.0' is there twice"),
    ("boot", "cdrom", "boot: 'cdrom' is neither kernel nor disk"),
    ("link", True, "link: True is neither up nor down"),
    ("bandwidth", {"up": "1M"}, "bandwidth: 'up' is not a direction; there are inbound and outbound"),
    ("bandwidth", {"inbound": "33T"}, "bandwidth.inbound: '33T' is more than can be held; the most are 32T per second, and 0 is no limit"),
    ("bandwidth", {"inbound": "fast"}, "bandwidth.inbound: 'fast' is not a size"),
    ("pci_devices", ["eth0"], "pci_devices[0]: 'eth0' is not the address of a PCI device"),
    ("pci_devices", ["3b:20.0"], "pci_devices[0]: '3b:20.0' is not the address of a PCI device"),
    ("capabilities", ["SYS_TIME", "ALL"], "capabilities[1]: 'ALL' is not a capability"),
    ("capabilities", [None], "capabilities[0]: None is not a capability"),
]
OF_ONE_KIND: dict[str, dict[str, Any]] = {
    "vm": {"command": ["sh"], "environment": {"A": "b"}, "capabilities": ["SYS_TIME"]},
    "container": {
        "user_data": "#!/bin/sh",
        "max_vcpus": 4,
        "max_memory": "1G",
        "cpu_policy": "shared",
        "cpu_model": "host-model",
        "boot": "kernel",
        "hugepages": False,
        "pci_devices": [],
        "link": "up",
        "bandwidth": {},
        "extra_addresses": [],
    },
}
BAD_ITEMS: list[tuple[str, Any]] = [
    ("dns", "10.20.0"),
    ("dns", None),
    ("dns", ["10.20.0.2"]),
    ("ssh_keys", "ssh-rsa"),
    ("ssh_keys", "rm -rf /"),
    ("ssh_keys", KEY + "\nssh-rsa AAAA other"),
    ("ssh_keys", KEY + "\x00"),
    ("ssh_keys", 'command="id" ' + KEY),
    ("ssh_keys", "-----BEGIN OPENSSH PRIVATE KEY-----"),
    ("ssh_keys", None),
    ("ssh_keys", 5),
    ("ssh_keys", ""),
]


@pytest.mark.parametrize(("name", "value"), BAD, ids=lambda value: str(value)[:20])
def test_a_bad_value_names_option_and_value(name: str, value: object) -> None:
    with pytest.raises(SpecError) as caught:
        parse_spec({**OPTIONS, name: value})
    assert str(caught.value).startswith(f"{NAMES[name]}: {value!r}"[:80])
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(("name", "item"), BAD_ITEMS, ids=lambda value: str(value)[:20])
def test_a_bad_item_of_a_list_names_its_place(name: str, item: object) -> None:
    good = OPTIONS[name][0]
    with pytest.raises(SpecError) as caught:
        parse_spec({**OPTIONS, name: [good, item]})
    assert str(caught.value).startswith(f"{NAMES[name]}[1]: {item!r}"[:80])
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(("name", "value", "message"), BAD_PARTS, ids=lambda value: str(value)[:20])
def test_a_bad_part_is_named_with_its_place(name: str, value: object, message: str) -> None:
    with pytest.raises(SpecError) as caught:
        parse_spec({**OPTIONS, name: value})
    assert str(caught.value).startswith(message)


@pytest.mark.parametrize(("kind", "name"), [(kind, name) for kind, fields in OF_ONE_KIND.items() for name in fields])
def test_a_field_of_the_other_kind_is_refused(kind: str, name: str) -> None:
    spec = parse_spec({**OPTIONS, name: OF_ONE_KIND[kind][name]})
    other = {"vm": "container", "container": "vm"}[kind]
    with pytest.raises(SpecError, match=rf"^{name}: .* is for {other.replace('vm', 'VM')}s only$"):
        check_kind(kind, spec)
    check_kind(other, spec)


POLICIES: dict[str, list[tuple[str, bool | None]]] = {
    "container": [("always", True), ("on-failure", True), ("never", False), ("always", None), ("on-failure", None)],
    "vm": [(word, starts) for word in ("on-failure", "never") for starts in (True, False, None)],
}


@pytest.mark.parametrize("kind", POLICIES)
@pytest.mark.parametrize("autostart", [True, False, None])
@pytest.mark.parametrize("policy", RESTART_POLICIES)
def test_a_restart_policy_that_the_engine_cannot_hold_is_refused(kind: str, policy: str, autostart: bool | None) -> None:
    spec = parse_spec({"restart_policy": policy, "autostart": autostart})
    with nullcontext() if (policy, autostart) in POLICIES[kind] else pytest.raises(SpecError, match=f"^restart_policy: '{policy}' "):
        check_kind(kind, spec)


@pytest.mark.parametrize(
    ("kind", "found", "wanted"),
    [
        ("container", {"autostart": True}, {"restart_policy": "always"}),
        ("container", {"autostart": False}, {"restart_policy": "never"}),
        ("container", {"vcpus": 3}, {"cpu_shares": 3072}),
        ("vm", {"autostart": False}, {"restart_policy": "on-failure"}),
        ("vm", {}, {"cpu_policy": "shared", "cpu_model": "host-model"}),
    ],
)
def test_what_was_always_so_is_no_difference(kind: str, found: Spec, wanted: Spec) -> None:
    assert differences(kind, wanted, found) == []


@pytest.mark.parametrize(("kind", "found"), [("container", {"vcpus": 2}), ("vm", {"vcpus": 3})])
def test_another_weight_is_one(kind: str, found: Spec) -> None:
    """Also the one that a container of as many CPUs as the VM has: what a VM's is without a word nobody knows."""
    assert [item.field for item in differences(kind, {"cpu_shares": 3072}, found)] == ["cpu_shares"]


def test_the_table_for_people_is_the_table() -> None:
    page = (Path(__file__).parents[5] / "docs/instances.md").read_text(encoding="utf-8")
    rows = [[cell.strip(" `") for cell in line.split("|")[1:4]] for line in page.splitlines() if line.startswith("| `")]
    assert rows == [[field.option, field.container, field.vm] for field in FIELDS if field.container != KEPT]


def test_what_is_secret_is_not_shown() -> None:
    spec = parse_spec({"environment": {"WORD": "hidden"}, "user_data": "#!hidden"})
    assert show_spec(spec) == {}
    for kind in ("vm", "container"):
        with pytest.raises(SpecError) as caught:
            check_kind(kind, spec)
        assert "hidden" not in str(caught.value)


def test_what_is_not_given_is_left_out() -> None:
    assert parse_spec({}) == {}
    assert parse_spec(dict.fromkeys(NAMES)) == {}
    assert parse_spec({"unknown": 1}) == {}


def test_empty_is_not_the_same_as_not_given() -> None:
    assert parse_spec({"dns": [], "ssh_keys": []}) == {"dns": [], "ssh_keys": []}


@pytest.mark.parametrize(
    ("name", "value", "normal"),
    [
        ("vcpus", "2", 2),
        ("memory", "6M", 6 * MIB),
        ("memory", 6 * MIB + 1, 7 * MIB),
        ("memory", "100000K", 98 * MIB),
        ("disk", "1", 1),
        ("io_limits", {"write_iops": "5", "read_bytes": "1M", "write_bytes": 0, "read_iops": None}, {"read_bytes": MIB, "write_iops": 5}),
        ("labels", {"b": 1, "a/b.c": ""}, {"a/b.c": "", "b": "1"}),
        ("environment", {"B": 1.5, "A": "x\ny"}, {"A": "x\ny", "B": "1.5"}),
        ("command", ["sleep", 5], ["sleep", "5"]),
        ("capabilities", ["cap_sys_time", "CHOWN", "SYS_TIME"], ["CHOWN", "SYS_TIME"]),
        ("user_data", "", ""),
        ("snapshots", {"every": "24h", "keep": "7"}, {"every": 86400, "keep": 7}),
        ("snapshots", {"every": None, "keep": None}, {}),
        ("bandwidth", {"outbound": 1, "inbound": "0"}, {"outbound": 1024}),
        ("bandwidth", {"inbound": "32T"}, {"inbound": 2**45}),
        ("extra_addresses", ["10.20.0.30", "10.20.0.9"], ["10.20.0.9", "10.20.0.30"]),
        ("pci_devices", ["3B:00.0", "0001:af:1f.7"], ["0000:3b:00.0", "0001:af:1f.7"]),
        ("ssh_keys", ["ssh-rsa BBBB b", f" {KEY}\n", KEY], [KEY, "ssh-rsa BBBB b"]),
        (
            "ssh_keys",
            ["ecdsa-sha2-nistp256 AAAA=", "sk-ssh-ed25519@openssh.com AAAA=="],
            ["ecdsa-sha2-nistp256 AAAA=", "sk-ssh-ed25519@openssh.com AAAA=="],
        ),
    ],
)
def test_normal_form(name: str, value: object, normal: object) -> None:
    assert parse_spec({name: value}) == {name: normal}


def test_the_shown_spec_reads_back() -> None:
    spec = parse_spec({**OPTIONS, "disk": "20G"})
    shown = show_spec(spec)
    assert shown["memory"] == "256M"
    assert parse_spec({**shown, **shown.pop("network")}) == spec


def test_complete_adds_defaults_and_changes_nothing() -> None:
    needed = {field.name: OPTIONS[field.name] for field in FIELDS if field.required}
    spec = complete("web-1", parse_spec(needed))
    assert parse_spec(needed).items() <= spec.items()
    assert (spec["hostname"], spec["autostart"], spec["ssh_keys"], spec["dns"]) == ("web-1", True, [], [])
    assert complete("web-1", spec) == spec
    assert complete("other", spec) == spec


def test_complete_names_what_is_missing() -> None:
    with pytest.raises(MissingError, match=r"^network\.bridge: is missing; it is needed to create the instance web"):
        complete("web", parse_spec({**OPTIONS, "bridge": None}))


def test_pick_goes_by_the_names_of_options() -> None:
    spec = parse_spec(OPTIONS)
    assert pick(spec, ["network.bridge", "memory", "disk"]) == {"bridge": "br0", "memory": 256 * MIB}
    assert pick(spec, []) == Spec()
