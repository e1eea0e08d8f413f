# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Disks on a real Ceph, and VMs on a real libvirt and QEMU that have them. The machines have a kernel that does nothing: what they write is
written by QEMU, as if their guests did."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import libvirt
import libvirt_qemu
import pytest

from ansible_collections.zonal.cloud.plugins.module_utils._adapters.boot_files import BootFolder
from ansible_collections.zonal.cloud.plugins.module_utils._adapters.libvirt_engine import LibvirtEngine
from ansible_collections.zonal.cloud.plugins.module_utils._adapters.rbd import RbdImages
from ansible_collections.zonal.cloud.plugins.module_utils._domain.disk import DiskSpec
from ansible_collections.zonal.cloud.plugins.module_utils._domain.errors import RefusedError, SpecError
from ansible_collections.zonal.cloud.plugins.module_utils._domain.fields import parse_spec
from ansible_collections.zonal.cloud.plugins.module_utils._domain.instance import ABSENT, RUNNING, STOPPED, Wish
from ansible_collections.zonal.cloud.plugins.module_utils._domain.rbd import Cluster
from ansible_collections.zonal.cloud.plugins.module_utils._domain.volume import image_tags
from ansible_collections.zonal.cloud.plugins.module_utils._module import vm_disks
from ansible_collections.zonal.cloud.plugins.module_utils._module.data_disks import DataDisks
from ansible_collections.zonal.cloud.plugins.module_utils._module.disk import DiskResource
from ansible_collections.zonal.cloud.plugins.module_utils._module.remembered import remembered_images
from ansible_collections.zonal.cloud.plugins.module_utils._module.vm import VmResource
from ansible_collections.zonal.cloud.plugins.module_utils._ports import EngineError
from ansible_collections.zonal.cloud.plugins.module_utils._ports_storage import BootFiles
from ansible_collections.zonal.cloud.tests.host_command import run_command
from ansible_collections.zonal.cloud.tests.integration.engines.ceph_nodes import ROOT, CephNode
from ansible_collections.zonal.cloud.tests.integration.engines.ceph_registry import Registry
from ansible_collections.zonal.cloud.tests.integration.engines.file_disks import FileVolumes, file_filesystems
from ansible_collections.zonal.cloud.tests.integration.engines.node import wait_for
from ansible_collections.zonal.cloud.tests.processes import kill_tree
from ansible_collections.zonal.cloud.tests.unit.plugins.contracts.images import CONTRACT, Bench
from ansible_collections.zonal.cloud.tests.unit.plugins.fakes.containers import FakeContainers
from ansible_collections.zonal.cloud.tests.unit.plugins.fakes.instances import KEY, converge
from ansible_collections.zonal.cloud.tests.unit.plugins.fakes.vms import FakeVms

MIB = 1024**2
BRIDGE, POOL, USER, CONF = "br0", "zonal-disks", "zonal-disks", "/etc/ceph/ceph.conf"
# A boot sector, and in the sector after that: no interrupts, halt, and again.
KERNEL = bytes(512) + b"\xfa\xf4\xeb\xfd" + bytes(4092)


class NoGuest:
    """In the place of ``GuestDisks``: root disks are empty."""

    def personalise(self, device: str, files: Sequence[object]) -> None:
        """There is nobody to read them."""


class Host:
    """A host with VMs, which reaches Ceph as the user of the disks."""

    def __init__(self, name: str, node: CephNode, engine: Any, folder: Path) -> None:
        def command(argv: Sequence[str], *, stdin: str | None = None, timeout: float = 120) -> str:
            return run_command(node.enter(*argv), stdin=stdin, timeout=timeout)

        self.engine = engine
        self.images = RbdImages(command, Cluster(POOL, USER, CONF), lambda: (name, f"machine-of-{name}"))
        self.volumes, self.boot = FileVolumes(folder), BootFolder(str(folder / "boot"))
        golden = self.volumes.create("img-111111111111", MIB, image_tags("guest:1", "1" * 64, "1" * 64))
        self.boot.store(golden.name, BootFiles(KERNEL, None, cloud_init=False))

    def vm(self, name: str, disks: list[dict[str, Any]], power: str = RUNNING) -> list[str]:
        """Bring a VM to what is wanted, and return the steps."""
        raw = {"zone": "lab", "image": "guest:1", "vcpus": 1, "memory": "32M", "address": "10.88.0.41" if name == "db" else "10.88.0.42"}
        network = {"bridge": BRIDGE, "cidr": "10.88.0.0/24", "hostname": name, "ssh_keys": [KEY]}
        wish = Wish("vm", name, power, parse_spec({**raw, **network, "disks": disks}))
        data = DataDisks(self.volumes, file_filesystems(), self.engine, remembered_images(self.images))
        parts: Any = (FakeContainers(), self.volumes, NoGuest(), data, self.boot, lambda: "qemu", 0)
        return converge(VmResource(wish, self.engine, *parts))

    def disk(self, size: int | None = None, name: str = "data", **options: Any) -> list[str]:
        """Do what the module disk does, and return the steps."""
        spec = DiskSpec(name, "zonal", "pool", size=None if size is None else size * MIB, store="rbd", **options)
        images = remembered_images(self.images)
        return converge(DiskResource(spec, self.volumes, file_filesystems(), FakeContainers(), self.engine, images))


class World:
    """The registry's host, which runs VMs, and another one, which runs none but reaches the same pool."""

    def __init__(self, registry: Registry, folder: Path) -> None:
        self.node = registry.node
        uri = self.node.start_libvirt()
        self.connection = libvirt.open(uri)
        self.node.add_bridge(BRIDGE, "10.88.0.1/24")
        for words in (["osd", "pool", "create", POOL, "8"], ["osd", "pool", "application", "enable", POOL, "rbd"]):
            self.node.run("ceph", *words)
        caps = ["mon", "profile rbd", "osd", f"profile rbd pool={POOL}"]
        self.key = json.loads(self.node.run("ceph", "auth", "get-or-create", f"client.{USER}", *caps, "--format", "json"))[0]["key"]
        self.folder = folder
        self.first = self.role()
        self.here = Host("kvm01", self.node, LibvirtEngine(uri), folder)
        self.there = Host("kvm02", self.node, FakeVms(), folder / "there")

    def role(self) -> str:
        """Run what the role hypervisor does for these disks on the host, and return what Ansible tells."""
        variables = {**self.node.variables(), "hypervisor_rbd_user": USER, "hypervisor_rbd_key": self.key}
        play = [
            {
                "hosts": "all",
                "gather_facts": False,
                "tasks": [{"ansible.builtin.import_role": {"name": "zonal.cloud.hypervisor", "tasks_from": "rbd"}}],
            }
        ]
        for name, content in (("rbd.json", {"all": {"hosts": {"kvm01": variables}}}), ("play.json", play)):
            (self.folder / name).write_text(json.dumps(content))
        command = [str(Path(sys.executable).parent / "ansible-playbook"), "-vvv", "--diff", "-i", "rbd.json", "play.json"]
        env = {
            **os.environ,
            "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"),
            "ANSIBLE_COLLECTIONS_PATH": str(ROOT / ".work" / "collections"),
            "ANSIBLE_NOCOLOR": "1",
        }
        done = subprocess.run(command, cwd=self.folder, env=env, capture_output=True, text=True, timeout=300, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def by_qemu(self, command: str, name: str = "db", disk: str = "data") -> str:
        """Let QEMU do what a guest would do with a disk, and return what it logs."""
        log = Path(self.node.path(f"/var/log/libvirt/qemu/{name}.log"))
        before = len(log.read_text())
        device, kind = f"/machine/peripheral/ua-zonal-disk-{disk}/virtio-backend", libvirt_qemu.VIR_DOMAIN_QEMU_MONITOR_COMMAND_HMP
        assert libvirt_qemu.qemuMonitorCommand(self.connection.lookupByName(name), f'qemu-io -d {device} "{command}"', kind) == ""
        wait_for("QEMU's words", lambda: "ops; " in log.read_text()[before:])
        return log.read_text()[before:]

    def stored(self, name: str) -> bytes:
        """Return what a disk's image holds, as Ceph has it."""
        argv = self.node.enter("rbd", "--id", USER, "export", "--no-progress", f"{POOL}/disk-{name}", "-")
        return subprocess.run(argv, capture_output=True, check=True, timeout=60).stdout


@pytest.fixture(scope="module")
def world(registry: Registry, tmp_path_factory: pytest.TempPathFactory) -> World:
    folder = tmp_path_factory.mktemp("rbd")
    (folder / "there").mkdir()
    return World(registry, folder)


@pytest.fixture(autouse=True)
def cleaned(world: World, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr("ansible_collections.zonal.cloud.plugins.module_utils._module.vm.is_bridge", world.node.is_bridge)
    yield
    for name in ("db", "web"):
        world.here.engine.remove(name)
        world.here.volumes.remove(f"vm-{name}")
    for name in ("data", "more", "data.new", "foreign"):
        world.here.images.remove(f"disk-{name}")


@pytest.mark.parametrize("check", CONTRACT, ids=lambda check: check.__name__)
def test_contract(check: Callable[[Bench], None], world: World, prefix: str) -> None:
    bench = Bench(world.here.images, world.there.images, ("kvm01", "kvm02"), prefix)
    try:
        check(bench)
    finally:
        bench.clean()


def test_the_role_gives_the_key_to_libvirt_and_shows_it_to_nobody(world: World) -> None:
    assert world.key not in world.first
    assert "changed=3" in world.first
    again = world.role()
    assert "changed=0" in again
    assert world.key not in again
    keyring = Path(world.node.path(f"/etc/ceph/ceph.client.{USER}.keyring"))
    assert keyring.stat().st_mode & 0o077 == 0


def test_a_disk_goes_from_one_vm_to_another_and_to_another_host(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    here, there = world.here, world.there
    disk = [{"name": "data", "store": "rbd"}]
    assert (here.disk(32), here.disk(32), there.disk(32)) == (["make_disk"], [], [])
    assert here.vm("db", disk) == ["create", "start"]
    assert here.vm("db", disk) == []
    assert "wrote 4096/4096" in world.by_qemu("write -f -P 0x5a 0 4096")
    assert world.stored("data") == b"\x5a" * 4096 + bytes(32 * MIB - 4096)
    # Nobody else gets it, on no host, while it is this one's.
    with pytest.raises(SpecError, match=r"^disks: 'data' belongs to the vm db on this host"):
        here.vm("web", disk)
    with pytest.raises(SpecError, match=r"^disks: 'data' belongs to db on the host kvm01; take it out"):
        there.vm("web", disk, STOPPED)
    with pytest.raises(RefusedError, match=r"^state: the disk data belongs to db on kvm01"):
        there.disk(present=False)
    with pytest.raises(RefusedError, match=r"^size: the disk data belongs to db on kvm01"):
        there.disk(64)
    with pytest.raises(RefusedError, match=r"^lost_host: the disk data is open, so db on kvm01 may run yet"):
        there.disk(lost_host="kvm01")
    # It grows while QEMU has it open, and QEMU sees that.
    assert here.vm("db", [{"name": "data", "store": "rbd", "size": "64M"}]) == ["update"]
    assert "wrote 4096/4096" in world.by_qemu(f"write -f -P 0x5b {64 * MIB - 4096} 4096")
    assert (here.vm("db", [{"name": "data", "store": "rbd", "size": "64M"}]), here.disk(64)) == ([], [])
    # A disk comes while it runs. None goes, since there is no guest to let go of it, and then it stays this one's.
    both = [*disk, {"name": "more", "store": "rbd", "size": "16M"}]
    assert (here.vm("db", both), here.vm("db", both)) == (["update"], [])
    assert "wrote 4096/4096" in world.by_qemu("write -P 0x5c 0 4096", disk="more")
    monkeypatch.setattr(vm_disks, "_DETACH_SECONDS", 0)
    with pytest.raises(EngineError, match="the guest does not let go of it"):
        here.vm("db", [])
    with pytest.raises(SpecError, match=r"^disks: 'data' belongs to db on the host kvm01"):
        there.vm("web", disk, STOPPED)
    # When it is off it has let go.
    assert (here.vm("db", both, STOPPED), here.vm("db", [], STOPPED)) == (["stop"], ["update"])
    assert here.vm("db", [], STOPPED) == []
    # Free: another VM of the other host has it, with what was written.
    assert there.vm("web", disk, STOPPED) == ["create"]
    with pytest.raises(SpecError, match=r"^disks: 'data' belongs to web on the host kvm02"):
        here.vm("db", disk)
    assert there.vm("web", [], ABSENT) == ["remove"]
    assert here.vm("web", disk) == ["create", "start"]
    for pattern, place in ((0x5A, 0), (0x5B, 64 * MIB - 4096)):
        told = world.by_qemu(f"read -P {pattern} {place} 4096", "web")
        assert "read 4096/4096" in told
        assert "verification failed" not in told
    assert here.vm("web", disk, ABSENT) == ["remove"]
    assert (here.disk(present=False), here.disk(present=False), there.images.find("disk-data")) == (["remove_disk"], [], None)


def test_what_is_not_ours_is_left(world: World) -> None:
    world.node.run("rbd", "--id", USER, "create", "--size", "16M", f"{POOL}/disk-data")
    for call in (
        partial(world.here.disk, 32),
        partial(world.here.disk, present=False),
        partial(world.here.vm, "db", [{"name": "data", "store": "rbd"}]),
    ):
        with pytest.raises(RefusedError, match=r"^name: the volume disk-data was not made by zonal\.cloud as a disk"):
            call()
    found = world.here.images.find("disk-data")
    assert found is not None
    assert (found.size, found.tags) == (16 * MIB, frozenset())


def test_of_a_removal_that_was_cut_off_nothing_is_in_the_way(world: World) -> None:
    """Its last step is the name, after the image itself."""
    images = world.here.images

    def cut_off(name: str) -> None:
        told = json.loads(world.node.run("rbd", "--id", USER, "info", images.path(name), "--format", "json"))
        world.node.run("rados", "--id", USER, "--pool", POOL, "rm", f"rbd_header.{told['id']}")

    for name in ("disk-data", "disk-data.new"):
        world.here.disk(32)
        if name.endswith(".new"):
            world.node.run("rbd", "--id", USER, "rename", images.path("disk-data"), images.path(name))
        cut_off(name)
        assert (images.find(name), images.is_open(name), images.holder(name)) == (None, False, None)
        assert (world.here.disk(present=False), world.here.disk(32)) == ([], ["make_disk"])
        assert world.there.disk(32) == []
        assert world.here.disk(present=False) == ["remove_disk"]


def test_who_removes_what_is_open_or_being_removed_is_told(world: World) -> None:
    images = world.here.images
    world.here.disk(512)
    bench = world.node.enter("rbd", "--id", USER, "bench", "--io-type", "write", "--io-total", "100G", images.path("disk-data"))
    with subprocess.Popen(bench, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as user:
        wait_for("who has it open", lambda: images.is_open("disk-data"))
        with pytest.raises(EngineError, match=r": it is open, or just being removed, on one of the hosts; whoever was lost"):
            images.remove("disk-data")
        assert images.find("disk-data") is not None
        kill_tree(user.pid)
    wait_for("nobody", lambda: not images.is_open("disk-data"), 60)

    def remove(host: Host) -> str:
        try:
            host.images.remove("disk-data")
        except EngineError as error:
            return str(error)
        return ""

    with ThreadPoolExecutor() as pool:
        told = set(pool.map(remove, (world.here, world.there)))
    assert "" in told
    assert all(line == "" or line.startswith(f"Cannot remove {POOL}/disk-data: it is open, or just being removed") for line in told)
    assert (images.find("disk-data"), world.here.disk(present=False)) == (None, [])


def test_a_lost_host_is_told_of(world: World) -> None:
    world.there.disk(16)
    world.there.images.claim("disk-data", "db")
    with pytest.raises(EngineError, match=rf"^Cannot give {POOL}/disk-data to web: db on the host kvm02 has it"):
        world.here.images.claim("disk-data", "web")
    assert world.here.disk(lost_host="kvm02") == ["free_disk"]
    assert world.here.vm("web", [{"name": "data", "store": "rbd"}], STOPPED) == ["create"]


def test_a_pool_that_is_not_there_is_told_of(world: World) -> None:
    images = RbdImages(world.here.images._command, Cluster("nowhere", USER, CONF))
    with pytest.raises(EngineError, match="error opening pool 'nowhere'"):
        images.find("disk-data")
