# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Copies of disks that are files, in a store in memory; a true store is in tests/integration/engines/test_disk_copies.py."""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import random
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.zonal.cloud.plugins.module_utils._domain.disk_copy_plan import CopyState, parse_wish
from ansible_collections.zonal.cloud.plugins.module_utils._domain.disk_part import PART, pack
from ansible_collections.zonal.cloud.plugins.module_utils._domain.errors import RefusedError, ZonalError
from ansible_collections.zonal.cloud.plugins.module_utils._module import disk_copy
from ansible_collections.zonal.cloud.plugins.module_utils._module.disk_copy import DiskCopyResource, read_disk_copies
from ansible_collections.zonal.cloud.plugins.module_utils._ports import EngineError
from ansible_collections.zonal.cloud.tests.integration.engines.file_disks import FileVolumes
from ansible_collections.zonal.cloud.tests.unit.plugins.fakes.objects import FakeObjects

DESCRIPTION = "copies/vm-db/monday.json"
PARTS = "copies.data/vm-db/monday/"
TAGS = {"zonal.instance=db", "gold"}
MIB = 1024**2
# Three parts and some; the second is a hole, the last one holds little.
CONTENT = random.Random(1).randbytes(MIB) + bytes(2 * PART - MIB) + b"end" + bytes(PART + 4 * MIB - 3)


def is_open_here(path: str) -> bool:
    return any(os.path.realpath(f"/proc/self/fd/{number}") == os.path.realpath(path) for number in os.listdir("/proc/self/fd"))


class Volumes(FileVolumes):
    """Like LVM it removes nothing that is open."""

    def remove(self, name: str) -> None:
        if is_open_here(self.path(name)):
            raise EngineError("remove", name, "it is in use")
        super().remove(name)


class World:
    """One host with a disk, and a store."""

    def __init__(self, folder: Path) -> None:
        self.volumes = Volumes(folder)
        self.objects = FakeObjects()
        self.volumes.create("vm-db", len(CONTENT), TAGS)
        self.write(CONTENT)

    def write(self, content: bytes, volume: str = "vm-db") -> None:
        with open(self.volumes.path(volume), "rb+") as disk:
            disk.write(content)

    def read(self, volume: str) -> bytes:
        return Path(self.volumes.path(volume)).read_bytes()

    def resource(self, **options: Any) -> DiskCopyResource:
        params = {"name": "monday", "volume": "vm-db", "source": None, "group": "zonal", "pool": "pool", "bucket": "copies"}
        return DiskCopyResource(parse_wish({**params, "overwrite": False, "state": "present", **options}), self.volumes, self.objects)

    def do(self, **options: Any) -> list[str]:
        """Do what the module does, and return its actions."""
        return converge(self.resource(**options))

    def names(self) -> list[str]:
        return [volume.name for volume in self.volumes.list()]


def converge(resource: DiskCopyResource) -> list[str]:
    with resource.fetched(resource.plan(resource.observe())):
        plan = resource.plan(resource.observe())
        for step in plan.steps:
            resource.apply(step)
    resource.report(resource.observe())
    return [step.action for step in plan.steps]


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    monkeypatch.setattr(disk_copy, "LOCKS", str(tmp_path))
    return World(tmp_path)


def test_a_copy_is_made_once_and_is_never_written_over(world: World) -> None:
    assert world.do() == ["store_copy"]
    before = dict(world.objects.content)
    assert sorted(before) == [f"{PARTS}00000000.gz", f"{PARTS}00000002.gz", DESCRIPTION]
    assert world.objects.written[-1] == DESCRIPTION
    assert world.names() == ["vm-db"]
    world.write(b"changed")
    assert world.do() == []
    assert world.objects.content == before


def test_a_copy_is_described(world: World) -> None:
    world.do()
    told = json.loads(world.objects.content[DESCRIPTION])
    assert told.pop("created").endswith("Z")
    assert told == {
        "version": 1,
        "volume": "vm-db",
        "size": len(CONTENT),
        "data": 2 * MIB,
        "parts": 2,
        "part_size": PART,
        "stored": sum(len(content) for key, content in world.objects.content.items() if key.startswith(PARTS)),
        "sha256": hashlib.sha256(CONTENT).hexdigest(),
        "tags": sorted(TAGS),
    }
    assert gzip.decompress(world.objects.content[f"{PARTS}00000002.gz"]) == CONTENT[2 * PART : 3 * PART]


def test_check_mode_tells_what_is_done_and_does_nothing(world: World) -> None:
    resource = world.resource()
    plan = resource.plan(resource.observe())
    assert resource.report(plan.after) == {
        "name": "monday",
        "volume": "vm-db",
        "source": "vm-db",
        "bucket": "copies",
        "state": "present",
        "size": "52M",
        "tags": sorted(TAGS),
    }
    assert (world.objects.written, world.names()) == ([], ["vm-db"])


def test_a_disk_is_restored_over_what_it_has_become(world: World) -> None:
    world.do()
    world.write(b"changed")
    with pytest.raises(RefusedError, match="nothing is overwritten"):
        world.do(state="restored")
    assert world.do(state="restored", overwrite=True) == ["restore_volume"]
    assert world.read("vm-db") == CONTENT
    found = world.volumes.find("vm-db")
    assert found is not None
    assert found.tags == TAGS | {f"zonal.restored={hashlib.sha256(CONTENT).hexdigest()}"}
    assert world.names() == ["vm-db"]
    assert world.do(state="restored") == []


def test_a_restored_disk_has_holes(world: World) -> None:
    world.do()
    assert world.do(state="restored", volume="look", source="vm-db") == ["restore_volume"]
    assert world.read("look") == CONTENT
    assert os.stat(world.volumes.path("look")).st_blocks * 512 < 2 * MIB
    found = world.volumes.find("look")
    assert found is not None
    assert {tag for tag in found.tags if not tag.startswith("zonal.restored=")} == {"gold"}


def test_a_disk_in_use_is_copied_but_not_overwritten(world: World) -> None:
    world.volumes.busy.add("vm-db")
    assert world.do() == ["store_copy"]
    with pytest.raises(RefusedError, match="vm-db is in use"):
        world.do(state="restored", overwrite=True)


def test_a_disk_that_is_opened_meanwhile_is_not_overwritten(world: World) -> None:
    world.do()
    resource = world.resource(state="restored", overwrite=True)
    with resource.fetched(resource.plan(resource.observe())):
        world.volumes.busy.add("vm-db")
        with pytest.raises(RefusedError, match="vm-db is in use"):
            resource.plan(resource.observe())
    assert world.names() == ["vm-db"]


def test_a_copy_is_removed_description_first(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.do()
    removed: list[str] = []
    delete = world.objects.delete

    def noted(key: str) -> None:
        removed.append(key)
        delete(key)

    monkeypatch.setattr(world.objects, "delete", noted)
    assert world.do(state="absent") == ["remove_copy"]
    assert removed[0] == DESCRIPTION
    assert world.objects.content == {}
    assert world.do(state="absent") == []


def test_other_copies_stay(world: World) -> None:
    for name in ("monday", "monday.json", "mondays"):
        world.do(name=name)
    before = len(world.objects.content)
    world.do(state="absent")
    assert len(world.objects.content) == before - 3
    assert world.do(name="mondays", volume="look", source="vm-db", state="restored") == ["restore_volume"]


def test_what_a_killed_run_has_left_goes(world: World) -> None:
    world.volumes.clone("vm-db", "vm-db.copy.new", ())
    world.volumes.create("vm-db.restored.new", MIB, ())
    world.objects.put(f"{PARTS}00000001.gz", b"left")
    assert world.do() == ["store_copy"]
    assert world.do(state="restored", overwrite=True) == ["restore_volume"]
    assert world.names() == ["vm-db"]
    world.volumes.clone("vm-db", "vm-db.copy.new", ())
    assert world.do() == ["remove_unfinished"]
    assert world.names() == ["vm-db"]
    assert world.do() == []


def test_a_store_that_fails_leaves_no_snapshot(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    # More parts than are worked on at once: the disk is still being read.
    world.volumes.grow("vm-db", 9 * PART)
    world.write(CONTENT[:MIB] * (9 * PART // MIB))

    def put(key: str, content: bytes) -> None:
        if "00000002" in key:
            raise EngineError("write", key, "the bucket's quota is full")
        world.objects.content[key] = content

    monkeypatch.setattr(world.objects, "put", put)
    with pytest.raises(EngineError, match="quota is full"):
        world.do()
    assert (world.names(), world.objects.content) == (["vm-db"], {})


def test_a_store_that_loses_something_has_no_copy(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    put = world.objects.put
    monkeypatch.setattr(world.objects, "put", lambda key, content: None if "00000002" in key else put(key, content))
    with pytest.raises(EngineError, match="the store has not what was sent"):
        world.do()
    assert (world.names(), world.objects.content) == (["vm-db"], {})


def test_a_disk_that_is_shorter_than_lvm_says_is_told(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    clone = world.volumes.clone

    def cut(*arguments: Any) -> Any:
        made = clone(*arguments)
        os.truncate(made.path, PART + 5)
        return made

    monkeypatch.setattr(world.volumes, "clone", cut)
    with pytest.raises(EngineError, match=rf"^Cannot read .*: it ends after {PART + 5} bytes$"):
        world.do()
    assert world.names() == ["vm-db"]


def described(world: World, **change: Any) -> None:
    told = json.loads(world.objects.content[DESCRIPTION])
    world.objects.content[DESCRIPTION] = json.dumps({**told, **change}).encode()


def replaced(world: World, number: int, packed: bytes) -> None:
    """Put another part in place of one, and say so in the description."""
    key = f"{PARTS}{number:08}.gz"
    stored = json.loads(world.objects.content[DESCRIPTION])["stored"] - len(world.objects.content[key]) + len(packed)
    world.objects.content[key] = packed
    described(world, stored=stored)


HOSTILE = {
    "no JSON": (lambda world: world.objects.put(DESCRIPTION, b"{"), "its description is not JSON"),
    "much JSON": (lambda world: world.objects.put(DESCRIPTION, b" " * 70_000), "its description has 70000 bytes"),
    "a size too small": (lambda world: described(world, size=2 * PART), "it has 1 parts with"),
    "a size too large": (lambda world: described(world, size=len(CONTENT) + 1), "another sha256"),
    "another digest": (lambda world: described(world, sha256="0" * 64), "another sha256"),
    "less data than there is": (lambda world: described(world, data=MIB), f"it holds more than {MIB} bytes"),
    "a part cut off": (lambda world: replaced(world, 0, pack(CONTENT[:PART])[:-9]), "its part 0 is not as it was stored: it breaks off"),
    "a bomb": (lambda world: replaced(world, 0, pack(bytes(4 * PART))), "its part 0 is not .*: it unpacks to more than 16M"),
    "noise": (lambda world: replaced(world, 2, b"x" * 99), "its part 2 is not as it was stored: it cannot be unpacked"),
    "another part": (lambda world: replaced(world, 2, pack(b"x" + CONTENT[2 * PART + 1 : 3 * PART])), "another sha256"),
    "a part lost": (lambda world: world.objects.delete(f"{PARTS}00000002.gz"), "it has 1 parts with"),
}


@pytest.mark.parametrize("case", HOSTILE)
def test_what_is_not_as_it_was_stored_is_told_and_leaves_nothing(case: str, world: World) -> None:
    spoil, message = HOSTILE[case]
    world.do()
    spoil(world)
    for options in ({"volume": "look", "source": "vm-db"}, {"overwrite": True}):
        with pytest.raises(ZonalError, match=rf"^name: the copy s3://copies/{DESCRIPTION} is damaged: .*{message}"):
            world.do(state="restored", **options)
    assert world.names() == ["vm-db"]
    assert world.read("vm-db") == CONTENT
    assert world.do(state="absent") == ["remove_copy"]
    assert world.objects.content == {}


def test_a_part_that_goes_while_it_is_read_is_told(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.do()
    read = world.objects.read
    monkeypatch.setattr(world.objects, "read", lambda key, limit: None if "00000002" in key else read(key, limit))
    with pytest.raises(RefusedError, match="is damaged: its part 2 is missing"):
        world.do(state="restored", overwrite=True)


def test_a_copy_needs_room(world: World) -> None:
    world.do()
    world.volumes.used = world.volumes.capacity - MIB
    with pytest.raises(RefusedError, match="holds 2M, but the thin pool zonal/pool has 1M free"):
        world.do(state="restored", overwrite=True)
    # What a killed run has left may hide how little there is.
    world.volumes.create("vm-db.restored.new", MIB, ())
    with pytest.raises(RefusedError, match="holds 2M, but the thin pool zonal/pool has 1M free"):
        world.do(state="restored", overwrite=True)
    assert world.names() == ["vm-db"]


def test_another_run_that_was_faster_has_made_the_copy(world: World) -> None:
    slow = world.resource()
    plan = slow.plan(slow.observe())
    world.do()
    written = len(world.objects.written)
    with slow.fetched(plan) as told:
        assert told == {}
        assert slow.plan(slow.observe()).steps == ()
        with pytest.raises(RefusedError, match="was changed by another run meanwhile; run again"):
            slow.apply(plan.steps[0])
    assert len(world.objects.written) == written


def test_a_snapshot_that_another_run_reads_is_not_taken_for_a_leftover(world: World) -> None:
    world.do()
    other = world.resource(name="tuesday")
    ours = world.resource()
    with other.fetched(other.plan(other.observe())):
        seen = ours.plan(ours.observe())
        assert [step.action for step in seen.steps] == ["remove_unfinished"]
    with ours.fetched(seen):
        assert ours.plan(ours.observe()).steps == ()


def test_nothing_is_there_where_nothing_is_installed(world: World) -> None:
    assert world.resource().nothing() == CopyState()


def test_copies_are_listed_faulty_ones_among_them(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.do()
    world.do(name="sunday")
    world.objects.put("copies/vm-web/x.json", b"{}")
    world.objects.put("copies/readme.txt", b"")
    monkeypatch.setattr(disk_copy, "S3Objects", lambda _access, _bucket: world.objects)
    access = {"endpoint": "https://s3.example", "access_key": "A", "secret_key": "S", "ca_file": None, "region": "x"}
    found = read_disk_copies({"bucket": "copies", "volume": None, **access}, lambda *_words, **_options: "")["copies"]
    assert [(item["volume"], item["name"], item["problem"]) for item in found] == [
        ("vm-db", "monday", ""),
        ("vm-db", "sunday", ""),
        ("vm-web", "x", "it was written by another version of this collection"),
    ]
    assert (found[0]["size"], found[0]["sha256"]) == ("52M", hashlib.sha256(CONTENT).hexdigest())
    assert len(read_disk_copies({"bucket": "copies", "volume": "vm-web", **access}, lambda *_words, **_options: "")["copies"]) == 1
