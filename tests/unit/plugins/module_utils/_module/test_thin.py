# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which programs a thin pool and a thin volume are made with, in which order."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ansible_collections.zonal.cloud.plugins.module_utils._adapters.block import BlockDevices
from ansible_collections.zonal.cloud.plugins.module_utils._adapters.lvm_pool import LvmPool, LvmProfiles
from ansible_collections.zonal.cloud.plugins.module_utils._domain.thin_pool import GIB, Autoextend, Device, ThinPoolSpec, ThinPoolState
from ansible_collections.zonal.cloud.plugins.module_utils._domain.thin_volume import ThinVolumeSpec, ThinVolumeState
from ansible_collections.zonal.cloud.plugins.module_utils._module.thin_pool import ThinPoolResource
from ansible_collections.zonal.cloud.plugins.module_utils._module.thin_volume import ThinVolumeResource
from ansible_collections.zonal.cloud.tests.unit.plugins.fakes.volumes import FakeVolumes


class RecordingCommand:
    """Answers every program with nothing and keeps what was run."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def __call__(self, argv: Sequence[str], *, stdin: str | None = None, timeout: float = 120) -> str:
        self.lines.append(" ".join(argv))
        return ""


def test_a_pool_is_made_with_two_programs_and_a_profile(tmp_path: Path) -> None:
    command = RecordingCommand()
    spec = ThinPoolSpec("pool", "zonal", devices=("/dev/sdb",), wipe=True)
    profiles = LvmProfiles(str(tmp_path))
    resource = ThinPoolResource(spec, LvmPool(command, "zonal", "pool"), BlockDevices(command), profiles)
    found = ThinPoolState((Device("/dev/sdb", "/dev/sdb", size=8 * GIB, signatures=("gpt",)),))
    for step in resource.plan(found).steps:
        resource.apply(step)
    assert command.lines == [
        "wipefs --all /dev/sdb",
        "vgcreate --addtag zonal.cloud zonal /dev/sdb",
        "lvcreate --yes --type thin-pool --zero y --discards passdown --name pool --extents 1842 --poolmetadatasize 16777216b"
        " --chunksize 65536b --metadataprofile zonal-zonal-pool --addtag zonal.size=90/100 zonal",
    ]
    assert profiles.read("zonal-zonal-pool") == Autoextend(80, 5)


def test_the_parts_of_a_pool_are_let_go_before_it_is_activated() -> None:
    command = RecordingCommand()
    LvmPool(command, "zonal", "pool").activate()
    assert command.lines == ["lvchange --activate n zonal/pool_tmeta zonal/pool_tdata", "lvchange --activate y zonal/pool"]


def test_a_volume_is_marked_until_its_filesystem_is_finished() -> None:
    command, volumes = RecordingCommand(), FakeVolumes()
    resource = ThinVolumeResource(ThinVolumeSpec("docker", "zonal", "pool", size=GIB, filesystem="xfs"), command, volumes)
    create, make = resource.plan(ThinVolumeState()).steps
    resource.apply(create)
    made = volumes.find("docker")
    assert made is not None
    assert made.tags == {"zonal.unfinished"}
    resource.apply(make)
    finished = volumes.find("docker")
    assert finished is not None
    assert finished.tags == set()
    assert command.lines == ["mkfs.xfs -q -f /dev/zonal/docker"]
