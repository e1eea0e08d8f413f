# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Publishing against fakes: what is sent and what is not, and that the name is what it was until all is there."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.zonal.cloud.plugins.module_utils._adapters.rootfs_archive import check_archive
from ansible_collections.zonal.cloud.plugins.module_utils._domain.errors import RefusedError, SpecError, ZonalError
from ansible_collections.zonal.cloud.plugins.module_utils._domain.image_manifest import manifest_key
from ansible_collections.zonal.cloud.plugins.module_utils._domain.image_policy import Policy
from ansible_collections.zonal.cloud.plugins.module_utils._domain.image_publish import PublishWish
from ansible_collections.zonal.cloud.plugins.module_utils._domain.names import golden_of
from ansible_collections.zonal.cloud.plugins.module_utils._domain.volume import image_tags
from ansible_collections.zonal.cloud.plugins.module_utils._module.image_publish import ImagePublishResource
from ansible_collections.zonal.cloud.plugins.module_utils._module.image_source import ArchiveSource, ImageSource, VolumeSource, Workshop
from ansible_collections.zonal.cloud.plugins.module_utils._ports import EngineError, Login
from ansible_collections.zonal.cloud.tests.unit.plugins.contracts.archives import member, pack
from ansible_collections.zonal.cloud.tests.unit.plugins.fakes.containers import FakeContainers
from ansible_collections.zonal.cloud.tests.unit.plugins.fakes.fuse import (
    CONTAINER_CHANGES,
    DISK_CHANGES,
    OBJECT_CHANGES,
    VOLUME_CHANGES,
    Fuse,
    PowerCut,
)
from ansible_collections.zonal.cloud.tests.unit.plugins.fakes.guest_disks import FakeDisks, FilledVolumes
from ansible_collections.zonal.cloud.tests.unit.plugins.fakes.objects import FakeObjects

NAME, REGISTRY = "debian:13", "kvm01.example:5000"
KEY, REFERENCE = manifest_key(NAME), f"{REGISTRY}/{NAME}"
LOGIN = Login("zonal", "word")
CONTENT = [member("boot/vmlinuz", size=1), member("etc/motd", size=9)]
ONE, REPACKED, TWO = pack(*CONTENT), pack(*reversed(CONTENT)), pack(member("etc/motd", size=8))


class Site:
    """A builder with docker and volumes, a store and a registry."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.objects = FakeObjects()
        self.containers = FakeContainers()
        self.volumes = FilledVolumes()
        self.disks = FakeDisks(self.volumes)

    def path(self, content: bytes) -> str:
        path = self.folder / "image.tgz"
        path.write_bytes(content)
        return str(path)

    def volume(self, content: bytes, golden: bool) -> str:
        """Make a volume of an archive, and return its name."""
        path = self.path(content)
        digest = check_archive(path, Policy()).content.digest
        name = golden_of(digest) if golden else "root"
        made = self.volumes.create(name, 1, image_tags(NAME, digest, "0" * 64) if golden else ())
        self.disks.make(made.path, path, 4096)
        return name

    def from_volume(self, name: str, fuse: Fuse | None = None) -> ImagePublishResource:
        fuse = fuse or Fuse(-1)
        volumes, disks = fuse.guard(self.volumes, *VOLUME_CHANGES), fuse.guard(self.disks, *DISK_CHANGES)
        workshop = Workshop(str(self.folder / "work"), volumes, disks, nullcontext)
        return self.resource(VolumeSource(name, Policy(), workshop), fuse=fuse)

    def from_archive(self, content: bytes, fuse: Fuse | None = None) -> ImagePublishResource:
        return self.resource(ArchiveSource(self.path(content), Policy()), fuse=fuse)

    def resource(self, source: ImageSource, registry: str = REGISTRY, fuse: Fuse | None = None) -> ImagePublishResource:
        fuse = fuse or Fuse(-1)
        objects, containers = fuse.guard(self.objects, *OBJECT_CHANGES), fuse.guard(self.containers, *CONTAINER_CHANGES)
        return ImagePublishResource(PublishWish(NAME, "images", registry), source, objects, containers, LOGIN, nullcontext)

    def state(self) -> Any:
        return dict(self.objects.content), dict(self.containers.registry)

    def is_clean(self) -> bool:
        """Tell whether nothing is left on the builder."""
        left = [volume.name for volume in self.volumes.list() if volume.name.endswith(".new")]
        work = self.folder / "work"
        return not left and (not work.exists() or os.listdir(work) == []) and self.containers.snapshot()["images"] == {}


def run(resource: ImagePublishResource) -> tuple[list[str], dict[str, Any]]:
    """Do what ``run`` does; return the steps and the report."""
    with resource.fetched(resource.plan(resource.observe())):
        steps = resource.plan(resource.observe()).steps
        for step in steps:
            resource.apply(step)
        return [step.action for step in steps], resource.report(resource.observe())


def foretell(resource: ImagePublishResource) -> tuple[list[str], dict[str, Any]]:
    """Do what ``run`` does in check mode."""
    plan = resource.plan(resource.observe())
    return [step.action for step in plan.steps], resource.report(plan.after)


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path)


ALL = ["upload", "push", "write_manifest"]


def test_what_another_run_removes_meanwhile_is_told(site: Site) -> None:
    name = site.volume(ONE, golden=True)
    digest = run(site.from_volume(name))[1]["digest"]
    resource = site.from_volume(name)
    with resource.fetched(resource.plan(resource.observe())):
        site.objects.delete(KEY)
        steps = resource.plan(resource.observe()).steps
        with pytest.raises(RefusedError, match="another run has changed what debian:13 is meanwhile; run again"):
            resource.apply(steps[0])
    assert run(site.from_volume(name))[1]["digest"] == digest


def test_both_faces_are_published_once_and_the_manifest_last(site: Site) -> None:
    foretold = foretell(site.from_archive(ONE))
    assert site.state() == ({}, {})
    steps, told = run(site.from_archive(ONE))
    assert steps == foretold[0] == ALL
    assert {**told, "created": "", "registry": {**told["registry"], "sha256": ""}} == foretold[1]
    assert site.objects.written == [told["src"].removeprefix("s3://images/"), KEY]
    assert site.containers.pushes == [(REFERENCE, LOGIN)]
    assert told["registry"] == {"reference": REFERENCE, "sha256": site.containers.registry[REFERENCE]}
    assert told["entry"] == {
        "name": NAME,
        "src": f"s3://images/blobs/{told['sha256']}.tar",
        "sha256": told["sha256"],
        "digest": told["digest"],
        "kinds": ["container", "vm"],
    }
    assert told["registry_entry"] == {"name": NAME, "src": f"docker://{REFERENCE}", "digest": told["digest"], "kinds": ["container", "vm"]}
    before = site.state()
    assert run(site.from_archive(ONE)) == ([], told)
    assert run(site.from_archive(REPACKED)) == ([], told)
    assert (site.state(), site.is_clean()) == (before, True)


def test_another_content_replaces_it_and_the_older_archive_stays(site: Site) -> None:
    older = run(site.from_archive(ONE))[1]
    steps, told = run(site.from_archive(TWO))
    assert steps == ALL
    assert told["digest"] != older["digest"]
    assert told["entry"]["kinds"] == ["container"]
    assert older["src"].removeprefix("s3://images/") in site.objects.content
    assert run(site.from_archive(ONE))[0] == ["push", "write_manifest"]


def test_without_a_registry_there_is_one_face(site: Site) -> None:
    site.containers.installed = False
    steps, told = run(site.resource(ArchiveSource(site.path(ONE), Policy()), registry=""))
    assert (steps, told["registry"], told["registry_entry"]) == (["upload", "write_manifest"], None, None)
    site.containers.installed = True
    assert run(site.from_archive(ONE))[0] == ["push", "write_manifest"]
    assert run(site.resource(ArchiveSource(site.path(ONE), Policy()), registry=""))[0] == []


@pytest.mark.parametrize("repacked", [False, True])
def test_what_is_lost_is_published_again(site: Site, repacked: bool) -> None:
    told = run(site.from_archive(ONE))[1]
    site.objects.delete(told["src"].removeprefix("s3://images/"))
    steps, again = run(site.from_archive(REPACKED if repacked else ONE))
    assert steps == ["upload", "write_manifest"]
    assert (again["digest"], again["registry"]) == (told["digest"], told["registry"])
    assert again["src"].removeprefix("s3://images/") in site.objects.content
    site.containers.registry.clear()
    assert run(site.from_archive(ONE))[0] == ["push", "write_manifest"]
    site.containers.registry[REFERENCE] = "0" * 64
    assert run(site.from_archive(ONE))[0] == ["push", "write_manifest"]


def test_half_an_archive_is_sent_again(site: Site) -> None:
    told = run(site.from_archive(ONE))[1]
    site.objects.content[told["src"].removeprefix("s3://images/")] = b"half"
    assert run(site.from_archive(ONE))[0] == ["upload", "write_manifest"]


@pytest.mark.parametrize("content", [b"no archive", pack(member("../x")), pack(member("dev/sda", kind=b"4"))])
def test_of_a_hostile_archive_nothing_is_published(site: Site, content: bytes) -> None:
    with pytest.raises(ZonalError):
        run(site.from_archive(content))
    assert (site.state(), site.is_clean()) == (({}, {}), True)


def test_an_archive_that_turns_after_the_check_is_not_published(site: Site) -> None:
    resource = site.from_archive(ONE)
    plan = resource.plan(resource.observe())
    site.path(TWO)
    for step in plan.steps[:2]:
        with pytest.raises(RefusedError):
            resource.apply(step)
    assert (site.state(), site.is_clean()) == (({}, {}), True)


def test_a_registry_that_refuses_leaves_the_name_and_the_next_run_goes_on(site: Site) -> None:
    run(site.from_archive(TWO))
    before = site.objects.content[KEY]
    site.containers.refusal = "connection refused"
    with pytest.raises(EngineError, match=rf"^Cannot push {REFERENCE}: connection refused$"):
        run(site.from_archive(ONE))
    assert (site.objects.content[KEY], site.is_clean()) == (before, True)
    site.containers.refusal = ""
    assert run(site.from_archive(ONE))[0] == ["push", "write_manifest"]


@pytest.mark.parametrize("golden", [True, False])
def test_a_volume_is_packed_and_published(site: Site, golden: bool) -> None:
    name = site.volume(ONE, golden)
    told = foretell(site.from_volume(name))
    digest = check_archive(site.path(ONE), Policy()).content.digest
    assert told == (ALL, {"name": NAME, "digest": digest} if golden else {"name": NAME})
    assert run(site.from_volume(name))[0] == ALL
    assert site.is_clean()
    before = site.state()
    assert run(site.from_volume(name))[0] == []
    assert (site.state(), site.is_clean()) == (before, True)
    # An archive of the same content is the same image.
    assert run(site.from_archive(REPACKED))[0] == []


def test_a_golden_volume_that_is_published_is_not_packed_again(site: Site) -> None:
    name = site.volume(ONE, True)
    run(site.from_volume(name))
    fuse = Fuse(0)
    assert run(site.from_volume(name, fuse))[0] == []
    assert not fuse.blown


def test_a_golden_volume_that_is_not_what_its_tag_says_is_refused(site: Site) -> None:
    name = site.volume(ONE, True)
    site.disks.make(site.volumes.path(name), site.path(TWO), 4096)
    with pytest.raises(RefusedError, match="and its tag says"):
        run(site.from_volume(name))
    assert (site.state(), site.is_clean()) == (({}, {}), True)


def test_the_volume_has_an_owner_for_as_long_as_it_is_there(site: Site) -> None:
    name = site.volume(ONE, golden=False)
    seen = []

    @contextmanager
    def own() -> Iterator[None]:
        seen.append(site.is_clean())
        yield
        seen.append(site.is_clean())

    workshop = Workshop(str(site.folder / "work"), site.volumes, site.disks, nullcontext, own)
    (site.folder / "work").mkdir()
    with workshop.scratch(lambda hidden: site.volumes.clone(name, hidden, ())):
        assert not site.is_clean()
    assert seen == [True, True]


def test_a_volume_that_is_not_there_is_told(site: Site) -> None:
    with pytest.raises(SpecError, match=r"^source: 'none' is no volume of that group"):
        run(site.from_volume("none"))


@pytest.mark.parametrize("content", [b"{}", b"words", b"x" * 20_000])
def test_a_manifest_that_is_none_is_not_replaced(site: Site, content: bytes) -> None:
    site.objects.put(KEY, content)
    with pytest.raises(ZonalError, match=r"images/debian/13\.json"):
        run(site.from_archive(ONE))
    assert site.state() == ({KEY: content}, {})


def test_a_bucket_that_is_not_there_is_told(site: Site) -> None:
    site.objects.missing = True
    with pytest.raises(EngineError, match="there is no such bucket"):
        foretell(site.from_archive(ONE))


@pytest.mark.parametrize("kind", ["archive", "golden", "volume"])
def test_cut_off_anywhere_the_name_is_what_it_was_and_the_next_run_finishes(tmp_path: Path, kind: str) -> None:
    cuts = 0
    while True:
        folder = tmp_path / str(cuts)
        folder.mkdir()
        site = Site(folder)
        run(site.from_archive(TWO))
        before = site.objects.content[KEY]
        name = site.volume(ONE, kind == "golden") if kind != "archive" else ""

        def start(fuse: Fuse | None, site: Site = site, name: str = name) -> ImagePublishResource:
            return site.from_volume(name, fuse) if name else site.from_archive(ONE, fuse)

        fuse = Fuse(cuts)
        try:
            run(start(fuse))
        except PowerCut:
            assert site.objects.content[KEY] == before
        sent = list(site.objects.written)
        run(start(None))
        assert site.is_clean()
        assert run(start(None))[0] == []
        assert len([key for key in site.objects.written if key.startswith("blobs/")]) == 2, sent
        if not fuse.blown:
            break
        cuts += 1
    assert cuts >= 4
