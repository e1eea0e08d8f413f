# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every field of an instance on the real engines: a difference is told, waits for its permission, is mended as promised, and is gone."""

from __future__ import annotations

import os
import re
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import libvirt
import pytest

from ansible_collections.zonal.cloud.plugins.module_utils._domain.fields import FIELDS, KEPT, LIVE, RECREATE, REFUSED, RESTART
from ansible_collections.zonal.cloud.plugins.module_utils._domain.instance import Wish
from ansible_collections.zonal.cloud.tests.integration.engines import test_containers, test_vms
from ansible_collections.zonal.cloud.tests.integration.engines.conftest import BRIDGE
from ansible_collections.zonal.cloud.tests.integration.engines.node import Node
from ansible_collections.zonal.cloud.tests.unit.plugins.fakes.instances import KEY

MIB = 1024**2
STEPS = {
    LIVE: ["update"],
    RESTART: ["stop", "update", "start"],
    RECREATE: ["remove", "create", "start"],
}
OTHER_KEY = KEY.replace("IBZ0", "IBZ1")
# A network that every address of CIDR is in too.
WIDER = "10.88.0.0/23"
EXTRA = ["10.88.0.77", "10.88.0.78"]


@dataclass(frozen=True)
class Row:
    """A field, the value that it gets, how that is done, and what the engine itself says then. ``beside`` is changed already before."""

    name: str
    value: Any
    mend: str
    shows: Callable[[Any], object]
    expected: object
    beside: dict[str, Any] = field(default_factory=dict)


def body_of(*path: str) -> Callable[[test_containers.Lab], object]:
    def shows(lab: test_containers.Lab) -> object:
        found: Any = lab.inspect()
        for key in path:
            found = found[key]
        return found

    return shows


def label(name: str) -> Callable[[test_containers.Lab], object]:
    return body_of("Config", "Labels", name)


def prints(*argv: str) -> Callable[[test_containers.Lab], object]:
    return lambda lab: lab.do(11, *argv).strip()


CONTAINER = [
    Row("zone", "other", RECREATE, label("cloud.zonal.zone"), "other"),
    Row("tenant", "other", RECREATE, label("cloud.zonal.tenant"), "other"),
    Row("app", "other", RECREATE, label("cloud.zonal.app"), "other"),
    Row("labels", {"example.org/tier": "gold"}, RECREATE, label("example.org/tier"), "gold"),
    Row("image", "engines:2", RECREATE, body_of("Config", "Image"), "engines:2"),
    Row("vcpus", 2, LIVE, prints("cat", "/sys/fs/cgroup/cpuset/cpuset.cpus"), "0-1"),
    Row("cpu_shares", 512, LIVE, prints("cat", "/sys/fs/cgroup/cpu/cpu.shares"), "512"),
    Row("memory", "24M", LIVE, prints("cat", "/sys/fs/cgroup/memory/memory.memsw.limit_in_bytes"), str(24 * MIB)),
    Row(
        "io_limits",
        {"read_bytes": "4M"},
        RECREATE,
        lambda lab: [limit["Rate"] for limit in lab.inspect()["HostConfig"]["BlkioDeviceReadBps"]],
        [4 * MIB],
    ),
    Row("snapshots", {"every": "1d", "keep": 7}, LIVE, lambda lab: lab.copies.policy(f"{lab.prefix}11"), {"every": 86400, "keep": 7}),
    Row(
        "disks", [{"name": "more", "size": "16M", "mount": "/srv"}], RECREATE, lambda lab: lab.inspect()["Mounts"][0]["Destination"], "/srv"
    ),
    Row("bridge", "br1", RECREATE, body_of("HostConfig", "NetworkMode"), "zonal-br1"),
    Row("cidr", WIDER, RECREATE, lambda lab: "/23" in lab.do(11, "ip", "-4", "address", "show", "eth0"), True),
    Row("gateway", "10.88.0.254", RECREATE, body_of("NetworkSettings", "Networks", f"zonal-{BRIDGE}", "Gateway"), "10.88.0.254"),
    Row("dns", ["192.0.2.54"], RECREATE, body_of("HostConfig", "Dns"), ["192.0.2.54"]),
    Row("address", "10.88.0.12", RECREATE, body_of("NetworkSettings", "Networks", f"zonal-{BRIDGE}", "IPAddress"), "10.88.0.12"),
    Row("hostname", "other", RECREATE, prints("hostname"), "other"),
    Row("ssh_keys", [OTHER_KEY], RECREATE, prints("cat", "/root/.ssh/authorized_keys"), OTHER_KEY),
    Row("command", ["sleep", "1000"], RECREATE, body_of("Args"), ["1000"]),
    Row("environment", {"MODE": "a b=c"}, RECREATE, prints("sh", "-c", 'printf %s "$MODE"'), "a b=c"),
    Row("capabilities", ["SYS_TIME"], RECREATE, lambda lab: lab.inspect()["HostConfig"]["CapAdd"][0][-8:], "SYS_TIME"),
    Row("autostart", False, LIVE, body_of("HostConfig", "RestartPolicy", "Name"), "no"),
    Row("restart_policy", "on-failure", LIVE, body_of("HostConfig", "RestartPolicy", "Name"), "on-failure"),
]


def xml(words: str, flags: int = 0) -> Callable[[test_vms.Lab], object]:
    return lambda lab: words in lab.domain().XMLDesc(flags).replace('"', "'")


def fact(words: str) -> Callable[[test_vms.Lab], object]:
    return xml(words, libvirt.VIR_DOMAIN_XML_INACTIVE)


def on_disk(path: str) -> Callable[[test_vms.Lab], object]:
    return lambda lab: lab.node.run("debugfs", "-R", f"cat {path}", lab.volumes.path("vm-web"))


VM = [
    Row("zone", "other", LIVE, fact("name='zone'>other<"), True),
    Row("tenant", "other", LIVE, fact("name='tenant'>other<"), True),
    Row("app", "other", LIVE, fact("name='app'>other<"), True),
    Row("labels", {"example.org/tier": "<gold>"}, LIVE, fact("&lt;gold&gt;"), True),
    Row("image", "guest:2", RECREATE, fact("name='image'>guest:2<"), True),
    Row("vcpus", 2, RESTART, lambda lab: lab.domain().info()[3], 2),
    Row("vcpus", 2, LIVE, lambda lab: lab.domain().info()[3], 2, {"max_vcpus": 2}),
    Row("memory", "160M", RESTART, lambda lab: lab.domain().info()[1], 160 * 1024),
    Row("memory", "144M", LIVE, xml("<memory unit='KiB'>163840<"), True, {"max_memory": "160M"}),
    Row("cpu_policy", "pinned", RESTART, lambda lab: [sum(cpus) for cpus in lab.domain().vcpuPinInfo()], [1]),
    Row("cpu_model", "Nehalem", RESTART, xml("<model fallback='forbid'>Nehalem</model>"), True),
    Row("max_vcpus", 4, RESTART, xml("<vcpu placement='static' current='1'>4<"), True),
    Row("max_memory", "192M", RESTART, lambda lab: lab.domain().info()[1], 192 * 1024),
    Row("boot", "disk", RESTART, xml("<kernel>"), False),
    Row("disk", "152M", RESTART, lambda lab: lab.domain().blockInfo("vda")[0], 152 * MIB),
    Row(
        "io_limits",
        {"write_iops": 100, "read_bytes": "4M"},
        LIVE,
        lambda lab: [lab.domain().blockIoTune("vda")[key] for key in ("write_iops_sec", "read_bytes_sec", "read_iops_sec")],
        [100, 4 * MIB, 0],
    ),
    Row("snapshots", {"every": "1d", "keep": 7}, LIVE, fact("name='snapshots'>{'every': 86400, 'keep': 7}<"), True),
    Row("disks", [{"name": "more", "size": "16M"}], LIVE, lambda lab: lab.domain().blockInfo("vdb")[0], 16 * MIB),
    Row("link", "down", LIVE, xml("<link state='down'/>"), True),
    Row("bridge", "br1", RESTART, xml("<source bridge='br1'/>"), True),
    Row("cidr", WIDER, RECREATE, lambda lab: "netmask 255.255.254.0" in str(on_disk("/etc/network/interfaces")(lab)), True),
    Row("gateway", "10.88.0.254", RECREATE, lambda lab: "gateway 10.88.0.254" in str(on_disk("/etc/network/interfaces")(lab)), True),
    Row("dns", ["192.0.2.54"], RECREATE, on_disk("/etc/resolv.conf"), "nameserver 192.0.2.54\n"),
    Row("address", "10.88.0.41", RECREATE, xml("02:42:0a:58:00:29"), True),
    Row(
        "extra_addresses",
        EXTRA,
        RECREATE,
        lambda lab: re.findall(r"address (\S+)", str(on_disk("/etc/network/interfaces")(lab))),
        [test_vms.ADDRESS, *EXTRA],
    ),
    Row("hostname", "other", RECREATE, on_disk("/etc/hostname"), "other\n"),
    Row("ssh_keys", [OTHER_KEY], RECREATE, on_disk("/root/.ssh/authorized_keys"), OTHER_KEY + "\n"),
    Row("autostart", False, LIVE, lambda lab: lab.domain().autostart(), 0),
    Row("restart_policy", "never", LIVE, xml("<on_crash>destroy</on_crash>"), True),
]
# Here are no queues for cards, no cgroups for VMs, no huge pages, no device to give away, no cloud-init in the image, and under docker no
# XFS. What these fields do is in XML and files, which unit tests look at; the lab limits disks.
NOT_HERE = {"container": {"disk"}, "vm": {"bandwidth", "cpu_shares", "hugepages", "pci_devices", "user_data"}}


@pytest.fixture(scope="module", autouse=True)
def more(node: Node, docker_url: str, archive: str) -> None:
    """Another bridge and another image, to change to."""
    node.add_bridge("br1", "10.87.0.1/24")
    test_containers.DockerEngine(docker_url).import_image(archive, "engines:2", {})


image = test_containers.image
containers = test_containers.lab


@pytest.fixture(scope="module")
def vms(node: Node, libvirt_uri: str) -> test_vms.Lab:
    made = test_vms.Lab(node, libvirt_uri)
    made.make_image()
    made.make_image("guest:2")
    return made


@pytest.mark.parametrize(("kind", "rows"), [("container", CONTAINER), ("vm", VM)])
def test_every_field_has_its_row(kind: str, rows: list[Row]) -> None:
    fields = {
        item.name: getattr(item, kind) for item in FIELDS if getattr(item, kind) not in (KEPT, REFUSED) and item.name not in NOT_HERE[kind]
    }
    assert {row.name for row in rows} == fields.keys()
    assert all(row.mend == fields[row.name] or row.beside for row in rows)


@pytest.mark.parametrize("row", CONTAINER, ids=lambda row: row.name)
def test_a_container(row: Row, containers: test_containers.Lab) -> None:
    def address() -> object:
        return [(card["IPAddress"], card["MacAddress"]) for card in containers.inspect()["NetworkSettings"]["Networks"].values()]

    _check(
        row, containers.wish, containers, lambda: containers.inspect()["State"]["StartedAt"], lambda: containers.inspect()["Id"], address
    )


@pytest.mark.parametrize("row", VM, ids=lambda row: f"{row.name}-{row.mend}")
def test_a_vm(row: Row, vms: test_vms.Lab) -> None:
    def address() -> object:
        return re.findall("<mac address='(.*)'/>", vms.domain().XMLDesc())

    try:
        _check(row, vms.wish, vms, lambda: vms.domain().ID(), lambda: _mark(vms.volumes.path("vm-web")), address)
    finally:
        vms.engine.remove("web")
        for volume in ("vm-web", "disk-more"):
            vms.volumes.remove(volume)


def _mark(path: str) -> bytes:
    """Return what tells this file from any other that comes after it."""
    if "user.mark" not in os.listxattr(path):
        os.setxattr(path, "user.mark", secrets.token_bytes(8))
    return os.getxattr(path, "user.mark")


def _check(
    row: Row, wish: Callable[..., Wish], lab: Any, started: Callable[[], object], made: Callable[[], object], address: Callable[[], object]
) -> None:
    first = wish(**row.beside)
    lab.converge(first)
    before, had = (started(), made()), address()
    wanted = {**row.beside, row.name: row.value}
    mend = [] if row.mend == LIVE else [row.mend]
    # Told, and without permission not done.
    option = next(item.option for item in FIELDS if item.name == row.name)
    assert lab.planned(wish(**wanted)) == (([], [option]) if mend else (STEPS[LIVE], []))
    assert lab.planned(wish(**wanted, allow=mend)) == (STEPS[row.mend], [])
    if mend:
        assert lab.converge(wish(**wanted)) == []
    assert lab.planned(first) == ([], [])
    assert (started(), made()) == before
    # Done, as promised and only so.
    assert lab.converge(wish(**wanted, allow=mend)) == STEPS[row.mend]
    assert row.shows(lab) == row.expected
    assert (started() == before[0]) is (row.mend == LIVE)
    assert (made() == before[1]) is (row.mend != RECREATE)
    assert (address() == had) is (row.name != "address")
    # Once.
    assert lab.planned(wish(**wanted)) == ([], [])
