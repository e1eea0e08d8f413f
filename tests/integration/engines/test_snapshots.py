# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Snapshots with a real docker, a real XFS and a real QEMU. What LVM does is shown in the lab."""

from __future__ import annotations

import json
import os
import re
import signal
import stat
import subprocess
import sys
import tarfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext, suppress
from pathlib import Path
from typing import Any

import libvirt
import pytest

from ansible_collections.zonal.cloud.plugins.module_utils._adapters.docker_engine import DockerEngine
from ansible_collections.zonal.cloud.plugins.module_utils._adapters.guest_disks import MountedGuestDisks
from ansible_collections.zonal.cloud.plugins.module_utils._adapters.guest_release import released_after_us
from ansible_collections.zonal.cloud.plugins.module_utils._adapters.layer_copies import FolderLayers
from ansible_collections.zonal.cloud.plugins.module_utils._adapters.libvirt_engine import LibvirtEngine
from ansible_collections.zonal.cloud.plugins.module_utils._adapters.skopeo import LocalImages
from ansible_collections.zonal.cloud.plugins.module_utils._domain.disk_copy_plan import CopyWish
from ansible_collections.zonal.cloud.plugins.module_utils._domain.errors import RefusedError
from ansible_collections.zonal.cloud.plugins.module_utils._domain.image_policy import Policy
from ansible_collections.zonal.cloud.plugins.module_utils._domain.instance import ABSENT, STOPPED
from ansible_collections.zonal.cloud.plugins.module_utils._domain.pools import Ranges
from ansible_collections.zonal.cloud.plugins.module_utils._domain.snapshot import CURRENT, PRESENT, RESTORED, SnapshotWish
from ansible_collections.zonal.cloud.plugins.module_utils._module import disk_copy
from ansible_collections.zonal.cloud.plugins.module_utils._module.image_source import Workshop
from ansible_collections.zonal.cloud.plugins.module_utils._module.instance_source import Engines, instance_source
from ansible_collections.zonal.cloud.plugins.module_utils._module.snapshot import SnapshotResource, root_disk
from ansible_collections.zonal.cloud.plugins.plugin_utils.ledger.store import Ledger
from ansible_collections.zonal.cloud.tests.host_command import run_command
from ansible_collections.zonal.cloud.tests.integration.engines import disk_copies, test_containers, test_vms
from ansible_collections.zonal.cloud.tests.integration.engines.conftest import BRIDGE, CIDR, IMAGE
from ansible_collections.zonal.cloud.tests.integration.engines.file_disks import FileVolumes
from ansible_collections.zonal.cloud.tests.integration.engines.node import Node, wait_for
from ansible_collections.zonal.cloud.tests.integration.engines.test_images import LoopDisks
from ansible_collections.zonal.cloud.tests.unit.plugins.fakes.containers import FakeContainers
from ansible_collections.zonal.cloud.tests.unit.plugins.fakes.copies import NO_COPIES
from ansible_collections.zonal.cloud.tests.unit.plugins.fakes.instances import converge
from ansible_collections.zonal.cloud.tests.unit.plugins.fakes.objects import FakeObjects
from ansible_collections.zonal.cloud.tests.unit.plugins.fakes.vms import FakeVms
from ansible_collections.zonal.cloud.tests.unit.plugins.fakes.volumes import FakeVolumes

MIB = 1024**2
ROOT = Path(__file__).resolve().parents[3]
MODULE = """
import json, sys
from ansible.module_utils.testing import patch_module_args
from ansible_collections.zonal.cloud.plugins.modules import snapshot
with patch_module_args(json.loads(sys.argv[1])):
    snapshot.main()
"""
# Resumes a VM as virsh does, which this machine need not have.
VIRSH = "import libvirt, sys; sys.argv[2] == 'resume' and libvirt.open(sys.argv[1]).lookupByUUIDString(sys.argv[3]).resume()"
# What a guest may leave: a whiteout of a file of the image, an opaque folder in place of one, links out, odd names, all kinds of nodes.
HOSTILE = """
cd /; alias b=busybox
b rm /bin/hostname; b rm -r /www/cgi-bin; b mkdir /www/cgi-bin; echo mine > /www/cgi-bin/mine
b mkdir /h; cd /h; b ln -s / root; b ln -s ../../../../../../victim up; b ln -s /nowhere -- -rf; b ln -s loop loop
echo 1 > 'a
b'; echo 2 > "$(printf 'not\\377utf8')"; echo 3 > --help; echo 4 > ' '; b mkfifo pipe; b mknod zero c 1 5; b mknod disk b 8 0
echo 5 > suid; b touch -d '2001-01-01 00:00' old; b chown 4711:4712 suid; b chmod 6755 suid; b ln suid hard; b mkdir sticky
b chmod 1777 sticky; b dd if=/dev/zero of=sparse bs=1 count=1 seek=10000000 2>/dev/null; b rm /bin/nc
b ln -s /victim /bin/nc
i=0; while [ $i -lt 300 ]; do b mkdir d; cd d; i=$((i+1)); done; echo deep > leaf
"""
WRITER = "i=0; while :; do i=$((i+1)); echo $i >> /log; echo $i > /n.new; busybox mv /n.new /n; done"


class NodesEngine(DockerEngine):
    """docker of the node, which tells folders as this machine sees them."""

    def __init__(self, url: str, folder: Path) -> None:
        super().__init__(url)
        self._folder = folder

    def find(self, name: str) -> Mapping[str, Any] | None:
        body = super().find(name)
        if body is not None:
            data = body["GraphDriver"]["Data"]
            data["UpperDir"] = f"{self._folder}{data['UpperDir']}"
        return body


class Lab(test_containers.Lab):
    """Containers of the node, and their snapshots."""

    def __init__(self, node: Node, url: str, prefix: str) -> None:
        super().__init__(node, url, prefix)
        self.name = f"{prefix}11"

    def snapshot(self, name: str = "monday", state: str = PRESENT, *, restart: bool = True) -> list[str]:
        disk = root_disk(self.name, NodesEngine(self.url, self.node.folder), self.copies, FakeVms(), FakeVolumes(), no_release)
        return converge(SnapshotResource(SnapshotWish(self.name, name, state, restart=restart), disk, 0))

    def layer(self) -> Path:
        return Path(f"{self.node.folder}{self.inspect()['GraphDriver']['Data']['UpperDir']}")

    def kept(self) -> Path:
        return self.root / "zonal-snapshots" / self.name

    def sh(self, script: str) -> str:
        return self.do(11, "sh", "-c", script)


def no_release(_name: str, _command: Sequence[str]) -> AbstractContextManager[None]:
    return nullcontext()


def tree(root: Path) -> dict[bytes, object]:
    """Return all that is known of what is below a folder, and of the folder, but nothing behind a link."""
    found: dict[bytes, object] = {}
    folders = [bytes(root)]
    paths = [bytes(root)]
    while folders:
        folder = folders.pop()
        for entry in os.scandir(folder):
            paths.append(entry.path)
            if entry.is_dir(follow_symlinks=False):
                folders.append(entry.path)
    for path in paths:
        status = os.lstat(path)
        attributes = {name: os.getxattr(path, name, follow_symlinks=False) for name in os.listxattr(path, follow_symlinks=False)}
        content = (
            os.readlink(path)
            if stat.S_ISLNK(status.st_mode)
            else Path(os.fsdecode(path)).read_bytes()
            if stat.S_ISREG(status.st_mode)
            else b""
        )
        times = () if stat.S_ISLNK(status.st_mode) else (status.st_mtime_ns,)
        links = 0 if stat.S_ISDIR(status.st_mode) else status.st_nlink
        found[path[len(bytes(root)) :]] = (status.st_mode, status.st_uid, status.st_gid, status.st_rdev, links, times, attributes, content)
    return found


@pytest.fixture(scope="module")
def image(docker_url: str, archive: str) -> str:
    """An image of the same archive, with more folders."""
    DockerEngine(docker_url).import_image(archive, IMAGE, {})
    return IMAGE


@pytest.fixture
def lab(node: Node, docker_url: str, image: str, prefix: str) -> Iterator[Lab]:
    made = Lab(node, docker_url, prefix)
    yield made
    made.clean()
    made.copies.clear(made.name)


def test_a_container_under_load_is_what_it_was(lab: Lab) -> None:
    victim = lab.node.folder / "victim"
    victim.write_text("of the host")
    lab.converge(lab.wish())
    lab.sh("busybox mkdir /data; echo precious > /data/a")
    lab.sh(HOSTILE)
    lab.api.exec_start(lab.api.exec_create(lab.name, ["sh", "-c", WRITER])["Id"], detach=True)
    wait_for("the writer", lambda: (lab.layer() / "log").exists() and (lab.layer() / "log").stat().st_size > 1000, 20)
    assert lab.snapshot() == ["take"]
    assert lab.snapshot() == []
    number = int(lab.sh("cat /n"))
    wait_for("the writer again", lambda: int(lab.sh("cat /n")) > number, 20)
    kept = tree(lab.kept() / "monday/data")
    last = int((lab.kept() / "monday/data/log").read_text().split()[-1])
    assert int((lab.kept() / "monday/data/n").read_text()) in (last, last - 1), "it is of one moment"
    whiteout = os.lstat(lab.kept() / "monday/data/bin/hostname")
    assert (stat.S_ISCHR(whiteout.st_mode), whiteout.st_rdev) == (True, 0)
    assert os.getxattr(lab.kept() / "monday/data/www/cgi-bin", "trusted.overlay.opaque") == b"y"
    lab.sh("busybox rm -rf /data /h /www /bin/nc /log; echo evil > /bin/hostname; busybox ln -s / /data; echo x > /new")
    folder = lab.layer().stat().st_ino
    with pytest.raises(RefusedError, match=r"^allow: .* is running"):
        lab.snapshot(state=RESTORED, restart=False)
    assert lab.snapshot(state=RESTORED) == ["prepare", "stop", "restore", "start", "finish"]
    assert lab.layer().stat().st_ino == folder
    assert tree(lab.layer()) == kept
    assert lab.sh("cat /data/a /h/hard; busybox ls /www/cgi-bin").split() == [
        "precious",
        "5",
        "mine",
    ]
    assert lab.sh("busybox ls /bin/hostname /new 2>&1 || :").count("No such file") == 2
    assert victim.read_text() == "of the host"
    assert lab.converge(lab.wish()) == []
    assert lab.converge(lab.wish(power=ABSENT)) == ["remove"]
    assert not lab.kept().exists()


def test_what_a_snapshot_holds_is_published_while_its_container_goes_on(lab: Lab, tmp_path: Path) -> None:
    lab.converge(lab.wish())
    # A file of the image that goes, and a folder of the image in whose place another one comes.
    lab.sh("alias b=busybox\necho old >/data; b rm /bin/nc; b rm -r /www/cgi-bin; b mkdir /www/cgi-bin; echo >/www/cgi-bin/mine")
    assert lab.snapshot() == ["take"]
    lab.sh("echo new >/data; echo >/more")
    started, volumes, api = lab.inspect()["State"]["StartedAt"], FileVolumes(tmp_path), DockerEngine(lab.url)
    containers = sorted(body["Id"] for body in lab.api.containers(all=True))
    workshop = Workshop(str(tmp_path / "work"), volumes, LoopDisks(), nullcontext)
    engine, images = NodesEngine(lab.url, lab.node.folder), LocalImages(run_command, lab.url)
    engines = Engines(engine, images, lab.copies, FakeVms(), lambda name: nullcontext())
    source = instance_source(lab.name, "monday", Policy(), workshop, engines)
    with source.archive() as packed, tarfile.open(packed.path) as tar:
        names = {name.removeprefix("./"): name for name in tar.getnames()}
        assert {"data", "www/cgi-bin/mine", "bin/busybox"} <= names.keys()
        assert not {"more", "bin/nc", "www/cgi-bin/peer"} & names.keys()
        data = tar.extractfile(names["data"])
        assert data is not None
        assert data.read() == b"old\n"
    told = source.about()["captured"]
    assert (told["name"], told["snapshot"], told["consistent"]) == (lab.name, "monday", True)
    assert (lab.sh("cat /data"), lab.inspect()["State"]["StartedAt"]) == ("new\n", started)
    assert sorted(body["Id"] for body in lab.api.containers(all=True)) == containers
    assert [image for image in api.images() if "zonal-capture" in "".join(image.names)] == []
    assert (volumes.list(), list((tmp_path / "work").iterdir())) == ([], [])


def test_who_is_killed_leaves_no_container_paused(lab: Lab) -> None:
    lab.converge(lab.wish())
    # So that the copy takes a while.
    (lab.layer() / "large").write_bytes(bytes(512 * MIB))
    options = json.dumps({"instance": lab.name, "name": "monday"})
    argv = lab.node.enter("env", f"PYTHONPATH={':'.join(sys.path)}", sys.executable, "-c", MODULE, options)
    with subprocess.Popen(argv, stdout=subprocess.PIPE) as process:
        while process.poll() is None and not (lab.kept() / "monday.new/data/large").exists():
            pass
        assert lab.inspect()["State"]["Paused"]
        # nsenter waits for it.
        module = int(Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text())
        os.kill(module, signal.SIGKILL)
    wait_for("its release", lambda: not lab.inspect()["State"]["Paused"], 20)
    (lab.layer() / "large").unlink()
    told = json.loads(lab.node.run("env", f"PYTHONPATH={':'.join(sys.path)}", sys.executable, "-c", MODULE, options))
    assert [step["action"] for step in told["plan"]] == ["sweep", "take"]
    (shown,) = told["snapshot"]["snapshots"]
    assert (shown["name"], shown["consistent"], shown["size"]) == ("monday", "paused", None)


@pytest.fixture
def xfs(tmp_path: Path) -> Iterator[Path]:
    mounted = tmp_path / "xfs"
    mounted.mkdir()
    with open(tmp_path / "disk", "wb") as file:
        file.truncate(512 * MIB)
    subprocess.run(["mkfs.xfs", "-q", str(tmp_path / "disk")], check=True)
    subprocess.run(["mount", "-o", "loop", str(tmp_path / "disk"), str(mounted)], check=True)
    try:
        yield mounted
    finally:
        subprocess.run(["umount", str(mounted)], check=True)


def test_on_xfs_a_snapshot_shares_its_blocks_and_the_layer_stays_in_its_project(xfs: Path) -> None:
    copies, layer, size = FolderLayers(run_command, lambda: str(xfs)), xfs / "layer", 50 * MIB
    layer.mkdir()

    def project(path: Path, *commands: str) -> str:
        words = [word for command in commands for word in ("-c", command)]
        return subprocess.run(["xfs_io", *words, str(path)], check=True, capture_output=True, text=True).stdout.strip()

    def used() -> int:
        os.sync()
        status = os.statvfs(xfs)
        return (status.f_blocks - status.f_bfree) * status.f_frsize

    # As docker does it for a container with a limit; to hold the limit this kernel need not be able to.
    project(layer, "chproj 7", "chattr +P")
    (layer / "data").write_bytes(os.urandom(size))
    before, kept = used(), tree(layer)
    copies.copy(str(layer), "web", "monday")
    copies.keep("web", "monday", {})
    assert project(copies_of(xfs) / "data", "lsproj") == "projid = 0"
    assert used() - before < MIB
    (layer / "data").write_bytes(b"lost")
    copies.put_back("web", "monday", str(layer))
    assert tree(layer) == kept
    assert used() - before < MIB
    assert [project(path, "lsproj") for path in (layer, layer / "data")] == ["projid = 7", "projid = 7"]


def copies_of(root: Path) -> Path:
    return root / "zonal-snapshots/web/monday/data"


class VmLab(test_vms.Lab):
    """VMs of the node, and their snapshots. What a disk holds is written and read from outside."""

    def snapshot(self, name: str = "monday", state: str = PRESENT) -> list[str]:
        disk = root_disk("web", FakeContainers(), NO_COPIES, self.engine, self.volumes, no_release)
        resource = SnapshotResource(SnapshotWish("web", name, state, restart=True), disk, 0)
        done = converge(resource)
        self.told = resource.report(resource.observe())
        return done

    def write(self, text: str) -> None:
        (self.node.folder / "text").write_text(text)
        script = f"rm /data\nwrite {self.node.folder}/text /data\n"
        self.node.run("debugfs", "-w", "-f", "-", self.volumes.path("vm-web"), stdin=script)

    def read(self) -> str:
        return self.node.run("debugfs", "-R", "cat /data", self.volumes.path("vm-web"))

    def names(self) -> list[str]:
        return [volume.name for volume in self.volumes.list() if volume.name.startswith("vm-web")]


@pytest.fixture
def vms(node: Node, libvirt_uri: str) -> Iterator[VmLab]:
    made = VmLab(node, libvirt_uri)
    made.make_image()
    yield made
    made.converge(made.wish(ABSENT))


def test_who_is_killed_leaves_no_vm_paused(vms: VmLab, libvirt_uri: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    vms.converge(vms.wish())

    def release(name: str, command: Sequence[str]) -> AbstractContextManager[None]:
        return released_after_us(run_command, name, [sys.executable, "-c", VIRSH, libvirt_uri, command[-1]], str(tmp_path))

    monkeypatch.setattr(vms.volumes, "preserve", lambda *_arguments: os.kill(os.getpid(), signal.SIGKILL))
    child = os.fork()
    if child == 0:
        with suppress(BaseException):
            disk = root_disk("web", FakeContainers(), NO_COPIES, LibvirtEngine(libvirt_uri), vms.volumes, release)
            converge(SnapshotResource(SnapshotWish("web", "monday"), disk, 0))
        os._exit(1)
    assert os.WTERMSIG(os.waitpid(child, 0)[1]) == signal.SIGKILL
    wait_for("its release", lambda: list(tmp_path.iterdir()) == [], 20)
    assert vms.domain().state()[0] == libvirt.VIR_DOMAIN_RUNNING


def test_a_vm_is_what_it_was_and_its_snapshot_can_be_copied_into_a_store(vms: VmLab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(disk_copy, "LOCKS", str(vms.node.folder))
    vms.converge(vms.wish(STOPPED))
    vms.write("old")
    assert vms.snapshot() == ["take"]
    assert vms.told["snapshots"][0]["consistent"] == "stopped"
    vms.write("new")
    vms.converge(vms.wish())
    assert vms.snapshot("tuesday") == ["take"]
    # It has no agent.
    assert (vms.told["snapshots"][1]["consistent"], vms.told["state"]) == ("paused", "running")
    number = vms.domain().ID()
    assert vms.snapshot(state=RESTORED) == ["prepare", "stop", "restore", "start", "finish"]
    assert (vms.told["state"], vms.domain().ID() == number, vms.read()) == ("running", False, "old")
    assert vms.converge(vms.wish()) == []
    assert vms.snapshot("tuesday", RESTORED)[-1] == "finish"
    assert (vms.read(), vms.names()) == ("new", ["vm-web", "vm-web.snap.monday", "vm-web.snap.tuesday"])
    objects = FakeObjects()
    wish = CopyWish("present", "monday", "vm-web.snap.monday", "vm-web.snap.monday", "zonal", "pool", "copies")
    assert disk_copies.converge(wish, vms.volumes, objects)[0] == ["store_copy"]
    wish = CopyWish("restored", "monday", "elsewhere", "vm-web.snap.monday", "zonal", "pool", "copies")
    assert disk_copies.converge(wish, vms.volumes, objects)[0] == ["restore_volume"]
    snapshot, copied = (Path(vms.volumes.path(name)).read_bytes() for name in ("vm-web.snap.monday", "elsewhere"))
    assert snapshot == copied
    vms.volumes.remove("elsewhere")
    workshop = Workshop(str(vms.node.folder / "publish"), vms.volumes, MountedGuestDisks(run_command), nullcontext)
    engines = Engines(FakeContainers(), LocalImages(run_command), NO_COPIES, vms.engine, lambda name: nullcontext())
    for name, held, consistent in (("monday", b"old", True), ("tuesday", b"new", False)):
        source = instance_source("web", name, Policy(), workshop, engines)
        with source.archive() as archive, tarfile.open(archive.path) as tar:
            file = tar.extractfile("./data")
            assert file is not None
            assert file.read() == held
        told = source.about()["captured"]
        assert (told["snapshot"], told["consistent"], bool(told["why"])) == (name, consistent, not consistent)
    assert vms.converge(vms.wish(ABSENT)) == ["remove"]
    assert vms.names() == []


def test_the_playbook_goes_on_after_one_that_fails_and_tells_it(lab: Lab, tmp_path: Path) -> None:
    host = {"ansible_connection": "local", "ansible_user": "root", "ansible_python_interpreter": sys.executable}
    # Nothing listens on port 1.
    silent = {"ansible_host": "127.0.0.1", "ansible_port": 1, "ansible_ssh_retries": 0, "ansible_ssh_common_args": "-o BatchMode=yes"}
    (tmp_path / "inventory.json").write_text(json.dumps({"zonal_hosts": {"hosts": {"a-silent": silent, "node": host}}}))
    zone = {"hosts": "zonal_hosts", "network": {"cidr": CIDR, "bridge": BRIDGE}}
    ledger = Ledger(str(tmp_path / "ledger.db"))
    with ledger.write("lab") as book:
        book.declare({"cidr": CIDR}, 60, Ranges(), Ranges())
    program = [str(Path(sys.executable).parent / "ansible-playbook"), "-i", str(tmp_path / "inventory.json"), "zonal.cloud.snapshot"]
    env = {**os.environ, "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"), "ANSIBLE_COLLECTIONS_PATH": str(ROOT / ".work" / "collections")}

    def play(status: int, **variables: Any) -> str:
        common = {"zonal_zones": {"lab": zone}, "zonal_ledger_url": str(tmp_path / "ledger.db"), "zonal_snapshot_keep": 3}
        given = json.dumps({**common, **variables})
        argv = lab.node.enter(*program, "-e", given)
        done = subprocess.run(argv, env={**env, "ANSIBLE_NOCOLOR": "1"}, capture_output=True, text=True, check=False)
        assert done.returncode == status, done.stdout + done.stderr
        return " ".join((done.stdout + done.stderr).split())

    for last in (11, 12):
        lab.converge(lab.wish(last))
    lab.kept().mkdir(parents=True)
    (lab.kept() / "restore.json").write_text("{")
    other = f"{lab.prefix}12"
    told = play(2, zonal_names=f"{lab.name},{other},nobody")
    assert f"{lab.name}: Cannot read" in told
    assert "nobody is on no host that answers; a-silent does not answer. All others (1) are done" in told
    lab.copies.clear(lab.name)
    ((label, about),) = lab.copies.copies(other).items()
    assert re.fullmatch(r"auto-\d{8}-\d{6}", label)
    assert about["consistent"] == "paused"
    restored = {"zonal_names": other, "zonal_snapshot": label, "zonal_snapshot_state": "restored"}
    started = lab.inspect(12)["State"]["StartedAt"]
    assert "changed=2" in play(0, zonal_hosts="node", zonal_snapshot_allow="restart", **restored)
    assert lab.inspect(12)["State"]["StartedAt"] != started
    assert ledger.events("lab", 1)[0].items() >= {"action": "restore", "target": other, "why": f"snapshot {label}"}.items()
    for last in (11, 12):
        assert lab.converge(lab.wish(last, snapshots={"every": "1h", "keep": 1})) == ["update"]
    assert lab.snapshot("", CURRENT) == ["take"]
    (just,) = lab.copies.copies(lab.name)
    # Of two with a policy the one for which a snapshot is due; and that which was taken by hand stays.
    told = play(0, zonal_hosts="node", zonal_snapshot_keep=None)
    (taken,) = lab.copies.copies(other).keys() - {label}
    assert re.fullmatch(r"policy-\d{8}-\d{6}", taken)
    assert f"Policies of 2 instances: took {other}/{taken}" in told
    assert "changed=1" in told
    assert list(lab.copies.copies(lab.name)) == [just]
    lab.copies.clear(other)
