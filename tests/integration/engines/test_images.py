# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Images on a real docker and on real file systems: one content with two faces, and hostile archives that leave nothing behind."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import os
import shutil
import subprocess
import tarfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

import docker
import pytest

from ansible_collections.zonal.cloud.plugins.module_utils._adapters.boot_files import BootFolder
from ansible_collections.zonal.cloud.plugins.module_utils._adapters.docker_engine import DockerEngine
from ansible_collections.zonal.cloud.plugins.module_utils._adapters.guest_disks import MountedGuestDisks
from ansible_collections.zonal.cloud.plugins.module_utils._adapters.rootfs_archive import check_archive
from ansible_collections.zonal.cloud.plugins.module_utils._adapters.skopeo import LocalImages
from ansible_collections.zonal.cloud.plugins.module_utils._domain.container_config import LABEL
from ansible_collections.zonal.cloud.plugins.module_utils._domain.errors import ZonalError
from ansible_collections.zonal.cloud.plugins.module_utils._domain.image import KINDS, ImageWish
from ansible_collections.zonal.cloud.plugins.module_utils._domain.image_policy import Policy
from ansible_collections.zonal.cloud.plugins.module_utils._module.image import ImageResource
from ansible_collections.zonal.cloud.plugins.module_utils._module.image_cleanup import ImageCleanupResource
from ansible_collections.zonal.cloud.plugins.module_utils._module.image_source import DockerSource, VolumeSource, Workshop
from ansible_collections.zonal.cloud.plugins.module_utils._module.instance_source import Engines, instance_source
from ansible_collections.zonal.cloud.plugins.module_utils._ports_storage import Unpacked
from ansible_collections.zonal.cloud.tests.host_command import run_command
from ansible_collections.zonal.cloud.tests.integration.engines.file_disks import FileVolumes
from ansible_collections.zonal.cloud.tests.integration.engines.node import Node, wait_for
from ansible_collections.zonal.cloud.tests.unit.plugins.contracts import guest_disks
from ansible_collections.zonal.cloud.tests.unit.plugins.contracts.archives import (
    CAPABILITY,
    folder,
    hardlink,
    member,
    pack,
    pack_gnu,
    symlink,
    with_xattr,
)
from ansible_collections.zonal.cloud.tests.unit.plugins.contracts.hostile_images import HOSTILE, MAX_SIZE, Hostile
from ansible_collections.zonal.cloud.tests.unit.plugins.fakes.copies import NO_COPIES
from ansible_collections.zonal.cloud.tests.unit.plugins.fakes.instances import converge
from ansible_collections.zonal.cloud.tests.unit.plugins.fakes.vms import FakeVms

# Growing a mounted file system takes a right that containers, in which this may run, do not have; the lab has it.
NOT_HERE = {guest_disks.the_file_system_grows_to_its_device}
MANY = 100_000
ODD = ("-rf", " ", "new\nline", "\udcff\udcfe", "x" * 255, "/".join(["x" * 200] * 19), "a\\b=c#", "tail ")


@contextmanager
def block_device(file: str) -> Iterator[str]:
    loop = run_command(["losetup", "--find", "--show", file]).strip()
    try:
        yield loop
    finally:
        run_command(["losetup", "--detach", loop])


class LoopDisks(MountedGuestDisks):
    """The true ones on volumes that are files, which it sees as block devices."""

    def __init__(self) -> None:
        super().__init__(run_command)

    def make(self, device: str, archive: str, bytes_per_inode: int) -> Unpacked:
        with block_device(device) as loop:
            return super().make(loop, archive, bytes_per_inode)

    def pack(self, device: str, archive: str, *, lost_found: bool) -> str:
        with block_device(device) as loop:
            return super().pack(loop, archive, lost_found=lost_found)

    def flatten(self, device: str, layout: str, archive: str) -> None:
        with block_device(device) as loop:
            super().flatten(loop, layout, archive)


class Host:
    """A docker, volumes that are files, and a file that no image may change."""

    def __init__(self, node: Node, url: str, folder: Path, prefix: str) -> None:
        self.folder = folder
        self.name = f"{prefix}image:1"
        self.docker = DockerEngine(url)
        self.api = docker.APIClient(base_url=url, version="auto", timeout=300)
        self.volumes = FileVolumes(folder)
        self.boot = BootFolder(str(folder / "boot"))
        self.canary = folder / "canary"
        self.canary.write_text("the host's own\n")

    def archive(self, content: bytes) -> str:
        path = self.folder / "image.tar"
        path.write_bytes(content)
        return str(path)

    def wish(self, path: str, *kinds: str) -> ImageWish:
        sha256 = hashlib.sha256(Path(path).read_bytes()).hexdigest()
        return ImageWish(self.name, frozenset(kinds or KINDS), sha256=sha256)

    def resource(self, wanted: ImageWish, path: str, policy: Policy) -> ImageResource:
        return ImageResource(wanted, path, policy, self.docker, self.volumes, LoopDisks(), self.boot)

    def state(self) -> Any:
        """All that an image could leave behind."""
        images = sorted(image["Id"] for image in self.api.images(all=True))
        # Other tests mount theirs meanwhile.
        mounts = [line for line in Path("/proc/self/mounts").read_text().splitlines() if str(self.folder) in line or "zonal-cloud" in line]
        loops = subprocess.run(["losetup", "--list", "--output", "BACK-FILE"], capture_output=True, text=True, check=True).stdout
        files = sorted(path for path in os.listdir(self.folder) if path != "image.tar")
        return images, mounts, str(self.folder) in loops, files, self.volumes.list(), self.canary.read_text()

    def clean(self) -> None:
        for name in (self.name, self.name.replace(":1", ":2")):
            self.docker.remove_image(name)


@pytest.fixture
def host(node: Node, docker_url: str, tmp_path: Path, prefix: str) -> Iterator[Host]:
    made = Host(node, docker_url, tmp_path, prefix)
    yield made
    made.clean()


@pytest.mark.parametrize("case", HOSTILE.values(), ids=HOSTILE.keys())
def test_hostile_archives_leave_nothing(host: Host, case: Hostile) -> None:
    path = host.archive(case.content)
    before = host.state()
    with pytest.raises(ZonalError) as caught:
        converge(host.resource(host.wish(path), path, Policy(MAX_SIZE)))
    assert case.words in str(caught.value)
    assert host.state() == before


@pytest.mark.parametrize("kind", KINDS)
def test_an_archive_that_turns_after_the_check_leaves_nothing(host: Host, kind: str) -> None:
    path = host.archive(pack(member("boot/vmlinuz", size=10), member("etc/motd", size=10)))
    resource = host.resource(host.wish(path, kind), path, Policy())
    before = host.state()
    plan = resource.plan(resource.observe())
    resource._check()
    host.archive(pack(member("boot/vmlinuz", size=10), member("etc/motd", size=11)))
    with pytest.raises(ZonalError, match=r"^src: .* (changed while docker took it in|has become another content than was checked)"):
        resource.apply(plan.steps[0])
    assert host.state() == before


@pytest.fixture
def scratch(tmp_path: Path) -> Iterator[guest_disks.Bench]:
    (tmp_path / "disk").touch()
    os.truncate(tmp_path / "disk", guest_disks.SIZE)
    with block_device(str(tmp_path / "disk")) as device:
        yield guest_disks.Bench(device, tmp_path, MountedGuestDisks(run_command))


@pytest.mark.parametrize("check", [check for check in guest_disks.CONTRACT if check not in NOT_HERE], ids=lambda check: check.__name__)
def test_contract_of_disks(check: Callable[[guest_disks.Bench], None], scratch: guest_disks.Bench) -> None:
    scratch.prepare()
    check(scratch)
    scratch.check_host()


def everything(many: int) -> list[tarfile.TarInfo]:
    """An image with all that a root file system may have."""
    kernel = [folder("boot"), member("boot/vmlinuz", size=5000)]
    links = [member("usr/bin/su", size=3, mode=0o4755), hardlink("usr/bin/a", "usr/bin/su", 0o4755), symlink("bin", "usr/bin")]
    attributes = [with_xattr("usr/bin/ping", "security.capability", CAPABILITY), with_xattr("etc/marked", "user.a", b"\xff\0=\n")]
    folders = [folder("empty"), member("var/mail", kind=tarfile.DIRTYPE, mode=0o2775), member("tmp", kind=tarfile.DIRTYPE, mode=0o1777)]
    files = [member(f"usr/share/{number % 100}/{number}", size=number % 7) for number in range(many)]
    made = [
        *kernel,
        *links,
        *attributes,
        *folders,
        *(member(name, size=4) for name in ODD),
        member("run/pipe", kind=tarfile.FIFOTYPE),
        *files,
    ]
    made[1].uid, made[-1].gid = 1234, 4_000_000_000
    return made


def saved_digest(api: docker.APIClient, name: str, folder: Path) -> str:
    """The digest of the layer that docker gives back."""
    saved, unpacked = folder / "saved.tar", folder / "layer.tar"
    with open(saved, "wb") as file:
        file.writelines(api.get_image(name))
    with tarfile.open(saved) as tar:
        described = tar.extractfile("manifest.json")
        assert described is not None
        (layer,) = json.load(io.TextIOWrapper(described))[0]["Layers"]
        packed = tar.extractfile(layer)
        assert packed is not None
        with open(unpacked, "wb") as file:
            shutil.copyfileobj(packed, file)
    return check_archive(str(unpacked), Policy()).content.digest


@pytest.mark.parametrize("many", [10, MANY])
def test_both_faces_have_one_content(host: Host, many: int) -> None:
    path = host.archive(pack(*everything(many)))
    wanted = host.wish(path)
    resource = host.resource(wanted, path, Policy())
    assert converge(resource) == ["make_container", "make_vm"]
    told = resource.report(resource.observe())
    digest = told["digest"]["vm"]
    assert told["digest"] == {"container": digest, "vm": digest}
    assert saved_digest(host.api, host.name, host.folder) == digest
    assert converge(host.resource(wanted, "", Policy())) == []


def test_of_a_file_with_capabilities_and_two_names_docker_keeps_them(host: Host) -> None:
    """Without its own on the link they would go: see the hostile ones. What docker saves is made of the archive, so it tells nothing."""
    link = hardlink("usr/bin/b", "usr/bin/a", 0o755)
    link.pax_headers = {"SCHILY.xattr.security.capability": CAPABILITY.decode()}
    path = host.archive(pack(with_xattr("usr/bin/a", "security.capability", CAPABILITY), link))
    converge(host.resource(host.wish(path, "container"), path, Policy()))
    made = host.api.create_container(host.name, "sh")["Id"]
    try:
        copied = b"".join(host.api.get_archive(made, "/usr/bin/a")[0])
    finally:
        host.api.remove_container(made)
    with tarfile.open(fileobj=io.BytesIO(copied)) as tar:
        assert tar.getmember("a").pax_headers == link.pax_headers


def test_what_docker_exports_is_an_archive(host: Host) -> None:
    path = host.archive(gzip.compress(pack(*everything(10))))
    converge(host.resource(host.wish(path, "container"), path, Policy()))
    made = host.api.create_container(host.name, "sh")["Id"]
    try:
        exported = b"".join(host.api.export(made))
    finally:
        host.api.remove_container(made)
    assert check_archive(host.archive(exported), Policy()).content.kernel


def test_another_archive_of_the_same_content_shares_the_volume(host: Host) -> None:
    ordered = everything(10)
    # A hard link follows its target.
    turned = [*reversed([entry for entry in ordered if not entry.islnk()]), *(entry for entry in ordered if entry.islnk())]
    path = host.archive(pack(*ordered))
    converge(host.resource(host.wish(path), path, Policy()))
    volumes = [volume.name for volume in host.volumes.list()]
    path = host.archive(pack(*turned, folder("usr"), folder("./")))
    assert converge(host.resource(host.wish(path), path, Policy())) == ["make_container", "make_vm"]
    assert [volume.name for volume in host.volumes.list()] == volumes
    assert converge(host.resource(host.wish(path), "", Policy())) == []
    assert check_archive(host.archive(pack_gnu(member("a"))), Policy()).content.digest[:12] not in volumes[0]


def test_an_older_content_goes_when_nothing_uses_it(host: Host) -> None:
    for size in (1, 2):
        path = host.archive(pack(member("boot/vmlinuz", size=size)))
        converge(host.resource(host.wish(path), path, Policy()))
    assert [image.names for image in host.docker.images() if host.name in image.names or not image.names] == [(host.name,)]
    assert len(host.volumes.list()) == 1


def workshop(host: Host) -> Workshop:
    return Workshop(str(host.folder / "work"), host.volumes, LoopDisks(), nullcontext)


def volume_source(host: Host, name: str) -> VolumeSource:
    return VolumeSource(name, Policy(), workshop(host))


def docker_source(host: Host, url: str, name: str) -> DockerSource:
    return DockerSource(name, Policy(), workshop(host), LocalImages(run_command, url))


def test_what_a_golden_volume_is_packed_into_is_the_image(host: Host) -> None:
    path = host.archive(pack(*everything(MANY // 50), member("lost+found/kept")))
    converge(host.resource(host.wish(path), path, Policy()))
    (golden,) = host.volumes.list()
    source = volume_source(host, golden.name)
    with source.archive() as packed:
        assert packed.content.digest == source.digest() == check_archive(path, Policy()).content.digest
        assert packed.sha256 != check_archive(path, Policy()).sha256
        assert os.stat(packed.path).st_size < os.stat(path).st_size / 2
        assert os.stat(os.path.dirname(packed.path)).st_mode & 0o077 == 0
        assert converge(host.resource(host.wish(packed.path, "container"), packed.path, Policy())) == ["make_container"]
        assert saved_digest(host.api, host.name, host.folder) == packed.content.digest
    assert host.volumes.list() == [golden]
    assert os.listdir(host.folder / "work") == []


def test_what_a_container_holds_is_captured_while_it_runs(host: Host, docker_url: str, archive: str) -> None:
    host.docker.import_image(archive, host.name, {})
    # What it runs changes a file of the image, removes one, and goes on.
    script = "echo changed > /etc/motd; busybox mkdir /made; echo 1 > /made/file; busybox rm /bin/nc; echo > /made/ready; sleep 600"
    name = host.name.rpartition(":")[0]
    labels = {f"{LABEL}name": name, f"{LABEL}zone": "lab"}
    made = host.api.create_container(host.name, ["/bin/sh", "-c", script], name=name, labels=labels)["Id"]
    try:
        host.api.start(made)
        ready = ["busybox", "ls", "/made/ready"]
        wait_for("what it runs", lambda: host.api.exec_start(host.api.exec_create(made, ready)["Id"]) == b"/made/ready\n", 20)
        before = host.state()
        images = LocalImages(run_command, docker_url)
        source = instance_source(
            name, "", Policy(), workshop(host), Engines(host.docker, images, NO_COPIES, FakeVms(), lambda name: nullcontext())
        )
        with source.archive() as packed, tarfile.open(packed.path) as tar:
            names = {entry.removeprefix("./") for entry in tar.getnames()}
            motd = tar.extractfile(next(entry for entry in tar.getnames() if entry.endswith("etc/motd")))
            assert motd is not None
            assert motd.read() == b"changed\n"
            assert {"made/file", "bin/busybox", "sbin/init"} <= names
            assert not {"bin/nc", ".dockerenv"} & names
            # It is an image again, by the same checks.
            converge(host.resource(host.wish(packed.path, "container"), packed.path, Policy()))
            assert saved_digest(host.api, host.name, host.folder) == packed.content.digest
        assert source.about()["captured"] == {
            "name": name,
            "kind": "container",
            "zone": "lab",
            "snapshot": "",
            "consistent": True,
            "why": "",
        }
        assert host.api.inspect_container(made)["State"]["Status"] == "running"
        assert host.state()[1:3] == before[1:3]
        assert (host.volumes.list(), os.listdir(host.folder / "work")) == ([], [])
    finally:
        host.api.remove_container(made, force=True)
    assert [image for image in host.docker.images() if any(tag.startswith("zonal-capture") for tag in image.names)] == []


@contextmanager
def mounted(device: str, folder: Path, *options: str) -> Iterator[Path]:
    folder.mkdir(exist_ok=True)
    run_command(["mount", *options, device, str(folder)])
    try:
        yield folder
    finally:
        run_command(["umount", str(folder)])


def test_a_volume_in_use_is_packed_with_its_journal(host: Host) -> None:
    volume = host.volumes.create("root", 64 * 1024**2, ())
    run_command(["mkfs.ext4", "-q", volume.path])
    with block_device(volume.path) as loop, mounted(loop, host.folder / "in-use") as root:
        (root / "etc").mkdir()
        (root / "etc" / "motd").write_text("hello\n")
        os.sync()
        before = Path(volume.path).read_bytes()
        source = volume_source(host, "root")
        assert source.digest() == ""
        with source.archive() as packed, tarfile.open(packed.path) as tar:
            assert [name for name in tar.getnames() if name != "."] == ["./etc", "./etc/motd"]
        assert Path(volume.path).read_bytes() == before
    assert host.volumes.list() == [volume]


def test_too_little_room_is_told_before_anything_is_written(host: Host) -> None:
    path = host.archive(pack(member("boot/vmlinuz", size=10), member("usr/large", size=2 * 1024**2)))
    converge(host.resource(host.wish(path, "vm"), path, Policy()))
    (golden,) = host.volumes.list()
    with mounted("tmpfs", host.folder / "work", "-t", "tmpfs", "-o", "size=1M") as work:
        with (
            pytest.raises(ZonalError, match=r"it may take \d+ bytes, and only \d+ are free there$"),
            volume_source(host, golden.name).archive(),
        ):
            raise AssertionError("there is no archive")
        assert os.listdir(work) == []
    assert host.volumes.list() == [golden]


def test_an_image_of_docker_becomes_the_archive_that_it_was(host: Host, docker_url: str) -> None:
    path = host.archive(pack(*everything(100)))
    converge(host.resource(host.wish(path, "container"), path, Policy()))
    with docker_source(host, docker_url, host.name).archive() as made:
        assert made.content.digest == check_archive(path, Policy()).content.digest
        assert made.blob.packed == "gzip"
    assert os.listdir(host.folder / "work") == []


def test_layers_of_docker_become_one_archive(host: Host, docker_url: str) -> None:
    path = host.archive(pack(*everything(10), member("etc/passwd", size=5)))
    converge(host.resource(host.wish(path, "container"), path, Policy()))
    made = host.api.create_container(host.name, "sh")["Id"]
    try:
        host.api.put_archive(made, "/", pack(member("etc/motd", size=9)))
        host.api.commit(made, *host.name.replace(":1", ":2").split(":"))
    finally:
        host.api.remove_container(made)
    with docker_source(host, docker_url, host.name.replace(":1", ":2")).archive() as flat, tarfile.open(flat.path) as tar:
        names = {name.removeprefix("./") for name in tar.getnames()}
        assert {"etc/motd", "etc/passwd", "boot/vmlinuz"} <= names
        assert tar.getmember("./usr/bin/su").mode == 0o4755
    assert (host.volumes.list(), os.listdir(host.folder / "work")) == ([], [])


def test_an_image_that_docker_does_not_have_is_told(host: Host, docker_url: str) -> None:
    with pytest.raises(ZonalError, match=r"^Cannot export none:1: "), docker_source(host, docker_url, "none:1").archive():
        raise AssertionError("there is no archive")
    assert os.listdir(host.folder / "work") == []


@pytest.mark.parametrize("way", ["built", "committed"])
def test_what_somebody_has_made_of_an_image_is_left_alone(host: Host, way: str) -> None:
    """It has inherited our labels."""
    path, theirs = host.archive(pack(member("etc/motd", size=10))), host.name.replace(":1", ":2")
    converge(host.resource(host.wish(path, "container"), path, Policy()))
    if way == "built":
        dockerfile = io.BytesIO(f"FROM {host.name}\nENV a=b\n".encode())
        list(host.api.build(fileobj=dockerfile, tag=theirs, rm=True))
    else:
        made = host.api.create_container(host.name, "sh")["Id"]
        host.api.commit(made, *theirs.split(":"))
        host.api.remove_container(made)
    found = host.api.inspect_image(theirs)["Id"]
    assert host.docker.image_labels(theirs) == host.docker.image_labels(host.name)
    # Without a name, too.
    host.api.tag(host.name, *theirs.split(":"), force=True)
    host.docker.remove_nameless()
    host.api.tag(found, *theirs.split(":"), force=True)
    converge(ImageCleanupResource([], host.docker, host.volumes, host.boot, lambda: False))
    assert (host.docker.image_labels(host.name), host.api.inspect_image(theirs)["Id"]) == (None, found)
