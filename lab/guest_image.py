# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The guest image: one rootfs tgz that is a VM's disk content and a container's image alike."""

from __future__ import annotations

import hashlib
import json
import shutil
from dataclasses import asdict, dataclass
from pathlib import Path

from lab import aptsources
from lab.archive import Tree
from lab.cache import artefact
from lab.errors import LabError
from lab.packages import only, unpack
from lab.paths import FILES, Paths
from lab.progress import Progress
from lab.recipe import recipe_key
from lab.shell import run

REVISION = 2  # raise it when the code below makes another image from the same constants and files
RELEASE = "bookworm"  # its kernel boots fastest under plain emulation
PACKAGES = ["busybox-static", "dropbear-bin", "linux-image-cloud-amd64", "qemu-guest-agent"]
PROGRAMS = ["usr/sbin/dropbear", "usr/bin/dropbearkey", "usr/sbin/qemu-ga"]
MODULES = "virtio_pci virtio_blk virtio_net virtio_balloon virtio-rng virtio_console button evdev".split()
EMPTY_FOLDERS = "dev mnt proc run sys tmp var/log var/tmp var/www root/.ssh etc/dropbear".split()
PRIVATE_FOLDERS = {"tmp": 0o1777, "var/tmp": 0o1777, "root/.ssh": 0o700, "etc/dropbear": 0o700, "root": 0o700}
HOOK_FOLDERS = [f"etc/network/if-{when}.d" for when in ("pre-up", "up", "down", "post-down")]
MERGED = {name: f"usr/{name}" for name in ("bin", "sbin", "lib", "lib64")}
TEXTS = {
    "etc/passwd": "root:x:0:0:root:/root:/bin/sh\n",
    "etc/shadow": "root:*:19000:0:99999:7:::\n",
    "etc/group": "root:x:0:\ntty:x:5:\n",
    "etc/shells": "/bin/sh\n",
    "etc/hosts": "127.0.0.1 localhost\n",
    "etc/resolv.conf": "",
    "etc/hostname": "guest\n",
    "etc/os-release": 'ID=zonal-lab-guest\nNAME="zonal lab guest"\nVERSION_ID=1\n',
    "var/www/index.html": "guest\n",
}


@dataclass(frozen=True)
class GuestImage:
    """A built image: ``path`` of the tgz, its sha256 (hex) and size in bytes."""

    path: str
    sha256: str
    size: int


def guest_image(paths: Paths, progress: Progress) -> GuestImage:
    """The image, built when it is not in the cache (about half a minute)."""
    mirror = aptsources.machine_sources()[0].line(RELEASE)
    constants = {"mirror": mirror, "revision": REVISION, "packages": PACKAGES, "modules": MODULES, "texts": TEXTS}
    key = recipe_key(constants, {"files": FILES / "guest"})

    def build(draft: Path) -> None:
        _build(draft, mirror, paths.cache / "log" / "guest.log", progress)

    folder = artefact(paths.cache, "guest", key, build, progress)
    return GuestImage(**{**json.loads((folder / "image.json").read_text("utf-8")), "path": str(folder / "rootfs.tgz")})


def _build(draft: Path, mirror: str, log: Path, progress: Progress) -> None:
    source = draft / "packages"
    unpack(PACKAGES, RELEASE, mirror, source, log, progress, "guest image")
    with progress.step("guest image: packing"):
        tree = rootfs_tree(source)
        tree.write_tgz(draft / "rootfs.tgz")
    shutil.rmtree(source)
    content = (draft / "rootfs.tgz").read_bytes()
    image = GuestImage(path="rootfs.tgz", sha256=hashlib.sha256(content).hexdigest(), size=len(content))
    (draft / "image.json").write_text(json.dumps(asdict(image)), "utf-8")


def rootfs_tree(source: Path) -> Tree:
    """The image's files, from a folder with unpacked Debian packages and from lab/files/guest."""
    tree = Tree()
    for name, target in MERGED.items():
        tree.folder(target)
        tree.link(name, target)
    for path in EMPTY_FOLDERS + HOOK_FOLDERS:
        tree.folder(path)
    for path, permissions in PRIVATE_FOLDERS.items():
        tree.folder(path, permissions)
    tree.link("var/run", "../run")
    for path, text in TEXTS.items():
        tree.file(path, text.encode(), 0o600 if path == "etc/shadow" else 0o644)
    tree.overlay(FILES / "guest" / "root")
    _add_programs(tree, source)
    tree.file("boot/vmlinuz", only(source / "boot", "vmlinuz-*").read_bytes())
    tree.file("boot/initrd.img", initrd_tree(source).cpio())
    return tree


def initrd_tree(source: Path) -> Tree:
    """The initial RAM disk: busybox, the modules in the order they need each other, and one script."""
    tree = Tree()
    for name in ("dev", "proc", "mnt", "modules"):
        tree.folder(name)
    tree.overlay(FILES / "guest" / "initrd")
    tree.file("bin/busybox", (source / "bin" / "busybox").read_bytes(), 0o755)
    for name in ("sh", "mount", "insmod", "findfs", "sleep", "poweroff", "switch_root"):
        tree.link(f"bin/{name}", "busybox")
    version = only(source / "lib" / "modules", "*").name
    run(["depmod", "-b", str(source), version])
    folder = source / "lib" / "modules" / version
    ordered = module_order((folder / "modules.dep").read_text("utf-8"), MODULES)
    for number, path in enumerate(ordered):
        tree.file(f"modules/{number:02}-{Path(path).name}", (folder / path).read_bytes())
    return tree


def module_order(dependencies: str, wanted: list[str]) -> list[str]:
    """Paths of the wanted modules and all they need, each after its needs; from the text of modules.dep."""
    needs = {path: rest.split() for path, _dummy, rest in (line.partition(":") for line in dependencies.splitlines())}
    paths = {Path(path).name.removesuffix(".ko"): path for path in needs}
    ordered: list[str] = []

    def add(path: str) -> None:
        for other in sorted(needs[path]):
            if other not in ordered:
                add(other)
        if path not in ordered:
            ordered.append(path)

    for name in wanted:
        if name not in paths:
            raise LabError(f"the guest's kernel has no module {name}")
        add(paths[name])
    return ordered


def _add_programs(tree: Tree, source: Path) -> None:
    """busybox with a link for each applet, the other programs, and the libraries that these are linked with."""
    busybox = source / "bin" / "busybox"
    tree.file("usr/bin/busybox", busybox.read_bytes(), 0o755)
    for path in run([str(busybox), "--list-full"]).stdout.split():
        folder = "usr/sbin" if "sbin" in path else "usr/bin"
        name = f"{folder}/{Path(path).name}"
        if name != "usr/bin/busybox":
            tree.link(name, "busybox" if folder == "usr/bin" else "../bin/busybox")
    loader = (source / "lib64" / "ld-linux-x86-64.so.2").resolve()
    tree.file("usr/lib64/ld-linux-x86-64.so.2", loader.read_bytes(), 0o755)
    folders = [source / prefix / "x86_64-linux-gnu" for prefix in ("lib", "usr/lib")]
    search = ":".join(str(folder) for folder in folders)
    libraries: dict[str, Path] = {}
    for path in PROGRAMS:
        tree.file(path, (source / path).read_bytes(), 0o755)
        for line in run([str(loader), "--library-path", search, "--list", str(source / path)]).stdout.splitlines():
            name, arrow, rest = line.partition(" => ")
            if arrow and "/" not in name:  # the loader itself is listed by its path
                libraries[name.strip()] = Path(rest.split(" (")[0])
    for name, library in libraries.items():
        tree.file(f"usr/lib/x86_64-linux-gnu/{name}", library.read_bytes(), 0o644)
