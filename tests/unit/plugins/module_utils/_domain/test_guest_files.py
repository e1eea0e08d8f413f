# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The files that a fresh guest is given."""

from __future__ import annotations

import json
from typing import Any

import pytest
import yaml
from hypothesis import given

from ansible_collections.zonal.cloud.plugins.module_utils._domain.fields import Spec, complete
from ansible_collections.zonal.cloud.plugins.module_utils._domain.guest_files import GuestFile, key_files, vm_files
from ansible_collections.zonal.cloud.tests.unit.plugins.fakes.instances import KEY, wish
from ansible_collections.zonal.cloud.tests.unit.plugins.golden_files import assert_golden
from ansible_collections.zonal.cloud.tests.unit.plugins.specs import vm_specs

BARE: dict[str, Any] = {"gateway": None, "dns": [], "ssh_keys": []}
EXTRA: dict[str, Any] = {"extra_addresses": ["10.20.0.30", "10.20.0.9"]}
SEED = "/var/lib/cloud/seed/nocloud"


def show(files: list[GuestFile]) -> str:
    return "".join(f"==> {file.path} {file.mode:04o}\n{file.content}" for file in files)


@pytest.mark.parametrize(("options", "name"), [({}, "full"), (BARE, "bare"), (EXTRA, "extra")])
@pytest.mark.parametrize(("cloud_init", "kind"), [(False, "plain"), (True, "cloud-init")])
def test_golden(options: dict[str, Any], name: str, cloud_init: bool, kind: str) -> None:
    spec = complete("web", wish("vm", **options).spec)
    assert_golden(f"guest-{kind}-{name}.txt", show(vm_files("web", spec, cloud_init=cloud_init)))


@given(vm_specs)
def test_the_seed_is_yaml_that_says_what_was_declared(named: tuple[str, Spec]) -> None:
    name, spec = named
    files = {file.path: file.content for file in vm_files(name, spec, cloud_init=True)}
    own = spec.get("user_data")
    if own:
        assert files[f"{SEED}/user-data"] == own
    user = files[f"{SEED}/{'vendor-data' if own else 'user-data'}"]
    assert user.startswith("#cloud-config\n")
    assert yaml.safe_load(user)["users"] == [{"name": "root", "ssh_authorized_keys": spec["ssh_keys"]}]
    assert yaml.safe_load(files[f"{SEED}/meta-data"]) == {"instance-id": name, "local-hostname": spec["hostname"]}
    card = yaml.safe_load(files[f"{SEED}/network-config"])["ethernets"]["eth0"]
    assert card["addresses"] == [f"{address}/16" for address in (spec["address"], *spec.get("extra_addresses", []))]
    assert json.loads(files[f"{SEED}/network-config"])["version"] == 2


@given(vm_specs)
def test_every_plain_file_ends_with_its_line(named: tuple[str, Spec]) -> None:
    name, spec = named
    files = vm_files(name, spec, cloud_init=False)
    assert all(file.content.endswith("\n") and "\n\n\n" not in file.content for file in files)
    assert len({file.path for file in files}) == len(files)
    assert all(file.path.startswith("/") and ".." not in file.path for file in files)


def test_keys_are_for_root_alone() -> None:
    assert key_files({"ssh_keys": [KEY, "ssh-rsa BBBB"]}) == [GuestFile("/root/.ssh/authorized_keys", f"{KEY}\nssh-rsa BBBB\n", 0o600)]
    assert key_files({"ssh_keys": []}) == key_files({}) == []
