# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""How LVM's reports are read; what LVM itself does is proved by the contract in the lab."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from ansible_collections.zonal.cloud.plugins.module_utils._adapters.lvm import LvmVolumes, read_volumes
from ansible_collections.zonal.cloud.plugins.module_utils._ports import EngineAbsent, EngineError
from ansible_collections.zonal.cloud.plugins.module_utils._ports_storage import Volume

REPORT = """
  {
      "report": [
          {
              "lv": [
                  {"vg_name":"zonal", "lv_name":"docker", "lv_path":"/dev/zonal/docker", "lv_size":"1073741824",
                   "pool_lv":"pool", "origin":"", "lv_tags":"zonal.kind=docker,zonal.x=1", "lv_attr":"Vwi-aotz--",
                   "vg_extent_size":"33554432"},
                  {"vg_name":"zonal", "lv_name":"pool", "lv_path":"", "lv_size":"4294967296",
                   "pool_lv":"", "origin":"", "lv_tags":"", "lv_attr":"twi-aotz--",
                   "vg_extent_size":"33554432"}
              ]
          }
      ],
      "log": []
  }
"""
DOCKER = Volume(
    "zonal", "docker", "/dev/zonal/docker", 1024**3, "pool", "", frozenset({"zonal.kind=docker", "zonal.x=1"}), extent_size=32 * 1024**2
)
BAD = {
    "nothing": "",
    "words": "WARNING: no devices",
    "cut off": REPORT[:100],
    "another report": '{"report": [{"lv": [{"vg_name": "zonal"}]}]}',
    "a list": "{}[]",
    "no report": '{"log": []}',
}


class ScriptedCommand:
    """Answers every program with one text and remembers how it was called."""

    def __init__(self, answer: str) -> None:
        self.answer = answer
        self.calls: list[list[str]] = []

    def __call__(self, argv: Sequence[str], *, stdin: str | None = None, timeout: float = 120) -> str:
        self.calls.append(list(argv))
        return self.answer


@pytest.mark.parametrize("before", ["", "  WARNING: Running as a non-root user.\n"])
def test_volumes_are_read_without_the_pool(before: str) -> None:
    assert LvmVolumes(ScriptedCommand(before + REPORT), "zonal", "pool").list() == [DOCKER]


@pytest.mark.parametrize("text", BAD.values(), ids=BAD.keys())
def test_a_report_that_is_none_is_an_error_that_quotes_it(text: str) -> None:
    with pytest.raises(EngineError, match="Cannot read the report of lvs"):
        read_volumes(ScriptedCommand(text), ("vg_name", "lv_name"), "lv_name=x")


def test_an_empty_report_is_no_volume() -> None:
    volumes = LvmVolumes(ScriptedCommand('{"report": [{"lv": []}]}'), "zonal", "pool")
    assert (volumes.find("x"), volumes.list(), volumes.free()) == (None, [], 0)


@pytest.mark.parametrize(("percent", "free"), [("0.00", 1024**3), ("25.00", 805306368), ("100.00", 0)])
def test_free_space(percent: str, free: int) -> None:
    report = f'{{"report": [{{"lv": [{{"lv_size": "1073741824", "data_percent": "{percent}"}}]}}]}}'
    assert LvmVolumes(ScriptedCommand(report), "zonal", "pool").free() == free


def test_an_inactive_pool_has_no_known_free_space() -> None:
    report = '{"report": [{"lv": [{"lv_size": "1073741824", "data_percent": ""}]}]}'
    with pytest.raises(EngineError, match="not active"):
        LvmVolumes(ScriptedCommand(report), "zonal", "pool").free()


def test_a_clone_is_active_and_tagged_in_the_command_that_makes_it() -> None:
    command = ScriptedCommand(REPORT)
    LvmVolumes(command, "zonal", "pool").clone("img", "docker", {"b", "a"})
    assert " ".join(command.calls[0]) == (
        "lvcreate --yes --setactivationskip n --name docker --addtag a --addtag b --snapshot --permission rw zonal/img"
    )


def test_a_thin_snapshot_is_made_without_a_size_and_grown_then() -> None:
    """As in ansible #29326, where a thin snapshot could not be had: with a size lvcreate makes a thick one, or refuses."""
    command = ScriptedCommand(REPORT)
    LvmVolumes(command, "zonal", "pool").clone("img", "docker", (), 2 * DOCKER.size)
    made, grown = [call for call in command.calls if call[0] in ("lvcreate", "lvextend")]
    assert not {"--size", "-L", "--extents", "-l", "--virtualsize", "-V"} & set(made)
    assert grown[:4] == ["lvextend", "--yes", "--size", f"{2 * DOCKER.size}b"]


def test_a_preserved_volume_is_read_only_and_not_active() -> None:
    command = ScriptedCommand(REPORT)
    LvmVolumes(command, "zonal", "pool").preserve("vm-web", "docker", {"a"})
    assert " ".join(command.calls[0]) == (
        "lvcreate --yes --setactivationskip y --name docker --addtag a --activate n --snapshot --permission r zonal/vm-web"
    )


def test_a_missing_program_is_told_in_few_words() -> None:
    def missing(argv: Sequence[str], *, stdin: str | None = None, timeout: float = 120) -> str:
        raise EngineAbsent("run", " ".join(argv), "no such program")

    with pytest.raises(EngineAbsent) as caught:
        LvmVolumes(missing, "zonal", "pool").list()
    assert str(caught.value) == "Cannot ask LVM: the program lvs is not installed; it is in the package lvm2"
