# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Names of instances, images and interfaces, and what is derived from them."""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.zonal.cloud.plugins.module_utils._domain.errors import SpecError
from ansible_collections.zonal.cloud.plugins.module_utils._domain.names import (
    golden_of,
    mac_of,
    network_of,
    parse_image,
    parse_interface,
    parse_label,
    tap_of,
    uuid_of,
    volume_of,
)

ODD: list[Any] = [
    "",
    " ",
    "web ",
    " web",
    "web\n",
    "web\x00",
    "we\tb",
    "w€b",
    "wéb",
    "\uff57eb",
    "\u0663",
    "a/../b",
    "../etc",
    "$(reboot)",
    "`reboot`",
    "web;reboot",
    "web|cat",
    "web&",
    "a'b",
    'a"b',
    "<name>",
    "a&amp;b",
    "a>b",
    "%s",
    "{0}",
    "{{ web }}",
    "*",
    "-rf",
    None,
    True,
    5,
    1.5,
    [],
    ["web"],
    {},
    {"name": "web"},
    b"web",
]
LABELS = ["a", "0", "web", "web-1", "123", "a" * 63, "a--b", "xn--bcher-kva", "0-0"]
NO_LABELS = [*ODD, "Web", "WEB", "a" * 64, "-a", "a-", "-", "a.b", "a_b", "a:b"]
IMAGES = ["debian:13", "a:b", "lib/debian-web:12.1", "a.b-c_d/e:T_0.x-", "debian:" + "t" * 128]
NO_IMAGES = [
    *ODD,
    "debian",
    "debian:",
    ":13",
    "Debian:13",
    "debian:13 ",
    "debian::13",
    "a//b:1",
    "a/:1",
    "-a:1",
    "debian:.1",
    "debian:t" + "t" * 128,
]
NO_IMAGES += ["registry:5000/debian:13", "a" * 201 + ":1", "debian@sha256:" + "0" * 64]
INTERFACES = ["br0", "eth0.100", "a", "br-lan_1", "B" * 15, "lo0", "All"]
NO_INTERFACES = [*ODD, "b" * 16, ".", "..", ".br0", "-br0", "br 0", "br/0", "br:0", "lo", "all", "default"]

CASES: list[tuple[Callable[[str, object], str], list[Any], list[Any]]] = [
    (parse_label, LABELS, NO_LABELS),
    (parse_image, IMAGES, NO_IMAGES),
    (parse_interface, INTERFACES, NO_INTERFACES),
]


@pytest.mark.parametrize(("parse", "value"), [(parse, value) for parse, good, _dummy in CASES for value in good])
def test_good(parse: Callable[[str, object], str], value: str) -> None:
    assert parse("name", value) == value


@pytest.mark.parametrize(("parse", "value"), [(parse, value) for parse, _dummy, bad in CASES for value in bad])
def test_bad_names_field_and_value(parse: Callable[[str, object], str], value: object) -> None:
    with pytest.raises(SpecError) as caught:
        parse("name", value)
    assert str(caught.value).startswith(f"name: {value!r}"[:80])
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(("hyphens", "good"), [(37, True), (38, False)])
def test_hyphens_count_twice_for_device_mapper(hyphens: int, good: bool) -> None:
    name = "a" + "-" * hyphens + "a" * (62 - hyphens)
    if good:
        assert parse_label("name", name) == name
    else:
        with pytest.raises(SpecError, match="too many hyphens"):
            parse_label("name", name)


@given(st.text(st.sampled_from("az09-A.\n é"), max_size=66))
def test_a_label_is_a_hostname(text: str) -> None:
    expected = re.fullmatch(r"(?!-)[a-z0-9-]{1,63}(?<!-)", text) is not None
    try:
        assert parse_label("name", text) == text
    except SpecError:
        assert not expected or "--" in text
    else:
        assert expected


def test_what_is_derived() -> None:
    assert mac_of("10.20.101.5") == "02:42:0a:14:65:05"
    assert mac_of("255.0.0.1") == "02:42:ff:00:00:01"
    assert tap_of("web") == "zv4b5e57f6eb"
    assert volume_of("web") == "vm-web"
    assert golden_of("0123456789abcdef" * 4) == "img-0123456789ab"
    assert network_of("br0") == "zonal-br0"
    assert uuid_of("lab", "web") == "5260b9fe-ed05-5107-9c4a-d669ab52428e"


@given(st.text(min_size=1), st.text(min_size=1))
def test_identifiers_fit_their_formats(zone: str, name: str) -> None:
    assert re.fullmatch(r"zv[0-9a-f]{10}", tap_of(name))
    assert uuid.UUID(uuid_of(zone, name)).version == 5
    assert uuid_of(zone, name) == uuid_of(zone, name)
