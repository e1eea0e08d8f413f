# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""This machine as host_info sees it, against what other programs say; KVM is tried with Debian's own kernel."""

from __future__ import annotations

import os
import subprocess
import tarfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from ansible_collections.zonal.cloud.plugins.module_utils._adapters.engines import find_engines
from ansible_collections.zonal.cloud.plugins.module_utils._adapters.host_links import read_links
from ansible_collections.zonal.cloud.plugins.module_utils._adapters.kvm import try_kvm
from ansible_collections.zonal.cloud.plugins.module_utils._adapters.sysfs import Sysfs
from ansible_collections.zonal.cloud.plugins.module_utils._domain.host_network import find_bridges
from ansible_collections.zonal.cloud.tests.host_command import run_command

NAMESPACE = f"zonal-info-{os.getpid()}"
MAC = "02:00:00:00:00:77"


@pytest.fixture(scope="module")
def kernel(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """The kernel of Debian's newest cloud image, from the machine's own mirror."""
    folder = tmp_path_factory.mktemp("kernel")
    depends = run_command(["apt-cache", "depends", "linux-image-cloud-amd64"])
    name = next(line.split()[1] for line in depends.splitlines() if line.strip().startswith("Depends:"))
    subprocess.run(["apt-get", "download", "-q", name], cwd=folder, check=True, capture_output=True, timeout=300)
    [package] = folder.glob("*.deb")
    archive = folder / "content.tar"
    with archive.open("wb") as file:
        subprocess.run(["dpkg-deb", "--fsys-tarfile", package], stdout=file, check=True, timeout=120)
    with tarfile.open(archive) as content:
        member = next(item for item in content if "/vmlinuz-" in item.name)
        stream = content.extractfile(member)
        assert stream is not None
        return stream.read()


@pytest.fixture
def host(tmp_path: Path) -> Path:
    """A root folder in which this machine's QEMU and KVM are found."""
    for name in ("boot", "run", "dev", "usr/bin", "proc/sys/kernel/random"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "dev/kvm").touch()
    (tmp_path / "proc/sys/kernel/random/boot_id").write_text("now")
    (tmp_path / "usr/bin/qemu-system-x86_64").symlink_to("/usr/bin/qemu-system-x86_64")
    return tmp_path


def emulated(argv: Sequence[str], *, stdin: str | None = None, timeout: float = 120) -> str:
    """Run QEMU as asked, but emulating the processor: a KVM that surely works."""
    return run_command(["tcg" if word == "kvm" else word for word in argv], stdin=stdin, timeout=timeout)


def test_a_kernel_that_boots_is_recognised(host: Path, kernel: bytes) -> None:
    (host / "boot/vmlinuz-test").write_bytes(kernel)
    trial = try_kvm(emulated, timeout=120, root=str(host))
    assert trial.usable, trial.reason
    assert 0 < trial.seconds < 120


def test_a_kernel_that_hangs_is_ended_in_time(host: Path, kernel: bytes) -> None:
    (host / "boot/vmlinuz-test").write_bytes(kernel)
    # A tenth of a second is too short for any kernel, which is how one that hangs looks.
    trial = try_kvm(emulated, timeout=0.1, root=str(host))
    assert not trial.usable
    assert "no answer within 0.1 seconds" in trial.reason
    assert trial.seconds < 10


def test_what_is_no_kernel_is_told_in_the_words_of_qemu(host: Path) -> None:
    (host / "boot/vmlinuz-test").write_bytes(b"no kernel" * 1000)
    trial = try_kvm(emulated, root=str(host))
    assert not trial.usable
    assert "vmlinuz-test does not boot under KVM" in trial.reason


def test_the_kvm_of_this_machine_gets_a_verdict_in_time(host: Path, kernel: bytes) -> None:
    (host / "boot/vmlinuz-test").write_bytes(kernel)
    trial = try_kvm(run_command, timeout=8, remember=True, root=str(host))
    assert trial.seconds < 12
    assert trial.usable == ("boots under KVM" in trial.reason and "does not" not in trial.reason)
    assert try_kvm(run_command, timeout=8, root=str(host)) == trial


def test_cpus_and_memory_are_those_of_this_machine() -> None:
    topology, memory = Sysfs().topology(), Sysfs().memory()
    assert len(topology.online) == int(run_command(["getconf", "_NPROCESSORS_ONLN"]))
    assert memory.total == os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    assert sum(len(node.cpus) for node in topology.nodes) == len(topology.online)


def test_the_engines_are_those_of_this_machine() -> None:
    engines = {engine.name: engine for engine in find_engines(run_command)}
    assert engines["qemu"].version in run_command(["qemu-system-x86_64", "--version"])
    assert engines["docker"].version in run_command(["docker", "--version"])
    for engine in engines.values():
        assert engine.running or engine.reason or not engine.installed


@pytest.fixture
def namespace() -> Iterator[str]:
    run_command(["ip", "netns", "add", NAMESPACE])
    try:
        yield NAMESPACE
    finally:
        run_command(["ip", "netns", "delete", NAMESPACE])


def test_a_real_bridge(namespace: str) -> None:
    def inside(argv: Sequence[str], *, stdin: str | None = None, timeout: float = 120) -> str:
        return run_command(["ip", "netns", "exec", namespace, *argv], stdin=stdin, timeout=timeout)

    inside(["ip", "link", "add", "zbr0", "address", MAC, "type", "bridge", "forward_delay", "400", "stp_state", "1"])
    inside(["ip", "link", "add", "uplink", "type", "vxlan", "id", "7", "dstport", "4789", "remote", "192.0.2.9"])
    inside(["ip", "link", "add", "guest", "type", "veth", "peer", "name", "inner"])
    for port in ("uplink", "guest"):
        inside(["ip", "link", "set", port, "master", "zbr0"])
    inside(["ip", "address", "add", "192.0.2.1/24", "dev", "zbr0"])
    inside(["ip", "link", "set", "zbr0", "mtu", "1400", "up"])
    [bridge] = find_bridges(read_links(inside))
    assert (bridge.name, bridge.mac, bridge.mtu, bridge.up) == ("zbr0", MAC, 1400, True)
    assert (bridge.stp, bridge.forward_delay) == (True, 4.0)
    assert (bridge.ports, bridge.uplinks, bridge.addresses) == (("guest", "uplink"), ("uplink",), ("192.0.2.1/24",))
