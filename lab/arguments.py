# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The command line's grammar."""

from __future__ import annotations

import argparse
import re


def memory(text: str) -> str:
    """A size as a host's kernel takes it, which would keep any other for as long as the lab is up."""
    if not re.fullmatch(r"[1-9][0-9]{0,5}[MG]", text):
        raise argparse.ArgumentTypeError(f"{text!r} is not a size: write 2G or 512M")
    return text


def parser() -> argparse.ArgumentParser:
    """All commands with their options."""
    top = argparse.ArgumentParser(prog="zonal-lab", description="A lab of real Linux hosts as ordinary processes.")
    commands = top.add_subparsers(dest="command", required=True, metavar="COMMAND")
    up = commands.add_parser("up", help="bring hosts up; safe to call again")
    up.add_argument("--hosts", type=int, default=2, metavar="N", help="number of hosts (default 2)")
    up.add_argument("--memory", type=memory, default="2G", help="memory of a new host, taken only as used (default 2G)")
    build = commands.add_parser("build", help="only build what up would build")
    for command in (up, build):
        command.add_argument("--release", default="trixie", help="trixie, bookworm, or a comma list dealt out in turn")
        command.add_argument("--bare", action="store_true", help="hosts as a minimal server, with apt, for bootstrap tests")
    commands.add_parser("down", help="stop all hosts, remove namespace, disks and state")
    image = commands.add_parser("image", help="build the guest image; prints its path and sha256")
    image.add_argument("--json", action="store_true")
    status = commands.add_parser("status", help="list the hosts")
    status.add_argument("--json", action="store_true")
    texts = {"start": "boot a host that was killed", "kill": "cut a host's power", "reboot": "reboot a host gracefully"}
    for name, text in texts.items():
        commands.add_parser(name, help=text).add_argument("host")
    ssh = commands.add_parser("ssh", help="shell or command as root on a host")
    ssh.add_argument("host")
    ssh.add_argument("words", nargs=argparse.REMAINDER, metavar="command")
    proxy = commands.add_parser("proxy", help="for ssh's ProxyCommand: connect stdin/stdout to a port of a host")
    proxy.add_argument("host")
    proxy.add_argument("port")
    inside = commands.add_parser("exec", help="run a command in the lab's namespace: exec -- COMMAND...")
    inside.add_argument("words", nargs=argparse.REMAINDER, metavar="command")
    return top
