# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Command line of the lab. Each command imports what it needs, so that ``proxy`` stays quick."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from lab.errors import LabError
from lab.machine import SYSTEM_PATH
from lab.paths import Paths

if TYPE_CHECKING:
    import argparse


def main(argv: list[str]) -> int:
    """Run one command; returns the exit code (1: it failed, with one message on stderr; 2: wrong usage)."""
    os.environ["PATH"] = f"{os.environ.get('PATH', '')}:{SYSTEM_PATH}"
    try:
        if len(argv) == 3 and argv[0] == "proxy":
            return _proxy(argv[1], argv[2])
        if argv[:1] == ["relay"]:  # not for people: up starts it for bare hosts
            from lab import relay

            return relay.serve(argv[1], argv[2:])
        return _dispatch(argv)
    except LabError as error:
        print(f"zonal-lab: {error}", file=sys.stderr)
    except KeyboardInterrupt:
        print("zonal-lab: interrupted", file=sys.stderr)
    return 1


def _proxy(host: str, port: str) -> int:
    from lab.model import address_of

    words = ["ip", "netns", "exec", Paths.from_environment().namespace, "socat", "-", f"TCP:{address_of(host)}:{port}"]
    os.execvp(words[0], words)


def _dispatch(argv: list[str]) -> int:
    from lab.arguments import parser

    options = parser().parse_args(argv)
    paths = Paths.from_environment()
    handler = {"status": _status, "ssh": _ssh, "exec": _exec}.get(options.command, _change)
    return handler(options, paths)


def _change(options: argparse.Namespace, paths: Paths) -> int:
    import json
    from dataclasses import asdict

    from lab import guest_image, lifecycle, machine, rootfs
    from lab.kernel import kernel
    from lab.model import wanted_hosts
    from lab.progress import Progress

    progress = Progress()
    machine.require_root(options.command)
    if options.command in ("up", "build"):
        paths.require_plain()
    os.umask(0o022)  # of a host's files, such as /etc/hosts, more than root is a reader
    if options.command != "down":
        machine.ensure_packages(progress)
    flavour = "bare" if getattr(options, "bare", False) else "prebaked"
    match options.command:
        case "up":
            machine.device_required("/dev/net/tun")
            lifecycle.up(paths, progress, count=options.hosts, releases=options.release, flavour=flavour, memory=options.memory)
        case "build":
            releases = wanted_hosts(32, options.release).values()
            print(*rootfs.base_disks(paths, releases, flavour, kernel(paths, progress), progress).values(), sep="\n")
        case "image":
            image = guest_image.guest_image(paths, progress)
            print(json.dumps(asdict(image)) if options.json else f"{image.path}\n{image.sha256}")
        case "down":
            lifecycle.down(paths, progress)
        case "start" | "kill" | "reboot":
            getattr(lifecycle, options.command)(paths, progress, options.host)
    return 0


def _status(options: argparse.Namespace, paths: Paths) -> int:
    import json

    from lab import status

    found = status.rows(paths)
    print(json.dumps({"namespace": paths.namespace, "hosts": found}, indent=2) if options.json else status.table(found))
    return 0


def _ssh(options: argparse.Namespace, paths: Paths) -> int:
    from lab import remote, state

    state.load(paths.book).host(options.host)
    words = remote.ssh_command(paths, options.host, options.words)
    os.execvp(words[0], words)


def _exec(options: argparse.Namespace, paths: Paths) -> int:
    from lab import netns

    if not netns.exists(paths.namespace):
        raise LabError(f"the lab is down (no namespace {paths.namespace}): zonal-lab up")
    words = [word for i, word in enumerate(options.words) if (i, word) != (0, "--")]
    if not words:
        raise LabError("exec needs a command: zonal-lab exec -- ping -c1 10.99.0.11")
    os.execvp("ip", ["ip", "netns", "exec", paths.namespace, *words])
