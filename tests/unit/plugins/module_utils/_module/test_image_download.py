# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Images whose archive is downloaded, against a fake aria2; the true one is in tests/integration/engines/test_downloads.py."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from contextlib import nullcontext, suppress
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.zonal.cloud.plugins.module_utils._adapters.boot_files import BootFolder
from ansible_collections.zonal.cloud.plugins.module_utils._adapters.download import Downloads
from ansible_collections.zonal.cloud.plugins.module_utils._adapters.registry_download import RegistryDownloads
from ansible_collections.zonal.cloud.plugins.module_utils._adapters.s3 import S3Access
from ansible_collections.zonal.cloud.plugins.module_utils._adapters.skopeo import Registry, RegistryAccess
from ansible_collections.zonal.cloud.plugins.module_utils._domain.content import FILE, FOLDER, Entry, digest_of
from ansible_collections.zonal.cloud.plugins.module_utils._domain.errors import MissingError, RefusedError, SpecError, ZonalError
from ansible_collections.zonal.cloud.plugins.module_utils._domain.image import ImageWish
from ansible_collections.zonal.cloud.plugins.module_utils._domain.image_policy import Policy
from ansible_collections.zonal.cloud.plugins.module_utils._domain.names import golden_of
from ansible_collections.zonal.cloud.plugins.module_utils._module import image_download
from ansible_collections.zonal.cloud.plugins.module_utils._module.image_download import (
    DownloadedImageResource,
    ImageDownload,
    RegistryImageResource,
    build_image,
)
from ansible_collections.zonal.cloud.plugins.module_utils._module.image_info import unfinished_golden
from ansible_collections.zonal.cloud.plugins.module_utils._ports import EngineError
from ansible_collections.zonal.cloud.tests.unit.plugins.contracts.archives import member, pack
from ansible_collections.zonal.cloud.tests.unit.plugins.fakes.containers import FakeContainers
from ansible_collections.zonal.cloud.tests.unit.plugins.fakes.fuse import (
    BOOT_CHANGES,
    CONTAINER_CHANGES,
    DISK_CHANGES,
    VOLUME_CHANGES,
    Fuse,
    PowerCut,
)
from ansible_collections.zonal.cloud.tests.unit.plugins.fakes.guest_disks import FakeDisks, FilledVolumes
from ansible_collections.zonal.cloud.tests.unit.plugins.fakes.skopeo import FakeSkopeo

CONTENT = pack(member("boot/vmlinuz", size=1), member("etc/motd", size=9))
SHA256 = hashlib.sha256(CONTENT).hexdigest()
FILES = [
    Entry(path, FILE, 0o644, 0, 0, size, hashlib.sha256(b"x" * size).hexdigest()) for path, size in ((b"boot/vmlinuz", 1), (b"etc/motd", 9))
]
DIGEST = digest_of([Entry(b"boot", FOLDER), Entry(b"etc", FOLDER), *FILES])


class Host:
    """A host that downloads by writing ``content``."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "images"
        self.content = CONTENT
        self.addresses: list[str] = []
        self.containers = FakeContainers()
        self.volumes = FilledVolumes()
        self.boot = BootFolder(str(folder / "boot"))
        (folder / "boot").mkdir()

    def aria2(self, argv: Sequence[str], *, stdin: str | None = None, timeout: float = 120) -> str:
        address, name = (stdin or "").split("\n  out=")
        self.addresses.append(address)
        (self.folder / name.strip()).write_bytes(self.content)
        return ""

    def resource(self, sha256: str = SHA256, digest: str = "", kinds: tuple[str, ...] = ("vm", "container")) -> DownloadedImageResource:
        name = sha256 or digest
        download = ImageDownload(Downloads(self.aria2, str(self.folder)), lambda: "https://h/a?s", "https://h/a", name, 10**6, sha256)
        wish = ImageWish("debian:13", frozenset(kinds), digest, sha256)
        return DownloadedImageResource(download, wish, Policy(), self.containers, self.volumes, FakeDisks(self.volumes), self.boot)

    def converge(self, resource: DownloadedImageResource) -> dict[str, Any]:
        """Do what ``run`` does, and return what was fetched."""
        with resource.fetched(resource.plan(resource.observe())) as told:
            for step in resource.plan(resource.observe()).steps:
                resource.apply(step)
        return told

    def files(self) -> list[str]:
        return sorted(os.listdir(self.folder)) if self.folder.exists() else []


@pytest.fixture
def host(tmp_path: Path) -> Host:
    return Host(tmp_path)


def test_it_is_brought_once_and_removed_when_the_image_is_made(host: Host) -> None:
    told = host.converge(host.resource())["download"]
    assert told["bytes"] == len(CONTENT)
    assert told["seconds"] >= 0
    assert host.files() == []
    assert host.converge(host.resource()) == {}
    assert host.addresses == ["https://h/a?s"]


def test_after_a_failure_it_is_not_brought_again(host: Host) -> None:
    host.containers.installed = False
    resource = host.resource()
    plan = DownloadedImageResource.plan(resource, resource.nothing())
    with pytest.raises(EngineError), resource.fetched(plan):
        resource.observe()
    assert host.files() == [SHA256]
    host.containers.installed = True
    assert host.converge(host.resource())["download"]["bytes"] == 0
    assert (host.files(), len(host.addresses)) == ([], 1)


@pytest.mark.parametrize("content", [b"words", pack(member("../x"))])
@pytest.mark.parametrize("known", ["sha256", "digest"])
def test_what_is_refused_is_not_kept(host: Host, content: bytes, known: str) -> None:
    host.content = content
    sha256 = hashlib.sha256(content).hexdigest()
    with pytest.raises(ZonalError):
        host.converge(host.resource(sha256=sha256) if known == "sha256" else host.resource("", digest="0" * 64))
    assert host.files() == []


def test_another_content_than_the_digest_is_not_kept(host: Host) -> None:
    with pytest.raises(RefusedError, match="but 0000"):
        host.converge(host.resource("", digest="0" * 64))
    assert host.files() == []


@pytest.mark.parametrize("refused", [False, True])
def test_a_run_leaves_the_archive_to_another_one_that_needs_it(host: Host, refused: bool) -> None:
    first, second = host.resource(kinds=("vm",)), host.resource(kinds=("container",))
    if refused:
        first._policy = Policy(1)
    plan = second.plan(second.observe())
    with second.fetched(plan):
        with nullcontext() if not refused else pytest.raises(RefusedError):
            host.converge(first)
        assert host.files() == [SHA256]
        second.apply(plan.steps[0])
    assert host.files() == []
    assert len(host.addresses) == 1


def test_what_a_run_has_left_that_was_cut_off_when_the_image_was_made_goes(host: Host) -> None:
    host.converge(host.resource())
    (host.folder / SHA256).write_bytes(CONTENT)
    # Another run's, which has not come yet.
    (host.folder / f"{DIGEST}.new").touch()
    assert host.converge(host.resource()) == {}
    assert host.converge(host.resource("", DIGEST)) == {}
    assert host.files() == [f"{DIGEST}.new"]


OPTIONS: dict[str, Any] = {
    "name": "debian:13",
    "state": "present",
    "kinds": ["vm", "container"],
    "digest": None,
    "kernel": None,
    "progress": 10,
    "sha256": SHA256,
    "src": "https://images.example/a",
    "folder": "/nowhere",
    "s3_endpoint": "http://127.0.0.1:7480/",
    "s3_access_key": "reader",
    "s3_secret_key": "word",
    "registry_user": None,
    "registry_password": None,
    "ca_file": None,
    "max_size": "20G",
    "privileged_files": "usual",
    "group": "zonal",
    "pool": "pool",
}


@pytest.mark.parametrize("src", [None, "/srv/a.tgz", "~/a.tgz"])
def test_a_path_is_not_downloaded(host: Host, src: str | None) -> None:
    assert not isinstance(build_image({**OPTIONS, "src": src}, host.aria2), DownloadedImageResource)


class FakeStore:
    """Makes addresses as an S3 store's library does."""

    def __init__(self, access: S3Access) -> None:
        self.access = access

    def address_of(self, bucket: str, key: str, seconds: int) -> str:
        assert self.access.secret_key == "word"
        return f"{self.access.endpoint}/{bucket}/{key}?user={self.access.access_key}&seconds={seconds}"


def test_an_object_has_an_address_for_a_day(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(image_download, "S3Buckets", FakeStore)
    resource = build_image({**OPTIONS, "src": "s3://images/debian/13.tgz", "folder": str(host.folder)}, host.aria2)
    assert isinstance(resource, DownloadedImageResource)
    host.content = b""
    with pytest.raises(EngineError, match=r"^Cannot download s3://images/debian/13\.tgz: what came has the sha256"):
        resource._download.fetch()
    assert host.addresses == ["http://127.0.0.1:7480/images/debian/13.tgz?user=reader&seconds=86400"]


LAYERS = (pack(member("boot/vmlinuz", size=1)), CONTENT + bytes(10240))


def layered(host: Host, skopeo: FakeSkopeo, fuse: Fuse) -> RegistryImageResource:
    downloads = RegistryDownloads(skopeo, str(host.folder), Registry(skopeo, RegistryAccess()))
    download = ImageDownload(downloads, lambda: "h.example/a:1", "docker://h.example/a:1", DIGEST, 10**6, "")
    return RegistryImageResource(
        downloads,
        download,
        ImageWish("debian:13", frozenset(["vm", "container"]), DIGEST),
        Policy(),
        fuse.guard(host.containers, *CONTAINER_CHANGES),
        fuse.guard(host.volumes, *VOLUME_CHANGES),
        fuse.guard(FakeDisks(host.volumes), *DISK_CHANGES),
        fuse.guard(host.boot, *BOOT_CHANGES),
    )


def test_one_archive_is_made_of_layers_wherever_a_run_is_cut_off(tmp_path: Path) -> None:
    calls, cut = 0, True
    while cut:
        (tmp_path / str(calls)).mkdir()
        host, skopeo, fuse = Host(tmp_path / str(calls)), FakeSkopeo(*LAYERS), Fuse(calls)
        with suppress(PowerCut):
            told = host.converge(layered(host, skopeo, fuse))
            assert told["download"]["bytes"] == sum(map(len, LAYERS))
        host.converge(layered(host, skopeo, Fuse(1000)))
        assert (host.files(), [volume.name for volume in host.volumes.list()]) == ([], [golden_of(DIGEST)]), fuse.passed
        assert layered(host, skopeo, Fuse(0)).observe().faces.keys() == {"vm", "container"}
        # What had come was not brought again.
        assert len([call for call in skopeo.calls if " copy " in call]) == 1
        calls, cut = calls + 1, fuse.blown
    assert "flatten" in " ".join(fuse.passed)


def test_the_volume_of_layers_that_a_run_has_left_is_seen_by_the_clean_up(host: Host) -> None:
    """The image may not be wanted any more when the next run comes."""
    with pytest.raises(PowerCut):
        host.converge(layered(host, FakeSkopeo(*LAYERS), Fuse(2)))
    assert unfinished_golden(host.volumes) == [volume.name for volume in host.volumes.list()] == [f"{golden_of(DIGEST)}.new"]


def test_layers_that_make_another_content_are_not_kept(host: Host) -> None:
    with pytest.raises(RefusedError, match="has the content digest"):
        host.converge(layered(host, FakeSkopeo(LAYERS[0], LAYERS[0][:-512]), Fuse(1000)))
    assert (host.files(), host.volumes.list()) == ([], [])


BAD: list[tuple[dict[str, Any], type[ZonalError], str]] = [
    ({"src": "ftp://h/a"}, SpecError, "src: 'ftp://h/a' is of no kind"),
    (
        {"src": "s3://images/a", "s3_secret_key": None},
        MissingError,
        "s3_secret_key: is missing; the archive s3://images/a is in an S3 store",
    ),
    ({"src": "docker://debian:13"}, SpecError, "src: 'docker://debian:13' is not an image of a registry"),
    ({"src": "docker://h.example/a:1", "registry_user": "zonal"}, MissingError, "registry_password: is missing"),
    ({"src": "s3://images/a", "s3_endpoint": "ceph"}, SpecError, "s3_endpoint: 'ceph' is no endpoint"),
]


@pytest.mark.parametrize(("options", "error", "words"), BAD)
def test_bad_options(host: Host, options: dict[str, Any], error: type[ZonalError], words: str) -> None:
    with pytest.raises(error) as told:
        build_image({**OPTIONS, **options}, host.aria2)
    assert str(told.value).startswith(words)
