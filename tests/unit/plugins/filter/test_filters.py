# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The filters as templates call them: what they return, and mistakes as errors of a filter that name the field."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible.errors import AnsibleFilterError

from ansible_collections.zonal.cloud.plugins.filter import certificate_name, mac
from ansible_collections.zonal.cloud.plugins.filter import instance_name as naming

FOLDER = Path(naming.__file__).parent
FILTERS = {**mac.FilterModule().filters(), **naming.FilterModule().filters(), **certificate_name.FilterModule().filters()}
ADDRESS = "10.20.101.104"
GIVEN: dict[str, tuple[str, tuple[Any, ...], dict[str, Any], str]] = {
    "mac": ("mac", (ADDRESS,), {}, "02:42:0a:14:65:68"),
    "address": ("address_of_mac", ("02-42-0A-14-65-68",), {}, ADDRESS),
    "name": ("instance_name", (ADDRESS, "idc01-dev", "web"), {}, "idc01-dev-web-101104"),
    "name by index": (
        "instance_name",
        (ADDRESS, "idc01", "web"),
        {"tenant": "payments", "kind": "vm", "index": "2", "template": "{tenant}-{app}-{kind}-{index}"},
        "payments-web-vm-2",
    ),
    "name without tenant": ("instance_name", (ADDRESS, "z", "web"), {"template": "{tenant}-{tail}"}, "none-101104"),
}
for given, shown in {
    "registry.example": "DNS:registry.example",
    "*.my_lab.example": "DNS:*.my_lab.example",
    "10.20.0.7": "IP Address:10.20.0.7",
    "2001:db8::a07": "IP Address:2001:DB8:0:0:0:0:0:A07",
    "[2001:0DB8::a07]": "IP Address:2001:DB8:0:0:0:0:0:A07",
    "::ffff:10.20.0.7": "IP Address:0:0:0:0:0:FFFF:A14:7",
    "::1": "IP Address:0:0:0:0:0:0:0:1",
}.items():
    GIVEN[f"certificate of {given}"] = ("certificate_name", (given,), {}, shown)
WRONG: dict[str, tuple[str, tuple[Any, ...], dict[str, Any], str]] = {
    "mac": ("mac", ("10.20.101",), {}, "mac: '10.20.101' is not an IPv4 address"),
    "foreign mac": ("address_of_mac", ("52:54:00:00:00:01",), {}, "mac: '52:54:00:00:00:01' is not a MAC"),
    "address": ("instance_name", (None, "z", "web"), {}, "address: None is not an IPv4 address"),
    "zone": ("instance_name", (ADDRESS, "Z", "web"), {}, "zone: 'Z' is not a valid name"),
    "app": ("instance_name", (ADDRESS, "z", None), {}, "app: is missing; the template {zone}-{app}-{tail} needs it"),
    "kind": (
        "instance_name",
        (ADDRESS, "z", "web"),
        {"template": "{kind}-{tail}"},
        "kind: is missing; the template {kind}-{tail} needs it",
    ),
    "no index": ("instance_name", (ADDRESS, "z", "web"), {"template": "{app}-{index}"}, "index: is missing"),
    "index": ("instance_name", (ADDRESS, "z", "web"), {"index": 0}, "index: 0 is not a whole number of at least 1"),
    "template": ("instance_name", (ADDRESS, "z", "web"), {"template": "{app}"}, "template: '{app}' gives all instances of an app one name"),
    "no host": ("certificate_name", ("a b",), {"field": "names"}, "names: 'a b' is neither the name of a host nor an address"),
    "more than one host": ("certificate_name", ("a,DNS:b",), {}, "certificate_name: 'a,DNS:b' is neither"),
    "a path": ("certificate_name", ("../a",), {}, "'../a' is neither"),
    "a port": ("certificate_name", ("a:5000",), {}, "'a:5000' is neither"),
    "an address above": ("certificate_name", ("10.20.0.256",), {}, "'10.20.0.256' is neither"),
    "an address of an interface": ("certificate_name", ("fe80::1%eth0",), {}, "'fe80::1%eth0' is neither"),
    "a bracketed address of IPv4": ("certificate_name", ("[10.20.0.7]",), {}, "'[10.20.0.7]' is neither"),
    "a network": ("certificate_name", ("2001:db8::/64",), {}, "'2001:db8::/64' is neither"),
    "lines": ("certificate_name", ("a\nb",), {}, "is neither"),
    "nothing": ("certificate_name", ("",), {}, "'' is neither"),
    "too long": ("instance_name", (ADDRESS, "z" * 40, "a" * 40), {}, "is not a valid name"),
}


@pytest.mark.parametrize("case", GIVEN)
def test_what_is_returned(case: str) -> None:
    name, values, options, expected = GIVEN[case]
    assert FILTERS[name](*values, **options) == expected


@pytest.mark.parametrize("case", WRONG)
def test_a_mistake_names_its_field(case: str) -> None:
    name, values, options, message = WRONG[case]
    with pytest.raises(AnsibleFilterError) as error:
        FILTERS[name](*values, **options)
    assert message in str(error.value)


@pytest.mark.parametrize("name", FILTERS)
def test_every_filter_is_documented(name: str) -> None:
    assert yaml.safe_load((FOLDER / f"{name}.yml").read_text(encoding="utf-8"))["DOCUMENTATION"]["name"] == name


def test_the_options_of_a_name_are_those_that_are_documented() -> None:
    told = yaml.safe_load((FOLDER / "instance_name.yml").read_text(encoding="utf-8"))["DOCUMENTATION"]["options"]
    taken = list(inspect.signature(naming.instance_name).parameters.values())
    assert list(told) == ["_input", *(option.name for option in taken[1:])]
    assert [option.get("default") for option in told.values()] == [
        None if option.default is inspect.Parameter.empty else option.default for option in taken
    ]
