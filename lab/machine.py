# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the machine itself must have: root and some Debian packages."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from lab.errors import LabError
from lab.progress import Progress
from lab.shell import run

# program that must be found -> Debian package that has it
PROGRAMS = {
    "mmdebstrap": "mmdebstrap",
    "newuidmap": "uidmap",
    "mke2fs": "e2fsprogs",
    "ip": "iproute2",
    "ssh": "openssh-client",
    "depmod": "kmod",
    "socat": "socat",
    "setpriv": "util-linux",
    "cpio": "cpio",
    "patchelf": "patchelf",
}
KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def require_root(what: str) -> None:
    """LabError unless the effective user is root (namespaces, taps and chroot need it)."""
    if os.geteuid() != 0:
        raise LabError(f"zonal-lab {what} needs root: it makes network namespaces and tap devices")


def missing_packages() -> list[str]:
    """Debian packages the machine still lacks, sorted."""
    lacking = {package for program, package in PROGRAMS.items() if shutil.which(program, path=SYSTEM_PATH) is None}
    if not KEYRING.exists():
        lacking.add("debian-archive-keyring")
    return sorted(lacking)


def ensure_packages(progress: Progress) -> None:
    """Install what is missing with apt; LabError names the packages when that fails."""
    packages = missing_packages()
    if not packages:
        return
    by_hand = f"install them by hand: apt-get install {' '.join(packages)}"
    if shutil.which("apt-get") is None:
        raise LabError(f"needs Debian packages {' '.join(packages)} and there is no apt-get here")
    progress.say(f"installing missing Debian packages: {' '.join(packages)}")
    install = ["env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "install", "-y", "-q", "--no-install-recommends"]
    try:
        if not any(Path("/var/lib/apt/lists").glob("*Packages*")):
            run(["apt-get", "update", "-q"])
        if run([*install, *packages], check=False).returncode != 0:
            run(["apt-get", "update", "-q"])  # the lists may be too old
            run([*install, *packages])
    except LabError as error:
        raise LabError(f"cannot install Debian packages {' '.join(packages)}; {by_hand}\n{error}") from error


def device_required(path: str) -> None:
    """LabError when a device node the lab needs is absent."""
    if not Path(path).exists():
        raise LabError(f"{path} is missing on this machine: the lab's tap devices need it (modprobe tun)")
