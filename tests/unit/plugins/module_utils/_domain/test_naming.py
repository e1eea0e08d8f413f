# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Names from templates, and the way back from a MAC."""

from __future__ import annotations

from ipaddress import IPv4Address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.zonal.cloud.plugins.module_utils._domain.errors import ZonalError
from ansible_collections.zonal.cloud.plugins.module_utils._domain.names import mac_of
from ansible_collections.zonal.cloud.plugins.module_utils._domain.naming import address_of_mac, parse_template, render_name

OWNER = {"zone": "idc01-dev", "tenant": "acme", "app": "web", "kind": "vm"}
NAMES = {
    "{zone}-{app}-{tail}": "idc01-dev-web-101104",
    "{app}{index}": "web7",
    "{tenant}-{kind}-{index}": "acme-vm-7",
}
BAD_TEMPLATES = {
    "{zone}-{tial}": "unknown word {tial}",
    "{zone}-{app}": "gives all instances of an app one name",
    "{app.__class__}-{tail}": "unknown word {app.__class__}",
    "-{tail}": "is not a valid name",
    "{app}_{tail}": "is not a valid name",
}


@pytest.mark.parametrize("template", NAMES)
def test_name(template: str) -> None:
    name = render_name(parse_template("name_template", template), OWNER, index=7, address="10.20.101.104")
    assert name == NAMES[template]


@pytest.mark.parametrize("template", BAD_TEMPLATES)
def test_bad_template(template: str) -> None:
    with pytest.raises(ZonalError) as error:
        parse_template("name_template", template)
    assert BAD_TEMPLATES[template] in str(error.value)


def test_a_name_that_is_too_long_is_refused() -> None:
    with pytest.raises(ZonalError, match="is not a valid name"):
        render_name("{app}-{tail}", {**OWNER, "app": "a" * 60}, index=1, address="10.0.0.1")


@given(st.integers(0, 2**32 - 1))
def test_a_mac_leads_back_to_its_address(number: int) -> None:
    address = str(IPv4Address(number))
    assert address_of_mac(mac_of(address)) == address


@pytest.mark.parametrize("mac", ["02:43:0a:14:65:68", "02:42:0a:14:65", "", None, "02:42:0a:14:65:6g"])
def test_a_foreign_mac(mac: object) -> None:
    with pytest.raises(ZonalError, match="is not a MAC that was derived"):
        address_of_mac(mac)
