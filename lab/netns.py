# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lab's network: one namespace with a bridge (the router) and a tap for each host."""

from __future__ import annotations

import ctypes
import json
import os
import socket
from pathlib import Path

from lab.errors import LabError
from lab.model import BRIDGE, BRIDGE_MAC, NETWORK, ROUTER, Identity
from lab.shell import run

RUN_NETNS = Path("/run/netns")
CLONE_NEWNET = 0x40000000


def exists(name: str) -> bool:
    """True when the namespace exists."""
    return (RUN_NETNS / name).exists()


def links(name: str) -> dict[str, str]:
    """Device name -> MAC inside the namespace."""
    rows = json.loads(run(["ip", "-n", name, "-j", "link", "show"]).stdout or "[]")
    return {row["ifname"]: row.get("address", "") for row in rows}


def is_ours(name: str) -> bool:
    """True when the namespace holds the lab's bridge."""
    return exists(name) and links(name).get(BRIDGE) == BRIDGE_MAC


def ensure(name: str) -> None:
    """Make namespace, loopback, bridge and router address as far as they are missing."""
    if not exists(name):
        run(["ip", "netns", "add", name])
    run(["ip", "-n", name, "link", "set", "lo", "up"])
    if BRIDGE not in links(name):
        make = f"address {BRIDGE_MAC} type bridge forward_delay 0 stp_state 0"
        run(["ip", "-n", name, "link", "add", BRIDGE, *make.split()])
    run(["ip", "-n", name, "address", "replace", f"{ROUTER}/{NETWORK.prefixlen}", "dev", BRIDGE])
    run(["ip", "-n", name, "link", "set", BRIDGE, "up"])


def ensure_tap(name: str, host: Identity) -> None:
    """Make the host's tap on the bridge when it is missing."""
    if host.tap not in links(name):
        run(["ip", "-n", name, "tuntap", "add", host.tap, "mode", "tap"])
    run(["ip", "-n", name, "link", "set", host.tap, "master", BRIDGE, "up"])


def add_router_address(name: str, address: str) -> None:
    """Give the router one more address (of a package mirror)."""
    run(["ip", "-n", name, "address", "replace", f"{address}/{NETWORK.prefixlen}", "dev", BRIDGE])


def remove(name: str) -> None:
    """Delete the namespace if it exists."""
    if exists(name):
        run(["ip", "netns", "delete", name])


def new_socket(name: str) -> socket.socket:
    """A TCP socket that lives in the namespace; this thread itself stays where it is."""
    libc = ctypes.CDLL(None, use_errno=True)
    with open("/proc/thread-self/ns/net", "rb") as home, open(RUN_NETNS / name, "rb") as there:
        if libc.setns(there.fileno(), CLONE_NEWNET) != 0:
            raise LabError(f"cannot enter namespace {name} (needs root): {os.strerror(ctypes.get_errno())}")
        try:
            return socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        finally:
            if libc.setns(home.fileno(), CLONE_NEWNET) != 0:
                os._exit(70)  # never go on in the wrong namespace


def ssh_answers(name: str, address: str, timeout: float = 2.0) -> bool:
    """True when an ssh server greets within ``timeout`` seconds; never raises for a dead host."""
    try:
        with new_socket(name) as client:
            client.settimeout(timeout)
            client.connect((address, 22))
            return client.recv(4) == b"SSH-"
    except OSError:
        return False
