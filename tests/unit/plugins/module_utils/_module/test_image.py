# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""An image against fakes: both kinds of one archive, and that a run which is cut off anywhere is mended by the next one."""

from __future__ import annotations

import gzip
import hashlib
import os
import shutil
from collections.abc import Callable
from contextlib import suppress
from dataclasses import fields, is_dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from ansible_collections.zonal.cloud.plugins.module_utils._adapters.boot_files import BootFolder
from ansible_collections.zonal.cloud.plugins.module_utils._adapters.rootfs_archive import check_archive
from ansible_collections.zonal.cloud.plugins.module_utils._domain.errors import MissingError, RefusedError, SpecError, ZonalError
from ansible_collections.zonal.cloud.plugins.module_utils._domain.image import KINDS, ImageWish
from ansible_collections.zonal.cloud.plugins.module_utils._domain.image_policy import Policy
from ansible_collections.zonal.cloud.plugins.module_utils._domain.volume import Volume, find_golden, instance_tags, tag_values
from ansible_collections.zonal.cloud.plugins.module_utils._module.image import ImageResource
from ansible_collections.zonal.cloud.plugins.module_utils._ports import EngineAbsent, EngineError
from ansible_collections.zonal.cloud.plugins.module_utils._ports_storage import BootFiles, Unpacked
from ansible_collections.zonal.cloud.tests.unit.plugins.contracts.archives import member, pack, symlink
from ansible_collections.zonal.cloud.tests.unit.plugins.contracts.hostile_images import HOSTILE, MAX_SIZE, Hostile
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
from ansible_collections.zonal.cloud.tests.unit.plugins.fakes.instances import converge

NAME = "debian:13"
POLICY = Policy(MAX_SIZE)


def archive(path: Path, text: str) -> tuple[str, str]:
    """Make an archive with a kernel and a file and return its path and digest."""
    path.write_bytes(pack(member("boot/vmlinuz", size=1), member("etc/motd", size=len(text)), member(text)))
    return str(path), hashlib.sha256(path.read_bytes()).hexdigest()


class Host:
    """One host, and two archives of different content."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.containers = FakeContainers()
        self.volumes = FilledVolumes()
        self.disks = FakeDisks(self.volumes)
        self.boot = BootFolder(str(folder))
        self.sources = dict([archive(folder.parent / "one.tgz", "one"), archive(folder.parent / "two.tgz", "two")])

    def wish(self, source: str = "one", *, kinds: tuple[str, ...] = KINDS, present: bool = True, name: str = NAME) -> tuple[ImageWish, str]:
        path = next(path for path in self.sources if path.endswith(f"{source}.tgz"))
        return ImageWish(name, frozenset(kinds), sha256=self.sources[path] if present else "", present=present), path

    def resource(self, wanted: ImageWish, source: str, fuse: Fuse | None = None) -> ImageResource:
        fuse = fuse or Fuse(-1)
        return ImageResource(
            wanted,
            source,
            POLICY,
            fuse.guard(self.containers, *CONTAINER_CHANGES),
            fuse.guard(self.volumes, *VOLUME_CHANGES),
            fuse.guard(self.disks, *DISK_CHANGES),
            fuse.guard(self.boot, *BOOT_CHANGES),
        )

    def converge(self, wanted: ImageWish, source: str) -> list[str]:
        return converge(self.resource(wanted, source))

    def digest(self, source: str) -> str:
        return check_archive(source, POLICY).content.digest

    def snapshot(self) -> Any:
        return self.containers.snapshot(), self.volumes.snapshot(), sorted(os.listdir(self.folder))

    def golden(self, name: str = NAME) -> Volume | None:
        return find_golden(self.volumes.list(), name)


@pytest.fixture
def new_host(tmp_path: Path) -> Callable[[], Host]:
    made: list[Path] = []

    def make() -> Host:
        made.append(tmp_path / f"host{len(made)}" / "boot")
        made[-1].mkdir(parents=True)
        return Host(made[-1])

    return make


@pytest.fixture
def host(new_host: Callable[[], Host]) -> Host:
    return new_host()


def lose_boot_files(host: Host) -> None:
    shutil.rmtree(host.folder)
    host.folder.mkdir()


class Scenario(NamedTuple):
    """Wishes that came before, what an operator did by hand, and the wish whose run is cut off."""

    before: list[dict[str, Any]]
    wanted: dict[str, Any]
    steps: str
    by_hand: Callable[[Host], None] = lambda host: None


SCENARIOS = {
    "both kinds": Scenario([], {}, "make_container make_vm"),
    "for VMs only": Scenario([], {"kinds": ("vm",)}, "make_vm"),
    "for containers only": Scenario([], {"kinds": ("container",)}, "make_container"),
    "the other kind too": Scenario([{"kinds": ("vm",)}], {}, "make_container"),
    "another content": Scenario([{}], {"source": "two"}, "make_container make_vm"),
    "a second name": Scenario([{"name": "other:1"}], {}, "make_container make_vm"),
    "absent": Scenario([{}], {"present": False}, "remove_container remove_vm"),
    "one kind absent": Scenario([{}], {"present": False, "kinds": ("vm",)}, "remove_vm"),
    "boot files that were lost": Scenario([{}], {}, "make_vm", lose_boot_files),
    "absent, boot files lost": Scenario([{}], {"present": False}, "remove_container remove_vm", lose_boot_files),
    "one of two names absent": Scenario([{"name": "other:1"}, {}], {"present": False}, "remove_container remove_vm"),
}


def prepared(host: Host, scenario: Scenario) -> Host:
    for earlier in scenario.before:
        host.converge(*host.wish(**earlier))
    scenario.by_hand(host)
    return host


@pytest.mark.parametrize("scenario", SCENARIOS.values(), ids=SCENARIOS.keys())
def test_a_run_that_is_cut_off_anywhere_is_mended_by_the_next_one(new_host: Callable[[], Host], scenario: Scenario) -> None:
    whole = prepared(new_host(), scenario)
    assert " ".join(whole.converge(*whole.wish(**scenario.wanted))) == scenario.steps
    calls = 0
    while True:
        host, fuse = prepared(new_host(), scenario), Fuse(calls)
        wanted = host.wish(**scenario.wanted)
        try:
            converge(host.resource(*wanted, fuse))
        except PowerCut:
            host.converge(*wanted)
        assert comparable(host) == comparable(whole), f"after {fuse.passed}"
        assert host.converge(*wanted) == []
        if not fuse.blown:
            break
        calls += 1
    assert calls >= len(scenario.steps.split())


def comparable(host: Host) -> Any:
    """Each host has its archives in a folder of its own, and a set has no order."""
    return repr(ordered(host.snapshot())).replace(str(host.folder.parent), "")


def ordered(value: Any) -> Any:
    """Return the same with lists in place of sets, however deep they are."""
    if isinstance(value, (set, frozenset)):
        return sorted(value)
    if is_dataclass(value):
        return {field.name: ordered(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, dict):
        return {key: ordered(item) for key, item in value.items()}
    return [ordered(item) for item in value] if isinstance(value, (list, tuple)) else value


@pytest.mark.parametrize("scenario", SCENARIOS.values(), ids=SCENARIOS.keys())
def test_absent_removes_what_a_run_that_was_cut_off_left(new_host: Callable[[], Host], scenario: Scenario) -> None:
    for calls in range(12):
        host, fuse = prepared(new_host(), scenario), Fuse(calls)
        with suppress(PowerCut):
            converge(host.resource(*host.wish(**scenario.wanted), fuse))
        host.converge(*host.wish(present=False))
        assert (host.golden(), host.containers.image_labels(NAME)) == (None, None)
        others = [volume.name for volume in host.volumes.list()]
        assert not [name for name in others if name.endswith(".new")]
        assert sorted(os.listdir(host.folder)) == sorted(f"zonal-{name}" for name in others)
        assert host.converge(*host.wish(present=False)) == []


def test_both_kinds_are_made_of_one_archive(host: Host) -> None:
    wanted, source = host.wish()
    digest = host.digest(source)
    host.converge(wanted, source)
    golden = host.golden()
    assert golden is not None
    assert golden.name == f"img-{digest[:12]}"
    assert golden.tags == {f"zonal.image={NAME}", f"zonal.digest={digest}", f"zonal.sha256={wanted.sha256}"}
    assert golden.name in host.volumes.read_only
    assert host.volumes.content[golden.path]["archive"] == source
    assert host.containers.image_labels(NAME) == {"cloud.zonal.digest": digest, "cloud.zonal.sha256": wanted.sha256}
    assert all(host.boot.paths(golden.name))


def test_the_same_content_in_another_archive_shares_the_volume(host: Host) -> None:
    wanted, source = host.wish(kinds=("vm",))
    host.converge(wanted, source)
    packed = host.folder.parent / "packed.tgz"
    packed.write_bytes(gzip.compress(Path(source).read_bytes()))
    sha256 = hashlib.sha256(packed.read_bytes()).hexdigest()
    other = replace(wanted, name="other:1", sha256=sha256)
    assert host.converge(other, str(packed)) == ["make_vm"]
    assert host.converge(replace(wanted, sha256=sha256), "") == []
    golden = host.golden()
    assert golden is not None
    assert golden == host.golden("other:1")
    assert tag_values(golden, "zonal.sha256=") == sorted([wanted.sha256, sha256])
    assert [volume.name for volume in host.volumes.list()] == [golden.name]


def test_the_digest_alone_is_enough(host: Host) -> None:
    wanted, source = host.wish()
    wanted = replace(wanted, sha256="", digest=host.digest(source))
    assert host.converge(wanted, source) == ["make_container", "make_vm"]
    assert host.converge(wanted, "") == []
    assert host.converge(replace(wanted, sha256="0" * 64), "") == []


def test_another_content_than_the_wanted_one_is_refused(host: Host) -> None:
    before = host.snapshot()
    wanted, source = host.wish()
    with pytest.raises(RefusedError, match=rf"^src: \S+ has the content digest {host.digest(source)}, but 00"):
        host.converge(replace(wanted, digest="0" * 64), source)
    assert host.snapshot() == before


class TurningDisks(FakeDisks):
    """The archive is another one when it is unpacked than when it was checked."""

    def make(self, device: str, archive: str, bytes_per_inode: int) -> Unpacked:
        return replace(super().make(device, archive, bytes_per_inode), digest="0" * 64)


def test_an_archive_that_changes_before_it_is_unpacked_leaves_nothing(host: Host) -> None:
    host.disks = TurningDisks(host.volumes)
    before = host.snapshot()
    with pytest.raises(RefusedError, match=r"^src: \S+ has become another content than was checked"):
        host.converge(*host.wish(kinds=("vm",)))
    assert host.snapshot() == before


def test_an_archive_that_changes_before_docker_has_it_leaves_nothing(host: Host) -> None:
    wanted, source = host.wish(kinds=("container",))
    before = host.snapshot()
    resource = host.resource(wanted, source)
    plan = resource.plan(resource.observe())
    resource._check()
    Path(source).write_bytes(b"other")
    with pytest.raises(RefusedError, match=r"^src: \S+ changed while docker took it in"):
        resource.apply(plan.steps[0])
    assert host.snapshot() == before


@pytest.mark.parametrize("case", HOSTILE.values(), ids=HOSTILE.keys())
def test_hostile_archives_leave_nothing(host: Host, tmp_path: Path, case: Hostile) -> None:
    path = tmp_path / "hostile.tar"
    path.write_bytes(case.content)
    before = host.snapshot()
    with pytest.raises(ZonalError) as caught:
        host.converge(ImageWish(NAME, frozenset(KINDS), sha256=hashlib.sha256(case.content).hexdigest()), str(path))
    assert case.words in str(caught.value)
    assert host.snapshot() == before


def test_a_volume_of_that_name_with_another_content_is_not_taken(host: Host) -> None:
    wanted, source = host.wish(kinds=("vm",))
    name = f"img-{host.digest(source)[:12]}"
    host.volumes.create(name, 1, ["zonal.digest=" + "0" * 64])
    with pytest.raises(RefusedError, match=f"^src: the volume {name} is there, but it does not hold the content"):
        host.converge(wanted, source)


def test_the_archive_is_not_needed_when_the_image_is_there(host: Host) -> None:
    wanted, source = host.wish()
    host.converge(wanted, source)
    assert host.converge(wanted, "") == []
    with pytest.raises(MissingError, match=r"^src: is missing; the image debian:13 is not on this host"):
        host.converge(host.wish("two")[0], "")


def test_an_image_with_cloud_init_says_so(host: Host) -> None:
    host.disks.boot_files = BootFiles(kernel=b"k", initrd=None, cloud_init=True)
    host.converge(*host.wish())
    golden = host.golden()
    assert golden is not None
    assert "zonal.cloud-init" in golden.tags
    kernel, initrd = host.boot.paths(golden.name)
    assert (Path(kernel).read_bytes(), initrd) == (b"k", "")


NO_KERNEL = r"^kinds: the image debian:13 has no kernel .* it can serve containers only; write kinds: \[container\], or name .* in kernel$"


def test_an_image_without_a_kernel_serves_containers_only(host: Host, tmp_path: Path) -> None:
    path = tmp_path / "bare.tar"
    path.write_bytes(pack(member("etc/motd")))
    wanted = ImageWish(NAME, frozenset(KINDS), sha256=hashlib.sha256(path.read_bytes()).hexdigest())
    before = host.snapshot()
    with pytest.raises(RefusedError, match=NO_KERNEL):
        host.converge(wanted, str(path))
    assert host.snapshot() == before
    assert host.converge(replace(wanted, asked=frozenset(["container"])), str(path)) == ["make_container"]


def test_an_image_without_a_kernel_boots_the_one_that_is_lent(host: Host, tmp_path: Path) -> None:
    path = tmp_path / "bare.tar"
    path.write_bytes(pack(member("etc/motd")))
    sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
    wanted = ImageWish("tools:1", frozenset(KINDS), sha256=sha256, lender=NAME)
    before = host.snapshot()
    with pytest.raises(SpecError, match=r"^kernel: 'debian:13' is not on this host as an image for VMs"):
        host.converge(replace(wanted, asked=frozenset(["vm"])), str(path))
    assert host.snapshot() == before
    host.disks.boot_files = BootFiles(kernel=b"lent", initrd=b"ramdisk", cloud_init=False)
    host.converge(*host.wish())
    host.disks.boot_files = BootFiles(None, None, cloud_init=True)
    assert host.converge(wanted, str(path)) == ["make_container", "make_vm"]
    assert host.converge(wanted, str(path)) == []
    made = host.golden("tools:1")
    assert made is not None
    assert "zonal.cloud-init" in made.tags
    # Also when what has lent it is gone.
    host.converge(host.wish(present=False)[0], "")
    assert [Path(file).read_bytes() for file in host.boot.paths(made.name)] == [b"lent", b"ramdisk"]


def test_a_kernel_that_cannot_be_read_is_none(host: Host) -> None:
    """Such as a link to nowhere."""
    host.disks.boot_files = BootFiles(None, None, cloud_init=False)
    before = host.snapshot()
    with pytest.raises(RefusedError, match=NO_KERNEL):
        host.converge(*host.wish(kinds=("vm",)))
    assert host.snapshot() == before


def test_instead_of_a_kernel_that_cannot_be_read_the_one_that_is_lent_boots(host: Host, tmp_path: Path) -> None:
    host.disks.boot_files = BootFiles(kernel=b"lent", initrd=None, cloud_init=False)
    host.converge(*host.wish())
    host.disks.boot_files = BootFiles(None, None, cloud_init=False)
    path = tmp_path / "link.tar"
    path.write_bytes(pack(symlink("boot/vmlinuz", "/nowhere")))
    wanted = ImageWish("tools:1", frozenset(["vm"]), sha256=hashlib.sha256(path.read_bytes()).hexdigest(), lender=NAME)
    assert host.converge(wanted, str(path)) == ["make_vm"]
    made = host.golden("tools:1")
    assert made is not None
    assert Path(host.boot.paths(made.name)[0]).read_bytes() == b"lent"


@pytest.mark.parametrize("kinds", [("vm",), ("container",)])
def test_another_content_than_the_digest_is_refused(host: Host, kinds: tuple[str, ...]) -> None:
    before = host.snapshot()
    wanted, source = host.wish(kinds=kinds)
    with pytest.raises(RefusedError, match=r"^src: \S+one\.tgz has the sha256 [0-9a-f]{64}, but 00"):
        host.converge(replace(wanted, sha256="0" * 64), source)
    assert host.snapshot() == before


@pytest.mark.parametrize("source", ["/nowhere/image.tgz", "/"])
def test_an_archive_that_cannot_be_read_is_one_message(host: Host, source: str) -> None:
    with pytest.raises(EngineError, match=f"Cannot read the archive {source}: "):
        host.converge(host.wish()[0], source)


def test_an_archive_that_is_none_is_one_message(host: Host, tmp_path: Path) -> None:
    path = tmp_path / "words"
    path.write_text("words")
    digest = hashlib.sha256(b"words").hexdigest()
    with pytest.raises(EngineError, match="it is not a complete tar archive"):
        host.converge(ImageWish(NAME, frozenset(["vm"]), sha256=digest), str(path))
    assert host.volumes.list() == []


def test_no_space_in_the_pool_names_both_sizes(host: Host) -> None:
    host.volumes.used = host.volumes.capacity - 1024**2
    with pytest.raises(SpecError, match=r"^src: \S+ needs 80M, but the thin pool has 1M free"):
        host.converge(*host.wish(kinds=("vm",)))


def test_a_new_content_leaves_the_instances_of_the_old_one_alone(host: Host) -> None:
    host.converge(*host.wish())
    old = host.golden()
    assert old is not None
    host.volumes.clone(old.name, "vm-web", instance_tags("web", old))
    host.converge(*host.wish("two"))
    new, web = host.golden(), host.volumes.find("vm-web")
    assert new is not None
    assert web is not None
    assert (web.origin, new.name != old.name) == (old.name, True)
    assert all(host.boot.paths(old.name)), "the VM still boots the kernel of its content"


def test_an_image_that_a_vm_boots_from_is_not_removed(host: Host) -> None:
    host.converge(*host.wish())
    golden = host.golden()
    assert golden is not None
    host.volumes.clone(golden.name, "vm-web", instance_tags("web", golden))
    with pytest.raises(RefusedError, match="name: the image debian:13 is in use by web"):
        host.converge(*host.wish(kinds=("vm",), present=False))
    assert host.golden() == golden
    assert all(host.boot.paths(golden.name))


def test_an_image_that_a_container_is_made_of_is_not_removed(host: Host) -> None:
    """The plan says so, hence also check mode."""
    host.converge(*host.wish())
    host.containers.create("web", {"Image": NAME})
    resource = host.resource(*host.wish(kinds=("container",), present=False))
    with pytest.raises(RefusedError, match="name: the image debian:13 is in use by web"):
        resource.plan(resource.observe())
    assert host.converge(*host.wish(kinds=("vm",), present=False)) == ["remove_vm"]


@pytest.mark.parametrize("kind", KINDS)
def test_only_the_engine_of_the_wanted_kind_is_needed(host: Host, kind: str) -> None:
    host.containers.installed = kind == "container"
    host.volumes.installed = kind == "vm"
    assert host.converge(*host.wish(kinds=(kind,))) == [f"make_{kind}"]
    with pytest.raises(EngineAbsent):
        host.converge(*host.wish())


def test_report(host: Host) -> None:
    wanted, source = host.wish(kinds=("vm",))
    host.converge(wanted, source)
    resource = host.resource(wanted, source)
    told = {"name": NAME, "kinds": ["vm"], "digest": {"vm": host.digest(source)}, "sha256": {"vm": [wanted.sha256]}}
    assert resource.report(resource.observe()) == told
    assert resource.report(resource.nothing()) == {"name": NAME, "kinds": [], "digest": {}, "sha256": {}}
