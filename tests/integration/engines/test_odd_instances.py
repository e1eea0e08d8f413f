# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Instances at the limits of what is allowed, and programs and guests that do not behave, on a real docker and a real libvirt."""

from __future__ import annotations

import io
import tarfile
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.zonal.cloud.plugins.module_utils._adapters.docker_engine import DockerEngine
from ansible_collections.zonal.cloud.plugins.module_utils._domain.instance import ABSENT, PAUSED, RUNNING, STOPPED, Wish
from ansible_collections.zonal.cloud.tests.integration.engines.conftest import IMAGE
from ansible_collections.zonal.cloud.tests.integration.engines.node import Node, wait_for
from ansible_collections.zonal.cloud.tests.integration.engines.test_instances import Zone, failure_of, steps
from ansible_collections.zonal.cloud.tests.unit.plugins.fakes.instances import KEY

# One network that has addresses with 0 and 255 at the end.
WIDE: dict[str, Any] = {"bridge": "br16", "cidr": "10.90.0.0/16", "gateway": "10.90.0.1"}
PROGRAMS = {
    "ends": "#!/bin/sh\nexit 3\n",
    "deaf": "#!/bin/sh\ntrap '' TERM\nwhile :; do sleep 1; done\n",
}


@pytest.fixture(scope="module")
def zone(node: Node, docker_url: str, libvirt_uri: str, archive: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Zone]:
    node.add_bridge("br16", "10.90.0.1/16")
    engine = DockerEngine(docker_url)
    engine.import_image(archive, IMAGE, {})
    for name, program in PROGRAMS.items():
        engine.import_image(with_init(archive, program, tmp_path_factory.mktemp(name)), f"{name}:1", {})
    made = Zone(node, docker_url, libvirt_uri, "odd-")
    yield made
    made.clean()
    for name in PROGRAMS:
        engine.remove_image(f"{name}:1")


def with_init(archive: str, program: str, folder: Path) -> str:
    """Return an archive with another first program."""
    path = folder / "rootfs.tgz"
    with tarfile.open(archive) as old, tarfile.open(path, "w:gz") as new:
        for entry in old:
            content = old.extractfile(entry)
            if entry.name == "sbin/init":
                content, entry.size = io.BytesIO(program.encode()), len(program)
            new.addfile(entry, content)
    return str(path)


def wish(zone: Zone, kind: str, name: str, address: str, power: str = RUNNING, **options: Any) -> Wish:
    return replace(zone.wish(kind, 1, power, **{**WIDE, "address": address, **options}), name=name)


def test_what_is_just_allowed(zone: Zone) -> None:
    keys = [f"{KEY}{number}" for number in range(40)]
    long = f"odd-{'x' * 57}"
    wanted = [
        wish(zone, "container", f"{long}-1", "10.90.1.0"),
        wish(zone, "container", f"odd-{'-' * 30}-1", "10.90.1.255", memory="6M"),
        wish(zone, "container", "1" * 63, "10.90.255.254", ssh_keys=keys, power=PAUSED),
        wish(zone, "vm", f"{long}-2", "10.90.2.0", STOPPED),
        wish(zone, "vm", "2" * 63, "10.90.2.255", memory="6M", ssh_keys=keys),
        wish(zone, "vm", "3", "10.90.0.2", STOPPED),
    ]
    try:
        assert (failure_of(made := zone.converge(*wanted)), {outcome.after.power for outcome in made}) == ("", {RUNNING, STOPPED, PAUSED})
        again = zone.converge(*wanted)
        assert (failure_of(again), set(steps(again))) == ("", {""})
    finally:
        gone = zone.converge(*(replace(item, power=ABSENT) for item in wanted))
    assert (failure_of(gone), set(steps(gone))) == ("", {"remove"})


def test_what_cannot_be_is_told_for_each(zone: Zone) -> None:
    endpoint = {"zonal-br16": {"IPAMConfig": {"IPv4Address": "10.90.3.1"}}}
    body = {"Image": IMAGE, "HostConfig": {"NetworkMode": "zonal-br16"}, "NetworkingConfig": {"EndpointsConfig": endpoint}}
    first = wish(zone, "container", "odd-first", "10.90.3.2")
    zone.converge(first)
    zone.api.create_container_from_config(body, "odd-foreign")
    zone.api.start("odd-foreign")
    hopeless = [
        (wish(zone, "container", "x", "10.90.3.3"), "name: 'x' is too short for a container"),
        (wish(zone, "container", "odd-a", "10.90.3.1"), "address: '10.90.3.1' belongs to the container odd-foreign, which zonal.cloud did"),
        (wish(zone, "container", "odd-b", "10.90.3.2"), "address: '10.90.3.2' belongs to the container odd-first on this host"),
        (wish(zone, "vm", "odd-c", "10.90.3.2"), "address: '10.90.3.2' belongs to the container odd-first on this host"),
        (wish(zone, "vm", "odd-d", "10.90.3.4", memory="8191P"), "memory: '8191P' is more than this host has"),
    ]
    for wanted, message in hopeless:
        (outcome,) = zone.converge(wanted)
        assert outcome.error.startswith(message)
        assert outcome.after.power == ABSENT
    names = [name for item in zone.api.containers(all=True) for name in item["Names"]]
    assert sorted(name for name in names if "odd" in name or "x" in name) == ["/odd-first", "/odd-foreign"]
    zone.clean()


@pytest.mark.parametrize("autostart", [True, False])
def test_a_program_that_ends_at_once_is_told(zone: Zone, autostart: bool) -> None:
    """With autostart docker starts it again and again, and it counts as running."""
    wanted = wish(zone, "container", "odd-ends", "10.90.4.1", image="ends:1", autostart=autostart)

    def told() -> bool:
        assert failure_of(zone.converge(wanted)) == ""
        words = (
            "its program ends again and again (last with 3), and docker starts it anew" if autostart else "its program has ended (with 3)"
        )
        return zone.warnings == [f"container odd-ends: it is wanted to run, but {words}"]

    wait_for("the warning", told, 10)
    for power in (STOPPED, ABSENT):
        assert failure_of(zone.converge(replace(wanted, power=power))) == ""
        assert zone.warnings == []


@pytest.mark.parametrize("patience", [0, 1])
def test_a_program_that_does_not_hear_is_cut_off_in_time(zone: Zone, patience: int) -> None:
    wanted = wish(zone, "container", "odd-deaf", "10.90.5.1", image="deaf:1")
    zone.patience = patience
    for power in (STOPPED, ABSENT):
        zone.converge(wanted)
        began = time.monotonic()
        (outcome,) = zone.converge(replace(wanted, power=power))
        assert (outcome.error, outcome.after.power) == ("", power)
        assert patience <= time.monotonic() - began < patience + 5
    zone.patience = 0
    zone.converge(replace(wanted, power=PAUSED))
    assert steps(zone.converge(replace(wanted, power=ABSENT))) == ["remove"]
