# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: may change without notice.
"""Finds out whether KVM works, by booting a kernel with it.

The device file proves nothing: on a host that is itself a virtual machine it can be there, run the firmware, and hang every Linux
kernel for ever. So the host's own kernel is booted without a root filesystem: where KVM works it panics within about two seconds
and QEMU ends by itself; where it does not, nothing ever comes.
"""

from __future__ import annotations

import json
import os
import time
from typing import Any

from .._domain.host_kvm import KvmTrial, judge_boot
from .._ports import Command, EngineError

DEFAULT_TIMEOUT = 20.0
_PROGRAMS = ("usr/bin/qemu-system-x86_64", "usr/local/bin/qemu-system-x86_64", "usr/libexec/qemu-kvm")
# In /run, so that it ends with the boot that it was found in.
_CACHE = "run/zonal-cloud-kvm.json"
# "quiet" still lets a panic through, and keeps the slow serial console out of the time that is measured.
_KERNEL_OPTIONS = "console=ttyS0 quiet panic=-1"


def kvm_usable(command: Command) -> tuple[bool, str]:
    """Return whether virtual machines can use KVM, and why (not); costs nothing on a host without /dev/kvm."""
    trial = try_kvm(command, remember=True)
    return trial.usable, trial.reason


def try_kvm(command: Command, *, timeout: float = DEFAULT_TIMEOUT, remember: bool = False, root: str = "/") -> KvmTrial:
    """Boot the host's own kernel under KVM for at most ``timeout`` seconds, unless this boot's result is known.

    ``remember`` keeps the result until the host boots again; without it nothing is written. A failure counts
    only for a trial that was given no less time than now, so a longer ``timeout`` tries again.
    """
    if not os.path.exists(os.path.join(root, "dev/kvm")):
        return KvmTrial(False, "there is no /dev/kvm: no hardware virtualization, or it is switched off in the firmware")
    program = next((path for path in (os.path.join(root, name) for name in _PROGRAMS) if os.path.isfile(path)), None)
    if program is None:
        return KvmTrial(False, "not known: QEMU for x86_64 is not installed, so KVM could not be tried")
    kernel = _newest_kernel(os.path.join(root, "boot"))
    if kernel is None:
        return KvmTrial(False, "not known: there is no readable kernel /boot/vmlinuz-* to try KVM with")
    key = {"boot": _boot_id(root), "program": _stamp(program), "kernel": _stamp(kernel)}
    cache = os.path.join(root, _CACHE)
    trial = _recall(cache, key, timeout)
    if trial is None:
        trial = _boot(command, program, kernel, timeout)
        if remember:
            _remember(cache, key, timeout, trial)
    return trial


def _boot(command: Command, program: str, kernel: str, timeout: float) -> KvmTrial:
    argv = [program, "-machine", "pc", "-accel", "kvm", "-m", "256", "-display", "none", "-nodefaults", "-no-user-config"]
    # Not "stdio", which would also read, and set up the terminal that this module may have.
    argv += ["-serial", "file:/dev/stdout", "-no-reboot", "-kernel", kernel, "-append", _KERNEL_OPTIONS]
    began = time.monotonic()
    try:
        output = command(argv, timeout=timeout)
    except EngineError as error:
        return KvmTrial(False, f"{kernel} does not boot under KVM: {error.details['cause']}", time.monotonic() - began)
    usable, reason = judge_boot(kernel, output)
    return KvmTrial(usable, reason, time.monotonic() - began)


def _newest_kernel(folder: str) -> str | None:
    try:
        names = [name for name in os.listdir(folder) if name.startswith("vmlinuz-")]
    except OSError:
        return None
    paths = [os.path.join(folder, name) for name in names]
    readable = [path for path in paths if os.path.isfile(path) and os.access(path, os.R_OK)]
    return max(readable, key=lambda path: (os.stat(path).st_mtime_ns, path), default=None)


def _boot_id(root: str) -> str:
    with open(os.path.join(root, "proc/sys/kernel/random/boot_id"), encoding="ascii") as file:
        return file.read().strip()


def _stamp(path: str) -> str:
    return f"{path} {os.stat(path).st_mtime_ns}"


def _recall(cache: str, key: dict[str, str], timeout: float) -> KvmTrial | None:
    try:
        with open(cache, encoding="utf-8") as file:
            known = json.load(file)
        trial = KvmTrial(known["usable"], known["reason"], known["seconds"])
        counts = known["key"] == key and (trial.usable or known["timeout"] >= timeout)
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return trial if counts else None


def _remember(cache: str, key: dict[str, str], timeout: float, trial: KvmTrial) -> None:
    known: dict[str, Any] = {"key": key, "timeout": timeout, "usable": trial.usable}
    known.update(reason=trial.reason, seconds=trial.seconds)
    unfinished = f"{cache}.{os.getpid()}"
    with open(unfinished, "w", encoding="utf-8") as file:
        json.dump(known, file)
    os.replace(unfinished, cache)
