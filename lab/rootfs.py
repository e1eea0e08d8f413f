# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Base disks of lab hosts: one ext4 file for each release and flavour, in the cache."""

from __future__ import annotations

import os
import shutil
import subprocess
import threading
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from lab import aptsources, uml
from lab.cache import artefact
from lab.errors import LabError
from lab.kernel import Kernel
from lab.model import hosts_file, mirror_addresses
from lab.paths import FILES, Paths
from lab.process import Process
from lab.progress import Progress
from lab.recipe import recipe_key
from lab.shell import ALONE, last_line, run, run_logged

REVISION = 2  # raise it when the code below makes another disk from the same names and files
DISK = "base.ext4"
DISK_SIZE = "12G"
INODES = 400_000
WARM_SECONDS = 600

# What a minimal Debian server has.
BARE = ("systemd-sysv udev dbus openssh-server python3 python3-apt kmod iproute2 procps e2fsprogs ca-certificates iputils-ping").split()
# What the product's roles would install.
PREBAKED = (
    "lvm2 thin-provisioning-tools xfsprogs extlinux nftables iputils-arping docker.io python3-docker libvirt-daemon-system "
    "libvirt-clients libvirt-daemon-driver-qemu qemu-system-x86 qemu-utils python3-libvirt python3-netaddr "
    "busybox-static libarchive-tools aria2 skopeo umoci python3-boto3"
).split()
REGISTRY = "ceph-common ceph-mgr ceph-mon ceph-osd radosgw docker-registry apache2-utils openssl".split()
BY_RELEASE = {"trixie": {"prebaked": ["docker-cli", *REGISTRY]}, "bookworm": {"bare": ["ifupdown"], "prebaked": ["ifupdown"]}}
SLIM = [f"--dpkgopt=path-exclude=/usr/share/{folder}/*" for folder in ("doc", "man", "locale", "info")]


def packages(release: str, flavour: str) -> list[str]:
    """Packages of a root filesystem beyond Debian's minimal base."""
    names = BARE + (PREBAKED if flavour == "prebaked" else [])
    return names + BY_RELEASE.get(release, {}).get(flavour, [])


def base_disks(paths: Paths, releases: Iterable[str], flavour: str, kernel: Kernel, progress: Progress) -> dict[str, Path]:
    """Base disks of several releases, built side by side, by release."""
    wanted = sorted(set(releases))
    with ThreadPoolExecutor() as pool:
        return dict(zip(wanted, pool.map(lambda release: base_disk(paths, release, flavour, kernel, progress), wanted), strict=True))


def base_disk(paths: Paths, release: str, flavour: str, kernel: Kernel, progress: Progress) -> Path:
    """Path of the base disk, built when it is not in the cache (about two to four minutes)."""
    sources = aptsources.machine_sources()
    recipe = {
        "release": release,
        "flavour": flavour,
        "packages": packages(release, flavour),
        "sources": [source.line(release) for source in sources],
        "disk": [DISK_SIZE, INODES],
        "hosts": hosts_file(),
        # Its name does not tell the version, which the mirror gives; the modules on the disk must be of that.
        "kernel": [kernel.folder.name, kernel.modules.name],
        "revision": REVISION,
    }
    key = recipe_key(recipe, {"files": FILES / "host"})

    def build(draft: Path) -> None:
        _build(draft, release, flavour, kernel, sources, paths.cache / "log" / f"{release}-{flavour}.log", progress)

    return artefact(paths.cache, f"host-{release}-{flavour}", key, build, progress) / DISK


def _build(
    draft: Path,
    release: str,
    flavour: str,
    kernel: Kernel,
    sources: list[aptsources.Source],
    log: Path,
    progress: Progress,
) -> None:
    root = draft / "root"
    log.parent.mkdir(parents=True, exist_ok=True)
    log.write_text("")
    bootstrap = [*ALONE, "mmdebstrap", "--mode=root", "--format=directory", "--variant=minbase", "--verbose"]
    include = f"--include={','.join(packages(release, flavour))}"
    lines = [source.line(release) for source in sources]
    options = [*SLIM, "--dpkgopt=force-unsafe-io", include]
    run_logged([*bootstrap, *options, release, str(root), *lines], log, progress, f"{release} {flavour}: installing packages")
    _configure(root, release, flavour, kernel, sources)
    make = ["mke2fs", "-q", "-t", "ext4", "-N", str(INODES), "-E", "lazy_itable_init=0,nodiscard", "-L", "root"]
    run_logged([*make, "-d", str(root), str(draft / DISK), DISK_SIZE], log, progress, f"{release} {flavour}: writing the disk")
    shutil.rmtree(root)
    if flavour == "prebaked":
        _warm(draft, kernel, log, progress, f"{release} {flavour}: warming caches in a first boot")


def _configure(root: Path, release: str, flavour: str, kernel: Kernel, sources: list[aptsources.Source]) -> None:
    """Files of the overlay, generated files, kernel modules, and the units' on/off states."""
    overlay = FILES / "host" / "overlay"
    for path in sorted(overlay.rglob("*")):
        target = root / path.relative_to(overlay)
        if path.is_dir():
            target.mkdir(exist_ok=True, parents=True)
        else:
            shutil.copyfile(path, target)
            target.chmod(0o755 if os.access(path, os.X_OK) else 0o644)
    mirrors = "".join(f"{address} {name}\n" for name, address in mirror_addresses(source.host for source in sources).items())
    for name, text in {
        "fstab": "/dev/ubda / ext4 defaults 0 0\n",
        "hosts": hosts_file() + mirrors,
        "resolv.conf": "# no DNS in the lab: names are in /etc/hosts\noptions timeout:1 attempts:1\n",
        "hostname": "labhost\n",
    }.items():
        (root / "etc" / name).unlink(missing_ok=True)
        (root / "etc" / name).write_text(text, encoding="utf-8")
    modules = root / "usr" / "lib" / "modules"
    modules.mkdir(exist_ok=True)
    shutil.copytree(kernel.modules, modules / kernel.modules.name)
    run(["depmod", "-b", str(root), kernel.modules.name])
    setup = (FILES / "host" / "setup.sh").read_text(encoding="utf-8")
    run(["chroot", str(root), "/bin/sh", "-s", release, flavour], text=setup)
    for stamp in ("etc/.updated", "var/.updated"):
        (root / stamp).touch()


def _warm(draft: Path, kernel: Kernel, log: Path, progress: Progress, what: str) -> None:
    """Boot the base disk itself once, without network, and run zonal-lab-warm in it."""
    mark = f"zlab-warm-{os.getpid()}-{threading.get_native_id()}"
    sockets = draft / "uml"
    sockets.mkdir()
    command = [str(kernel.program), f"umid={mark}", f"uml_dir={sockets}/", "mem=1G", f"ubd0={draft / DISK}", "root=/dev/ubda", "rw"]
    command += ["systemd.run=/usr/local/sbin/zonal-lab-warm", "systemd.run_success_action=poweroff"]
    command += ["systemd.run_failure_action=poweroff", "systemd.hostname=labhost", *uml.COMMON]
    process: Process = uml.start_detached(command, log, mark)
    try:
        with progress.step(what, lambda: f"- {last_line(log)}"):
            process.wait(WARM_SECONDS)
    finally:
        process.end()
    shutil.rmtree(sockets, ignore_errors=True)
    if "zonal-lab-warm: finished" not in log.read_text(errors="replace"):
        raise LabError(f"the first boot of the new base disk did not finish its work: see {log}")
    check = subprocess.run(["e2fsck", "-p", str(draft / DISK)], capture_output=True, text=True, check=False)
    if check.returncode > 1:
        raise LabError(f"the new base disk is damaged: {check.stdout}")
