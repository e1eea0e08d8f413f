# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Trees of cgroups as systemd and docker make them; the true ones are in tests/integration/engines and tests/lab."""

from __future__ import annotations

from pathlib import Path

import pytest

from ansible_collections.zonal.cloud.plugins.module_utils._adapters.cgroups import Cgroups

ID, OTHER = "a" * 64, "b" * 64
DEVICES = "head\nhead\neth0: 7 1 0 0 0 0 0 0 9 2 0 0 0 0 0 0\n"


def write(root: Path, **files: str) -> None:
    root.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (root / name.replace("__", ".")).write_text(text)


@pytest.mark.parametrize("place", ["system.slice/docker-{id}.scope", "docker/{id}", "zonal.slice/x/docker-{id}.scope"])
@pytest.mark.parametrize("inner", ["", "init.scope"])
def test_version_2_wherever_it_is(tmp_path: Path, place: str, inner: str) -> None:
    base = tmp_path / "sys" / "fs" / "cgroup"
    write(base, cgroup__controllers="cpu io memory\n")
    folder = base / place.format(id=ID)
    write(folder, cpu__stat="usage_usec 1500000\n", memory__current="4096\n", cgroup__procs="")
    write(folder / inner, cgroup__procs="17\n18\n")
    # What a container nests is its own business.
    write(folder / f"docker-{OTHER}.scope", cpu__stat="usage_usec 9\n")
    write(tmp_path / "proc" / "17" / "net", dev=DEVICES)
    found = Cgroups(str(tmp_path)).usage([ID, OTHER])
    assert list(found) == [ID]
    assert (found[ID].counters.cpu_seconds, found[ID].memory, found[ID].counters.received_bytes) == (1.5, 4096, 7)


def test_version_1_has_its_files_in_several_trees(tmp_path: Path) -> None:
    base = tmp_path / "sys" / "fs" / "cgroup"
    write(base / "cpuacct" / "docker" / ID, cpuacct__usage="1500000000\n", cgroup__procs="17\n")
    write(base / "memory" / "docker" / ID, memory__usage_in_bytes="4096\n")
    write(base / "blkio" / "docker" / ID, blkio__throttle__io_service_bytes_recursive="253:3 Write 5\n253:0 Write 5\n8:0 Write 5\n")
    write(tmp_path / "proc" / "17" / "net", dev=DEVICES)
    for device, below in (("253:3", "dm-0"), ("253:0", "sda"), ("8:0", "")):
        slaves = tmp_path / "sys" / "dev" / "block" / device / "slaves"
        slaves.mkdir(parents=True)
        if below:
            write(slaves / below, dev={"dm-0": "253:0\n", "sda": "8:0\n"}[below])
    found = Cgroups(str(tmp_path)).usage([ID])[ID]
    assert (found.counters.cpu_seconds, found.memory, found.counters.written_bytes, found.counters.sent_packets) == (1.5, 4096, 5, 2)


def test_a_container_that_does_not_run_is_not_among_them(tmp_path: Path) -> None:
    assert Cgroups(str(tmp_path)).usage([ID]) == {}
