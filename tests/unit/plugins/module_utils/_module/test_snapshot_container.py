# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Snapshots of a container against a fake docker and real folders: what is cut off anywhere is finished by the next run."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.zonal.cloud.plugins.module_utils._adapters.guest_release import RESUME_CONTAINER
from ansible_collections.zonal.cloud.plugins.module_utils._adapters.layer_copies import FolderLayers
from ansible_collections.zonal.cloud.plugins.module_utils._domain.container_found import Layer, parse_layer
from ansible_collections.zonal.cloud.plugins.module_utils._domain.errors import RefusedError, SpecError
from ansible_collections.zonal.cloud.plugins.module_utils._domain.instance import ABSENT, PAUSED, RUNNING, STOPPED, Wish
from ansible_collections.zonal.cloud.plugins.module_utils._domain.snapshot import CURRENT, PRESENT, RESTORED, SnapshotWish
from ansible_collections.zonal.cloud.plugins.module_utils._module import container
from ansible_collections.zonal.cloud.plugins.module_utils._module.container import ContainerResource
from ansible_collections.zonal.cloud.plugins.module_utils._module.container_found import list_containers
from ansible_collections.zonal.cloud.plugins.module_utils._module.snapshot import SnapshotResource, root_disk
from ansible_collections.zonal.cloud.plugins.module_utils._ports import EngineError
from ansible_collections.zonal.cloud.tests.host_command import run_command
from ansible_collections.zonal.cloud.tests.unit.plugins.fakes.containers import FakeContainers
from ansible_collections.zonal.cloud.tests.unit.plugins.fakes.copies import NO_COPIES
from ansible_collections.zonal.cloud.tests.unit.plugins.fakes.data_disks import data_disks
from ansible_collections.zonal.cloud.tests.unit.plugins.fakes.fuse import CONTAINER_CHANGES, Fuse, PowerCut
from ansible_collections.zonal.cloud.tests.unit.plugins.fakes.guest_disks import FilledVolumes
from ansible_collections.zonal.cloud.tests.unit.plugins.fakes.instances import converge, wish
from ansible_collections.zonal.cloud.tests.unit.plugins.fakes.vms import FakeVms
from ansible_collections.zonal.cloud.tests.unit.plugins.fakes.volumes import FakeVolumes

OLD = {"etc/motd": "old", "srv/a/b": "kept", "gone": "old"}
NEW = {"etc/motd": "new", "srv/a/b": "kept", "srv/c": "new"}
LABEL = "monday"


class Host:
    """A host whose docker is a fake, with the container web; what it has written is in a real folder."""

    def __init__(self, folder: Path) -> None:
        shutil.rmtree(folder, ignore_errors=True)
        self.folder = folder
        self.layer = folder / "layers" / "web"
        self.engine, self.vms = FakeContainers(), FakeVms()
        self.engine.layers = str(folder / "layers")
        self.engine.import_image("archive", "debian:13", {})
        self.copies = FolderLayers(run_command, lambda: str(folder))
        times = count(1)
        self.now: Callable[[], str] = lambda: f"2026-11-28T02:00:{next(times):02d}Z"
        self.paused_at: list[str] = []
        converge(self.instance(wish("container")))
        self.write(OLD)

    def instance(self, wanted: Wish, fuse: Fuse | None = None) -> ContainerResource:
        engine = (fuse or Fuse(-1)).guard(self.engine, *CONTAINER_CHANGES)
        copies = self.cut_copies(fuse, half=False) if fuse else self.copies
        return ContainerResource(wanted, engine, self.vms, copies, data_disks(FilledVolumes(), self.vms), 0)

    def write(self, content: dict[str, str]) -> None:
        shutil.rmtree(self.layer, ignore_errors=True)
        for name, text in content.items():
            (self.layer / name).parent.mkdir(parents=True, exist_ok=True)
            (self.layer / name).write_text(text)

    def read(self, folder: Path | None = None) -> dict[str, str]:
        folder = folder or self.layer
        return {str(path.relative_to(folder)): path.read_text() for path in folder.rglob("*") if path.is_file()}

    def power(self) -> str:
        found = self.engine.find("web")
        assert found is not None
        return PAUSED if found["State"]["Paused"] else RUNNING if found["State"]["Running"] else STOPPED

    def policy(self) -> object:
        found = self.engine.find("web")
        assert found is not None
        return found["HostConfig"]["RestartPolicy"]["Name"]

    def put(self, power: str) -> None:
        if power == STOPPED:
            self.engine.stop("web", 0)
        elif power == PAUSED:
            self.engine.pause("web")

    @contextmanager
    def release(self, name: str, command: Sequence[str]) -> Iterator[None]:
        """Do at a power cut what the process beside does when this one is killed."""
        try:
            yield
        except PowerCut:
            if tuple(command) == RESUME_CONTAINER and self.power() == PAUSED:
                self.engine.resume(name)
            raise

    def cut_copies(self, fuse: Fuse, *, half: bool) -> FolderLayers:
        """Return copies whose programs are cut off: before they begin, or, ``half``, when they have done a part."""

        def command(argv: Sequence[str], *, stdin: str | None = None, timeout: float = 120) -> str:
            program, *words = argv[argv.index("KILL") + 1 :]
            try:
                fuse.burn(" ".join(argv))
            except PowerCut:
                if half and program == "cp":
                    os.makedirs(words[-1], exist_ok=True)
                    Path(words[-1], "half").write_text("half")
                elif half and program in ("rm", "find"):
                    for path in [path for path in sorted(Path(words[0 if program == "find" else -1]).rglob("*")) if path.is_file()][:2]:
                        path.unlink()
                raise
            if program == "cp":
                self.paused_at.append(self.power())
            return run_command(argv, stdin=stdin, timeout=timeout)

        return FolderLayers(command, lambda: str(self.folder))

    def resource(self, wanted: SnapshotWish, fuse: Fuse | None = None, *, half: bool = False) -> SnapshotResource:
        fuse = fuse or Fuse(-1)
        engine = fuse.guard(self.engine, *CONTAINER_CHANGES)
        disk = root_disk(wanted.instance, engine, self.cut_copies(fuse, half=half), self.vms, FakeVolumes(), self.release)
        return SnapshotResource(wanted, disk, 0, self.now)

    def do(self, name: str = LABEL, state: str = PRESENT, keep: int = 0, *, restart: bool = True) -> list[str]:
        return converge(self.resource(SnapshotWish("web", name, state, keep, restart)))

    def cut(self, state: str, calls: int, *, half: bool) -> Fuse:
        fuse = Fuse(calls)
        with suppress(PowerCut):
            converge(self.resource(SnapshotWish("web", LABEL, state, restart=True), fuse, half=half))
        return fuse

    def shown(self) -> list[dict[str, Any]]:
        resource = self.resource(SnapshotWish("web", LABEL))
        return list(resource.report(resource.observe())["snapshots"])

    def left(self) -> list[str]:
        folder = self.folder / "zonal-snapshots" / "web"
        return sorted(os.listdir(folder)) if folder.exists() else []


@pytest.fixture
def new_host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], Host]:
    monkeypatch.setattr(container, "is_bridge", lambda name: True)
    return lambda: Host(tmp_path / "host")


@pytest.fixture
def host(new_host: Callable[[], Host]) -> Host:
    return new_host()


@pytest.mark.parametrize(("power", "consistent"), [(RUNNING, "paused"), (PAUSED, "paused"), (STOPPED, "stopped")])
def test_it_is_held_still_for_the_copy_only(host: Host, power: str, consistent: str) -> None:
    host.put(power)
    assert (host.do(), host.do()) == (["take"], [])
    assert (host.paused_at, host.power()) == ([PAUSED if power == RUNNING else power], power)
    assert host.shown() == [{"name": LABEL, "created": "2026-11-28T02:00:01Z", "consistent": consistent, "size": None}]
    assert (host.folder / "zonal-snapshots").stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize("half", [False, True])
def test_a_snapshot_that_is_cut_off_is_none_and_nobody_stays_paused(new_host: Callable[[], Host], half: bool) -> None:
    calls = 0
    while True:
        host = new_host()
        fuse = host.cut(PRESENT, calls, half=half)
        assert host.power() == RUNNING, fuse.passed
        if not fuse.blown:
            break
        assert host.shown() == []
        assert host.do()[-1] == "take"
        assert (host.read(host.folder / "zonal-snapshots/web/monday/data"), host.left()) == (OLD, [LABEL])
        calls += 1
    assert calls == 4


def test_a_copy_that_fails_lets_it_go_on_and_leaves_nothing(host: Host) -> None:
    shutil.rmtree(host.layer)
    with pytest.raises(EngineError, match=r"^Cannot run .*cp .*No such file or directory"):
        host.do()
    assert (host.power(), host.left()) == (RUNNING, [])


@pytest.mark.parametrize("power", [RUNNING, PAUSED, STOPPED])
def test_a_snapshot_is_restored_as_often_as_one_likes(host: Host, power: str) -> None:
    host.do()
    folder = host.layer.stat().st_ino
    for _dummy in range(2):
        for name, text in NEW.items():
            (host.layer / name).write_text(text)
        (host.layer / "gone").unlink()
        host.put(power)
        host.do(state=RESTORED)
        assert (host.read(), host.power(), host.left()) == (OLD, power, [LABEL])
    assert host.layer.stat().st_ino == folder


@pytest.mark.parametrize("half", [False, True])
@pytest.mark.parametrize("then", ["nothing else", "the host loses power"])
@pytest.mark.parametrize("power", [RUNNING, PAUSED, STOPPED])
def test_a_restore_that_is_cut_off_is_finished_by_the_next(new_host: Callable[[], Host], power: str, then: str, half: bool) -> None:
    calls = broken = 0
    while True:
        host = new_host()
        host.do()
        host.write(NEW)
        host.put(power)
        fuse = host.cut(RESTORED, calls, half=half)
        if host.read() not in (NEW, OLD):
            broken += 1
            with pytest.raises(
                RefusedError, match=r"^name: a snapshot of web was being restored .* zonal\.cloud\.snapshot, state: restored"
            ):
                converge(host.instance(wish("container")))
            with pytest.raises(RefusedError, match=r"^instance: web was being restored"):
                host.do("friday")
            assert converge(host.instance(wish("container", power=STOPPED))) == []
        left = host.resource(SnapshotWish("web", LABEL)).observe()
        if left.before and then != "nothing else":
            host.engine.stop("web", 0)
        host.do(state=RESTORED)
        assert (host.read(), host.power(), host.left()) == (OLD, power, [LABEL]), fuse.passed
        if not fuse.blown:
            break
        calls += 1
    assert broken > 0
    assert calls >= 3


def test_docker_starts_no_half_of_what_it_restarts_on_failure(new_host: Callable[[], Host]) -> None:
    calls = broken = 0
    while True:
        host = new_host()
        converge(host.instance(wish("container", restart_policy="on-failure")))
        host.do()
        host.write(NEW)
        fuse = host.cut(RESTORED, calls, half=True)
        if host.read() not in (NEW, OLD):
            broken += 1
            assert host.policy() == "no"
        host.do(state=RESTORED)
        assert (host.read(), host.power(), host.policy()) == (OLD, RUNNING, "on-failure"), fuse.passed
        if not fuse.blown:
            break
        calls += 1
    assert broken > 0


def test_what_a_restore_that_has_not_begun_leaves_is_in_nobodys_way(host: Host) -> None:
    host.do()
    host.write(NEW)
    fuse = host.cut(RESTORED, 0, half=False)
    assert (fuse.blown, host.left()) == (True, [LABEL, "restore.json"])
    assert host.do("friday") == ["sweep", "take"]
    assert (host.read(), host.left()) == (NEW, ["friday", LABEL])


def test_the_oldest_go_also_when_that_is_cut_off(new_host: Callable[[], Host]) -> None:
    for calls in range(12):
        host, fuse = new_host(), Fuse(calls)
        for number in (1, 2):
            host.do(f"auto-{number}")
        with suppress(PowerCut):
            converge(host.resource(SnapshotWish("web", "auto-3", keep=1), fuse))
        whole = [item["name"] for item in host.shown()]
        assert all(host.read(host.folder / f"zonal-snapshots/web/{name}/data") == OLD for name in whole)
        host.do("auto-3", keep=1)
        assert host.left() == ["auto-3"]
    assert not fuse.blown


@pytest.mark.parametrize(
    "wanted",
    [wish("container", power=ABSENT), wish("container", hostname="b", allow=("restart", "recreate"))],
    ids=["removed", "made anew"],
)
def test_snapshots_go_with_the_container_also_when_that_is_cut_off(new_host: Callable[[], Host], wanted: Wish) -> None:
    for calls in range(20):
        host, fuse = new_host(), Fuse(calls)
        host.do()
        host.do("friday")
        host.copies.write_note("web", {"half": True})
        with suppress(PowerCut):
            converge(host.instance(wanted, fuse))
        if host.engine.find("web") is not None:
            assert all(host.read(host.folder / f"zonal-snapshots/web/{item['name']}/data") == OLD for item in host.shown())
        converge(host.instance(wanted))
        assert host.left() == [], fuse.passed
    assert not fuse.blown


def test_a_new_one_in_place_of_one_that_was_removed_by_hand_is_whole(host: Host) -> None:
    host.copies.copy(str(host.layer), "web", LABEL)
    host.copies.write_note("web", {"half": True})
    host.engine.remove("web")
    converge(host.instance(wish("container")))
    host.engine.stop("web", 0)
    assert converge(host.instance(wish("container"))) == ["start"]


def test_snapshots_of_a_container_that_somebody_has_removed_are_told_and_go_with_it(host: Host) -> None:
    host.do()
    host.engine.remove("web")
    resource = host.instance(wish("container"))
    assert converge(resource) == ["create", "start"]
    told = "container web: it is new and has the snapshots of an earlier one of this name, monday: restore or remove them"
    assert resource.warning(resource.observe()) == told
    host.engine.remove("web")
    assert converge(host.instance(wish("container", power=ABSENT))) == ["remove"]
    assert host.copies.copies("web") == {}
    assert converge(host.instance(wish("container", power=ABSENT))) == []


def test_a_snapshot_fits_only_its_image(host: Host) -> None:
    host.do()
    host.engine.remove("web")
    host.engine.import_image("archive", "debian:13", {"other": "content"})
    converge(host.instance(wish("container")))
    with pytest.raises(RefusedError, match=r"^instance: the snapshot monday is not known to be of the image of web"):
        host.do(state=RESTORED)
    assert host.do("friday") == ["take"]
    assert host.do(state="absent") == ["remove"]


def test_another_driver_is_one_message(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    found = host.engine.find("web")
    assert found is not None
    monkeypatch.setattr(host.engine, "find", lambda name: {**found, "GraphDriver": {"Name": "btrfs", "Data": None}})
    with pytest.raises(RefusedError, match=r"^instance: docker keeps what web writes by btrfs, and snapshots need overlay2"):
        host.do()


POLICY = {"every": "1m", "keep": 2}


def current(host: Host) -> list[str]:
    return host.do("", CURRENT)


def test_the_policy_is_live_and_stays_with_the_container(host: Host) -> None:
    found = host.engine.find("web")
    for policy in (POLICY, {"every": "1m", "keep": 1}, {}):
        wanted = wish("container", snapshots=policy)
        assert (converge(host.instance(wanted)), converge(host.instance(wanted)), converge(host.instance(wish("container")))) == (
            ["update"],
            [],
            [],
        )
        assert [item.spec.get("snapshots", {}) for item in list_containers(host.engine, host.copies)] == [wanted.spec["snapshots"]]
    assert (host.engine.find("web"), host.left()) == (found, [])
    converge(host.instance(wish("container", snapshots=POLICY)))
    # What is not wanted of it stays as it was.
    converge(host.instance(wish("container", hostname="b", allow=("restart", "recreate"))))
    assert host.left() == ["policy.json"]
    assert converge(host.instance(wish("container", power=ABSENT))) == ["remove"]
    assert host.left() == []


def test_a_policy_takes_what_is_due_and_removes_only_what_it_took(host: Host) -> None:
    assert current(host) == []
    converge(host.instance(wish("container", snapshots=POLICY)))
    host.do()
    done = []
    for minute in (0, 0, 1, 1, 2):
        host.now = partial(str, f"2026-11-28T02:{minute:02d}:00Z")
        done.append(" ".join(current(host)))
    assert done == ["take", "", "take", "", "take expire"]
    assert host.left() == [LABEL, "policy-20261128-020100", "policy-20261128-020200", "policy.json"]


@pytest.mark.parametrize("text", ["{", "[]", '{"every": 1, "keep": 2}'])
def test_a_policy_that_cannot_be_read_is_none_until_it_is_written_again(host: Host, text: str) -> None:
    converge(host.instance(wish("container", snapshots=POLICY)))
    (host.folder / "zonal-snapshots/web/policy.json").write_text(text)
    assert current(host) == []
    assert converge(host.instance(wish("container", snapshots=POLICY))) == ["update"]
    assert current(host) == ["take"]


def test_one_that_is_made_anew_without_a_policy_has_not_that_of_one_that_was_removed_by_hand(host: Host) -> None:
    converge(host.instance(wish("container", snapshots=POLICY)))
    host.engine.remove("web")
    converge(host.instance(wish("container")))
    assert (current(host), host.left()) == ([], [])


LAYERS: list[tuple[dict[str, Any], Layer]] = [
    ({}, Layer("", "", "")),
    ({"GraphDriver": None, "Image": None}, Layer("", "", "")),
    ({"GraphDriver": {"Name": "vfs", "Data": None}, "Image": "sha256:1"}, Layer("vfs", "", "sha256:1")),
    ({"GraphDriver": {"Name": "overlay2", "Data": {"UpperDir": "/x/diff"}}}, Layer("overlay2", "/x/diff", "")),
]


@pytest.mark.parametrize(("body", "layer"), LAYERS)
def test_layers_are_read(body: dict[str, Any], layer: Layer) -> None:
    assert parse_layer(body) == layer


def test_without_a_folder_there_is_nothing() -> None:
    assert (NO_COPIES.copies("web"), NO_COPIES.note("web")) == ({}, None)
    NO_COPIES.clear("web")
    NO_COPIES.sweep("web")


@pytest.mark.parametrize("text", ["{", "[]", "{}"])
def test_a_snapshot_without_its_description_can_be_removed_only(host: Host, text: str) -> None:
    host.do()
    (host.folder / "zonal-snapshots/web/monday/about.json").write_text(text)
    assert host.shown() == [{"name": LABEL, "created": None, "consistent": None, "size": None}]
    with pytest.raises(RefusedError, match=r"^instance: the snapshot monday is not known to be"):
        host.do(state=RESTORED)
    assert host.do(state="absent") == ["remove"]


def test_a_note_that_is_none_is_one_message(host: Host) -> None:
    host.do()
    (host.folder / "zonal-snapshots/web/restore.json").write_text("{")
    with pytest.raises(EngineError, match=r"^Cannot read .*/web/restore\.json: it is not as it was written"):
        host.do()
    assert converge(host.instance(wish("container", power=ABSENT))) == ["remove"]


def test_what_docker_commits_of_one_has_no_snapshots(host: Host) -> None:
    found = host.engine.find("web")
    assert found is not None
    host.engine.create("debug", {"Image": "debian:13", "Labels": found["Config"]["Labels"]})
    with pytest.raises(SpecError, match=r"^instance: 'debug' is no instance of zonal\.cloud on this host"):
        host.resource(SnapshotWish("debug", LABEL))
