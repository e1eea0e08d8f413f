# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A node: a host made of namespaces on this machine, with a docker and a libvirt of its own. See node.sh."""

from __future__ import annotations

import os
import secrets
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from functools import partial
from glob import glob
from pathlib import Path

_SCRIPT = Path(__file__).with_name("node.sh")
_LIBVIRT = """\
security_driver = "none"
user = "root"
group = "root"
dynamic_ownership = 0
remember_owner = 0
namespaces = []
cgroup_controllers = [ ]
"""


def wait_for(what: str, condition: Callable[[], object], timeout: float = 60) -> None:
    """Poll until the condition holds; TimeoutError names what did not come."""
    deadline = time.monotonic() + timeout
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"{what} did not come within {timeout:g} seconds")
        time.sleep(0.1)


class Node:
    """``folder`` holds all that the node's engines write."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.cgroup = f"zonal-test-{secrets.token_hex(4)}"
        self._holder: subprocess.Popen[bytes] | None = None
        self._daemons: list[subprocess.Popen[bytes]] = []
        self.pid = 0

    def start(self) -> None:
        """Make the namespaces."""
        namespaces = ["--mount", "--net", "--uts", "--pid", "--fork", "--kill-child", "--mount-proc", "--propagation", "private"]
        # The node ends with the tests, however they end.
        argv = ["setpriv", "--pdeathsig", "KILL", "unshare", *namespaces, str(_SCRIPT), str(self.folder)]
        with open(self.folder / "node.log", "wb") as log:
            self._holder = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        holder = self._holder
        try:
            wait_for("the node", lambda: (self.folder / "ready").exists() or holder.poll() is not None, 20)
        finally:
            if holder.poll() is not None:
                raise RuntimeError(f"the node ended by itself: {(self.folder / 'node.log').read_text()}")
        self.pid = int(Path(f"/proc/{holder.pid}/task/{holder.pid}/children").read_text().split()[0])

    def stop(self) -> None:
        """End the node with all its processes, and remove what they left."""
        self.cut_power()
        shutil.rmtree(self.folder, ignore_errors=True)

    def cut_power(self) -> None:
        """End the node with all its processes; what is on its disks is there when it is started again."""
        if self._holder is not None and self._holder.poll() is None:
            os.kill(self.pid, signal.SIGKILL)
            for process in (self._holder, *self._daemons):
                process.wait(30)
        self._daemons.clear()
        (self.folder / "ready").unlink(missing_ok=True)
        for folder in sorted(glob(f"/sys/fs/cgroup/**/{self.cgroup}/**/", recursive=True), reverse=True):
            wait_for(f"the end of {folder}", partial(_is_gone, folder), 20)

    def path(self, path: str) -> str:
        """Return the path under which this machine sees a path of the node."""
        return f"/proc/{self.pid}/root{path}"

    def enter(self, *argv: str) -> list[str]:
        return ["nsenter", "--target", str(self.pid), "--mount", "--net", "--uts", "--pid", "--wd=/", *argv]

    def run(self, *argv: str, stdin: str = "") -> str:
        """Run a program in the node and return what it prints; RuntimeError with its words when it fails."""
        done = subprocess.run(self.enter(*argv), input=stdin, capture_output=True, text=True, timeout=120, check=False)
        if done.returncode != 0:
            raise RuntimeError(f"{' '.join(argv)}: {done.stderr or done.stdout}")
        return done.stdout

    def is_bridge(self, name: str) -> bool:
        return os.path.isdir(self.path(f"/sys/class/net/{name}/bridge"))

    def add_bridge(self, name: str, address: str) -> None:
        self.run("ip", "link", "add", name, "address", "02:00:00:00:00:01", "type", "bridge", "forward_delay", "0")
        self.run("ip", "address", "add", address, "dev", name)
        self.run("ip", "link", "set", name, "up")

    def start_docker(self) -> str:
        """Start dockerd and return its URL."""
        socket = "/run/docker.sock"
        options = ["--iptables=false", "--ip6tables=false", "--bridge=none", f"--cgroup-parent={self.cgroup}"]
        with open(self.folder / "dockerd.log", "ab") as log:
            argv = self.enter("dockerd", *options)
            self._daemons.append(subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True))
        self._wait_for_engine("dockerd", lambda: self._docker_answers(socket))
        return f"unix://{self.path(socket)}"

    def kill_docker(self) -> None:
        """End dockerd as a power cut would, but leave its containers running."""
        self._kill("docker")

    def hang_docker(self) -> None:
        """Let dockerd take connections and answer nothing."""
        self.run("kill", "-STOP", Path(self.path("/run/docker.pid")).read_text().strip())

    def wake_docker(self) -> None:
        """Let dockerd go on after it was hung; no error when it was not."""
        # nsenter stops with its child, and goes on with it.
        self._daemons[-1].send_signal(signal.SIGCONT)

    def _kill(self, daemon: str) -> None:
        pid = Path(self.path(f"/run/{daemon}.pid"))
        self.run("kill", "-9", pid.read_text().strip())
        pid.unlink()

    def start_libvirt(self) -> str:
        """Start virtlogd, unless it runs, and libvirtd and return the URI."""
        Path(self.path("/etc/libvirt/qemu.conf")).write_text(_LIBVIRT)
        shutil.rmtree(self.path("/etc/libvirt/qemu/networks"), ignore_errors=True)
        for daemon in ("virtlogd", "libvirtd"):
            if not os.path.exists(self.path(f"/run/{daemon}.pid")):
                self.run(daemon, "--daemon", "--pid-file", f"/run/{daemon}.pid")
        socket = "/run/libvirt/libvirt-sock"
        self._wait_for_engine("libvirtd", lambda: os.path.exists(self.path(socket)))
        return f"qemu+unix:///system?socket={self.path(socket)}"

    def kill_libvirt(self) -> None:
        """End libvirtd as a crash would; its VMs go on running."""
        self._kill("libvirtd")
        Path(self.path("/run/libvirt/libvirt-sock")).unlink()

    def _docker_answers(self, socket: str) -> bool:
        ping = ["curl", "--silent", "--fail", "--unix-socket", self.path(socket), "http://docker/_ping"]
        return os.path.exists(self.path(socket)) and subprocess.run(ping, capture_output=True, check=False).returncode == 0

    def _wait_for_engine(self, name: str, condition: Callable[[], bool]) -> None:
        try:
            wait_for(name, condition)
        except TimeoutError as error:
            log = self.folder / f"{name}.log"
            raise RuntimeError(f"{error}; its log ends so:\n{log.read_text()[-2000:] if log.exists() else 'there is none'}") from None


def _is_gone(folder: str) -> bool:
    """Remove one cgroup; tell whether it is gone, which it cannot be while it has processes."""
    try:
        os.rmdir(folder)
    except FileNotFoundError:
        return True
    except OSError:
        return False
    return True
