# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Cached artefacts: keys, whole-or-nothing builds, and reproducible archives."""

from __future__ import annotations

import io
import os
import stat
import tarfile
import threading
from pathlib import Path
from typing import Any

import pytest

from lab import cli, kernel, machine, rootfs
from lab.archive import Tree
from lab.cache import artefact, locked
from lab.errors import LabError
from lab.guest_image import module_order
from lab.packages import only
from lab.progress import Progress
from lab.recipe import recipe_key

QUIET = Progress(quiet=True)
CONSTANTS = {"release": "trixie", "packages": ["a", "b"]}


def make_folder(path: Path, text: str = "one", mode: int = 0o644) -> Path:
    path.mkdir()
    (path / "file").write_text(text)
    (path / "file").chmod(mode)
    return path


def test_key_ignores_where_files_lie_and_the_order_of_constants(tmp_path: Path) -> None:
    here, there = make_folder(tmp_path / "here"), make_folder(tmp_path / "there")
    assert recipe_key(CONSTANTS, {"f": here}) == recipe_key(dict(reversed(CONSTANTS.items())), {"f": there})


@pytest.mark.parametrize(
    ("constants", "text", "mode"),
    [
        ({"release": "bookworm", "packages": ["a", "b"]}, "one", 0o644),
        ({"release": "trixie", "packages": ["b", "a"]}, "one", 0o644),
        (CONSTANTS, "two", 0o644),
        (CONSTANTS, "one", 0o755),
    ],
)
def test_key_changes_with_everything_that_matters(tmp_path: Path, constants: Any, text: Any, mode: Any) -> None:
    before = recipe_key(CONSTANTS, {"f": make_folder(tmp_path / "before")})
    assert recipe_key(constants, {"f": make_folder(tmp_path / "after", text, mode)}) != before


def test_artefact_is_built_once(tmp_path: Path) -> None:
    calls = []

    def build(draft: Path) -> None:
        calls.append(draft)
        (draft / "content").write_text("x")

    first = artefact(tmp_path, "disk", "k1", build, QUIET)
    assert artefact(tmp_path, "disk", "k1", build, QUIET) == first
    assert len(calls) == 1
    assert first == tmp_path / "disk-k1"
    assert (first / "content").read_text() == "x"


def test_failed_build_leaves_nothing(tmp_path: Path) -> None:
    def build(draft: Path) -> None:
        (draft / "half").write_text("x")
        raise LabError("no")

    with pytest.raises(LabError):
        artefact(tmp_path, "disk", "k1", build, QUIET)
    assert [entry.name for entry in tmp_path.iterdir()] == [".disk.lock"]


def test_interrupted_build_is_cleared_by_the_next(tmp_path: Path) -> None:
    left = tmp_path / ".building-disk-k0"
    left.mkdir()
    artefact(tmp_path, "disk", "k1", lambda draft: None, QUIET)
    assert not left.exists()


def test_what_is_built_is_readable_whatever_the_umask(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A host's /etc/hosts that only root reads leaves apt, which has a user of its own, without a mirror; such a host stays cached."""

    def build(*_arguments: Any) -> dict[str, Path]:
        (tmp_path / "hosts").write_text("")
        return {}

    monkeypatch.setenv("PATH", os.environ["PATH"])
    monkeypatch.setattr(machine, "require_root", lambda _command: None)
    monkeypatch.setattr(machine, "ensure_packages", lambda _progress: None)
    monkeypatch.setattr(kernel, "kernel", lambda *_arguments: None)
    monkeypatch.setattr(rootfs, "base_disks", build)
    before = os.umask(0o077)
    try:
        assert cli.main(["build"]) == 0
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "hosts").stat().st_mode) == 0o644


def test_lock_file_may_be_deleted_by_its_holder(tmp_path: Path) -> None:
    lock = tmp_path / "lock"
    order = []

    def second() -> Any:
        with locked(lock, QUIET):
            order.append("second")

    with locked(lock, QUIET):
        waiting = threading.Thread(target=second)
        waiting.start()
        waiting.join(0.2)
        order.append("first")
        lock.unlink()
    waiting.join(10)
    assert order == ["first", "second"]
    assert lock.exists()


def small_tree() -> Any:
    tree = Tree()
    tree.file("b/program", b"#!", 0o755)
    tree.link("a", "b/program")
    tree.folder("tmp", 0o1777)
    return tree


def test_tgz_is_the_same_each_time(tmp_path: Path) -> None:
    for name in ("one", "two"):
        small_tree().write_tgz(tmp_path / name)
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()
    with tarfile.open(tmp_path / "one") as tar:
        members = {member.name: member for member in tar.getmembers()}
    assert list(members) == ["a", "b", "b/program", "tmp"]
    assert members["a"].linkname == "b/program"
    assert (members["b/program"].mode, members["tmp"].mode) == (0o755, 0o1777)
    assert {(member.uid, member.gid, member.uname) for member in members.values()} == {(0, 0, "root")}


def read_cpio(data: Any) -> Any:
    """Name -> (mode, content) of a newc archive; checks alignment on the way."""
    found: dict[str, Any] = {}
    stream = io.BytesIO(data)
    while True:
        assert stream.tell() % 4 == 0
        assert stream.read(6) == b"070701"
        fields = [int(stream.read(8), 16) for _dummy in range(13)]
        name = stream.read(fields[11])[:-1].decode()
        stream.read(-stream.tell() % 4)
        content = stream.read(fields[6])
        stream.read(-stream.tell() % 4)
        if name == "TRAILER!!!":
            return found
        found[name] = (fields[1], content)


def test_cpio_can_be_read_back() -> None:
    assert read_cpio(small_tree().cpio()) == {
        "a": (stat.S_IFLNK | 0o777, b"b/program"),
        "b": (stat.S_IFDIR | 0o755, b""),
        "b/program": (stat.S_IFREG | 0o755, b"#!"),
        "tmp": (stat.S_IFDIR | 0o1777, b""),
    }


DEPENDENCIES = """k/net.ko: k/failover.ko k/virtio.ko k/ring.ko
k/failover.ko:
k/virtio.ko: k/ring.ko
k/ring.ko:
k/blk.ko: k/virtio.ko k/ring.ko
"""


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        (["ring"], ["k/ring.ko"]),
        (["blk"], ["k/ring.ko", "k/virtio.ko", "k/blk.ko"]),
        (["blk", "net"], ["k/ring.ko", "k/virtio.ko", "k/blk.ko", "k/failover.ko", "k/net.ko"]),
    ],
)
def test_modules_come_after_what_they_need(wanted: Any, expected: Any) -> None:
    assert module_order(DEPENDENCIES, wanted) == expected


def test_missing_module_is_named() -> None:
    with pytest.raises(LabError, match="no module zfs"):
        module_order(DEPENDENCIES, ["zfs"])


@pytest.mark.parametrize("names", [[], ["6.16.1", "7.2.7"]])
def test_one_of_none_or_several_is_not_guessed(tmp_path: Path, names: list[str]) -> None:
    for name in names:
        (tmp_path / name).mkdir()
    with pytest.raises(LabError, match=rf"expected one \* in .*, found {len(names)}"):
        only(tmp_path, "*")
