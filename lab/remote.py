# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""ssh to the hosts, through the lab's namespace."""

from __future__ import annotations

import subprocess

from lab.model import address_of
from lab.paths import Paths
from lab.shell import run

QUIET = {
    "StrictHostKeyChecking": "no",
    "UserKnownHostsFile": "/dev/null",
    "GlobalKnownHostsFile": "/dev/null",
    "LogLevel": "ERROR",
    "ConnectTimeout": "20",
    "BatchMode": "yes",
}


def ensure_key(paths: Paths) -> str:
    """Make the lab's ssh key when missing; returns the public key's middle word."""
    public = paths.key.with_suffix(".pub")
    if not public.exists():
        paths.key.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        paths.key.unlink(missing_ok=True)
        run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "zonal-lab", "-f", str(paths.key)])
    return public.read_text(encoding="utf-8").split()[1]


def ssh_command(paths: Paths, name: str, command: list[str]) -> list[str]:
    """Full ssh command line for root on a host."""
    proxy = f"ip netns exec {paths.namespace} socat - TCP:%h:%p"
    options = [word for key, value in {**QUIET, "ProxyCommand": proxy}.items() for word in ("-o", f"{key}={value}")]
    return ["ssh", "-F", "none", "-i", str(paths.key), *options, f"root@{address_of(name)}", *command]


def on_host(paths: Paths, name: str, command: list[str], timeout: float = 60.0) -> str | None:
    """Standard output of a command on a host; None when it failed or took longer than ``timeout`` seconds."""
    try:
        done = subprocess.run(
            ssh_command(paths, name, command),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return None
    return done.stdout if done.returncode == 0 else None


def forget_connections(paths: Paths, address: str = "*") -> None:
    """End lasting ssh connections: one to a host that went away would stall the next command for a minute."""
    for socket in paths.control_dir.glob(address):
        run(["ssh", "-F", "none", "-O", "exit", "-S", str(socket), "root@lab"], check=False)
        socket.unlink(missing_ok=True)
