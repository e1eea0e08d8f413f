# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Start one host: a User-Mode Linux process inside the lab's namespace."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from lab.errors import LabError
from lab.model import NETWORK, ROUTER, UPLINK, Identity, machine_id
from lab.paths import REPO, Paths
from lab.process import Process
from lab.state import HostRecord

SSD_BYTES = 8 * 1024**3
PROGRAM = str(REPO / "lab" / "uml-host")
# Of every kernel: console on standard output, system calls caught by seccomp where the machine allows that, else by ptrace.
COMMON = ["con=null", "con0=null,fd:1", "ssl=null", "seccomp=auto"]


def kernel_arguments(paths: Paths, host: Identity, record: HostRecord, public_key: str) -> list[str]:
    """Arguments of the kernel; ``lab.*`` words are read once, by the host's first boot."""
    nic = f"transport=tap,ifname={host.tap},depth=64,gro=1,mac={host.mac}"
    return [
        f"umid={paths.umid(host.name)}",
        f"uml_dir={paths.uml_dir}/",
        f"mem={record.memory}",
        f"ubd0={paths.disk(host.name)},{record.base}",
        f"ubd1={paths.ssd(host.name)}",
        "root=/dev/ubda",
        "rw",
        "quiet",
        "selinux=0",
        f"systemd.hostname={host.name}",
        f"systemd.machine_id={machine_id(paths.namespace, host.name)}",
        f"lab.name={host.name}",
        f"lab.ip={host.address}/{NETWORK.prefixlen}",
        f"lab.gw={ROUTER}",
        f"lab.key={public_key}",
        f"{UPLINK}:{nic}",
        *COMMON,
    ]


def on_one_cpu(number: int) -> list[str]:
    """Return the words before a command that keep it and its children on one CPU of this process's, chosen by ``number``.

    Every system call and page fault of a User-Mode Linux guest is a switch between two processes. When these are on two CPUs, each
    switch waits for the other CPU to wake up, which makes the guest several times slower.
    """
    allowed = sorted(os.sched_getaffinity(0))
    return ["taskset", "--cpu-list", str(allowed[number % len(allowed)])]


def boot(paths: Paths, host: Identity, record: HostRecord, public_key: str) -> Process:
    """Start the host's process with its disks (made when missing); returns at once."""
    for what, path in (("base image", record.base), ("kernel", record.kernel)):
        if not Path(path).is_file():
            raise LabError(f"{host.name}: its {what} {path} is gone (cache cleared?): run zonal-lab down, then up")
    paths.disk(host.name).parent.mkdir(parents=True, exist_ok=True)
    paths.control_dir.mkdir(mode=0o700, exist_ok=True, parents=True)
    if not paths.ssd(host.name).exists():
        with paths.ssd(host.name).open("wb") as disk:
            disk.truncate(SSD_BYTES)
    arguments = kernel_arguments(paths, host, record, public_key)
    kernel = ["env", f"ZONAL_LAB_KERNEL={record.kernel}", PROGRAM]
    command = ["ip", "netns", "exec", paths.namespace, *on_one_cpu(host.number), *kernel, *arguments]
    return start_detached(command, paths.log(host.name), paths.umid(host.name))


def start_detached(command: list[str], log: Path, mark: str) -> Process:
    """Start a process in a session of its own, output appended to ``log``; it outlives this command."""
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as out:
        try:
            child = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=out, stderr=out, cwd="/", start_new_session=True)
        except OSError as error:
            raise LabError(f"cannot start {command[0]}: {error}") from error
    return Process.remember(child.pid, mark)
