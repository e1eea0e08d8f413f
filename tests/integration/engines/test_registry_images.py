# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Images from a real registry, with the real skopeo and umoci, also when what is in it is out to harm."""

from __future__ import annotations

import gzip
import hashlib
import os
import random
import signal
import subprocess
import sys
import tarfile
from collections.abc import Iterator, Sequence
from dataclasses import replace
from glob import glob
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.zonal.cloud.plugins.module_utils._adapters import skopeo
from ansible_collections.zonal.cloud.plugins.module_utils._adapters.boot_files import BootFolder
from ansible_collections.zonal.cloud.plugins.module_utils._adapters.registry_download import RegistryDownloads
from ansible_collections.zonal.cloud.plugins.module_utils._adapters.rootfs_archive import check_archive
from ansible_collections.zonal.cloud.plugins.module_utils._adapters.skopeo import Registry, RegistryAccess
from ansible_collections.zonal.cloud.plugins.module_utils._domain.errors import ZonalError
from ansible_collections.zonal.cloud.plugins.module_utils._domain.image import ImageWish
from ansible_collections.zonal.cloud.plugins.module_utils._domain.image_policy import Policy
from ansible_collections.zonal.cloud.plugins.module_utils._domain.names import UNFINISHED, golden_of
from ansible_collections.zonal.cloud.plugins.module_utils._domain.volume import IMAGE_TAG
from ansible_collections.zonal.cloud.plugins.module_utils._module.image_download import ImageDownload, RegistryImageResource
from ansible_collections.zonal.cloud.plugins.module_utils._ports import Pause
from ansible_collections.zonal.cloud.tests.host_command import run_command
from ansible_collections.zonal.cloud.tests.integration.engines.docker_registry import (
    INDEX,
    PASSWORD,
    USER,
    DockerRegistry,
    made_docker_registry,
)
from ansible_collections.zonal.cloud.tests.integration.engines.file_disks import FileVolumes
from ansible_collections.zonal.cloud.tests.integration.engines.node import wait_for
from ansible_collections.zonal.cloud.tests.integration.engines.test_images import LoopDisks
from ansible_collections.zonal.cloud.tests.unit.plugins.contracts.archives import (
    CAPABILITY,
    MIB,
    folder,
    hardlink,
    member,
    pack,
    symlink,
    with_xattr,
)
from ansible_collections.zonal.cloud.tests.unit.plugins.fakes.containers import FakeContainers

_LIMIT = 256 * MIB
_NAME = "debian:13"
_LAYER = gzip.compress(pack(folder("boot"), member("boot/vmlinuz", size=5000), member("etc/motd", size=9)), mtime=0)
_SHA256 = hashlib.sha256(_LAYER).hexdigest()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DockerRegistry]:
    with made_docker_registry(tmp_path_factory.mktemp("registry")) as made:
        yield made


class Host:
    """A host whose volumes are files, with a file that no image may change."""

    def __init__(self, server: DockerRegistry, path: Path) -> None:
        self.access = RegistryAccess(USER, PASSWORD, server.ca_file)
        self.path = path
        self.ran: list[str] = []
        (path / "volumes").mkdir()
        self.containers = FakeContainers()
        self.volumes = FileVolumes(path / "volumes")
        self.canary = path / "canary"
        self.canary.write_text("the host's own\n")

    def downloads(self) -> RegistryDownloads:
        return RegistryDownloads(self._run, str(self.path / "images"), Registry(self._run, self.access))

    def _run(self, argv: Sequence[str], *, stdin: str | None = None, timeout: float = 120) -> str:
        self.ran.append(" ".join(argv))
        return run_command(argv, stdin=stdin, timeout=timeout)

    def fetch(self, reference: str, limit: int = _LIMIT, sha256: str = "") -> str:
        return self.downloads().fetch(reference, f"docker://{reference}", "name", limit, sha256)

    def resource(self, reference: str, *, sha256: str = "", digest: str = "", policy: Policy | None = None) -> RegistryImageResource:
        policy = policy or Policy(_LIMIT)
        downloads = self.downloads()
        about = (lambda: reference, f"docker://{reference}", sha256 or digest, _LIMIT, sha256)
        wish = ImageWish(_NAME, frozenset(["vm", "container"]), digest, sha256)
        parts = (wish, policy, self.containers, self.volumes, LoopDisks(), BootFolder(str(self.path / "boot")))
        return RegistryImageResource(downloads, ImageDownload(downloads, *about), *parts)

    def converge(self, image: RegistryImageResource) -> tuple[int, int]:
        """Do what ``run`` does; return how many steps there were and how many bytes came."""
        with image.fetched(image.plan(image.observe())) as told:
            steps = image.plan(image.observe()).steps
            for step in steps:
                image.apply(step)
        return len(steps), told.get("download", {}).get("bytes", 0)

    def left(self) -> Any:
        """All that an image or a download may leave behind."""
        mounts = Path("/proc/self/mounts").read_text()
        files = sorted(os.listdir(self.path / "images")) if (self.path / "images").exists() else []
        return files, [volume.name for volume in self.volumes.list()], "zonal-cloud.mnt" in mounts, self.canary.read_text()

    def slow(self, argv: Sequence[str], *, stdin: str | None = None, timeout: float = 120) -> str:
        slowly = [*argv, "--max-overall-download-limit=16M"] if "aria2c" in argv else argv
        return run_command(slowly, stdin=stdin, timeout=timeout)


@pytest.fixture
def host(server: DockerRegistry, tmp_path: Path) -> Host:
    return Host(server, tmp_path)


def checked(path: Path, content: bytes) -> str:
    path.write_bytes(content)
    return check_archive(str(path), Policy()).content.digest


def test_one_layer_is_the_archive_and_a_second_run_fetches_nothing(server: DockerRegistry, host: Host) -> None:
    reference = server.push("images/debian", "13", _LAYER)
    assert host.converge(host.resource(reference, sha256=_SHA256)) == (2, len(_LAYER))
    assert not any("skopeo copy" in line for line in host.ran)
    assert not any(PASSWORD in line for line in host.ran)
    digest = checked(host.path / "rootfs.tgz", _LAYER)
    image = host.resource(reference, digest=digest)
    assert image.report(image.observe())["digest"] == {"vm": digest, "container": digest}
    server.process.send_signal(signal.SIGSTOP)
    try:
        assert host.converge(image) == (0, 0)
        assert host.converge(host.resource(reference, sha256=_SHA256)) == (0, 0)
    finally:
        server.process.send_signal(signal.SIGCONT)
    assert host.left()[:2] == ([], [golden_of(digest)])


def test_a_layer_is_told_of_while_it_comes_and_goes_on_where_it_was(server: DockerRegistry, host: Host) -> None:
    layer = random.Random(3).randbytes(48 * MIB)
    reference = server.push("images/large", "1", layer)
    slowly = RegistryDownloads(host.slow, str(host.path / "images"), Registry(host.slow, host.access), 1)
    with pytest.raises(Pause, match=r"^downloading shown: \d+[KM] of 48M \(\d+ %\)$") as pause:
        slowly.fetch(reference, "shown", "name", _LIMIT)
    assert not pause.value.last
    assert (host.path / "images" / "name.new.aria2").exists()
    assert Path(host.fetch(reference)).read_bytes() == layer
    assert not any("skopeo copy" in line for line in host.ran)


@pytest.mark.parametrize("layer", [gzip.decompress(_LAYER), gzip.compress(gzip.decompress(_LAYER), 1)], ids=["plain", "packed otherwise"])
def test_a_digest_does_not_depend_on_packing(server: DockerRegistry, host: Host, layer: bytes) -> None:
    reference = server.push("images/debian", "packed", layer)
    assert host.converge(host.resource(reference, digest=checked(host.path / "rootfs.tgz", _LAYER))) == (2, len(layer))


def test_refusals_say_what_to_do_and_no_secret(server: DockerRegistry, host: Host) -> None:
    reference = server.push("images/debian", "13", _LAYER)
    missing, elsewhere = f"{server.name}/images/debian:14", "127.0.0.1:1/images/debian:13"
    cases = [
        (host.access, missing, _LIMIT, "", f"Cannot download docker://{missing}: the registry does not have it"),
        (host.access, f"{server.name}/no/such:1", _LIMIT, "", "the registry does not have it"),
        (host.access, elsewhere, _LIMIT, "", f"Cannot look for {elsewhere}: the registry does not answer"),
        (replace(host.access, password="wrong-word"), reference, _LIMIT, "", "the registry wants another user or password"),
        (RegistryAccess(ca_file=server.ca_file), reference, _LIMIT, "", "the registry wants another user or password"),
        (replace(host.access, ca_file=""), reference, _LIMIT, "", "certificate is not trusted; name the authority in ca_file"),
        (replace(host.access, ca_file="/nowhere"), reference, _LIMIT, "", "there is no file /nowhere (option ca_file)"),
        (host.access, reference, 20, "", f"docker://{reference} has {len(_LAYER)} bytes, more than 20 (option max_size)"),
        (host.access, reference, _LIMIT, "0" * 64, f"has the sha256 {_SHA256}, but 0000"),
    ]
    for access, asked, limit, sha256, words in cases:
        host.access = access
        with pytest.raises(ZonalError) as told:
            host.fetch(asked, limit, sha256)
        assert words in str(told.value)
        assert not [secret for secret in (PASSWORD, "wrong-word") if secret in f"{told.value} {told.value.details}"]
        assert host.left()[0] == []


def test_of_a_list_the_image_of_this_architecture_is_taken(server: DockerRegistry, host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    server.push("images/list", "mine", _LAYER)
    server.push("images/list", "other", gzip.compress(pack(member("other"))))
    platforms = {"mine": "amd64", "other": "arm64"}
    items = [{**server.manifest("images/list", tag), "platform": {"os": "linux", "architecture": name}} for tag, name in platforms.items()]
    server.put_manifest("images/list", "all", INDEX, {"manifests": items})
    reference = f"{server.name}/images/list:all"
    find = {machine: Registry(run_command, host.access, machine).find for machine in ("x86_64", "aarch64", "riscv64")}
    mine, other = find["x86_64"](reference), find["aarch64"](reference)
    assert mine is not None
    assert other is not None
    assert [layer.sha256 for layer in mine.layers] == [_SHA256]
    assert mine.sha256 != other.sha256
    with pytest.raises(ZonalError, match=r"it has none for this host's linux/riscv64, only for linux/amd64, linux/arm64$"):
        find["riscv64"](reference)
    assert Path(host.fetch(mine.pinned)).read_bytes() == _LAYER


def test_who_names_a_digest_gets_no_other_manifest(server: DockerRegistry, host: Host) -> None:
    server.push("images/changed", "mine", _LAYER)
    server.push("images/changed", "other", gzip.compress(pack(member("other"))))
    mine, other = (server.manifest("images/changed", tag)["digest"] for tag in ("mine", "other"))
    item = {**server.manifest("images/changed", "mine"), "platform": {"os": "linux", "architecture": "amd64"}}
    server.put_manifest("images/changed", "all", INDEX, {"manifests": [item]})
    assert Path(host.fetch(f"{server.name}/images/changed@{mine}")).read_bytes() == _LAYER
    host.downloads().forget("name")
    stored = [next(server.folder.glob(f"data/**/blobs/sha256/*/{digest.partition(':')[2]}/data")) for digest in (mine, other)]
    stored[0].write_bytes(stored[1].read_bytes())
    for name in (f"images/changed@{mine}", "images/changed:all"):
        with pytest.raises(ZonalError, match=r"^Cannot read the manifest of \S+: the registry gave another one"):
            Registry(run_command, host.access, "x86_64").find(f"{server.name}/{name}")


LOWER = (
    folder("etc"),
    member("etc/gone", size=3),
    with_xattr("etc/kept", "user.a", b"\xff\0=\n"),
    member("opaque", kind=tarfile.DIRTYPE, mode=0o750),
    member("opaque/old", size=3),
    folder("tree"),
    member("tree/leaf", size=3),
    symlink("bin", "usr/bin"),
    folder("usr"),
    folder("usr/bin"),
    with_xattr("usr/bin/ping", "security.capability", CAPABILITY),
    member("usr/bin/su", size=3, mode=0o4755),
    member("first", size=7),
    folder("boot"),
    member("boot/vmlinuz", size=100),
)
UPPER = (
    member("etc/.wh.gone"),
    member(".wh.tree"),
    member("opaque", kind=tarfile.DIRTYPE, mode=0o2755),
    member("opaque/.wh..wh..opq"),
    member("opaque/new", size=4),
    hardlink("second", "first"),
    member("bin/late", size=5, mode=0o755),
    member("pipe", kind=tarfile.FIFOTYPE),
    member("boot/vmlinuz", size=200),
)
FLAT = (
    folder("etc"),
    with_xattr("etc/kept", "user.a", b"\xff\0=\n"),
    member("opaque", kind=tarfile.DIRTYPE, mode=0o2755),
    member("opaque/new", size=4),
    symlink("bin", "usr/bin"),
    folder("usr"),
    folder("usr/bin"),
    with_xattr("usr/bin/ping", "security.capability", CAPABILITY),
    member("usr/bin/su", size=3, mode=0o4755),
    member("usr/bin/late", size=5, mode=0o755),
    member("first", size=7),
    hardlink("second", "first"),
    member("pipe", kind=tarfile.FIFOTYPE),
    folder("boot"),
    member("boot/vmlinuz", size=200),
)


def test_layers_are_laid_upon_each_other(server: DockerRegistry, host: Host) -> None:
    digest = checked(host.path / "flat.tar", pack(*FLAT))
    layers = [gzip.compress(pack(*LOWER)), pack(*UPPER)]
    reference = server.push("images/layered", "1", *layers)
    # What a run that was cut off has left.
    host.volumes.create(golden_of(digest) + UNFINISHED, MIB, [IMAGE_TAG + _NAME])
    steps, came = host.converge(host.resource(reference, digest=digest))
    assert (steps, came > sum(map(len, layers))) == (2, True)
    assert host.left() == ([], [golden_of(digest)], False, "the host's own\n")
    assert host.converge(host.resource(reference, digest=digest)) == (0, 0)
    with pytest.raises(ZonalError, match=r"^sha256: .* has 2 layers, of which one is made here; write digest$"):
        host.fetch(reference, sha256=_SHA256)


def base(*more: tarfile.TarInfo) -> bytes:
    return pack(folder("boot"), member("boot/vmlinuz", size=10), *more)


def hostile(canary: Path) -> dict[str, tuple[bytes, bytes, str]]:
    """Layers that want to harm, and what is told; of what is not told, nothing gets out."""
    up = "../" * 20
    return {
        "a path that leads out": (base(), pack(member(f"{up}{canary}", size=3)), "has the content digest"),
        "an absolute path": (base(), pack(member(str(canary), size=3)), "has the content digest"),
        "below a link of another layer": (
            base(symlink("out", str(canary.parent))),
            pack(member(f"out/{canary.name}", size=3)),
            "has the content digest",
        ),
        "a hard link that leads out": (base(), pack(hardlink("x", f"{up}{canary}")), "no such file"),
        "a hard link through a link": (
            base(symlink("out", str(canary.parent))),
            pack(hardlink("x", f"out/{canary.name}")),
            "no such file",
        ),
        "a removal that leads out": (base(), pack(member(f"{up}{canary.parent}/.wh.{canary.name}")), "has the content digest"),
        "a removal below a link": (
            base(symlink("out", str(canary.parent))),
            pack(member(f"out/.wh.{canary.name}")),
            "has the content digest",
        ),
        "a device": (base(), pack(member("null", kind=tarfile.CHRTYPE)), "which is a device node"),
        "a disk": (base(), pack(disk()), "mknod"),
        "more than may be": (
            base(),
            pack(member("a", size=200 * MIB), member("b", size=200 * MIB)),
            "they take more than there may be (option max_size)",
        ),
        "setuid elsewhere": (base(), pack(member("home/su", mode=0o4755)), "which is setuid outside the system's folders"),
        "no archive": (base(), gzip.compress(b"words" * 1000), "Cannot unpack the layers"),
    }


def disk() -> tarfile.TarInfo:
    entry = member("sda", kind=tarfile.BLKTYPE)
    entry.devmajor = 8
    return entry


@pytest.mark.parametrize("case", hostile(Path("/nowhere/canary")))
def test_hostile_layers_leave_nothing(server: DockerRegistry, host: Host, case: str) -> None:
    below, above, words = hostile(host.canary)[case]
    reference = server.push("images/hostile", "1", gzip.compress(below), gzip.compress(above, 1))
    before = host.left()
    with pytest.raises(ZonalError) as told:
        host.converge(host.resource(reference, digest="0" * 64, policy=Policy(64 * MIB)))
    assert words in str(told.value)
    assert "\n" not in str(told.value)
    assert host.left() == before


@pytest.mark.parametrize("below", [(), (_LAYER,)], ids=["alone", "upon another"])
def test_zstd_is_told_as_what_it_is(server: DockerRegistry, host: Host, below: tuple[bytes, ...]) -> None:
    reference = server.push("images/zstd", "1", *below, b"\x28\xb5\x2f\xfd" + bytes(100))
    with pytest.raises(ZonalError, match="zstd"):
        host.converge(host.resource(reference, digest="0" * 64))
    assert host.left()[:2] == ([], [])


_RANDOM = random.Random(7).randbytes(64 * MIB)
LIES = {
    "far too small": (_RANDOM, {"size": 10}, "more came than the registry had told"),
    "too small": (_LAYER, {"size": 10}, "the registry tells other sizes of its layers than they have"),
    "too large": (_LAYER, {"size": len(_LAYER) + 1}, "the registry tells other sizes of its layers than they have"),
    "none": (_LAYER, {"size": -1}, "its manifest has a layer without a size"),
}


@pytest.mark.parametrize("case", LIES)
def test_lies_of_a_registry_leave_nothing(server: DockerRegistry, host: Host, case: str) -> None:
    layer, told, words = LIES[case]
    reference = server.push("images/lies", "1", layer, **told)
    with pytest.raises(ZonalError) as refused:
        host.fetch(reference)
    assert words in str(refused.value)
    assert host.left()[0] == []


@pytest.mark.parametrize("layers", [(_RANDOM,), (_LAYER, _RANDOM)], ids=["aria2", "skopeo"])
def test_a_killed_run_leaves_nothing_that_disturbs_the_next(server: DockerRegistry, host: Host, layers: tuple[bytes, ...]) -> None:
    reference = server.push("images/large", "1", *layers)
    images = host.path / "images"
    child = _start(reference, host)
    parts = ("name.layers/*put-blob*", "name.new.aria2")
    first = f"blobs/sha256/{_SHA256}"
    try:
        if len(layers) > 1:
            wait_for("the first layer", (images / "name.layers" / first).exists)
        wait_for("a part of the layer", lambda: any(os.path.getsize(part) for name in parts for part in glob(f"{images}/{name}")))
        server.process.send_signal(signal.SIGSTOP)
    finally:
        child.kill()
        child.wait()
    wait_for("the end of what downloads", lambda: not _processes(str(images)), 10)
    server.process.send_signal(signal.SIGCONT)
    assert "name" not in os.listdir(images)
    kept = (images / "name.layers" / first).stat().st_ino if len(layers) > 1 else 0
    brought = Path(host.fetch(reference))
    largest = brought if len(layers) == 1 else brought / "blobs" / "sha256" / hashlib.sha256(_RANDOM).hexdigest()
    assert largest.read_bytes() == _RANDOM
    assert os.listdir(images) == ["name"]
    if kept:
        assert sorted(os.listdir(brought)) == ["blobs", "index.json", "oci-layout"]
        assert (brought / first).stat().st_ino == kept, "a layer that was there came again"


def _start(reference: str, host: Host) -> subprocess.Popen[bytes]:
    """Download in a process of its own, as a module does."""
    words = [
        f"from {RegistryDownloads.__module__} import RegistryDownloads",
        f"from {skopeo.__name__} import Registry, RegistryAccess",
        "from tests.host_command import run_command",
        f"registry = Registry(run_command, RegistryAccess({USER!r}, {PASSWORD!r}, {host.access.ca_file!r}))",
        f"RegistryDownloads(run_command, {str(host.path / 'images')!r}, registry).fetch({reference!r}, 'shown', 'name', {_LIMIT})",
    ]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    return subprocess.Popen([sys.executable, "-c", "\n".join(words)], env=environment)


def _processes(words: str) -> list[str]:
    """Return the command lines that have ``words``."""
    found = []
    for path in glob("/proc/[0-9]*/cmdline"):
        try:
            found.append(Path(path).read_bytes().decode(errors="replace"))
        except OSError:
            continue
    return [line for line in found if words in line]
