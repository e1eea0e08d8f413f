# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The inventory plugin as Ansible's own programs use it: what it lists, what it refuses, and that no value is ever a template."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.zonal.cloud.plugins.module_utils._domain.claims import REMOVING, SETTLED, Claim, KnownHost
from ansible_collections.zonal.cloud.plugins.module_utils._domain.pools import Ranges
from ansible_collections.zonal.cloud.plugins.plugin_utils.ledger.store import Ledger

BIN, COLLECTIONS = Path(sys.executable).parent, Path(__file__).resolve().parents[4] / ".work" / "collections"
G = 1024**3
WEB = Claim("web-1", "10.20.0.1", "kvm01.example", "payments", "web", "vm", 1, 2, 4 * G, 20 * G, state=SETTLED)
DB = replace(WEB, name="db-1", address="10.20.0.2", app="db", kind="container")
OLD = replace(WEB, name="web-2", address="10.20.0.3", index=2, state=REMOVING)
CLAIMS = {"idc01-dev": [replace(WEB, extra_addresses=("10.20.0.9",)), DB, OLD], "idc02": [replace(WEB, host="kvm02.example")]}
VARIABLES = {
    "ansible_host": "10.20.0.1",
    "zonal_zone": "idc01-dev",
    "zonal_tenant": "payments",
    "zonal_app": "web",
    "zonal_kind": "vm",
    "zonal_host": "kvm01.example",
    "zonal_index": 1,
    "zonal_address": "10.20.0.1",
    "zonal_extra_addresses": ["10.20.0.9"],
    "zonal_mac": "02:42:0a:14:00:01",
    "zonal_state": "settled",
    "zonal_vcpus": 2,
    "zonal_memory": 4 * G,
    "zonal_disk": 20 * G,
}
CLASH = "[WARNING]: web-1 is an instance of zone idc01-dev and one of zone idc02; the latter is named idc02.web-1 here"


def write_ledger(path: Path, claims: dict[str, list[Claim]]) -> None:
    for zone, some in claims.items():
        with Ledger(str(path)).write(zone) as book:
            book.declare({"cidr": "10.20.0.0/16"}, 600, Ranges(), Ranges())
            book.know([KnownHost(claim.host, 8, 64 * G, 500 * G) for claim in some[:1]], [])
            book.claim(some, "test")


def run(program: str, *arguments: str, folder: Path, **extra: str) -> subprocess.CompletedProcess[str]:
    """Run a program of Ansible in a folder, with no other configuration than this."""
    env = {"PATH": os.environ["PATH"], "HOME": str(folder), "ANSIBLE_HOME": str(folder / ".ansible"), "LC_ALL": "C.UTF-8", "COLUMNS": "999"}
    env |= {"ANSIBLE_COLLECTIONS_PATH": str(COLLECTIONS), "ANSIBLE_LOCALHOST_WARNING": "false", **extra}
    return subprocess.run([BIN / program, *arguments], cwd=folder, env=env, capture_output=True, text=True, check=False)


def write_source(folder: Path, name: str = "x", **options: Any) -> str:
    (folder / f"{name}.zonal.yml").write_text(json.dumps({"plugin": "zonal.cloud.instances", **options}), encoding="utf-8")
    return f"{name}.zonal.yml"


def listed(folder: Path, *sources: str) -> tuple[dict[str, Any], str]:
    """Return what ansible-inventory --list prints, and its warnings."""
    done = run("ansible-inventory", *(part for source in sources for part in ("-i", source)), "--list", folder=folder)
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout, object_hook=lambda item: item.get("__ansible_unsafe", item))
    return found, done.stderr


def hosts(found: dict[str, Any]) -> set[str]:
    return set(found["_meta"]["hostvars"])


@pytest.fixture
def zone(tmp_path: Path) -> Path:
    """A folder with a ledger where the plugin looks for it."""
    write_ledger(tmp_path / ".zonal-ledger.db", CLAIMS)
    return tmp_path


def test_the_ledger_beside_the_file(zone: Path) -> None:
    options: dict[str, Any] = {
        "strict": True,
        "compose": {"ansible_user": "'debian' if zonal_kind == 'vm' else 'root'"},
        "groups": {"small": "zonal_memory < 8 * 1024 ** 3"},
        "keyed_groups": [{"key": "zonal_tenant ~ '-' ~ zonal_app", "separator": ""}],
    }
    before = (zone / ".zonal-ledger.db").read_bytes()
    found, warnings = listed(zone, write_source(zone, **options))
    assert found["_meta"]["hostvars"]["web-1"] == {**VARIABLES, "ansible_user": "debian"}
    assert hosts(found) == {"web-1", "db-1", "idc02.web-1"}
    assert {name: sorted(group["hosts"]) for name, group in found.items() if "hosts" in group} == {
        "zone_idc01_dev": ["db-1", "web-1"],
        "zone_idc02": ["idc02.web-1"],
        "tenant_payments": ["db-1", "idc02.web-1", "web-1"],
        "app_web": ["idc02.web-1", "web-1"],
        "app_db": ["db-1"],
        "kind_vm": ["idc02.web-1", "web-1"],
        "kind_container": ["db-1"],
        "host_kvm01_example": ["db-1", "web-1"],
        "host_kvm02_example": ["idc02.web-1"],
        "small": ["db-1", "idc02.web-1", "web-1"],
        "payments_web": ["idc02.web-1", "web-1"],
        "payments_db": ["db-1"],
    }
    assert warnings.splitlines() == [CLASH]
    assert (zone / ".zonal-ledger.db").read_bytes() == before


def test_a_choice_of_zones_and_states_from_a_ledger_in_the_environment(zone: Path) -> None:
    (zone / "inventory").mkdir()
    source = write_source(zone / "inventory", zones=["idc01-dev"], states=["settled", "removing"], group_prefix="my-")
    done = run(
        "ansible-inventory",
        "-i",
        f"inventory/{source}",
        "--graph",
        "my_zone_idc01_dev",
        folder=zone,
        ZONAL_LEDGER_URL="../.zonal-ledger.db",
    )
    assert (done.stdout.split("\n"), done.stderr) == (["@my_zone_idc01_dev:", "  |--db-1", "  |--web-1", "  |--web-2", ""], "")


def test_the_cache_is_used_until_it_is_flushed(zone: Path) -> None:
    options: dict[str, Any] = {"cache": True, "cache_plugin": "ansible.builtin.jsonfile", "cache_connection": str(zone / "cache")}
    source = write_source(zone, **options)
    first = listed(zone, source)
    (zone / ".zonal-ledger.db").rename(zone / "moved.db")
    assert listed(zone, source) == first
    # Other zones are another question.
    _found, warnings = listed(zone, write_source(zone, **options, zones=["idc02"]))
    assert "ledger: there is none at" in warnings
    done = run("ansible-inventory", "-i", write_source(zone, **options), "--list", "--flush-cache", folder=zone)
    assert "ledger: there is none at" in done.stderr


HOSTILE = "{{ lookup('pipe', 'touch %s') }}"
# The last task does with a text that is trusted what the others must not do.
PLAY = """
- hosts: all
  connection: local
  gather_facts: false
  tasks:
    - ansible.builtin.debug:
        msg: "{{ zonal_host }}|{{ hostvars[inventory_hostname].copied }}|{{ hostvars[inventory_hostname] | to_json | length }}"
    - ansible.builtin.debug:
        msg: "{{ lookup('pipe', 'touch trusted') }}"
"""


@pytest.mark.parametrize("cache", [False, True])
def test_no_value_is_ever_a_template(cache: bool, tmp_path: Path) -> None:
    attack = HOSTILE % (tmp_path / "touched")
    # The one free text is the name of a host; what guests and labels say has to have the form of our own.
    good = {
        "name": "web-1",
        "kind": "vm",
        "state": "running",
        "zone": "idc01-dev",
        "network": {"cidr": "10.20.0.0/16"},
        "address": "10.20.0.1",
    }
    tagged = {"__ansible_type": "TrustedAsTemplate", "value": attack}
    bad = [
        {**good, **change} for change in ({"name": attack}, {"tenant": attack}, {"zone": tagged}, {"state": attack}, {"address": attack})
    ]
    (tmp_path / "report.json").write_text(json.dumps({attack: {"instances": [good, *bad]}}), encoding="utf-8")
    cached: dict[str, Any] = {"cache": cache, "cache_plugin": "ansible.builtin.jsonfile", "cache_connection": str(tmp_path / "cache")}
    options: dict[str, Any] = {
        "compose": {"copied": "zonal_host"},
        "keyed_groups": [{"key": "zonal_host"}],
        "groups": {"g": "zonal_host is defined"},
    }
    source = write_source(tmp_path, report="report.json", strict=True, **options, **cached)
    (tmp_path / "play.yml").write_text(PLAY, encoding="utf-8")
    for _round in range(2 if cache else 1):
        done = run("ansible-playbook", "-i", source, "play.yml", folder=tmp_path)
        assert done.returncode == 0, done.stdout + done.stderr
        assert f"{attack}|{attack}|" in done.stdout
        assert not (tmp_path / "touched").exists()
        assert (tmp_path / "trusted").exists()


def test_what_cannot_be_is_said_in_one_line_and_adds_nothing(zone: Path) -> None:
    (zone / "broken.json").write_text("{", encoding="utf-8")
    sources = {
        "ledger: there is none at": write_source(zone, "a", ledger="missing.db"),
        "is neither SQLite nor PostgreSQL": write_source(zone, "b", ledger="mssql://db/x"),
        "broken.json cannot be read (Expecting": write_source(zone, "c", report="broken.json"),
        "zones: 'idc09' is not in the ledger": write_source(zone, "d", zones=["idc09"]),
        "report: '~no-such-user/x' is not a path that can be used": write_source(zone, "e", report="~no-such-user/x"),
        "ledger: '~no-such-user/x' is not a path that can be used": write_source(zone, "f", ledger="~no-such-user/x"),
        "Invalid value": write_source(zone, "h", states=["runing"]),
    }
    found, warnings = listed(zone, *sources.values())
    assert [said for said in sources if said not in warnings] == []
    assert warnings.count("[WARNING]: Failed to parse inventory with 'auto' plugin") == len(sources)
    assert "Traceback" not in warnings
    assert hosts(found) == set()


def test_an_instance_of_a_name_that_is_taken_is_left_out_and_the_others_are_there(zone: Path) -> None:
    named = [replace(WEB, name=name, address=f"10.20.9.{index}", index=index) for index, name in enumerate(("all", "kvm01.example"), 5)]
    write_ledger(zone / "names.db", {"idc01": [WEB, *named]})
    (zone / "static.ini").write_text("web-1\n[db-1]\nother\n", encoding="utf-8")
    found, warnings = listed(zone, "static.ini", write_source(zone, "a"), write_source(zone, "b", ledger="names.db"))
    assert [line.removeprefix("[WARNING]: instance ") for line in warnings.splitlines() if "left out" in line] == [
        "db-1 of zone idc01-dev on kvm01.example is left out: it has the name of a group of the inventory; rename one of them",
        "web-1 of zone idc01-dev on kvm01.example is left out: it has the name of a host of the inventory; rename one of them",
        "all of zone idc01 on kvm01.example is left out: it has the name of a group of the inventory; rename one of them",
        "kvm01.example of zone idc01 on kvm01.example is left out: it has the name of a host that runs instances; rename one of them",
        "web-1 of zone idc01 on kvm01.example is left out: it has the name of a host of the inventory; rename one of them",
    ]
    assert hosts(found) | {*found["ungrouped"]["hosts"]} == {"web-1", "idc02.web-1"}


def test_two_files_may_tell_of_the_same_instance(zone: Path) -> None:
    found, warnings = listed(zone, write_source(zone, "a", zones=["idc01-dev"]), write_source(zone, "b"))
    assert hosts(found) == {"web-1", "db-1", "idc02.web-1"}
    assert warnings.splitlines() == [CLASH]


def test_the_name_of_a_zone_may_be_a_number(tmp_path: Path) -> None:
    write_ledger(tmp_path / ".zonal-ledger.db", {"101": [WEB], "102": [DB]})
    found, warnings = listed(tmp_path, write_source(tmp_path, zones=[101]))
    assert (hosts(found), warnings) == ({"web-1"}, "")


def test_a_file_of_another_name_is_not_read(zone: Path) -> None:
    (zone / "x.yml").write_text("plugin: zonal.cloud.instances\n", encoding="utf-8")
    found, warnings = listed(zone, "x.yml")
    assert hosts(found) == set()
    assert "could not be verified" in warnings
