# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Drivers of libvirt: which one a host uses, its types, and what these cannot have."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.zonal.cloud.plugins.module_utils._domain.domain_type import check_fields, check_type, driver_in
from ansible_collections.zonal.cloud.plugins.module_utils._domain.errors import SpecError
from ansible_collections.zonal.cloud.tests.unit.plugins.fakes.instances import wish

SETTINGS = {
    "nothing": ("", "qemu"),
    "what Debian ships": ('#uri_aliases = [\n#  "hail=qemu+ssh://root@hail/system",\n#]\n#uri_default = "qemu:///system"\n', "qemu"),
    "LXC": ('uri_default = "lxc:///system"\n', "lxc"),
    "Xen": ("# ours\n  uri_default='xen:///system' # all of them", "xen"),
    "QEMU": ('uri_default = "qemu:///system"', "qemu"),
    "the last one": ('uri_default = "lxc:///system"\nuri_default = "xen:///system"\n', "xen"),
    "a driver that we have not": ('uri_default = "esx:///system"', "qemu"),
    "another host": ('uri_default = "lxc+ssh://other/system"', "qemu"),
    "a user's own": ('uri_default = "qemu:///session"', "qemu"),
    "a comment": ('#uri_default = "lxc:///system"', "qemu"),
    "no text": ("uri_default = lxc:///system\n\x00\ufffd", "qemu"),
}


@pytest.mark.parametrize(("settings", "driver"), SETTINGS.values(), ids=SETTINGS.keys())
def test_a_host_uses_the_driver_that_its_settings_name(settings: str, driver: str) -> None:
    assert driver_in(settings) == driver


@pytest.mark.parametrize("driver", ["qemu", "xen", "lxc", "test"])
@pytest.mark.parametrize("wanted", ["kvm", "qemu", "xen", "lxc"])
def test_a_type_is_of_one_driver(wanted: str, driver: str) -> None:
    check_type("auto", driver)
    if driver == ("qemu" if wanted == "kvm" else wanted):
        check_type(wanted, driver)
        return
    with pytest.raises(
        SpecError, match=rf"^domain_type: '{wanted}' is not what libvirt is used for on this host, which is {driver}; the role "
    ):
        check_type(wanted, driver)


NOT_OF_XEN: dict[str, Any] = {
    "boot": "disk",
    "hugepages": True,
    "pci_devices": ["0000:3b:00.0"],
    "disks": [{"name": "data"}],
    "io_limits": {"read_iops": 5},
    "link": "down",
    "bandwidth": {"inbound": "1M"},
}
NOT_OF_LXC: dict[str, Any] = {**NOT_OF_XEN, "max_vcpus": 4, "max_memory": "1G", "user_data": "#!/bin/sh"}


@pytest.mark.parametrize(
    ("driver", "option", "value"),
    [(driver, *item) for driver, lacks in (("xen", NOT_OF_XEN), ("lxc", NOT_OF_LXC)) for item in lacks.items()],
)
def test_what_a_type_cannot_have_is_named(driver: str, option: str, value: Any) -> None:
    spec = wish("vm", **{option: value}).spec
    check_fields("qemu", spec)
    with pytest.raises(SpecError, match=rf"^{option}: .* is not for VMs of the type {driver}, which is what this host runs$") as caught:
        check_fields(driver, spec)
    assert "/bin/sh" not in str(caught.value)


@pytest.mark.parametrize("driver", ["qemu", "xen", "lxc"])
def test_what_means_nothing_is_not_refused(driver: str) -> None:
    none: dict[str, Any] = {
        "boot": "kernel",
        "hugepages": False,
        "pci_devices": [],
        "disks": [],
        "io_limits": {},
        "link": "up",
        "bandwidth": {},
    }
    check_fields(driver, wish("vm", **none, max_vcpus=2, max_memory="256M", user_data="").spec)
