# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Archives are hostile input: each is read once, and refused in one message or told what it holds."""

from __future__ import annotations

import bz2
import gzip
import hashlib
import lzma
import os
import subprocess
import tarfile
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ansible_collections.zonal.cloud.plugins.module_utils._adapters.rootfs_archive import check_archive
from ansible_collections.zonal.cloud.plugins.module_utils._adapters.rootfs_tree import tree_entries
from ansible_collections.zonal.cloud.plugins.module_utils._domain import image_policy
from ansible_collections.zonal.cloud.plugins.module_utils._domain.content import digest_of
from ansible_collections.zonal.cloud.plugins.module_utils._domain.errors import RefusedError, ZonalError
from ansible_collections.zonal.cloud.plugins.module_utils._domain.image_policy import Policy
from ansible_collections.zonal.cloud.plugins.module_utils._ports import EngineError
from ansible_collections.zonal.cloud.tests.unit.plugins.contracts.archives import (
    CAPABILITY,
    MIB,
    extended,
    folder,
    hardlink,
    member,
    pack,
    pack_gnu,
    symlink,
    with_field,
    with_xattr,
)
from ansible_collections.zonal.cloud.tests.unit.plugins.contracts.hostile_images import HOSTILE, MAX_SIZE, Hostile

SPARE = 80 * MIB  # the least: 64 MiB and rounding
POLICY = Policy(MAX_SIZE)
PACKERS: list[Callable[[bytes], bytes]] = [bytes, gzip.compress, bz2.compress, lzma.compress]
LINKS = pack(
    symlink("bin", "usr/bin"), symlink("etc/mtab", "/proc/mounts"), symlink("etc/above", "../../../etc/passwd"), member("etc/motd")
)
WHOLE = gzip.compress(pack(member("a", size=MIB)))


@pytest.fixture
def archive(tmp_path: Path) -> Callable[[bytes], str]:
    def write(content: bytes) -> str:
        path = tmp_path / "image.tar"
        path.write_bytes(content)
        return str(path)

    return write


def refusal(path: str, policy: Policy = POLICY) -> str:
    """Return the one message of an archive that is refused."""
    with pytest.raises(ZonalError) as caught:
        check_archive(path, policy)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("case", HOSTILE.values(), ids=HOSTILE.keys())
def test_hostile(archive: Callable[[bytes], str], case: Hostile) -> None:
    told = refusal(archive(case.content))
    assert case.words in told
    assert told.startswith(("src: the archive ", "Cannot read "))


@pytest.mark.parametrize("compress", PACKERS)
def test_the_sum_of_the_file_and_of_its_content(archive: Callable[[bytes], str], compress: Callable[[bytes], bytes]) -> None:
    content = compress(pack(folder("./"), member("./etc/motd", size=10)))
    found = check_archive(archive(content), POLICY)
    assert found.sha256 == hashlib.sha256(content).hexdigest()
    assert found.content == check_archive(archive(pack_gnu(folder("etc"), member("etc//motd", size=10))), POLICY).content
    assert (found.content.volume_size, found.content.inodes) == (SPARE, 2)


PADDED: list[Callable[[bytes], bytes]] = [
    lambda plain: gzip.compress(plain) + bytes(2 * MIB),
    lambda plain: lzma.compress(plain) + bytes(8),
    lambda plain: gzip.compress(b"") + gzip.compress(plain) + gzip.compress(b""),
]


@pytest.mark.parametrize("compress", PADDED, ids=["gzip", "xz", "empty streams"])
def test_padding_is_no_content(archive: Callable[[bytes], str], compress: Callable[[bytes], bytes]) -> None:
    assert check_archive(archive(compress(LINKS)), POLICY).content == check_archive(archive(LINKS), POLICY).content


def test_many_small_streams_take_no_longer_than_their_size(archive: Callable[[bytes], str]) -> None:
    started = time.process_time()
    refusal(archive(gzip.compress(b"") * (12 * MIB // 20)))
    assert time.process_time() - started < 1


def test_several_streams_are_one_archive(archive: Callable[[bytes], str]) -> None:
    plain = pack(member("a", size=MIB))
    parts = b"".join(gzip.compress(plain[start : start + 1000]) for start in range(0, len(plain), 1000))
    assert check_archive(archive(parts), POLICY).content == check_archive(archive(plain), POLICY).content


def test_the_size_is_that_of_the_content_and_some_more(archive: Callable[[bytes], str]) -> None:
    size = check_archive(archive(pack(*(member(f"f{number}", size=MIB) for number in range(15)))), POLICY).content.volume_size
    assert 15 * MIB * 1.25 < size - 64 * MIB < 15 * MIB * 1.25 + 17 * MIB
    assert size % (4 * MIB) == 0


def test_links_of_a_guest_are_no_harm(archive: Callable[[bytes], str]) -> None:
    assert check_archive(archive(LINKS), POLICY).content.inodes == 5


def test_more_than_512_folders_in_a_row_are_no_long_header(archive: Callable[[bytes], str]) -> None:
    assert check_archive(archive(pack(*(folder(f"d{number}") for number in range(1000)))), POLICY).content.inodes == 1000


def test_an_old_kind_of_sparse_file_is_for_vms_only(archive: Callable[[bytes], str]) -> None:
    path = archive(with_field(pack_gnu(member("a")), 156, tarfile.GNUTYPE_SPARSE))
    assert check_archive(path, POLICY).content.inodes == 1
    assert "for containers pack the image without --sparse" in refusal(path, Policy(MAX_SIZE, old_sparse=False))


NO_KERNELS = [
    member("boot/vmlinuz"),
    folder("boot/vmlinuz-6"),
    member("boot/vmlinuz-6/a", size=1),
    member("boot/vmlinuz", kind=tarfile.FIFOTYPE),
    member("boot/vmlinuzx", size=1),
]


@pytest.mark.parametrize("entry", NO_KERNELS, ids=lambda entry: str(entry.name))
def test_what_no_machine_can_boot_is_no_kernel(archive: Callable[[bytes], str], entry: tarfile.TarInfo) -> None:
    assert not check_archive(archive(pack(entry)), POLICY).content.kernel


@pytest.mark.parametrize("kernel", ["boot/vmlinuz", "boot/vmlinuz-6.12.0"])
def test_a_kernel_is_told(archive: Callable[[bytes], str], kernel: str) -> None:
    assert check_archive(archive(pack(member(kernel, size=1))), POLICY).content.kernel
    assert not check_archive(archive(pack(member(f"srv/{kernel}", size=1))), POLICY).content.kernel


SU = pack(member("usr/bin/su", mode=0o4755), hardlink("usr/bin/doas", "usr/bin/su", 0o4755))
PING = pack(with_xattr("usr/bin/ping", "security.capability", CAPABILITY))
HOME = pack(member("home/x", mode=0o6777))
MAIL = pack(member("var/mail", kind=tarfile.DIRTYPE, mode=0o2775))


@pytest.mark.parametrize(
    ("content", "allowed"),
    [(SU, {"usual", "any"}), (PING, {"usual", "any"}), (HOME, {"any"}), (MAIL, {"usual", "any", "none"})],
    ids=["su", "ping", "home", "mail"],
)
@pytest.mark.parametrize("privileged", ["usual", "any", "none"])
def test_privileged_files(archive: Callable[[bytes], str], content: bytes, allowed: set[str], privileged: str) -> None:
    policy = Policy(MAX_SIZE, privileged)
    if privileged in allowed:
        assert check_archive(archive(content), policy).content.inodes > 0
    else:
        assert "the option privileged_files" in refusal(archive(content), policy)


@pytest.mark.parametrize("kind", ["deep", "links"])
def test_names_do_not_fill_the_memory(archive: Callable[[bytes], str], kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Folders that a name only implies are kept, too: 14 KB of an archive could take gigabytes."""
    deep = [member(f"{number}/" + "d/" * 1990 + "f") for number in range(70)]
    links = [symlink(f"{number}", "x" * 4000) for number in range(70)]
    if kind == "links":
        monkeypatch.setattr(image_policy, "_MOST_WORDS", 65 * 4000)
    assert "names and attributes of more than" in refusal(archive(pack(*(deep if kind == "deep" else links))), Policy())


def test_a_file_has_as_many_names_as_ext4_gives_it(archive: Callable[[bytes], str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(image_policy, "_MOST_NAMES", 3)
    names = [member("a"), hardlink("b", "a"), hardlink("c", "b"), member("e"), hardlink("f", "e")]
    assert check_archive(archive(pack(*names)), POLICY).content.inodes == 5
    assert "'d', one more hard link to c, which has 3 names already" in refusal(archive(pack(*names, hardlink("d", "c"))))


@pytest.mark.parametrize("content", [LINKS, WHOLE[:-10], HOME], ids=["good", "cut off", "against the policy"])
def test_another_file_than_the_wanted_one_is_told_as_that(archive: Callable[[bytes], str], content: bytes) -> None:
    with pytest.raises(RefusedError, match=r"^src: \S+ has the sha256 [0-9a-f]{64}, but 00\S+ is wanted; nothing was unpacked$"):
        check_archive(archive(content), POLICY, "0" * 64)


@pytest.mark.parametrize("path", ["/nowhere/image.tar", "/", "/dev/null"])
def test_what_cannot_be_opened_is_one_message(path: str) -> None:
    with pytest.raises(EngineError, match=f"^Cannot read the archive {path}: "):
        check_archive(path, POLICY)


def test_a_broken_gzip_is_never_taken_for_a_plain_tar(archive: Callable[[bytes], str]) -> None:
    """One in about 200 would be, by the sum of its first 512 bytes, which the time in its header changes."""
    for moment in range(0, 400 * 7919, 7919):
        content = gzip.compress(pack(member("a", size=MIB)), compresslevel=1, mtime=moment)
        path = archive(content[:40] + b"\xff" * 8 + content[48:])
        with pytest.raises(EngineError):
            check_archive(path, POLICY)


FUZZ = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=100, deadline=None, derandomize=True)


@FUZZ
@given(
    st.sampled_from([pack(member("a", size=3)), LINKS, pack_gnu(member("x" * 200)), gzip.compress(LINKS), lzma.compress(LINKS), WHOLE]),
    st.lists(st.tuples(st.integers(0), st.binary(max_size=4))),
)
def test_any_bytes_are_read_or_refused(archive: Callable[[bytes], str], content: bytes, changes: list[tuple[int, bytes]]) -> None:
    for place, new in changes:
        place %= len(content)
        content = content[:place] + new + content[place + len(new) :]
    try:
        assert check_archive(archive(content), POLICY).content.volume_size >= SPARE
    except ZonalError as error:
        message = str(error)
        assert "\n" not in message


# Names of which some clash, some lead out, and some need an extended header.
NAMES = st.lists(st.sampled_from(["a", "b", "..", ".", "", "\udcff", "a\n", " ", "-", ".wh.a", "x" * 120]), max_size=4).map("/".join)
TYPES = st.sampled_from([tarfile.REGTYPE, tarfile.DIRTYPE, tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE, tarfile.CHRTYPE, b"V"])
MEMBERS = st.builds(
    lambda name, kind, link, size, mode: member(name, kind=kind, link=link, size=size if kind == tarfile.REGTYPE else 0, mode=mode),
    NAMES,
    TYPES,
    NAMES,
    st.integers(0, 2000),
    st.sampled_from([0o644, 0o755, 0o4755, 0o2777]),
)


@FUZZ
@given(st.lists(MEMBERS, max_size=6), st.sampled_from([tarfile.PAX_FORMAT, tarfile.GNU_FORMAT]))
def test_what_is_not_refused_is_unpacked_as_it_was_read(tmp_path: Path, members: list[tarfile.TarInfo], form: int) -> None:
    """GNU tar and this reader mean the same, and nothing appears outside. Owners and devices are root's: see the engines tier."""
    source, target = tmp_path / "image.tar", tmp_path / "host" / "deep" / "target"
    for entry in members:
        entry.uid, entry.gid, entry.uname, entry.gname = os.getuid(), os.getgid(), "", ""
    source.write_bytes(pack(*members, form=form))
    try:
        found = check_archive(str(source), Policy(MAX_SIZE, "any"))
    except ZonalError as error:
        message = str(error)
        assert "\n" not in message
        return
    target.mkdir(parents=True)
    try:
        options = ["--extract", "--preserve-permissions", "--xattrs"]
        subprocess.run(["tar", *options, "--file", source, "--directory", target], check=True, capture_output=True, umask=0o022)
        assert digest_of(tree_entries(os.fsencode(target))) == found.content.digest
        assert os.listdir(tmp_path / "host") == ["deep"]
        assert os.listdir(tmp_path / "host" / "deep") == ["target"]
    finally:
        subprocess.run(["rm", "-rf", tmp_path / "host"], check=True)


@pytest.mark.parametrize("parts", range(7))
def test_a_sparse_file_has_the_content_of_a_whole_one(tmp_path: Path, parts: int) -> None:
    tree = tmp_path / "tree"
    tree.mkdir()
    with open(tree / "holes", "wb") as file:
        for place in range(parts):
            file.seek((place + 1) * MIB)
            file.write(b"x" * 4096)
        file.truncate(12 * MIB)
    found = set()
    for options in (["--format=gnu"], *(["--sparse", f"--format={form}"] for form in ("gnu", "posix"))):
        subprocess.run(["tar", "--create", *options, "--file", tmp_path / "image.tar", "--directory", tree, "."], check=True)
        found.add(check_archive(str(tmp_path / "image.tar"), POLICY).content.digest)
    assert found == {digest_of(tree_entries(os.fsencode(tree)))}


def sparse(size: str, part: int) -> bytes:
    """A sparse file of POSIX's kind, which has 600 bytes."""
    records = {"major": "1", "minor": "0", "name": "a", "realsize": size}
    header = extended(*((f"GNU.sparse.{name}", value) for name, value in records.items()))
    return header + with_field(pack(member("b", size=1112)), 0, b"a")[:512] + b"1\n0\n%d\n".ljust(512) % part + bytes(2048)


@pytest.mark.parametrize("size", ["0", "100", "-1", "x", str(2**70)])
def test_headers_that_lie_about_a_sparse_file_are_refused(archive: Callable[[bytes], str], size: str) -> None:
    assert check_archive(archive(sparse("600", 600)), POLICY).content.inodes == 1
    assert refusal(archive(sparse(size, 600)))


TREE_OPTIONS = {
    "gnu": ["--format=gnu"],
    "posix": ["--format=posix"],
    "posix with times": ["--format=posix", "--pax-option=delete=none"],
    "with attributes": ["--format=posix", "--xattrs", "--sparse", "--sort=name"],
    "old gnu": ["--format=oldgnu", "--sparse"],
    "without owners": ["--format=gnu", "--owner=0", "--group=0", "--numeric-owner"],
}


@pytest.mark.parametrize("options", TREE_OPTIONS.values(), ids=TREE_OPTIONS.keys())
def test_what_tar_writes_of_an_honest_tree_is_taken(tmp_path: Path, options: list[str]) -> None:
    tree = os.fsencode(tmp_path / "tree")
    deep = b"/".join([tree, *[b"d" * 90] * 4])
    os.makedirs(deep)
    for name in (b"short", b"x" * 101, b"y" * 254, b"latin \xe9", b"new\nline"):
        with open(os.path.join(deep, name), "wb") as file:
            file.write(name)
        os.link(os.path.join(deep, name), os.path.join(deep, b"z" + name))
        os.symlink(b"../" * 60 + name, os.path.join(deep, b"s" + name[:200]))
    os.utime(deep, ns=(-1, -1_500_000_000))
    subprocess.run(["tar", "--create", *options, "--file", tmp_path / "image.tar", "--directory", tree, "."], check=True)
    found = check_archive(str(tmp_path / "image.tar"), POLICY).content
    assert found.inodes == 19
    if "--owner=0" not in options:
        assert found.digest == digest_of(tree_entries(tree))


def test_what_tarfile_writes_is_taken(tmp_path: Path) -> None:
    for form in (tarfile.PAX_FORMAT, tarfile.GNU_FORMAT, tarfile.USTAR_FORMAT):
        odd = [member(name, size=3) for name in ("a\udcff", "caf\u00e9", "x" * 100, "/".join(["d" * 50] * 4), "d/" * 60 + "f")]
        (tmp_path / "image.tar").write_bytes(pack(*odd, form=form))
        assert check_archive(str(tmp_path / "image.tar"), POLICY).content.inodes == 5 + 3 + 60
