# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What breaks while ``instances`` runs, each followed by the same check: the next run converges, the one after it changes nothing, and
nothing is left on the host that is not wanted. All on a node of its own, since its engines are killed and its power is cut."""

from __future__ import annotations

import os
import re
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from typing import Any

import pytest

from ansible_collections.zonal.cloud.plugins.module_utils._adapters import docker_engine, libvirt_engine
from ansible_collections.zonal.cloud.plugins.module_utils._domain.instance import ABSENT, RUNNING, STOPPED, Wish
from ansible_collections.zonal.cloud.plugins.module_utils._ports import EngineError
from ansible_collections.zonal.cloud.tests.integration.engines.conftest import BRIDGE, IMAGE, ROUTER
from ansible_collections.zonal.cloud.tests.integration.engines.faulty_host import Host, Trap, failure, states
from ansible_collections.zonal.cloud.tests.integration.engines.node import Node, wait_for
from ansible_collections.zonal.cloud.tests.integration.engines.test_vms import machine_xml

BOTH = ("restart", "recreate")


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    made = Node(tmp_path_factory.mktemp("faults"))
    try:
        made.start()
        made.add_bridge(BRIDGE, f"{ROUTER}/24")
        yield made
    finally:
        made.stop()


@pytest.fixture(scope="module")
def made(node: Node, archive: str) -> Host:
    return Host(node, archive)


@pytest.fixture
def host(made: Host) -> Iterator[Host]:
    yield made
    made.clean()


# Two wishes, which a host is brought from one to the other and back, and how many changes the longer way has at least.
CUTS: dict[str, tuple[dict[str, Any], dict[str, Any], int]] = {
    "made and removed": ({}, {"power": ABSENT}, 8),
    "changed": ({"power": STOPPED}, {"power": STOPPED, "memory": "96M", "vcpus": 2, "autostart": False}, 3),
    "made anew": ({"power": STOPPED, "hostname": "one", "allow": BOTH}, {"power": STOPPED, "hostname": "other", "allow": BOTH}, 13),
}


@pytest.mark.parametrize("cut", CUTS)
def test_the_process_is_killed_after_any_of_its_changes(host: Host, cut: str) -> None:
    first, second, least = CUTS[cut]
    ways = both(host, **first), both(host, **second)
    host.converge(*ways[1])
    calls, cuts = 0, [True, True]
    while any(cuts):
        for way, wanted in enumerate(ways):
            cuts[way] = host.killed_after(calls, *wanted)
            host.check(*wanted)
        calls += 1
    assert calls > least


def both(host: Host, power: str = RUNNING, **options: Any) -> tuple[Wish, Wish]:
    """Return wishes for one of each kind; a VM that starts would take long, and starting is the last change of either."""
    return host.wish("container", 11, power, **options), host.wish("vm", 12, STOPPED if power == RUNNING else power, **options)


def several(host: Host) -> list[Wish]:
    return [*(host.wish("container", last) for last in (21, 22)), *(host.wish("vm", last, STOPPED) for last in (24, 25))]


def end_this_process() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def a_lane_dies(host: Host, wanted: list[Wish]) -> str:
    return failure(host.run(*wanted, guard=Trap("put_files", "container-21", end_this_process).guard))


def dockerd_dies(host: Host, wanted: list[Wish], during: str, delay: float) -> str:
    def die_later() -> None:
        if os.fork() == 0:
            with suppress(BaseException):
                time.sleep(delay)
                host.node.kill_docker()
            os._exit(0)

    told = failure(host.run(*wanted, guard=Trap(during, "container-21", die_later).guard))
    wait_for("the end of dockerd", lambda: not os.path.exists(host.node.path("/run/docker.pid")), 10)
    host.url = host.node.start_docker()
    return told


def libvirtd_dies(host: Host, wanted: list[Wish]) -> str:
    told = failure(host.run(*wanted, guard=Trap("define", "vm-24", host.node.kill_libvirt).guard))
    host.uri = host.node.start_libvirt()
    return told


def the_docker_image_goes(host: Host, wanted: list[Wish]) -> str:
    def go() -> None:
        with host.docker() as api:
            api.remove_image(IMAGE)

    # With one lane, or another container might hold it.
    told = failure(host.run(*wanted, guard=Trap("create", "container-21", go).guard, lanes=1))
    host.make_images()
    return told


def the_golden_volume_goes(host: Host, wanted: list[Wish]) -> str:
    names = host.golden, "aside"

    def go() -> None:
        host.volumes.rename(*names)

    told = failure(host.run(*wanted, guard=Trap("clone", "vm-24", go).guard, lanes=1))
    host.volumes.rename(*reversed(names))
    return told


def the_boot_files_go(host: Host, wanted: list[Wish]) -> str:
    host.boot.remove(host.golden)
    told = failure(host.run(*wanted))
    host.make_images()
    return told


def the_pool_is_full(host: Host, wanted: list[Wish]) -> str:
    host.volumes.used = host.volumes.capacity
    told = failure(host.run(*wanted))
    host.volumes.used = 0
    return told


def the_pool_gets_full(host: Host, wanted: list[Wish]) -> str:
    def refuse() -> None:
        raise EngineError("clone", host.golden, "not enough free space in the pool")

    return failure(host.run(*wanted, guard=Trap("clone", "vm-24", refuse).guard))


def others_have_the_names(host: Host, wanted: list[Wish]) -> str:
    with host.docker() as api:
        foreign = api.create_container_from_config({"Image": IMAGE, "HostConfig": {"NetworkMode": "none"}}, "container-21")["Id"]
        with host.libvirt() as libvirt:
            libvirt.define(machine_xml("vm-24", 32))
            told = failure(host.run(*wanted))
            libvirt.remove("vm-24")
        api.remove_container(foreign)
    return told


FAULTS: dict[str, tuple[Callable[[Host, list[Wish]], str], str]] = {
    "a lane dies": (a_lane_dies, "^1 of 4 .*: container container-21: the process that worked on it died"),
    "dockerd dies at a rename": (partial(dockerd_dies, during="rename", delay=0), "container container-21.* docker does not answer"),
    "libvirtd dies": (libvirtd_dies, "^2 of 4 .*: vm vm-24(, vm vm-25)?: Cannot define VM: "),
    "the docker image goes": (the_docker_image_goes, "^2 of 4 .*: Cannot create container container-21.new: No such image: engines:1"),
    "the golden volume goes": (the_golden_volume_goes, "^2 of 4 .*: vm vm-24: Cannot clone .*; vm vm-25: image: 'guest:1'"),
    "the boot files go": (the_boot_files_go, "^2 of 4 .*: vm vm-24, vm vm-25: image: 'guest:1' has lost its kernel"),
    "the pool is full": (the_pool_is_full, "^2 of 4 .*: vm vm-24, vm vm-25: disk: '.*' does not fit: the thin pool of this host has 0"),
    "the pool gets full": (the_pool_gets_full, "^1 of 4 .*: vm vm-24: Cannot clone .*: not enough free space"),
    "others have the names": (others_have_the_names, "^2 of 4 .*: container container-21: .* did not make.*; vm vm-24: .* did not make"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_fault(host: Host, fault: str) -> None:
    cause, message = FAULTS[fault]
    wanted = several(host)
    told = cause(host, wanted)
    assert re.search(message, told)
    host.check(*wanted)
    host.remove(*wanted)


@pytest.mark.parametrize("before", ["", "start"], ids=["from the beginning", "in the middle"])
def test_docker_hangs(host: Host, before: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """It takes connections and answers nothing, not even its version. VMs are no worse for it."""
    wanted = several(host)
    if not before:
        host.node.hang_docker()
    with monkeypatch.context() as patch:
        patch.setattr(docker_engine, "_TIMEOUT", 1)
        outcomes = host.run(*wanted, guard=Trap(before, "", host.node.hang_docker).guard)
    host.node.wake_docker()
    assert [outcome.after.power for outcome in outcomes if outcome.kind == "vm"] == [STOPPED, STOPPED]
    assert re.search("^2 of 4 .*: docker does not answer: .*timed out", failure(outcomes))
    host.check(*wanted)
    host.remove(*wanted)


def test_dockerd_dies_in_a_start(host: Host) -> None:
    """A docker up to 20.10 has then forgotten what its containerd goes on with, and would never start the container again."""
    wanted = several(host)
    assert "Cannot start container container-21: docker does not answer" in dockerd_dies(host, wanted, "start", 0.1)
    wait_for("all of them", lambda: not failure(host.run(*wanted)) and host.instances() == states(wanted), 30)
    host.check(*wanted)
    host.remove(*wanted)


@pytest.mark.parametrize(("before", "tried"), [("", "list VMs"), ("define", "define VM")], ids=["from the beginning", "in the middle"])
def test_libvirt_hangs(host: Host, before: str, tried: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """It takes connections and answers nothing. Containers are no worse for it."""
    wanted = several(host)
    if not before:
        host.node.hang_libvirt()
    with monkeypatch.context() as patch:
        patch.setattr(libvirt_engine, "_TIMEOUT", 1)
        outcomes = host.run(*wanted, guard=Trap(before, "", host.node.hang_libvirt).guard)
    host.node.wake_libvirt()
    assert [outcome.after.power for outcome in outcomes if outcome.kind == "container"] == [RUNNING, RUNNING]
    assert re.search(f"^2 of 4 .*: Cannot {tried}: .*libvirt does not answer: no answer within 1 second", failure(outcomes))
    host.check(*wanted)
    host.remove(*wanted)


def test_the_power_fails(host: Host) -> None:
    """First in the middle of a run, which leaves a container half-made; then when all is well, and all comes up by itself."""
    wanted = [host.wish("container", 21), host.wish("vm", 24), host.wish("container", 22), host.wish("container", 23, STOPPED)]
    wanted.append(host.wish("vm", 25, STOPPED))
    failing: dict[str, Any] = {"restart_policy": "on-failure", "command": ["sleep", "1000"]}
    wanted += [host.wish("container", 26, **failing), host.wish("container", 27, STOPPED, **failing)]
    # It has ended with 137 then.
    host.converge(host.wish("container", 27, **failing))
    assert host.killed_after(11, *wanted)
    host.lose_power()
    host.check(*wanted)
    goes_by_its_code = by_docker_alone(host)
    host.lose_power()
    goes_by_its_code()
    wait_for("what ran before", lambda: host.instances() == states(wanted), 20)
    host.check(*wanted)
    host.remove(*wanted)


def by_docker_alone(host: Host) -> Callable[[], None]:
    """Stop two containers of docker's own on-failure; return what tells which of them docker starts, and removes them.

    It is why autostart of such a container takes more than that word: one that was stopped on purpose would start, and one that ended
    with 0 for the shutdown of its host would not.
    """
    policy = {"NetworkMode": "none", "RestartPolicy": {"Name": "on-failure"}}
    with host.docker() as api:
        for code, end in ((0, api.stop), (137, api.kill)):
            name = f"raw-{code}"
            api.create_container_from_config({"Image": IMAGE, "Cmd": ["/sbin/init"], "HostConfig": policy}, name)
            api.start(name)
            # Then it knows what to do at a signal.
            wait_for("what it starts", partial(_has_children, api, name), 10)
            end(name)
            assert api.wait(name)["StatusCode"] == code

    def look() -> None:
        with host.docker() as api:
            wait_for("the one that was killed", lambda: api.inspect_container("raw-137")["State"]["Running"], 20)
            assert not api.inspect_container("raw-0")["State"]["Running"]
            for name in ("raw-0", "raw-137"):
                api.remove_container(name, force=True)

    return look


def _has_children(api: Any, name: str) -> bool:
    return len(api.top(name)["Processes"]) > 1


def test_two_runs_at_once(host: Host) -> None:
    """The second waits for the first, and finds nothing to do."""
    wanted = several(host)
    assert sorted(host.at_once(2, *wanted)) == [0, 4]
    host.check(*wanted)
    host.remove(*wanted)
