# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The disks of an instance: how they are written, what a difference takes, and how docker and libvirt are told of them."""

from __future__ import annotations

import json
from typing import Any

import pytest

from ansible_collections.zonal.cloud.plugins.module_utils._domain.container_config import EngineFacts, render_container
from ansible_collections.zonal.cloud.plugins.module_utils._domain.disk import disk_tags
from ansible_collections.zonal.cloud.plugins.module_utils._domain.domain_found import parse_domain, target_in
from ansible_collections.zonal.cloud.plugins.module_utils._domain.domain_xml import Hardware, render_domain
from ansible_collections.zonal.cloud.plugins.module_utils._domain.errors import ZonalError
from ansible_collections.zonal.cloud.plugins.module_utils._domain.facts import dump_facts, load_facts
from ansible_collections.zonal.cloud.plugins.module_utils._domain.fields import Spec, differences, parse_spec, show_spec
from ansible_collections.zonal.cloud.plugins.module_utils._domain.instance_disks import (
    DiskEntry,
    attached_disks,
    bytes_of,
    check_mounts,
    serial_of,
)
from ansible_collections.zonal.cloud.plugins.module_utils._domain.rbd import RbdSource
from ansible_collections.zonal.cloud.plugins.module_utils._domain.volume import Volume
from ansible_collections.zonal.cloud.tests.unit.plugins.fakes.instances import wish
from ansible_collections.zonal.cloud.tests.unit.plugins.golden_files import assert_golden

GIB = 1024**3
LONG = "more-than-twenty-characters"
DISKS: list[dict[str, Any]] = [{"name": "data", "size": "500G", "mount": "/srv/data"}, {"name": LONG, "size": "1G", "mount": "/var/log"}]
ON_CEPH: list[dict[str, Any]] = [{"name": "data", "size": "500G"}, {"name": "archive", "size": "2T", "store": "rbd"}]
IMAGE = RbdSource("zonal-disks/disk-archive", "zonal-disks", "/etc/ceph/ceph.conf")
DATA = {"data": "/dev/zonal/disk-data", LONG: f"/dev/zonal/disk-{LONG}"}

BAD: dict[str, tuple[Any, str]] = {
    "text": ("data", "disks: 'data' is not a list"),
    "names": (["data"], r"disks\[0\]: 'data' is not a disk such as \{name"),
    "no name": ([{"size": "1G"}], r"disks\[0\]\.name: is missing"),
    "a bad name": ([{"name": "a;reboot"}], r"disks\[0\]\.name: 'a;reboot' is not a valid name"),
    "XML": ([{"name": "<a>"}], r"disks\[0\]\.name: '<a>' is not a valid name"),
    "another key": ([{"name": "a", "bus": "scsi"}], r"disks\[0\]\.bus: 'scsi' is none of name, size, mount"),
    "another store": ([{"name": "a", "store": "nfs"}], r"disks\[0\]\.store: 'nfs' is neither thin nor rbd"),
    "a bad size": ([{"name": "a", "size": "much"}], r"disks\[0\]\.size: 'much' is not a size"),
    "a small size": ([{"name": "a", "size": "1M"}], r"disks\[0\]\.size: '1M' is too small for a disk; the least is 16M"),
    "a relative mount": ([{"name": "a", "mount": "srv"}], r"disks\[0\]\.mount: 'srv' is not a folder for a disk"),
    "the root": ([{"name": "a", "mount": "/./"}], r"disks\[0\]\.mount: '/\./' is not a folder"),
    "a way up": ([{"name": "a", "mount": "/srv/../etc"}], r"disks\[0\]\.mount: '/srv/\.\./etc' is not a folder"),
    "a line feed": ([{"name": "a", "mount": "/srv\n"}], r"disks\[0\]\.mount: '/srv\\n' is not a folder"),
    "a long mount": ([{"name": "a", "mount": "/" + "a" * 255}], r"disks\[0\]\.mount: .* is not a folder"),
    "a number as mount": ([{"name": "a", "mount": 5}], r"disks\[0\]\.mount: 5 is not a folder"),
    "the kernel's": ([{"name": "a", "mount": "//proc/x"}], r"disks\[0\]\.mount: '//proc/x' is in /proc, which belongs to the kernel"),
    "one twice": ([{"name": "a"}, {"name": "a"}], "disks: 'a' is the name of two of them"),
    "one place twice": (
        [{"name": "a", "mount": "/srv"}, {"name": "b", "mount": "/srv/"}],
        "disks: '/srv' is the mount of two of them",
    ),
    "many": ([{"name": f"a{number}"} for number in range(9)], "disks: 9 is more than the 8 disks that an instance can have"),
}


@pytest.mark.parametrize(("value", "message"), BAD.values(), ids=BAD.keys())
def test_what_is_wrong_is_one_message(value: Any, message: str) -> None:
    with pytest.raises(ZonalError, match=f"^{message}"):
        parse_spec({"disks": value})


def test_what_is_written_is_shown_in_its_normal_form() -> None:
    spec = parse_spec({"disks": [{"name": "a", "size": "1024M", "mount": "/srv//data/./"}, {"name": "b", "size": None, "mount": None}]})
    assert spec["disks"] == [{"name": "a", "size": GIB, "mount": "/srv/data"}, {"name": "b"}]
    assert show_spec(spec)["disks"] == [{"name": "a", "size": "1G", "mount": "/srv/data"}, {"name": "b"}]


def test_a_container_must_know_where_it_has_a_disk() -> None:
    disks = parse_spec({"disks": [{"name": "a", "mount": "/a"}, {"name": "b"}]})["disks"]
    check_mounts("vm", disks)
    with pytest.raises(ZonalError, match=r"^disks\[1\]\.mount: is missing; a container must know where it has the disk b"):
        check_mounts("container", disks)


def test_a_container_has_no_disk_on_ceph() -> None:
    disks = parse_spec({"disks": [{"name": "a", "mount": "/a", "store": "thin"}, {"name": "b", "mount": "/b", "store": "rbd"}]})["disks"]
    assert disks == [{"name": "a", "mount": "/a"}, {"name": "b", "mount": "/b", "store": "rbd"}]
    check_mounts("vm", disks)
    with pytest.raises(ZonalError, match=r"^disks\[1\]\.store: 'rbd' is for VMs only"):
        check_mounts("container", disks)


A, B = {"name": "a", "size": GIB, "mount": "/a"}, {"name": "b", "size": GIB, "mount": "/b"}
MENDS: dict[str, tuple[list[Any], list[Any] | None, str, str]] = {
    "none": ([], None, "", ""),
    "the same": ([A, B], [A, B], "", ""),
    "no size is wanted": ([{"name": "a", "mount": "/a"}], [A], "", ""),
    "another": ([A, B], [A], "live", "recreate"),
    "one less": ([A], [A, B], "live", "recreate"),
    "all gone": ([], [A], "live", "recreate"),
    "another order": ([B, A], [A, B], "live", ""),
    "another place": ([{**A, "mount": "/c"}], [A], "live", "recreate"),
    "larger": ([{**A, "size": 2 * GIB}], [A], "live", "live"),
    "larger and another": ([{**A, "size": 2 * GIB}, B], [A], "live", "recreate"),
    "smaller": ([{**A, "size": GIB // 2}], [A], "", ""),
    "not there any more": ([A], [{"name": "a", "mount": "/a"}], "live", "live"),
}


@pytest.mark.parametrize(("wanted", "found", "vm", "container"), MENDS.values(), ids=MENDS.keys())
def test_what_a_difference_takes(wanted: list[Any], found: list[Any] | None, vm: str, container: str) -> None:
    has: Spec = {} if found is None else {"disks": found}
    assert [item.mend for item in differences("vm", {"disks": wanted}, has)] == [vm] * bool(vm)
    assert [item.mend for item in differences("container", {"disks": wanted}, has)] == [container] * bool(container)


def test_facts_tell_of_disks_and_not_how_large_they_are() -> None:
    facts = dump_facts("web", wish("vm", disks=DISKS).spec)
    assert load_facts(facts)["disks"] == [{"name": "data", "mount": "/srv/data"}, {"name": LONG, "mount": "/var/log"}]
    assert "disks" not in dump_facts("web", wish("vm", disks=[]).spec)
    for hostile in ("[", '"data"', '[{"name": "a b"}]', '[{"name": "a", "size": 1, "x": []}]', "[" * 100_000, "null"):
        assert "disks" not in load_facts({"disks": hostile})


def test_golden_vm() -> None:
    text = render_domain("web", wish("vm", disks=DISKS).spec, Hardware("/dev/zonal/vm-web", "/vmlinuz", "", "qemu", data=DATA))
    assert_golden("vm-disks.xml", text)
    assert list(parse_domain(text).attached) == ["data", LONG]


def test_golden_vm_with_a_disk_on_ceph() -> None:
    hardware = Hardware("/dev/zonal/vm-web", "/vmlinuz", "", "qemu", data={"data": DATA["data"], "archive": IMAGE}, held=["old", "older"])
    text = render_domain("web", wish("vm", disks=ON_CEPH).spec, hardware)
    assert_golden("vm-rbd.xml", text)
    parsed = parse_domain(text)
    assert parsed.attached == {"data": {"name": "data"}, "archive": {"name": "archive", "store": "rbd"}}
    assert parsed.held == ("old", "older")
    assert (target_in(text, "archive"), target_in(text, "old")) == ("vdc", "")


def test_golden_container() -> None:
    volumes = {name: Volume("zonal", f"disk-{name}", path, GIB, tags=frozenset(disk_tags(name, "xfs"))) for name, path in DATA.items()}
    engine = EngineFacts(api=(1, 45), cgroup=2, size_limits=True, cpus=frozenset())
    body = render_container("web", wish("container", disks=DISKS).spec, frozenset(), engine, volumes)
    assert_golden("container-disks.json", json.dumps(body["HostConfig"]["Mounts"], indent=2) + "\n")


@pytest.mark.parametrize("name", ["a", "a" * 20, "a" * 21, LONG, LONG + "b"])
def test_a_serial_is_short_and_its_own(name: str) -> None:
    assert len(serial_of(name)) <= 20
    assert (serial_of(name) == name) is (len(name) <= 20)
    assert serial_of(name) != serial_of(name + "x")


def found(*names: str) -> dict[str, DiskEntry]:
    return {name: DiskEntry(name=name) for name in names}


def test_a_vm_has_what_is_attached() -> None:
    declared: list[Any] = [{"name": "a", "mount": "/a"}, {"name": "b"}]
    assert attached_disks(declared, found("b", "a")) == declared
    assert attached_disks(declared, found("c", "a")) == [{"name": "a", "mount": "/a"}, {"name": "c"}]
    assert attached_disks(declared, {}) == []


@pytest.mark.parametrize(
    ("spec", "promised", "expected"),
    [
        ({}, 7, 7),
        ({"disk": 5}, 7, 5),
        ({"disk": 5, "disks": [A, B]}, 7, 5 + 2 * GIB),
        ({"disks": [A]}, 7, GIB),
        ({"disk": 5, "disks": [{**A, "store": "rbd"}]}, 7, 5),
        ({"disks": [{}]}, 7, 7),
    ],
)
def test_what_it_takes_of_the_pool(spec: dict[str, Any], promised: int, expected: int) -> None:
    assert bytes_of(spec, promised) == expected
