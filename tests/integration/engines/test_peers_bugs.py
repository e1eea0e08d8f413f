# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What users of other modules for docker and libvirt have reported, done with ``instances``. Each test names the reports.

Not here: thin snapshots that need no size (ansible #29326) are in the unit tests of LVM.
"""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from ansible_collections.zonal.cloud.plugins.module_utils._adapters.docker_engine import DockerEngine
from ansible_collections.zonal.cloud.plugins.module_utils._domain.instance import ABSENT, RUNNING, STOPPED, Wish
from ansible_collections.zonal.cloud.plugins.module_utils._domain.names import mac_of
from ansible_collections.zonal.cloud.tests.integration.engines.conftest import IMAGE
from ansible_collections.zonal.cloud.tests.integration.engines.node import Node
from ansible_collections.zonal.cloud.tests.integration.engines.test_instances import Zone, failure_of, steps

MIB = 1024**2


@pytest.fixture(scope="module")
def zone(node: Node, docker_url: str, libvirt_uri: str, archive: str) -> Iterator[Zone]:
    DockerEngine(docker_url).import_image(archive, IMAGE, {})
    made = Zone(node, docker_url, libvirt_uri, "peers-")
    made.clean()
    yield made
    made.clean()


@pytest.fixture
def wanted(zone: Zone) -> list[Wish]:
    """A container and a VM, the same for all of these tests; whatever may be done to mend them is permitted."""
    found = [permitted(zone.wish("container", 61)), permitted(zone.wish("vm", 62, STOPPED))]
    assert failure_of(zone.converge(*found)) == ""
    return found


def permitted(wish: Wish) -> Wish:
    return replace(wish, allow=("restart", "recreate"))


def container_of(zone: Zone) -> dict[str, Any]:
    body: dict[str, Any] = zone.api.inspect_container("peers-61")
    return body


def domain(zone: Zone) -> Any:
    return zone.lab.connection.lookupByName("peers-62")


def definition(zone: Zone) -> ET.Element:
    return ET.fromstring(domain(zone).XMLDesc())


def is_left_alone(zone: Zone, *wanted: Wish) -> bool:
    """Check mode foretells no change, and there is none."""
    runs = [zone.converge(*wanted, check_mode=True), zone.converge(*wanted)]
    return [(failure_of(run), set(steps(run))) for run in runs] == [("", {""})] * 2


def test_a_container_is_not_made_anew_for_what_nobody_has_changed(zone: Zone, wanted: list[Wish], archive: str) -> None:
    """community.docker #791 and #934, ansible #31377, ansible-podman-collections #61, #276 and #559: an image whose tag moved, a second
    network, CPUs, a limit and labels that others gave it made a container be made anew, and its data were lost."""
    before = container_of(zone)["Id"]
    DockerEngine(zone.url).import_image(archive, IMAGE, {"com.example.build": "2"})
    zone.api.create_network("peers-second", driver="bridge", internal=True)
    zone.api.connect_container_to_network("peers-61", "peers-second")
    zone.api.update_container("peers-61", cpuset_cpus="1", blkio_weight=300)
    assert is_left_alone(zone, *wanted)
    assert container_of(zone)["Id"] == before
    zone.api.disconnect_container_from_network("peers-61", "peers-second")
    zone.api.remove_network("peers-second")


def test_memory_is_raised_whatever_the_swap_limit(zone: Zone, wanted: list[Wish]) -> None:
    """osparc-simcore #3505 and #3507, gasper #326: docker refuses more memory than the limit of memory and swap together, which
    by default is twice the memory it was made with."""
    started = container_of(zone)["State"]["StartedAt"]
    for swap, memory in ((32 * MIB, 96), (-1, 32), (256 * MIB, 16)):
        zone.api.update_container("peers-61", memswap_limit=swap)
        wish = permitted(zone.wish("container", 61, memory=f"{memory}M"))
        assert steps(zone.converge(wish)) == ["update"]
        limits = container_of(zone)["HostConfig"]
        assert limits["Memory"] == limits["MemorySwap"] == memory * MIB
        assert is_left_alone(zone, wish)
    assert container_of(zone)["State"]["StartedAt"] == started


def test_a_vm_that_is_defined_again_changes_and_then_does_not(zone: Zone, wanted: list[Wish]) -> None:
    """community.libvirt #53, libvirt-vm #74 and #82, ansible #37660: another definition of a VM that is there was ignored.
    community.libvirt #98, #183 and #205: check mode told a change each time, since libvirt adds to what it is given."""
    for options in ({"memory": "96M", "vcpus": 2}, {}):
        wish = permitted(zone.wish("vm", 62, STOPPED, **options))
        assert steps(zone.converge(wish, check_mode=True)) == steps(zone.converge(wish)) == ["update"]
        found = definition(zone)
        assert [int(found.findtext(tag, "")) for tag in ("memory", "vcpu")] == [wish.spec["memory"] // 1024, wish.spec["vcpus"]]
        assert len(found.findall("devices/controller")) > 1, "libvirt adds nothing any more"
        assert is_left_alone(zone, wish)


def test_a_mac_stays(zone: Zone, wanted: list[Wish]) -> None:
    """community.libvirt #186: each definition without a MAC got a new one, and was a change. Here it is made of the address, and stays
    over a restart, another definition and a removal."""
    vm, macs = wanted[1], []
    for wish in (replace(vm, power=RUNNING), permitted(zone.wish("vm", 62, STOPPED, vcpus=2)), replace(vm, power=ABSENT), vm):
        assert failure_of(zone.converge(wish)) == ""
        assert is_left_alone(zone, wish)
        if wish.power != ABSENT:
            macs += [card.get("address") for card in definition(zone).findall("devices/interface/mac")]
    assert macs == [mac_of("10.88.0.62")] * 3
    # And is mended when somebody has given it another one.
    zone.lab.connection.defineXML(domain(zone).XMLDesc().replace(macs[0], "52:54:00:00:00:01"))
    assert steps(zone.converge(vm)) == ["update"]
    assert [card.get("address") for card in definition(zone).findall("devices/interface/mac")] == macs[:1]
    assert is_left_alone(zone, vm)


def test_autostart_that_was_changed_by_hand_is_mended_without_a_restart(zone: Zone, wanted: list[Wish]) -> None:
    """ansible #22208 and #40457: it was set each time, or only together with a definition."""
    started = container_of(zone)["State"]["StartedAt"]
    zone.api.update_container("peers-61", restart_policy={"Name": "no"})
    domain(zone).setAutostart(1)
    assert is_left_alone(zone, *wanted), "it is not among what is wanted"
    asked = zone.wish("container", 61, autostart=True), zone.wish("vm", 62, STOPPED, autostart=False)
    assert steps(zone.converge(*asked, check_mode=True)) == steps(zone.converge(*asked)) == ["update", "update"]
    container = container_of(zone)
    assert (container["HostConfig"]["RestartPolicy"]["Name"], domain(zone).autostart()) == ("unless-stopped", 0)
    assert container["State"]["StartedAt"] == started
    assert is_left_alone(zone, *asked)
