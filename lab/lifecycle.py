# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What can be done to the lab as a whole and to one host. Each function takes the lab's lock itself."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterable
from contextlib import AbstractContextManager

from lab import netns, relay, remote, rootfs, state, uml
from lab.cache import locked
from lab.errors import LabError
from lab.kernel import kernel
from lab.model import identity, wanted_hosts
from lab.paths import Paths
from lab.progress import BEAT, Progress
from lab.shell import last_line
from lab.state import Book, HostRecord

BOOT_SECONDS = 600.0  # a busy machine with many hosts needs minutes


def up(paths: Paths, progress: Progress, *, count: int, releases: str, flavour: str, memory: str) -> None:
    """Bring ``count`` hosts up; what runs is kept, what is dead boots with its disks, what is missing is made."""
    wanted = wanted_hosts(count, releases)
    with _locked(paths, progress):
        book = state.load(paths.book)
        missing = [release for name, release in wanted.items() if name not in book.hosts]
        program = kernel(paths, progress)
        bases = rootfs.base_disks(paths, missing, flavour, program, progress)
        for name, release in wanted.items():
            known = book.hosts.get(name)
            if known is None:
                book.hosts[name] = HostRecord(release, flavour, memory, base=str(bases[release]), kernel=str(program.program))
            elif (known.release, known.flavour) != (release, flavour):
                progress.say(f"{name} stays {known.release} {known.flavour} (zonal-lab down first to change it)")
        started = _boot(paths, progress, book, wanted)
        _wait(paths, progress, book, started or list(wanted))


def start(paths: Paths, progress: Progress, name: str) -> None:
    """Boot a host that does not run, with its disks, and wait for ssh."""
    with _locked(paths, progress):
        book = state.load(paths.book)
        book.host(name)
        if not _boot(paths, progress, book, [name]):
            progress.say(f"{name} runs already")
        _wait(paths, progress, book, [name])


def kill(paths: Paths, progress: Progress, name: str) -> None:
    """Cut a host's power and wait until its process is gone."""
    with _locked(paths, progress):
        book = state.load(paths.book)
        process = book.host(name).process
        was_alive = process is not None and process.end()
        book.hosts[name].process = None
        remote.forget_connections(paths, identity(name).address)
        state.save(paths.book, book)
    progress.say(f"{name}: power cut" if was_alive else f"{name} did not run")


def reboot(paths: Paths, progress: Progress, name: str) -> None:
    """Ask a host to reboot and wait until its ssh server answers again."""
    with _locked(paths, progress):
        book = state.load(paths.book)
        book.host(name)
        before = _boot_id(paths, name)
        if before is None:
            raise LabError(f"cannot reboot {name}: no answer by ssh (see zonal-lab status; zonal-lab start {name})")
        remote.forget_connections(paths, identity(name).address)
        remote.on_host(paths, name, ["systemctl", "reboot"])
        progress.say(f"{name}: reboot asked for")
        deadline = time.monotonic() + BOOT_SECONDS
        while _boot_id(paths, name) in (None, before):
            process = book.hosts[name].process
            if process is None or not process.alive():
                raise LabError(f"{name} ended instead of rebooting: see {paths.log(name)}; zonal-lab start {name}")
            if time.monotonic() > deadline:
                raise LabError(f"{name} is not back after {BOOT_SECONDS:.0f} s: see {paths.log(name)}")
            time.sleep(1)
        progress.say(f"{name}: back")


def down(paths: Paths, progress: Progress) -> None:
    """Stop every host and helper of this lab; remove namespace, disks and state. Fine when there is no lab, or its book is damaged."""
    with _locked(paths, progress):
        try:
            book = state.load(paths.book)
        except LabError as error:
            progress.say(str(error))
            book = Book()
        _end(book, progress)
        # What the book does not know, as when a command was killed before it had written it.
        _end(state.found_running(paths), progress)
        remote.forget_connections(paths)
        if book.namespace or netns.is_ours(paths.namespace):
            netns.remove(paths.namespace)
        left = netns.exists(paths.namespace)
        shutil.rmtree(paths.uml_dir, ignore_errors=True)
        shutil.rmtree(paths.state, ignore_errors=True)
        paths.lock.unlink()
    if left:
        progress.say(f"the network namespace {paths.namespace} does not look like the lab's, and stays: ip netns delete {paths.namespace}")
    progress.say(f"the lab is down; {'' if left else 'namespace, '}disks and state are removed")


def _end(book: Book, progress: Progress) -> None:
    for name, record in sorted(book.hosts.items()):
        if record.process is not None and record.process.end():
            progress.say(f"{name}: stopped")
    if book.relay is not None:
        book.relay.end()


def _locked(paths: Paths, progress: Progress) -> AbstractContextManager[None]:
    """The lab's lock lies beside the state folder, so that down may remove that folder."""
    return locked(paths.lock, progress)


def _boot(paths: Paths, progress: Progress, book: Book, names: Iterable[str]) -> list[str]:
    """Start those hosts that do not run; returns their names. The book is saved after each."""
    public_key = remote.ensure_key(paths)
    if not book.namespace and netns.exists(paths.namespace) and not netns.is_ours(paths.namespace):
        raise LabError(f"the network namespace {paths.namespace} is there, and the lab did not make it: remove it, or move this checkout")
    book.namespace = True
    state.save(paths.book, book)
    netns.ensure(paths.namespace)
    if any(record.flavour == "bare" for record in book.hosts.values()):
        book.relay = relay.ensure(paths, book.relay)
        state.save(paths.book, book)
    started = []
    for name in names:
        record = book.hosts[name]
        if record.process is not None:
            if record.process.alive():
                continue
            record.process.end()  # clears helpers that a crash left
        host = identity(name)
        remote.forget_connections(paths, host.address)
        netns.ensure_tap(paths.namespace, host)
        record.process = uml.boot(paths, host, record, public_key)
        state.save(paths.book, book)
        progress.say(f"{name}: booting {record.release} {record.flavour}, {record.memory}, {host.address}")
        started.append(name)
    return started


def _wait(paths: Paths, progress: Progress, book: Book, names: Iterable[str]) -> None:
    """Wait until each host lets root in by ssh; LabError names the hosts that do not."""
    began = beat = time.monotonic()
    waiting = list(names)
    while waiting:
        for name in list(waiting):
            process = book.hosts[name].process
            if process is None or not process.alive():
                raise LabError(f"{name} ended while booting: {last_line(paths.log(name))} (console: {paths.log(name)})")
            answers = netns.ssh_answers(paths.namespace, identity(name).address, timeout=0.5)
            if answers and remote.on_host(paths, name, ["true"]) is not None:
                waiting.remove(name)
                progress.say(f"{name}: ready")
        now = time.monotonic()
        if now - began > BOOT_SECONDS:
            logs = ", ".join(str(paths.log(name)) for name in waiting)
            raise LabError(f"{', '.join(waiting)}: no ssh after {BOOT_SECONDS:.0f} s; console: {logs}")
        if waiting and now - beat > BEAT:
            beat = now
            progress.say(f"waiting for {', '.join(waiting)}: booting for {now - began:.0f} s")
        time.sleep(0.3)


def _boot_id(paths: Paths, name: str) -> str | None:
    if not netns.ssh_answers(paths.namespace, identity(name).address):
        return None
    return remote.on_host(paths, name, ["cat", "/proc/sys/kernel/random/boot_id"], timeout=20)
