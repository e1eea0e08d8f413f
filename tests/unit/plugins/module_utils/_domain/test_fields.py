# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The table of fields: how each is read and shown."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.zonal.cloud.plugins.module_utils._domain.errors import MissingError, SpecError
from ansible_collections.zonal.cloud.plugins.module_utils._domain.fields import FIELDS, Spec, complete, parse_spec, pick, show_spec
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
]
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
