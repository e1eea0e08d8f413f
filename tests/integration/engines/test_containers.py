# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Containers on a real docker."""

from __future__ import annotations

import gc
import json
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import docker
import pytest

from ansible_collections.zonal.cloud.plugins.module_utils._adapters.docker_engine import DockerEngine
from ansible_collections.zonal.cloud.plugins.module_utils._adapters.layer_copies import FolderLayers
from ansible_collections.zonal.cloud.plugins.module_utils._domain import field_values
from ansible_collections.zonal.cloud.plugins.module_utils._domain.container_found import parse_container
from ansible_collections.zonal.cloud.plugins.module_utils._domain.docker_network import render_network
from ansible_collections.zonal.cloud.plugins.module_utils._domain.errors import RefusedError, SpecError
from ansible_collections.zonal.cloud.plugins.module_utils._domain.fields import parse_spec
from ansible_collections.zonal.cloud.plugins.module_utils._domain.instance import ABSENT, RUNNING, STOPPED, Renamed, Wish
from ansible_collections.zonal.cloud.plugins.module_utils._domain.names import mac_of
from ansible_collections.zonal.cloud.plugins.module_utils._module.container import ContainerResource
from ansible_collections.zonal.cloud.plugins.module_utils._module.container_found import list_containers
from ansible_collections.zonal.cloud.plugins.module_utils._module.data_disks import DataDisks
from ansible_collections.zonal.cloud.plugins.module_utils._ports import EngineAbsent, EngineError
from ansible_collections.zonal.cloud.tests.host_command import run_command
from ansible_collections.zonal.cloud.tests.integration.engines.conftest import BRIDGE, CIDR, IMAGE, ROUTER
from ansible_collections.zonal.cloud.tests.integration.engines.file_disks import LoopVolumes, file_filesystems
from ansible_collections.zonal.cloud.tests.integration.engines.node import Node, wait_for
from ansible_collections.zonal.cloud.tests.unit.plugins.contracts.containers import CONTRACT, Bench
from ansible_collections.zonal.cloud.tests.unit.plugins.fakes.instances import KEY, converge, planned
from ansible_collections.zonal.cloud.tests.unit.plugins.fakes.vms import FakeVms

MIB = 1024**2
BOTH = ("restart", "recreate")
MODULE = """
import json, sys
from ansible.module_utils.testing import patch_module_args
from ansible_collections.zonal.cloud.plugins.modules import container, instance_info
with patch_module_args(json.loads(sys.argv[2])):
    {"container": container, "instance_info": instance_info}[sys.argv[1]].main()
"""


class Lab:
    """docker of the node, and wishes for containers whose names begin with ``prefix``."""

    def __init__(self, node: Node, url: str, prefix: str) -> None:
        self.node = node
        self.url = url
        self.prefix = prefix
        self.engine = DockerEngine(url)
        self.volumes = LoopVolumes(node.folder)
        # What is mounted is known in the node.
        root = node.folder / prefix
        (root / "proc" / "self").mkdir(parents=True)
        (root / "proc" / "self" / "mountinfo").symlink_to(f"/proc/{node.pid}/mountinfo")
        self.data = DataDisks(self.volumes, file_filesystems(self._run, str(root)), FakeVms())
        self.api = docker.APIClient(base_url=url, version="auto")
        self.root = node.folder / "var/lib/docker"
        self.copies = FolderLayers(run_command, lambda: str(self.root))

    def wish(self, last: int = 11, power: str = RUNNING, *, allow: tuple[str, ...] = (), restart: bool = False, **options: Any) -> Wish:
        raw = {
            "zone": "lab",
            "app": "web",
            "image": IMAGE,
            "vcpus": 1,
            "memory": "16M",
            "address": f"10.88.0.{last}",
            "bridge": BRIDGE,
            "cidr": CIDR,
            "gateway": ROUTER,
            "dns": ["192.0.2.53"],
            "ssh_keys": [KEY],
        }
        return Wish("container", f"{self.prefix}{last}", power, parse_spec({**raw, **options}), allow, restart)

    def converge(self, wanted: Wish) -> list[str]:
        return converge(self.resource(wanted))

    def resource(self, wanted: Wish) -> ContainerResource:
        return ContainerResource(wanted, DockerEngine(self.url), FakeVms(), self.copies, self.data, 0)

    def _run(self, argv: Sequence[str], *, stdin: str | None = None, timeout: float = 120) -> str:
        return self.node.run(*argv)

    def planned(self, wanted: Wish) -> tuple[list[str], list[str]]:
        """Return the steps that would be done, and the options that wait for permission."""
        return planned(self.resource(wanted))

    def inspect(self, last: int = 11) -> dict[str, Any]:
        body: dict[str, Any] = self.api.inspect_container(f"{self.prefix}{last}")
        return body

    def do(self, last: int, *argv: str) -> str:
        """Run a program in a container and return what it prints."""
        task = self.api.exec_create(f"{self.prefix}{last}", list(argv))["Id"]
        output: bytes = self.api.exec_start(task)
        assert self.api.exec_inspect(task)["ExitCode"] == 0, output.decode()
        return output.decode()

    def ask(self, last: int, *, of: int) -> str:
        """Return the address under which container ``last`` sees the container ``of``, or 0 for the node, ask it."""
        # Not wget: a static busybox ends at the first look at a resolver.
        argv = ["sh", "-c", f"printf 'GET /cgi-bin/peer HTTP/1.0\\r\\n\\r\\n' | busybox nc -w 2 10.88.0.{last} 80"]
        answer = self.do(of, *argv) if of else self.node.run(*argv)
        return answer.splitlines()[-1]

    def clean(self) -> None:
        for body in self.api.containers(all=True):
            if any(name.startswith(f"/{self.prefix}") for name in body["Names"]):
                self.api.remove_container(body["Id"], force=True)
        for volume in self.volumes.list():
            self.engine.remove_volume(f"zonal-{volume.name}")
            self.volumes.remove(volume.name)


@pytest.fixture(scope="session")
def image(docker_url: str, archive: str) -> str:
    DockerEngine(docker_url).import_image(archive, IMAGE, {})
    return IMAGE


@pytest.fixture
def lab(node: Node, docker_url: str, image: str, prefix: str) -> Iterator[Lab]:
    made = Lab(node, docker_url, prefix)
    yield made
    made.clean()


@pytest.fixture(scope="session")
def network(docker_url: str) -> None:
    DockerEngine(docker_url).create_network(render_network("contract0", "10.89.0.0/24", "10.89.0.1"))


@pytest.mark.parametrize("check", CONTRACT, ids=lambda check: check.__name__)
def test_contract(check: Callable[[Bench], None], node: Node, lab: Lab, network: None, archive: str) -> None:
    bench = Bench(lab.engine, IMAGE, archive, "contract0", "10.89.0.0/24", "10.89.0.1", lab.prefix)
    try:
        check(bench)
    finally:
        bench.clean()


def test_a_new_container_is_as_declared(lab: Lab) -> None:
    assert lab.converge(lab.wish()) == ["create", "start"]
    body = lab.inspect()
    endpoint = body["NetworkSettings"]["Networks"]["zonal-br0"]
    assert (endpoint["IPAddress"], endpoint["MacAddress"], endpoint["Gateway"]) == ("10.88.0.11", mac_of("10.88.0.11"), ROUTER)
    assert lab.do(11, "cat", "/sys/class/net/eth0/address").strip() == mac_of("10.88.0.11")
    assert "inet 10.88.0.11/24 " in lab.do(11, "ip", "-4", "address", "show", "eth0")
    assert lab.do(11, "hostname").strip() == f"{lab.prefix}11"
    assert body["HostConfig"]["Dns"] == ["192.0.2.53"]
    assert lab.do(11, "cat", "/root/.ssh/authorized_keys") == KEY + "\n"
    assert lab.do(11, "cat", "/sys/fs/cgroup/memory/memory.limit_in_bytes").strip() == str(16 * MIB)
    assert lab.do(11, "cat", "/sys/fs/cgroup/memory/memory.memsw.limit_in_bytes").strip() == str(16 * MIB)
    assert lab.converge(lab.wish()) == []


def test_a_name_may_be_the_beginning_of_several_ids(lab: Lab) -> None:
    wanted = lab.wish()
    made: list[str] = []
    try:
        while not (twice := [start for start, count in Counter(number[:2] for number in made).items() if count > 1]):
            made.append(lab.api.create_container(IMAGE)["Id"])
        assert lab.converge(replace(wanted, name=twice[0])) == ["create", "start"]
        assert lab.converge(replace(wanted, name=twice[0], power=ABSENT)) == ["remove"]
    finally:
        for number in made:
            lab.api.remove_container(number)


def test_what_docker_commits_of_one_is_not_ours(lab: Lab) -> None:
    lab.converge(lab.wish())
    image, name = f"{lab.prefix}debug:1", f"{lab.prefix}debug"
    lab.api.commit(f"{lab.prefix}11", *image.split(":"))
    try:
        # With the labels of the image.
        lab.api.create_container_from_config({"Image": image, "HostConfig": {"NetworkMode": "none"}}, name)
        assert [item.name for item in list_containers(lab.engine, lab.copies)] == [f"{lab.prefix}11"]
        with pytest.raises(RefusedError, match=rf"'{name}' is a container that zonal\.cloud did not make"):
            lab.converge(replace(lab.wish(power=ABSENT), name=name))
        assert lab.converge(lab.wish(hostname="other", allow=BOTH)) == ["remove", "create", "start"]
    finally:
        lab.clean()
        lab.api.remove_image(image)


def test_it_keeps_address_and_mac_over_restarts(lab: Lab) -> None:
    lab.converge(lab.wish())
    # The freed address would be given to whoever starts first, were it not reserved.
    lab.converge(lab.wish(12))
    for restart in (lambda: lab.api.restart(f"{lab.prefix}11", timeout=0), lambda: lab.converge(lab.wish(restart=True))):
        started = lab.inspect()["State"]["StartedAt"]
        restart()
        assert lab.inspect()["State"]["StartedAt"] != started
        assert lab.do(11, "cat", "/sys/class/net/eth0/address").strip() == mac_of("10.88.0.11")
        wait_for("an answer", lambda: _answers(lab, 11), 10)
        assert lab.ask(11, of=12) == "10.88.0.12"
        assert lab.converge(lab.wish()) == []


def test_containers_reach_each_other_and_the_router_without_nat(lab: Lab) -> None:
    lab.converge(lab.wish(11))
    lab.converge(lab.wish(12))
    wait_for("an answer", lambda: _answers(lab, 11), 10)
    wait_for("an answer", lambda: _answers(lab, 12), 10)
    assert lab.ask(11, of=12) == "10.88.0.12"
    assert lab.ask(12, of=11) == "10.88.0.11"
    assert lab.ask(11, of=0) == ROUTER
    assert "1 packets received" in lab.node.run("busybox", "ping", "-c", "1", "-w", "5", "10.88.0.11")


def _answers(lab: Lab, last: int) -> bool:
    with suppress(RuntimeError):
        return bool(lab.ask(last, of=0))
    return False


@pytest.mark.parametrize("memory", ["32M", "12M"], ids=["more", "less"])
def test_memory_changes_while_it_runs(lab: Lab, memory: str) -> None:
    lab.converge(lab.wish())
    started = lab.inspect()["State"]["StartedAt"]
    wanted = lab.wish(memory=memory)
    assert lab.converge(wanted) == ["update"]
    limits = lab.inspect()["HostConfig"]
    assert limits["Memory"] == limits["MemorySwap"] == wanted.spec["memory"]
    assert lab.do(11, "cat", "/sys/fs/cgroup/memory/memory.memsw.limit_in_bytes").strip() == str(wanted.spec["memory"])
    assert lab.inspect()["State"]["StartedAt"] == started
    assert lab.converge(wanted) == []


def test_a_lack_of_memory_ends_no_neighbour(lab: Lab) -> None:
    lab.converge(lab.wish(12))
    before = lab.inspect(12)["State"]
    # Its first process takes it all, so what ends is the container.
    growing = ["sh", "-c", "while :; do x=a$x$x; done"]
    lab.converge(lab.wish(command=growing, restart_policy="never", autostart=False))
    wait_for("its end", lambda: not lab.inspect()["State"]["Running"], 20)
    assert (lab.inspect()["State"]["OOMKilled"], lab.inspect()["State"]["ExitCode"]) == (True, 137)
    assert lab.inspect(12)["State"] == before
    assert [item.note for item in list_containers(lab.engine, lab.copies)] == ["its program has ended (with 137, for lack of memory)", ""]


def test_throughput_is_what_it_is_limited_to(lab: Lab) -> None:
    lab.converge(lab.wish(io_limits={"write_bytes": "2M"}))
    # Around the page cache: version 1 of cgroups counts what goes through it as nobody's.
    before = time.monotonic()
    lab.do(11, "busybox", "dd", "if=/dev/zero", "of=/data", "bs=256k", "count=12", "oflag=direct")
    assert time.monotonic() - before > 1, "3 MB with 2 MB a second"


def test_cpus_change_while_it_runs(lab: Lab) -> None:
    lab.converge(lab.wish())
    started = lab.inspect()["State"]["StartedAt"]
    assert lab.converge(lab.wish(vcpus=2)) == ["update"]
    assert lab.do(11, "cat", "/sys/fs/cgroup/cpuset/cpuset.cpus").strip() == "0-1"
    assert lab.converge(lab.wish(vcpus=1)) == ["update"]
    assert lab.do(11, "cat", "/sys/fs/cgroup/cpuset/cpuset.cpus").strip() in ("0", "1")
    assert lab.inspect()["State"]["StartedAt"] == started


def test_what_somebody_renames_still_has_its_address(lab: Lab) -> None:
    lab.converge(lab.wish())
    lab.api.rename(f"{lab.prefix}11", f"{lab.prefix}old")
    expected = [Renamed("container", f"{lab.prefix}old", f"{lab.prefix}11", ("10.88.0.11",))]
    for stop in (False, True):
        if stop:
            lab.engine.stop(f"{lab.prefix}old", 0)
        renamed: list[Renamed] = []
        assert list_containers(lab.engine, lab.copies, renamed) == []
        assert renamed == expected
    lab.api.rename(f"{lab.prefix}old", f"{lab.prefix}11")
    assert lab.converge(lab.wish()) == ["start"]


def test_snapshots_of_what_somebody_has_removed_go_with_it(lab: Lab, tmp_path: Path) -> None:
    lab.converge(lab.wish())
    lab.copies.copy(str(tmp_path), f"{lab.prefix}11", "monday")
    lab.copies.keep(f"{lab.prefix}11", "monday", {})
    lab.api.remove_container(f"{lab.prefix}11", force=True)
    assert lab.converge(lab.wish(power=ABSENT)) == ["remove"]
    assert lab.copies.copies(f"{lab.prefix}11") == {}
    assert lab.converge(lab.wish(power=ABSENT)) == []


def test_two_containers_get_different_cpus(lab: Lab) -> None:
    lab.converge(lab.wish(11))
    lab.converge(lab.wish(12))
    assert {lab.inspect(last)["HostConfig"]["CpusetCpus"] for last in (11, 12)} == {"0", "1"}


def test_more_cpus_than_there_are_is_one_message(lab: Lab) -> None:
    with pytest.raises(SpecError, match=r"^vcpus: 200 is more than the \d+ CPUs of this host"):
        lab.converge(lab.wish(vcpus=200))
    assert list_containers(lab.engine, lab.copies) == []


def test_another_hostname_waits_for_permission(lab: Lab) -> None:
    lab.converge(lab.wish())
    made = lab.inspect()["Id"]
    resource = lab.resource(lab.wish(hostname="other"))
    plan = resource.plan(resource.observe())
    assert ([step.action for step in plan.steps], [item.field for item in plan.pending]) == ([], ["hostname"])
    assert lab.converge(lab.wish(hostname="other", allow=BOTH)) == ["remove", "create", "start"]
    assert lab.inspect()["Id"] != made
    assert lab.do(11, "hostname").strip() == "other"
    assert lab.converge(lab.wish(hostname="other")) == []


def test_what_docker_refuses_costs_nothing(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    lab.converge(lab.wish())
    made = lab.inspect()["Id"]
    # As one of a kernel that this docker knows nothing of.
    monkeypatch.setattr(field_values, "CAPABILITIES", {"OF_THE_FUTURE"})
    with pytest.raises(EngineError, match=r"^Cannot create container .*\.new: .*unknown capability"):
        lab.converge(lab.wish(capabilities=["OF_THE_FUTURE"], allow=BOTH))
    assert (lab.inspect()["Id"], lab.inspect()["State"]["Running"]) == (made, True)
    assert lab.converge(lab.wish()) == []


def test_it_has_no_right_to_forge_packets(lab: Lab) -> None:
    lab.converge(lab.wish())
    rights = next(line.split()[1] for line in lab.do(11, "cat", "/proc/1/status").splitlines() if line.startswith("CapBnd"))
    net_admin, net_raw = 12, 13
    assert not int(rights, 16) & (1 << net_admin | 1 << net_raw)
    with pytest.raises(AssertionError, match=r"Operation not permitted|SIOCSIFHWADDR"):
        lab.do(11, "ifconfig", "eth0", "hw", "ether", "02:00:00:00:00:99")


@pytest.mark.parametrize("wanted", ["running", "absent", "recreated"])
def test_a_container_of_somebody_else_is_not_touched(lab: Lab, wanted: str) -> None:
    name = f"{lab.prefix}11"
    lab.api.create_container_from_config({"Image": IMAGE, "Labels": {"com.example": "x"}, "HostConfig": {"NetworkMode": "none"}}, name)
    before = lab.inspect()
    wish = lab.wish(power=ABSENT if wanted == "absent" else RUNNING, allow=BOTH if wanted == "recreated" else ())
    with pytest.raises(RefusedError, match="did not make"):
        lab.converge(wish)
    assert lab.inspect() == before


def test_its_life(lab: Lab) -> None:
    name = f"{lab.prefix}11"
    assert lab.converge(lab.wish(power=STOPPED)) == ["create"]
    assert lab.converge(lab.wish(power=STOPPED)) == []
    assert lab.converge(lab.wish()) == ["start"]
    lab.api.pause(name)
    assert lab.converge(lab.wish()) == ["resume"]
    lab.api.pause(name)
    assert lab.converge(lab.wish(power=STOPPED)) == ["stop"]
    assert lab.converge(lab.wish(power=ABSENT)) == ["remove"]
    assert lab.converge(lab.wish(power=ABSENT)) == []
    assert lab.engine.find(name) is None


def test_what_cannot_be_made_leaves_nothing(lab: Lab) -> None:
    cases: list[tuple[dict[str, Any], str]] = [
        ({"image": "nowhere:1"}, "^image: 'nowhere:1' is not on this host"),
        ({"bridge": "br9"}, "is not a bridge on this host"),
        ({"disk": "1G"}, "docker here has no overlay2 on XFS"),
        ({"cidr": "10.88.0.0/23"}, "does not fit docker's network zonal-br0"),
    ]
    lab.converge(lab.wish(12))
    for options, message in cases:
        with pytest.raises(SpecError, match=message):
            lab.converge(lab.wish(**options))
    assert [item.name for item in list_containers(lab.engine, lab.copies)] == [f"{lab.prefix}12"]


def test_the_network_follows_when_nothing_else_uses_it(lab: Lab) -> None:
    lab.converge(lab.wish(11))
    lab.converge(lab.wish(12, power=STOPPED))
    changed: dict[str, Any] = {"gateway": "10.88.0.254", "allow": BOTH}
    with pytest.raises(SpecError, match=rf"^network\.cidr: .* remove these first: {lab.prefix}12$"):
        lab.converge(lab.wish(11, **changed))
    assert lab.inspect(11)["State"]["Running"]
    lab.converge(lab.wish(12, power=ABSENT))
    for options in (changed, {"allow": BOTH}):
        assert lab.converge(lab.wish(11, **options)) == ["remove", "create", "start"]
        assert lab.inspect(11)["NetworkSettings"]["Networks"]["zonal-br0"]["Gateway"] == options.get("gateway", ROUTER)
        assert lab.converge(lab.wish(11, **options)) == []
    assert f"inet {ROUTER}/24 " in lab.node.run("ip", "-4", "address", "show", BRIDGE), "the bridge is the host's"
    wait_for("an answer", lambda: _answers(lab, 11), 10)


def test_hostile_labels_of_others_stop_nothing(lab: Lab) -> None:
    labels = {"cloud.zonal.name": "x", "cloud.zonal.dns": "[" * 100_000, "cloud.zonal.address": "\x7f<&", "cloud.zonal.keys": "\u202e"}
    lab.api.create_container_from_config({"Image": IMAGE, "Labels": labels, "HostConfig": {"NetworkMode": "none"}}, f"{lab.prefix}x")
    assert lab.converge(lab.wish()) == ["create", "start"]
    assert lab.converge(lab.wish()) == []


def test_a_disk_goes_from_one_container_to_another_with_its_data(lab: Lab) -> None:
    disk = f"{lab.prefix}d"
    first = lab.wish(disks=[{"name": disk, "size": "32M", "mount": "/srv/data"}])
    assert lab.converge(first) == ["create", "start"]
    assert lab.converge(first) == []
    [mount] = [line.split() for line in lab.do(11, "cat", "/proc/mounts").splitlines() if " /srv/data " in line]
    assert mount[2] == "ext4"
    assert {"rw", "nosuid", "nodev", "discard"} <= set(mount[3].split(","))
    lab.do(11, "sh", "-c", "echo kept > /srv/data/file")
    with pytest.raises(SpecError, match=rf"^disks: '{disk}' belongs to the container {lab.prefix}11 on this host"):
        lab.converge(lab.wish(12, disks=[{"name": disk, "mount": "/data"}]))
    # While it is not mounted: what is needed for more, not every container that tests run in has.
    assert lab.converge(lab.wish(power=STOPPED)) == ["stop"]
    larger = [{"name": disk, "size": "96M", "mount": "/srv/data"}]
    assert lab.converge(lab.wish(power=STOPPED, disks=larger)) == ["update"]
    assert lab.converge(lab.wish(disks=larger)) == ["start"]
    assert _size_of(lab, 11, "/srv/data") > 64 * MIB
    # Without the disk it is another container, and the disk is nobody's.
    assert lab.converge(lab.wish(disks=[])) == []
    assert lab.converge(lab.wish(disks=[], allow=BOTH)) == ["remove", "create", "start"]
    assert lab.engine.volume(f"zonal-disk-{disk}") is None
    assert "/srv/data" not in lab.do(11, "cat", "/proc/mounts")
    # By a run that was cut off.
    lab.volumes.grow(f"disk-{disk}", 160 * MIB)
    second = lab.wish(12, disks=[{"name": disk, "mount": "/data"}])
    assert lab.converge(second) == ["create", "start"]
    assert lab.converge(second) == []
    assert lab.do(12, "cat", "/data/file") == "kept\n"
    assert _size_of(lab, 12, "/data") > 128 * MIB
    assert lab.converge(lab.wish(12, power=ABSENT)) == ["remove"]
    assert [volume.name for volume in lab.volumes.list()] == [f"disk-{disk}"]


def _size_of(lab: Lab, last: int, mount: str) -> int:
    """Return the bytes of a file system that a container has."""
    blocks, size = lab.do(last, "busybox", "stat", "-f", "-c", "%b %S", mount).split()
    return int(blocks) * int(size)


def test_the_module_itself(lab: Lab) -> None:
    network = {"bridge": BRIDGE, "cidr": CIDR, "gateway": ROUTER}
    options: dict[str, Any] = {
        "name": f"{lab.prefix}11",
        "zone": "lab",
        "image": IMAGE,
        "vcpus": 1,
        "memory": "16M",
        "address": "10.88.0.11",
        "network": network,
    }

    def module(name: str, given: dict[str, Any]) -> dict[str, Any]:
        program = ("env", f"PYTHONPATH={':'.join(sys.path)}", sys.executable, "-c", MODULE)
        result: dict[str, Any] = json.loads(lab.node.run(*program, name, json.dumps(given)))
        return result

    def run(**more: Any) -> dict[str, Any]:
        return module("container", {**options, "stop_timeout": 0, **more})

    checked = run(_ansible_check_mode=True)
    assert lab.engine.find(options["name"]) is None
    done = run()
    assert (checked["changed"], checked["plan"]) == (True, done["plan"])
    assert done["container"]["mac"] == mac_of("10.88.0.11")
    assert done["diff"]["before"]["state"] == "absent"
    again = run()
    assert (again["changed"], again["plan"], again["container"]) == (False, [], done["container"])
    assert module("instance_info", {"names": [options["name"]]})["instances"] == [done["container"]]
    assert done["container"] in module("instance_info", {})["instances"]
    assert module("instance_info", {"names": ["nobody"]})["instances"] == []
    assert run(state="absent")["container"] == {"name": options["name"], "kind": "container", "state": "absent"}
    assert lab.node.run("ls", "/run/zonal-cloud.lock")


# The SDK leaves a socket that it could not connect to the garbage collector.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_without_docker_the_module_says_so(lab: Lab) -> None:
    with pytest.raises(EngineAbsent, match=r"^Cannot reach docker at unix:///nowhere\.sock: .*; is docker running\?"):
        DockerEngine("unix:///nowhere.sock").facts()
    gc.collect()


# The last ones: they restart the daemon under all that there is.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("delay", [0.05, 0.3])
def test_a_daemon_that_is_killed_during_a_creation(lab: Lab, delay: float) -> None:
    lab.converge(lab.wish(12))
    killer = threading.Timer(delay, lab.node.kill_docker)
    killer.start()
    with suppress(EngineError):
        while True:
            # Not started: docker 20.10 killed in the middle of a start forgets the task that its containerd goes on with.
            lab.converge(lab.wish(11, power=STOPPED))
            lab.converge(lab.wish(11, power=ABSENT))
    killer.join()
    lab.node.start_docker()
    lab.converge(lab.wish(11))
    assert lab.converge(lab.wish(11)) == []
    left = [parse_container(body).name for body in lab.engine.managed()]
    assert sorted(left) == [f"{lab.prefix}11", f"{lab.prefix}12"]
    lab.converge(lab.wish(12))
    wait_for("an answer", lambda: _answers(lab, 11), 10)
    assert lab.ask(11, of=12) == "10.88.0.12"
    # The SDK leaves its socket to the daemon that was killed to the collector, which would otherwise blame a later test.
    gc.collect()
