# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What ``MountedGuestDisks`` must do on a real block device, also with images that are out to harm. It runs on a lab host:

python3 -m ansible_collections.zonal.cloud.tests.unit.plugins.contracts.guest_disks DEVICE FOLDER

DEVICE is a loop device over FOLDER/disk, which is overwritten. What a guest holds is read by debugfs, which mounts nothing.
"""

from __future__ import annotations

import hashlib
import io
import os
import sys
import tarfile
import traceback
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from ansible_collections.zonal.cloud.plugins.module_utils._adapters.guest_disks import MountedGuestDisks
from ansible_collections.zonal.cloud.plugins.module_utils._adapters.rootfs_archive import check_archive
from ansible_collections.zonal.cloud.plugins.module_utils._domain.content import digest_of
from ansible_collections.zonal.cloud.plugins.module_utils._domain.errors import ZonalError
from ansible_collections.zonal.cloud.plugins.module_utils._domain.guest_files import GuestFile
from ansible_collections.zonal.cloud.plugins.module_utils._domain.image_policy import Policy
from ansible_collections.zonal.cloud.plugins.module_utils._ports import EngineError
from ansible_collections.zonal.cloud.plugins.module_utils._ports_storage import BootFiles
from ansible_collections.zonal.cloud.tests.host_command import run_command
from ansible_collections.zonal.cloud.tests.unit.plugins.contracts import archives
from ansible_collections.zonal.cloud.tests.unit.plugins.contracts.hostile_images import HOSTILE, MAX_SIZE

MIB = 1024**2
SIZE = 64 * MIB
RATIO = 16384
CAPABILITY = archives.CAPABILITY.decode("utf-8", "surrogateescape")
HOSTNAME = GuestFile("/etc/hostname", "web\n")
KEYS = GuestFile("/root/.ssh/authorized_keys", "ssh-ed25519 AAAA é\n", 0o600)
SECRET = "the host's own\n"


@dataclass(frozen=True)
class Bench:
    """A scratch device, and a folder of the host with a file that no guest may read or change."""

    device: str
    folder: Path
    disks: MountedGuestDisks

    @property
    def canary(self) -> Path:
        return self.folder / "canary"

    @property
    def empty(self) -> Path:
        return self.folder / "empty"

    def prepare(self) -> None:
        self.canary.write_text(SECRET)
        self.empty.mkdir(exist_ok=True)
        os.truncate(self.folder / "disk", SIZE)
        run_command(["losetup", "--set-capacity", self.device])

    def check_host(self) -> None:
        """The host is as before, whatever the guest was."""
        assert self.canary.read_text() == SECRET
        assert list(self.empty.iterdir()) == []
        assert "zonal-cloud.mnt" not in Path("/proc/mounts").read_text()
        assert os.readlink("/proc/self/root") == "/"

    def archive(self, *members: tarfile.TarInfo) -> str:
        path = self.folder / "image.tgz"
        with tarfile.open(path, "w:gz", encoding="utf-8", errors="surrogateescape") as tar:
            for entry in members:
                tar.addfile(entry, io.BytesIO(os.fsencode(entry.name).ljust(entry.size, b"\0")[: entry.size]))
        return str(path)

    def make(self, *members: tarfile.TarInfo) -> BootFiles:
        return self.disks.make(self.device, self.archive(*members), RATIO).boot

    def ask(self, request: str) -> str:
        """Return what debugfs tells of the file system."""
        return run_command(["debugfs", "-R", request, self.device])

    def mode(self, path: str) -> str:
        """Return type and mode as ``regular 0644 0 0``."""
        words = self.ask(f"stat {path}").replace(":", ": ").split()
        value = {word: words[index + 1] for index, word in enumerate(words[:-1]) if word in ("Type:", "Mode:", "User:", "Group:")}
        return " ".join(value[key] for key in ("Type:", "Mode:", "User:", "Group:"))


def file(name: str, size: int | None = None, mode: int = 0o644, owner: int = 0, pax: dict[str, str] | None = None) -> tarfile.TarInfo:
    """A file whose content is its name."""
    entry = tarfile.TarInfo(name)
    entry.size, entry.mode, entry.uid, entry.gid = len(name) if size is None else size, mode, owner, owner
    entry.pax_headers = pax or {}
    return entry


def other(name: str, kind: bytes, link: str = "", mode: int = 0o755) -> tarfile.TarInfo:
    entry = tarfile.TarInfo(name)
    entry.type, entry.linkname, entry.mode = kind, link, mode
    return entry


def folder(name: str) -> tarfile.TarInfo:
    return other(name, tarfile.DIRTYPE)


def symlink(name: str, target: object) -> tarfile.TarInfo:
    return other(name, tarfile.SYMTYPE, str(target))


def refused(action: Callable[[], object], words: str) -> bool:
    try:
        action()
    except EngineError as error:
        return words in str(error) and "\n" not in str(error)
    return False


def an_image_is_unpacked_as_it_is(bench: Bench) -> None:
    files = bench.make(
        folder("boot"), file("boot/vmlinuz"), file("boot/initrd.img"), file("usr/bin/cloud-init"), file("bin/su", None, 0o4755, 1234)
    )
    assert (files.kernel, files.initrd, files.cloud_init) == (b"boot/vmlinuz", b"boot/initrd.img", True)
    assert bench.mode("/bin/su") == "regular 04755 1234 1234"
    assert bench.ask("cat /boot/vmlinuz") == "boot/vmlinuz"


def the_newest_kernel_is_taken_and_none_is_no_error(bench: Bench) -> None:
    names = ("boot/vmlinuz-6.1.0-1", "boot/vmlinuz-6.1.0-2", "boot/initrd.img-6.1.0-2")
    files = bench.make(*(file(name) for name in names))
    assert (files.kernel, files.initrd, files.cloud_init) == (b"boot/vmlinuz-6.1.0-2", b"boot/initrd.img-6.1.0-2", False)
    assert bench.make(file("etc/motd")).kernel is None


def a_kernel_may_be_a_link_inside(bench: Bench) -> None:
    members = (file("boot/vmlinuz-1"), symlink("vmlinuz", "boot/vmlinuz-1"), symlink("boot/vmlinuz", "/boot/vmlinuz-1"))
    assert bench.make(*members).kernel == b"boot/vmlinuz-1"


def a_kernel_is_never_a_file_of_the_host(bench: Bench) -> None:
    entries = (
        symlink("boot/vmlinuz", bench.canary),
        symlink("boot/vmlinuz-1", f"../../../../..{bench.canary}"),
        symlink("boot/vmlinuz-2", "vmlinuz-2"),
        other("boot/vmlinuz-3", tarfile.FIFOTYPE),
        folder("boot/vmlinuz-6"),
        file("boot/vmlinuz-7", 0),
    )
    assert bench.make(*entries).kernel is None


def files_are_written_for_root(bench: Bench) -> None:
    bench.make(file("etc/hostname", None, 0o600, 1234))
    bench.disks.personalise(bench.device, [HOSTNAME, KEYS])
    bench.disks.personalise(bench.device, [HOSTNAME, KEYS])
    assert bench.ask("cat /etc/hostname") == "web\n"
    assert bench.ask("cat /root/.ssh/authorized_keys") == KEYS.content
    assert [bench.mode(path) for path in ("/etc/hostname", KEYS.path)] == ["regular 0644 0 0", "regular 0600 0 0"]
    assert bench.mode("/root/.ssh") == "directory 0700 0 0"
    assert ".zonal-new" not in bench.ask("ls /etc")


def the_file_system_grows_to_its_device(bench: Bench) -> None:
    bench.make(file("etc/motd"))
    os.truncate(bench.folder / "disk", 2 * SIZE)
    run_command(["losetup", "--set-capacity", bench.device])
    bench.disks.personalise(bench.device, [HOSTNAME])
    sizes = dict(line.split(":", 1) for line in bench.ask("stats -h").splitlines() if line.startswith("Block "))
    assert int(sizes["Block count"]) * int(sizes["Block size"]) == 2 * SIZE
    run_command(["e2fsck", "-f", "-n", bench.device])


def what_stands_at_the_path_is_replaced_not_followed(bench: Bench) -> None:
    entries = (
        symlink("etc/hostname", bench.canary),
        symlink("etc/1", f"../../../..{bench.canary}"),
        symlink("etc/2", "2"),
        other("etc/3", tarfile.FIFOTYPE),
    )
    bench.make(*entries)
    bench.disks.personalise(bench.device, [GuestFile(f"/{entry.name}", "web\n") for entry in entries])
    for entry in entries:
        assert bench.ask(f"cat /{entry.name}") == "web\n"
        assert bench.mode(f"/{entry.name}") == "regular 0644 0 0"


def the_temporary_name_is_no_way_out(bench: Bench) -> None:
    bench.make(folder("etc"), symlink("etc/.zonal-new", bench.canary))
    bench.disks.personalise(bench.device, [HOSTNAME])
    assert bench.ask("cat /etc/hostname") == "web\n"


def a_folder_that_is_a_link_leads_into_the_guest_only(bench: Bench) -> None:
    bench.make(folder("root"), folder("srv"), symlink("root/.ssh", "/srv"))
    bench.disks.personalise(bench.device, [KEYS])
    assert bench.ask("cat /srv/authorized_keys") == KEYS.content
    for target in (bench.empty, f"../../..{bench.empty}"):
        bench.make(folder("root"), symlink("root/.ssh", target))
        assert refused(lambda: bench.disks.personalise(bench.device, [KEYS]), "/root/.ssh")
        bench.check_host()


def a_folder_in_place_of_a_file_is_one_message(bench: Bench) -> None:
    bench.make(folder("etc/hostname"))
    assert refused(lambda: bench.disks.personalise(bench.device, [HOSTNAME]), "/etc/hostname")


def a_file_in_place_of_a_folder_is_one_message(bench: Bench) -> None:
    bench.make(file("etc"))
    assert refused(lambda: bench.disks.personalise(bench.device, [HOSTNAME]), "/etc")


def an_archive_that_breaks_off_is_one_message(bench: Bench) -> None:
    path = bench.archive(file("a", 20 * MIB))
    os.truncate(path, os.path.getsize(path) // 2)
    assert refused(lambda: bench.disks.make(bench.device, path, RATIO), bench.device)


def members_that_lead_out_stay_inside(bench: Bench) -> None:
    """check_archive refuses these archives first; tar is the second wall."""
    path = bench.archive(file(f"../../../../../..{bench.empty}/x"), symlink("out", bench.empty), file("out/x"))
    assert refused(lambda: bench.disks.make(bench.device, path, RATIO), bench.device)
    bench.check_host()


def a_device_node_is_not_made(bench: Bench) -> None:
    assert refused(lambda: bench.make(other("dev/node", tarfile.BLKTYPE)), "mknod")
    # One that needs no right to be made: an overlay's mark of what is gone.
    assert refused(lambda: bench.make(other("dev/node", tarfile.CHRTYPE)), "it is a device node")


def the_host_is_read_only(bench: Bench) -> None:
    """The third wall: whatever tar could be made to do, it does it to the volume."""
    bench.make(file("etc/motd"))
    for path in (bench.canary, bench.empty / "x", Path("/run/x"), Path("/dev/shm/x")):
        assert refused(partial(bench.disks._with_mounted, bench.device, partial(path.write_text, "x")), "Read-only"), path


def what_was_unpacked_is_what_was_checked(bench: Bench) -> None:
    members = (
        folder("./"),
        folder("empty"),
        file("usr/bin/su", None, 0o4755),
        other("usr/bin/doas", tarfile.LNKTYPE, "usr/bin/su", 0o4755),
        file("usr/bin/ping", None, 0o755, pax={"SCHILY.xattr.security.capability": CAPABILITY, "SCHILY.xattr.user.a": "b=\n"}),
        file("usr/bin/ls", None, 0o755, pax={"SCHILY.xattr.security.selinux": "system_u:object_r:bin_t:s0"}),
        file("usr/bin/cat", None, 0o755, pax={"SCHILY.xattr.user.a": "x" * 3900}),
        symlink("bin", "usr/bin"),
        symlink("etc/mtab", "/proc/mounts"),
        symlink("etc/far", "x" * 4000),
        *(file(name) for name in ("-rf", " ", "new\nline", "\udcff\udcfe", "x" * 255, "/".join(["x" * 200] * 19), "a\\b=c#")),
        file("srv/data", 5 * MIB, 0o600, 1234),
        other("run/pipe", tarfile.FIFOTYPE),
    )
    path = bench.archive(*members)
    assert bench.disks.make(bench.device, path, RATIO).digest == check_archive(path, Policy()).content.digest
    assert bench.mode("/") == "directory 0755 0 0"


def hostile_images_harm_nobody(bench: Bench) -> None:
    """Each is refused by the check; here tar has it all the same, with whatever it makes of it on the volume only."""
    path = bench.folder / "image.tgz"
    for name, case in HOSTILE.items():
        path.write_bytes(case.content)
        with suppress(EngineError):
            bench.disks.make(bench.device, str(path), RATIO)
        bench.check_host()
        told = ""
        try:
            check_archive(str(path), Policy(MAX_SIZE))
        except ZonalError as error:
            told = str(error)
        assert told, name
        assert case.words in told, name


def a_device_that_is_too_small_is_one_message(bench: Bench) -> None:
    assert refused(lambda: bench.make(file("a", 2 * SIZE)), "tar: a: ")


def what_is_no_file_system_is_one_message(bench: Bench) -> None:
    with open(bench.device, "wb") as device:
        device.write(bytes(MIB))
    assert refused(lambda: bench.disks.personalise(bench.device, [HOSTNAME]), bench.device)
    assert refused(lambda: bench.disks.personalise(f"{bench.device}-nowhere", [HOSTNAME]), "nowhere")


def what_is_packed_is_what_was_unpacked(bench: Bench) -> None:
    links = [archives.member("usr/bin/su", size=3, mode=0o4755), archives.hardlink("usr/bin/a", "usr/bin/su", 0o4755)]
    ping = archives.with_xattr("usr/bin/ping", "security.capability", archives.CAPABILITY)
    marked = archives.with_xattr("etc/m", "user.a", b"\xff\0=\n")
    odd = [archives.member(name, size=4) for name in ("-rf", "new\nline", "\udcff\udcfe", "tail ", "x" * 255, "a/lost+found/b")]
    others = [archives.folder("empty"), archives.symlink("bin", "usr/bin"), archives.member("run/pipe", kind=tarfile.FIFOTYPE)]
    members = [*links, ping, marked, *odd, *others]
    without = check_archive(bench.archive(*members), Policy()).content.digest
    made = bench.disks.make(bench.device, bench.archive(*members, archives.member("lost+found/a")), RATIO)
    assert [pack(bench, lost_found=True), pack(bench, lost_found=True)] == [(made.digest, made.digest)] * 2
    assert pack(bench, lost_found=False) == (without, without)
    assert pack(bench, lost_found=False)[0] != made.digest


def an_empty_file_system_has_no_content(bench: Bench) -> None:
    run_command(["mkfs.ext4", "-q", "-F", bench.device])
    path = bench.folder / "packed"
    path.write_bytes(b"")
    assert bench.disks.pack(bench.device, str(path), lost_found=False) == digest_of([])


def a_bootloader_starts_the_guests_own_kernel(bench: Bench) -> None:
    bench.make(file("boot/vmlinuz-1"), symlink("vmlinuz", "boot/vmlinuz-1"))
    bench.disks.check_loader()
    assert (bench.disks.has_kernel(bench.device), bench.disks.has_bootloader(bench.device)) == (True, False)
    bench.disks.add_bootloader(bench.device)
    assert bench.disks.has_bootloader(bench.device)
    assert "LINUX /vmlinuz\n" in bench.ask("cat /boot/extlinux/extlinux.conf")
    assert bench.mode("/boot/extlinux/ldlinux.sys") == "regular 0444 0 0"
    run_command(["e2fsck", "-f", "-n", bench.device])
    bench.disks.add_bootloader(bench.device)


def a_bootloader_goes_into_the_guest_only_and_starts_what_the_guest_says(bench: Bench) -> None:
    bench.make(file("boot/vmlinuz"), folder("x"), file("x/extlinux.conf"), symlink("boot/extlinux", "/x"))
    bench.disks.add_bootloader(bench.device)
    assert bench.ask("cat /x/extlinux.conf") == "x/extlinux.conf"
    assert bench.mode("/x/ldlinux.sys") == "regular 0444 0 0"
    for entry in (symlink("boot/extlinux", bench.empty), other("boot/extlinux", tarfile.FIFOTYPE)):
        bench.make(file("boot/vmlinuz"), entry)
        assert refused(lambda: bench.disks.add_bootloader(bench.device), "exists")
        assert not bench.disks.has_bootloader(bench.device)


def what_has_no_kernel_is_told(bench: Bench) -> None:
    bench.make(symlink("vmlinuz", bench.canary), folder("boot/vmlinuz"))
    assert not bench.disks.has_kernel(bench.device)


def pack(bench: Bench, *, lost_found: bool) -> tuple[str, str]:
    """Return the digests that packing tells, and that of the archive; its bytes are the same each time."""
    path = bench.folder / "packed"
    path.write_bytes(b"")
    told = bench.disks.pack(bench.device, str(path), lost_found=lost_found)
    first = hashlib.sha256(path.read_bytes()).hexdigest()
    bench.disks.pack(bench.device, str(path), lost_found=lost_found)
    assert hashlib.sha256(path.read_bytes()).hexdigest() == first
    return told, check_archive(str(path), Policy()).content.digest


CONTRACT = (
    an_image_is_unpacked_as_it_is,
    the_newest_kernel_is_taken_and_none_is_no_error,
    a_kernel_may_be_a_link_inside,
    a_kernel_is_never_a_file_of_the_host,
    files_are_written_for_root,
    the_file_system_grows_to_its_device,
    what_stands_at_the_path_is_replaced_not_followed,
    the_temporary_name_is_no_way_out,
    a_folder_that_is_a_link_leads_into_the_guest_only,
    a_folder_in_place_of_a_file_is_one_message,
    a_file_in_place_of_a_folder_is_one_message,
    an_archive_that_breaks_off_is_one_message,
    members_that_lead_out_stay_inside,
    a_device_node_is_not_made,
    the_host_is_read_only,
    what_was_unpacked_is_what_was_checked,
    hostile_images_harm_nobody,
    a_device_that_is_too_small_is_one_message,
    what_is_no_file_system_is_one_message,
    what_is_packed_is_what_was_unpacked,
    an_empty_file_system_has_no_content,
    a_bootloader_starts_the_guests_own_kernel,
    a_bootloader_goes_into_the_guest_only_and_starts_what_the_guest_says,
    what_has_no_kernel_is_told,
)


def main(device: str, path: str) -> int:
    """Run the contract; print one line per check, and return 1 when one failed."""
    bench = Bench(device, Path(path), MountedGuestDisks(run_command))
    failed = 0
    for check in CONTRACT:
        try:
            bench.prepare()
            check(bench)
            bench.check_host()
            print("ok", check.__name__, flush=True)
        except Exception:
            failed = 1
            print("FAILED", check.__name__, traceback.format_exc(), flush=True)
    return failed


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:3]))
