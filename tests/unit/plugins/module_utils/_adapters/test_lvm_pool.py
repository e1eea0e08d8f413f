# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""How LVM's full report is read (recorded on Debian 13), and the profile files."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path

import pytest

from ansible_collections.zonal.cloud.plugins.module_utils._adapters.lvm_pool import Inventory, LvmPool, LvmProfiles
from ansible_collections.zonal.cloud.plugins.module_utils._domain.thin_pool import EXTENT_SIZE, Autoextend, Group, Pool
from ansible_collections.zonal.cloud.plugins.module_utils._ports import Command, EngineError

REPORT = """
  { "report": [
      { "pv": [ {"pv_name":"/dev/none-such-c", "vg_name":""} ], "pvseg": [ {"pvseg_start":"0"} ] },
      { "vg": [ {"vg_name":"other", "vg_extent_size":"4194304", "vg_extent_count":"10", "vg_free_count":"10", "vg_tags":"",
                 "vg_missing_pv_count":"0", "vg_exported":""} ],
        "pv": [ {"pv_name":"/dev/none-such-b", "vg_name":"other"} ], "lv": [], "pvseg": [], "seg": [] },
      { "vg": [ {"vg_name":"zonal", "vg_extent_size":"4194304", "vg_extent_count":"2047", "vg_free_count":"1019", "vg_tags":"a,zonal.cloud",
                 "vg_missing_pv_count":"1", "vg_exported":"exported"} ],
        "pv": [ {"pv_name":"/dev/none-such-a", "vg_name":"zonal"} ],
        "lv": [
          {"lv_name":"pool", "lv_size":"4294967296", "lv_metadata_size":"8388608", "lv_tags":"zonal.size=90/100", "lv_profile":"p",
           "lv_active":"active", "lv_device_open":"open", "data_percent":"41.27", "metadata_percent":"10.64", "pool_lv":""},
          {"lv_name":"x", "lv_size":"1073741824", "lv_metadata_size":"", "lv_tags":"", "lv_profile":"",
           "lv_active":"active", "lv_device_open":"open", "data_percent":"0.00", "metadata_percent":"", "pool_lv":"pool"},
          {"lv_name":"y", "lv_size":"1073741824", "lv_metadata_size":"", "lv_tags":"", "lv_profile":"",
           "lv_active":"", "lv_device_open":"", "data_percent":"", "metadata_percent":"", "pool_lv":"pool"},
          {"lv_name":"root", "lv_size":"1073741824", "lv_metadata_size":"", "lv_tags":"", "lv_profile":"",
           "lv_active":"active", "lv_device_open":"open", "data_percent":"", "metadata_percent":"", "pool_lv":""}],
        "pvseg": [],
        "seg": [ {"lv_name":"x", "segtype":"thin", "chunk_size":"0"}, {"lv_name":"y", "segtype":"thin", "chunk_size":"0"},
                 {"lv_name":"root", "segtype":"linear", "chunk_size":"0"},
                 {"lv_name":"pool", "segtype":"thin-pool", "chunk_size":"65536"} ] } ],
    "log": [] }
"""
GROUP = Group(
    EXTENT_SIZE,
    2047,
    1019,
    frozenset({"/dev/none-such-a"}),
    frozenset({"a", "zonal.cloud"}),
    frozenset({"pool", "x", "y", "root"}),
    missing=1,
    exported=True,
)
POOL = Pool(
    4294967296,
    8388608,
    65536,
    frozenset({"zonal.size=90/100"}),
    "p",
    Decimal("41.27"),
    Decimal("10.64"),
    volumes=frozenset({"x", "y"}),
    open_volumes=frozenset({"x"}),
)
DEVICES = {"/dev/none-such-a": "zonal", "/dev/none-such-b": "other", "/dev/none-such-c": ""}


def answer(text: str) -> Command:
    def command(argv: Sequence[str], *, stdin: str | None = None, timeout: float = 120) -> str:
        return text

    return command


def test_the_full_report_has_devices_group_and_pool() -> None:
    assert LvmPool(answer(REPORT), "zonal", "pool").read() == Inventory(DEVICES, GROUP, POOL)


def test_another_group_of_the_name_is_seen() -> None:
    found = LvmPool(answer(REPORT.replace('"other"', '"zonal"')), "zonal", "pool").read().group
    assert found is not None
    assert [sorted(found.devices), sorted(found.twin)] == [["/dev/none-such-b"], ["/dev/none-such-a"]]


@pytest.mark.parametrize(("group", "pool", "has_group"), [("zonal", "missing", True), ("zonal", "root", True), ("missing", "pool", False)])
def test_what_is_not_there(group: str, pool: str, has_group: bool) -> None:
    found = LvmPool(answer(REPORT), group, pool).read()
    assert found.pool is None
    assert (found.group is not None) == has_group


@pytest.mark.parametrize("text", ["", "{}", '{"report": [{"vg": [{"vg_name": "zonal"}]}]}', REPORT.replace('"2047"', '"many"')])
def test_a_report_that_is_none_is_an_error(text: str) -> None:
    with pytest.raises(EngineError, match="Cannot read the report of lvm fullreport"):
        LvmPool(answer(text), "zonal", "pool").read()


def test_profiles(tmp_path: Path) -> None:
    profiles = LvmProfiles(str(tmp_path))
    assert profiles.read("p") is None
    profiles.write("p", Autoextend(80, 5))
    profiles.write("p", Autoextend(70, 10))
    assert profiles.read("p") == Autoextend(70, 10)
    assert [path.name for path in tmp_path.iterdir()] == ["p.profile"]
    assert (tmp_path / "p.profile").stat().st_mode & 0o777 == 0o644
    (tmp_path / "p.profile").write_text((tmp_path / "p.profile").read_text() + "# edited\n")
    assert profiles.read("p") is None
    profiles.remove("p")
    profiles.remove("p")
    assert list(tmp_path.iterdir()) == []


def test_a_profile_that_cannot_be_written_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(EngineError, match="Cannot write"):
        LvmProfiles(str(tmp_path / "missing")).write("p", Autoextend(80, 5))
