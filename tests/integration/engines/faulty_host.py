# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A host of which everything is known, so that a scan tells what a fault has left: one run of ``instances`` after another, in processes
that may be killed, on a real docker and a real libvirt with volumes that are files."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from typing import Any

import docker

from ansible_collections.zonal.cloud.plugins.module_utils._adapters.docker_engine import DockerEngine
from ansible_collections.zonal.cloud.plugins.module_utils._adapters.host_lock import host_lock
from ansible_collections.zonal.cloud.plugins.module_utils._adapters.libvirt_engine import LibvirtEngine
from ansible_collections.zonal.cloud.plugins.module_utils._domain.batch import Outcome
from ansible_collections.zonal.cloud.plugins.module_utils._domain.failure import failure_of
from ansible_collections.zonal.cloud.plugins.module_utils._domain.fields import parse_spec
from ansible_collections.zonal.cloud.plugins.module_utils._domain.instance import ABSENT, RUNNING, STOPPED, Wish
from ansible_collections.zonal.cloud.plugins.module_utils._module.instances import Batch, HostEngines, batch_of, side_by_side
from ansible_collections.zonal.cloud.tests.integration.engines.conftest import BRIDGE, CIDR, IMAGE, ROUTER
from ansible_collections.zonal.cloud.tests.integration.engines.file_disks import FileDisks, SharedVolumes, file_filesystems
from ansible_collections.zonal.cloud.tests.integration.engines.node import Node, wait_for
from ansible_collections.zonal.cloud.tests.integration.engines.test_vms import Lab
from ansible_collections.zonal.cloud.tests.unit.plugins.fakes.copies import NO_COPIES
from ansible_collections.zonal.cloud.tests.unit.plugins.fakes.fuse import CONTAINER_CHANGES, VM_CHANGES, VOLUME_CHANGES, Fuse
from ansible_collections.zonal.cloud.tests.unit.plugins.fakes.instances import KEY

GUEST = "guest:1"
_FAILED = 99
Guard = Callable[..., Any]


class KilledBy(Fuse):
    """A fuse that ends the process as ``kill -9`` does."""

    def burn(self, call: str) -> None:
        if self._left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        super().burn(call)


class Trap:
    """Lets ``spring`` happen just before the first call of ``method`` for ``name``."""

    def __init__(self, method: str, name: str, spring: Callable[[], object]) -> None:
        self._method = method
        self._name = name
        self._spring = spring

    def guard(self, port: Any, *changing: str) -> Any:
        """Return ``port`` with the trap in it."""
        return _Trapped(self, port) if self._method in changing else port

    def step(self, method: str, arguments: tuple[Any, ...]) -> None:
        if method == self._method and self._name in str(arguments):
            self._method = ""
            self._spring()


class _Trapped:
    def __init__(self, trap: Trap, port: Any) -> None:
        self._trap = trap
        self._port = port

    def __getattr__(self, name: str) -> Any:
        def call(*arguments: Any, **options: Any) -> Any:
            self._trap.step(name, arguments)
            return getattr(self._port, name)(*arguments, **options)

        return call


class Host:
    """``node`` with an image for each kind. ``url`` and ``uri`` are where its engines are now."""

    def __init__(self, node: Node, archive: str) -> None:
        self.node = node
        self.archive = archive
        self.folder = node.folder / "volumes"
        self.folder.mkdir()
        self.lock = str(node.folder / "lock")
        self.url, self.uri = node.start_docker(), node.start_libvirt()
        self.lab = Lab(node, self.uri)
        self.lab.connection.close()
        self.boot = self.lab.boot
        self.volumes = SharedVolumes(self.folder, node.folder / "records")
        self.lab.volumes = self.volumes
        self.make_images()

    @property
    def golden(self) -> str:
        return f"img-{self.lab.digest[:12]}"

    def make_images(self) -> None:
        """Make the images that are not there."""
        self.lab.make_image()
        engine = DockerEngine(self.url)
        if engine.image_labels(IMAGE) is None:
            engine.import_image(self.archive, IMAGE, {})
        engine.close()

    def docker(self) -> Any:
        """Return docker to look at, and to do to what the engines' port has no word for."""
        return docker.APIClient(base_url=self.url, version="auto")

    def wish(self, kind: str, last: int, power: str = RUNNING, *, allow: Collection[str] = (), **options: Any) -> Wish:
        raw = {"zone": "lab", "app": "web", "vcpus": 1, "address": f"10.88.0.{last}", "bridge": BRIDGE, "cidr": CIDR, "gateway": ROUTER}
        own = {"image": IMAGE, "memory": "16M"} if kind == "container" else {"image": GUEST, "memory": "64M"}
        return Wish(kind, f"{kind}-{last}", power, parse_spec({**raw, **own, "ssh_keys": [KEY], **options}), tuple(allow))

    def batch(self, wishes: Collection[Wish], guard: Guard, timeout: int = 0) -> tuple[Batch, DockerEngine, LibvirtEngine]:
        containers, vms = DockerEngine(self.url), LibvirtEngine(self.uri)
        engines = HostEngines(
            guard(containers, *CONTAINER_CHANGES),
            guard(vms, *VM_CHANGES),
            guard(self.volumes, *VOLUME_CHANGES),
            FileDisks(),
            file_filesystems(),
            self.boot,
            lambda: "qemu",
            NO_COPIES,
        )
        return batch_of(tuple(wishes), engines, timeout), containers, vms

    def run(self, *wishes: Wish, guard: Guard = lambda port, *changing: port, lanes: int = 2, patience: float = 0) -> list[Outcome]:
        """Do what one run of the module does."""
        batch, containers, vms = self.batch(wishes, guard)
        with host_lock(self.lock, patience):
            beside = side_by_side(lanes, (containers, vms))
            found = batch.converge(beside, check_mode=False)
        for engine in (containers, vms):
            engine.close()
        assert None not in found
        return [outcome for outcome in found if outcome is not None]

    def converge(self, *wishes: Wish) -> list[str]:
        """Do a run that nothing disturbs, and return the names of those that it has changed."""
        outcomes = self.run(*wishes)
        assert not failure(outcomes), failure(outcomes)
        return [outcome.name for outcome in outcomes if outcome.changed]

    def killed_after(self, calls: int, *wishes: Wish) -> bool:
        """Do a run, of one process, that is killed after so many changes; tell whether there were more."""

        def work() -> int:
            batch, *_engines = self.batch(wishes, KilledBy(calls).guard)
            with host_lock(self.lock, 0):
                batch.converge(lambda numbers, work: ((number, work(number)) for number in numbers), check_mode=False)
            return 0

        status = os.waitpid(_forked(work), 0)[1]
        assert os.WIFSIGNALED(status) or os.WEXITSTATUS(status) == 0
        return os.WIFSIGNALED(status)

    def at_once(self, runs: int, *wishes: Wish) -> list[int]:
        """Do several runs side by side, and return how many instances each of them has changed."""

        def work() -> int:
            outcomes = self.run(*wishes, patience=30)
            return sum(outcome.changed for outcome in outcomes) if failure(outcomes) == "" else _FAILED

        children = [_forked(work) for _run in range(runs)]
        return [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]

    @contextmanager
    def libvirt(self) -> Iterator[LibvirtEngine]:
        engine = LibvirtEngine(self.uri)
        yield engine
        engine.close()

    def lose_power(self) -> None:
        """Come up again as after a power cut, with bridge and engines as at any boot."""
        self.node.cut_power()
        self.node.start()
        self.node.add_bridge(BRIDGE, f"{ROUTER}/24")
        self.url, self.uri = self.node.start_docker(), self.node.start_libvirt()

    def check(self, *wishes: Wish) -> None:
        """What must hold after every fault: the next run converges, the one after it does nothing, and nothing else is there."""
        self.converge(*wishes)
        assert self.converge(*wishes) == []
        self.scan(*wishes)

    def remove(self, *wishes: Wish) -> None:
        """Remove them, which must leave nothing."""
        self.converge(*(replace(wish, power=ABSENT) for wish in wishes))
        self.scan()

    def clean(self) -> None:
        """Remove whatever a test that failed has left."""
        self.node.wake_docker()
        with self.docker() as api:
            for body in api.containers(all=True):
                api.remove_container(body["Id"], force=True)
        with self.libvirt() as engine:
            for domain in engine.domains():
                engine.remove(domain.name)
        for volume in self.volumes.list():
            if volume.name != self.golden:
                self.volumes.remove(volume.name)
        self.make_images()

    def scan(self, *wishes: Wish) -> None:
        """Nothing is on the host but what is wanted, and nobody holds its lock."""
        assert self.instances() == states(wishes)
        with self.docker() as api:
            assert {body["Name"] for body in api.networks()} <= {"none", "host", f"zonal-{BRIDGE}"}
            assert not api.volumes()["Volumes"]
            assert [body["RepoTags"] for body in api.images(all=True)] == [[IMAGE]]
        volumes = sorted([self.golden, *(f"vm-{name}" for kind, name, _power in states(wishes) if kind == "vm")])
        assert [volume.name for volume in self.volumes.list()] == volumes
        assert sorted(os.listdir(self.folder)) == [f"{name}.raw" for name in volumes]
        assert os.listdir(self.node.folder / "boot") == [f"zonal-{self.golden}"]
        with host_lock(self.lock, 0):
            pass
        # Processes of what was removed just now may still be ending.
        wait_for("just the processes of what runs", lambda: self.processes() == powers(wishes), 10)

    def processes(self) -> tuple[int, int]:
        """Return how many containers and VMs the kernel knows of."""
        count = "pgrep --count '^containerd-shim'; pgrep --count '^qemu-system'; true"
        containers, vms = map(int, self.node.run("sh", "-c", count).split())
        return containers, vms

    def instances(self) -> list[tuple[str, str, str]]:
        """Return kind, name and power of all that docker and libvirt have, whoever made it."""
        with self.docker() as api:
            found = [
                ("container", name.lstrip("/"), RUNNING if body["State"] == "running" else STOPPED)
                for body in api.containers(all=True)
                for name in body["Names"]
            ]
        with self.libvirt() as engine:
            found += [("vm", domain.name, domain.power) for domain in engine.domains()]
        return sorted(found)


def states(wishes: Collection[Wish]) -> list[tuple[str, str, str]]:
    """Return kind, name and power of those that are to be there."""
    return sorted((wish.kind, wish.name, wish.power) for wish in wishes if wish.power != ABSENT)


def powers(wishes: Collection[Wish]) -> tuple[int, int]:
    """Return how many containers and VMs are to run."""
    running = [wish.kind for wish in wishes if wish.power == RUNNING]
    return running.count("container"), running.count("vm")


def _forked(work: Callable[[], int]) -> int:
    """Start a process that ends with what ``work`` returns, and return its id."""
    child = os.fork()
    if child == 0:
        with suppress(BaseException):
            os._exit(work())
        os._exit(_FAILED)
    return child


def failure(outcomes: Collection[Outcome]) -> str:
    """Return the message with which the module would fail."""
    return failure_of([outcome.as_dict() for outcome in outcomes])
