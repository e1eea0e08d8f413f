# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Facts on the objects: they read back, and are flat text whatever the spec."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.zonal.cloud.plugins.module_utils._domain.facts import dump_facts, fingerprint, load_facts, with_printed
from ansible_collections.zonal.cloud.plugins.module_utils._domain.fields import Spec, differences
from ansible_collections.zonal.cloud.tests.unit.plugins.fakes.instances import KEY, wish
from ansible_collections.zonal.cloud.tests.unit.plugins.specs import vm_specs

NOT_KEPT = (
    "vcpus",
    "max_vcpus",
    "memory",
    "max_memory",
    "cpu_shares",
    "cpu_policy",
    "cpu_model",
    "boot",
    "hugepages",
    "pci_devices",
    "disk",
    "io_limits",
    "bridge",
    "link",
    "bandwidth",
    "autostart",
    "restart_policy",
)


def test_facts_are_flat_and_sorted() -> None:
    assert list(dump_facts("web", wish("vm").spec).items()) == [
        ("address", "10.20.0.7"),
        ("app", "web"),
        ("cidr", "10.20.0.0/16"),
        ("dns", '["10.20.0.2"]'),
        ("gateway", "10.20.0.1"),
        ("hostname", "web"),
        ("image", "debian:13"),
        ("keys", fingerprint([KEY])),
        ("name", "web"),
        ("tenant", "payments"),
        ("zone", "lab"),
    ]


@given(vm_specs)
def test_round_trip(named: tuple[str, Spec]) -> None:
    name, spec = named
    facts = dump_facts(name, spec)
    assert facts["name"] == name
    assert all(isinstance(value, str) for value in facts.values())
    found = with_printed(load_facts(facts), facts, spec)
    assert [item.field for item in differences("vm", spec, found) if item.field not in NOT_KEPT] == []
    assert set(found) <= set(spec)


def test_other_keys_are_not_taken_for_the_wanted_ones() -> None:
    facts = dump_facts("web", wish("vm").spec)
    assert "ssh_keys" not in with_printed(load_facts(facts), facts, {"ssh_keys": ["ssh-rsa BBBB"]})
    assert "ssh_keys" not in with_printed(load_facts(facts), facts, {"ssh_keys": []})
    assert "ssh_keys" not in with_printed(load_facts(facts), facts, {})
    assert with_printed({}, {}, {"ssh_keys": [KEY]}) == {}


def test_that_there_are_no_keys_is_known() -> None:
    assert load_facts(dump_facts("web", {"ssh_keys": []}))["ssh_keys"] == []


def test_that_there_is_user_data_is_known_but_not_which() -> None:
    text = "#cloud-config\n{}\n"
    facts = dump_facts("web", {"user_data": text})
    assert text not in facts.values()
    assert load_facts(facts)["user_data"] is None
    assert with_printed(load_facts(facts), facts, {"user_data": text})["user_data"] == text
    assert with_printed(load_facts(facts), facts, {"user_data": ""})["user_data"] is None
    assert dump_facts("web", {}, facts)["user_data"] == facts["user_data"]
    assert "user_data" not in dump_facts("web", {"user_data": ""})


@given(st.dictionaries(st.text(), st.text()))
def test_any_facts_are_read(facts: dict[str, str]) -> None:
    assert set(load_facts(facts)) <= set(facts) | {"ssh_keys"}
