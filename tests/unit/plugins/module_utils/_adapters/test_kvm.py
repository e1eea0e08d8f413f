# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""When KVM is tried, and when a result that is known is used; what QEMU does is proved in tests/integration."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import pytest

from ansible_collections.zonal.cloud.plugins.module_utils._adapters.kvm import try_kvm
from ansible_collections.zonal.cloud.plugins.module_utils._ports import EngineError
from ansible_collections.zonal.cloud.tests.unit.plugins.fakes.sysfs import write_files

PANIC = "Kernel panic - not syncing: VFS: Unable to mount root fs\n"
DEVICE, QEMU, OLD, NEW = "dev/kvm", "usr/bin/qemu-system-x86_64", "boot/vmlinuz-6.1", "boot/vmlinuz-6.12"
BOOT = "proc/sys/kernel/random/boot_id"
HOST = dict.fromkeys((DEVICE, QEMU, OLD, NEW, BOOT), "x")
INCOMPLETE = {
    "no device": ({DEVICE}, "there is no /dev/kvm"),
    "no QEMU": ({QEMU}, "not known: QEMU for x86_64 is not installed"),
    "no kernel": ({OLD, NEW}, "not known: there is no readable kernel"),
}


class Qemu:
    """Answers as QEMU does, and counts."""

    def __init__(self, answer: str | EngineError) -> None:
        self.answer = answer
        self.calls: list[tuple[list[str], float]] = []

    def __call__(self, argv: Sequence[str], *, stdin: str | None = None, timeout: float = 120) -> str:
        self.calls.append((list(argv), timeout))
        if isinstance(self.answer, EngineError):
            raise self.answer
        return self.answer


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "run").mkdir()
    write_files(tmp_path, HOST)
    os.utime(tmp_path / OLD, (1, 1))
    return tmp_path


def hangs() -> Qemu:
    return Qemu(EngineError("run", "qemu", "no answer within 20 seconds"))


@pytest.mark.parametrize(("missing", "reason"), INCOMPLETE.values(), ids=INCOMPLETE.keys())
def test_nothing_is_started_when_something_is_missing(root: Path, missing: set[str], reason: str) -> None:
    qemu = Qemu(PANIC)
    for name in missing:
        (root / name).unlink()
    trial = try_kvm(qemu, root=str(root))
    assert not trial.usable
    assert trial.reason.startswith(reason)
    assert qemu.calls == []


def test_the_newest_kernel_is_booted_for_the_given_time(root: Path) -> None:
    qemu = Qemu(PANIC)
    assert try_kvm(qemu, timeout=7, root=str(root)).usable
    [(argv, timeout)] = qemu.calls
    assert argv[argv.index("-kernel") + 1] == str(root / NEW)
    assert argv[argv.index("-accel") + 1] == "kvm"
    assert timeout == 7


def test_a_hanging_kernel_is_told(root: Path) -> None:
    trial = try_kvm(hangs(), root=str(root))
    assert not trial.usable
    assert trial.reason.endswith("does not boot under KVM: no answer within 20 seconds")


def test_nothing_is_written_unless_told(root: Path) -> None:
    before = sorted(root.rglob("*"))
    try_kvm(Qemu(PANIC), root=str(root))
    assert sorted(root.rglob("*")) == before


def test_a_success_is_remembered(root: Path) -> None:
    first = try_kvm(Qemu(PANIC), remember=True, root=str(root))
    qemu = hangs()
    assert try_kvm(qemu, timeout=99, root=str(root)) == first
    assert qemu.calls == []


@pytest.mark.parametrize(("timeout", "tried_again"), [(10, 0), (20, 0), (21, 1)])
def test_a_failure_is_remembered_for_as_much_time(root: Path, timeout: float, tried_again: int) -> None:
    try_kvm(hangs(), timeout=20, remember=True, root=str(root))
    qemu = Qemu(PANIC)
    try_kvm(qemu, timeout=timeout, root=str(root))
    assert len(qemu.calls) == tried_again


@pytest.mark.parametrize("changed", [BOOT, QEMU, NEW])
def test_a_new_boot_program_or_kernel_is_tried_again(root: Path, changed: str) -> None:
    try_kvm(hangs(), remember=True, root=str(root))
    (root / changed).write_text("y")
    os.utime(root / changed, (2e9, 2e9))
    assert try_kvm(Qemu(PANIC), root=str(root)).usable


@pytest.mark.parametrize("text", ["", "{", "[]", '{"usable": true}'])
def test_a_damaged_cache_is_ignored(root: Path, text: str) -> None:
    (root / "run/zonal-cloud-kvm.json").write_text(text)
    assert try_kvm(Qemu(PANIC), root=str(root)).usable
