# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs on a lab host: snapshots of a VM with LVM and libvirt, taken and restored by processes that are killed.

python3 -m ansible_collections.zonal.cloud.tests.lab.zone.cut_snapshots take|restore VM GROUP POOL FILE

Before each change, and in the middle of LVM's. FILE, a path in the guest, holds what its snapshots are to hold. Each cut is followed by a
run that is not cut, and by a look at what is left.
"""

from __future__ import annotations

import glob
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path

from ansible_collections.zonal.cloud.plugins.module_utils._adapters.docker_engine import DockerEngine
from ansible_collections.zonal.cloud.plugins.module_utils._adapters.guest_release import released_after_us
from ansible_collections.zonal.cloud.plugins.module_utils._adapters.host_lock import host_lock
from ansible_collections.zonal.cloud.plugins.module_utils._adapters.libvirt_engine import LibvirtEngine
from ansible_collections.zonal.cloud.plugins.module_utils._adapters.lvm import LvmVolumes
from ansible_collections.zonal.cloud.plugins.module_utils._domain.names import snapshot_of, volume_of
from ansible_collections.zonal.cloud.plugins.module_utils._domain.snapshot import ABSENT, AGENT, HELD, PRESENT, RESTORED, SnapshotWish
from ansible_collections.zonal.cloud.plugins.module_utils._module.snapshot import SnapshotResource, root_disk
from ansible_collections.zonal.cloud.tests.host_command import run_command
from ansible_collections.zonal.cloud.tests.unit.plugins.fakes.copies import NO_COPIES
from ansible_collections.zonal.cloud.tests.unit.plugins.fakes.fuse import VM_CHANGES, VOLUME_CHANGES, Fuse

LABEL = "cut"
KEPT, LOST = "precious", "lost"


class Agentless(LibvirtEngine):
    """As if the guest had no agent, so that it is paused."""

    @contextmanager
    def quiet(self, name: str) -> Iterator[str]:
        yield f"{name} has no agent"


class Bomb(Fuse):
    """Kills the process before a change, and with ``delay`` so many seconds after it has begun; LVM with it when ``all_of_it``."""

    def __init__(self, calls: int, delay: float = 0, *, all_of_it: bool = False) -> None:
        super().__init__(calls)
        self.delay = delay
        self.told = -1
        self._all = all_of_it

    def burn(self, call: str) -> None:
        if self._left == 0:
            os.write(self.told, call.partition(" ")[0].encode())
            print(f"  cut at {call}{f' + {self.delay} s' if self.delay else ''}{', LVM too' if self._all else ''}", flush=True)
            if not self.delay:
                os.kill(os.getpid(), signal.SIGKILL)
            leader = os.getpid()
            if os.fork() == 0:
                time.sleep(self.delay)
                with suppress(ProcessLookupError):
                    (os.killpg if self._all else os.kill)(leader, signal.SIGKILL)
                os._exit(0)
        self._left -= 1
        self.passed.append(call)


class Bench:
    """The VM, and what is done to its snapshots, in processes of their own: libvirt's library has threads, with which none is forked."""

    def __init__(self, vm: str, group: str, pool: str, file: str) -> None:
        self.vm = vm
        self.file = file
        self.disk = f"/dev/{group}/{volume_of(vm)}"
        self.kept = f"/dev/{group}/{snapshot_of(vm, LABEL)}"
        self.volumes = LvmVolumes(run_command, group, pool)
        self.engine: Callable[[], LibvirtEngine] = LibvirtEngine
        self.before = {volume.name for volume in self.volumes.list()}

    def run(self, state: str) -> list[str]:
        """Do what a run of the module does, and return its steps."""
        return list(self._undisturbed(state)["steps"])

    def cut(self, state: str, fuse: Bomb) -> str:
        """Do a run that is killed, and return at which change. One that is killed some time later may have come to its end."""
        with tempfile.TemporaryFile("w+") as told:
            fuse.told = told.fileno()
            status = self._forked(state, fuse, fuse.told)
            assert os.WIFSIGNALED(status) or (fuse.delay and status == 0), status
            told.seek(0)
            return told.read().partition("{")[0]

    def bombs(self, state: str, first: str, middle: str, *moments: float) -> list[Bomb]:
        """Do a run that nothing disturbs, and return a bomb for each change from ``first`` on, and one for each of the moments of
        ``middle``, every other of which takes LVM along."""
        told = self._undisturbed(state)
        calls = [call.partition(" ")[0] for call in told["calls"]]
        late = [Bomb(calls.index(middle), delay, all_of_it=number % 2 == 0) for number, delay in enumerate(moments)]
        return [*map(Bomb, range(calls.index(first), len(calls))), *late]

    def _undisturbed(self, state: str) -> dict[str, list[str]]:
        with tempfile.TemporaryFile() as told:
            status = self._forked(state, Fuse(1000), told.fileno())
            assert status == 0, status
            told.seek(0)
            return dict(json.load(told))

    def _forked(self, state: str, fuse: Fuse, told: int) -> int:
        child = os.fork()
        if child == 0:
            os.setsid()
            with exits():
                steps = self._converge(state, fuse)
                os.write(told, json.dumps({"steps": steps, "calls": fuse.passed}).encode())
        return os.waitpid(child, 0)[1]

    def _converge(self, state: str, fuse: Fuse) -> list[str]:
        vms = fuse.guard(self.engine(), "quiet", *VM_CHANGES)
        volumes = fuse.guard(self.volumes, "resume", *VOLUME_CHANGES)
        with host_lock(timeout=60):
            disk = root_disk(self.vm, DockerEngine(), NO_COPIES, vms, volumes, partial(released_after_us, run_command))
            resource = SnapshotResource(SnapshotWish(self.vm, LABEL, state, restart=True), disk, 0)
            plan = resource.plan(resource.observe())
            for step in plan.steps:
                resource.apply(step)
        return [step.action for step in plan.steps]

    def is_well(self, *more: str) -> None:
        """Nothing is left, nobody holds the lock, and the VM runs, neither paused nor frozen, on a disk that answers."""
        assert self.left() == list(more)
        eventually(lambda: not glob.glob("/run/zonal-cloud.held.*"), "the end of who would release the VM")
        with host_lock(timeout=0):
            pass
        assert sh(f"virsh domstate {self.vm}").split() == ["running"]
        assert "Suspended" not in sh("dmsetup info --columns --noheadings --options suspended")

    def left(self) -> list[str]:
        """Return the volumes that were not there in the beginning; none of those may have gone."""
        found = {volume.name for volume in self.volumes.list()}
        assert found >= self.before
        return sorted(found - self.before)

    def is_thawed(self) -> None:
        assert "thawed" in sh(f"""virsh qemu-agent-command {self.vm} '{{"execute": "guest-fsfreeze-status"}}'""")

    def kept_text(self) -> str:
        """Return what the file holds in the snapshot."""
        sh(f"lvchange --yes --activate y --ignoreactivationskip {self.kept}")
        try:
            return sh(f"debugfs -R 'cat {self.file}' {self.kept} 2>/dev/null").strip()
        finally:
            sh(f"lvchange --activate n {self.kept}")

    def exchange(self, text: str) -> str:
        """Write the file of the VM, which is off, and return what it held."""
        with tempfile.TemporaryDirectory() as folder:
            sh(f"mount {self.disk} {folder}")
            try:
                path = Path(folder, self.file.lstrip("/"))
                before = path.read_text().strip()
                path.write_text(text + "\n")
            finally:
                sh(f"umount {folder}")
        return before


def take(bench: Bench) -> None:
    for engine, how, moments in ((LibvirtEngine, AGENT, (0.05, 0.35)), (Agentless, HELD, (0.2,))):
        bench.engine = engine
        for fuse in bench.bombs(PRESENT, "preserve", "preserve", *moments):
            bench.run(ABSENT)
            bench.cut(PRESENT, fuse)
            steps = bench.run(PRESENT)
            bench.is_well(snapshot_of(bench.vm, LABEL))
            bench.is_thawed()
            assert bench.kept_text() == KEPT
            assert bench.run(PRESENT) == []
            print("ok take", how, *steps, flush=True)
        bench.run(ABSENT)
    bench.is_well()


def restore(bench: Bench) -> None:
    """Each run goes on where the one before it was killed, up to the start of the VM, which takes long here and which the last one does."""
    bench.run(PRESENT)
    calls, at = 0, ""
    while at != "start":
        at = bench.cut(RESTORED, Bomb(calls))
        calls += 1
    bench.cut(RESTORED, Bomb(1, 0.2, all_of_it=True))
    assert bench.exchange(LOST) == KEPT
    print("ok restore", calls, *bench.run(RESTORED), flush=True)
    bench.is_well(snapshot_of(bench.vm, LABEL))
    assert sh(f"debugfs -R 'cat {bench.file}' {bench.disk} 2>/dev/null").strip() == KEPT
    bench.run(ABSENT)
    bench.is_well()


def main(what: str, *words: str) -> None:
    {"take": take, "restore": restore}[what](Bench(*words))


@contextmanager
def exits() -> Iterator[None]:
    """End the process after the block, telling what went wrong."""
    try:
        yield
    except BaseException:
        traceback.print_exc()
        os._exit(1)
    os._exit(0)


def sh(script: str) -> str:
    done = subprocess.run(["/bin/sh", "-c", script], stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{script}: {done.stdout}{done.stderr}"
    return done.stdout


def eventually(check: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + 20
    while not check():
        assert time.monotonic() < deadline, what
        time.sleep(0.2)


if __name__ == "__main__":
    main(*sys.argv[1:])
