# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The actions as Ansible calls them: options are checked, errors are results, check mode writes nothing."""

from __future__ import annotations

import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml
from ansible.errors import AnsibleError

from ansible_collections.zonal.cloud.plugins.action import ip_pool, ledger_copy, ledger_event, zone_plan
from ansible_collections.zonal.cloud.plugins.doc_fragments import ledger
from ansible_collections.zonal.cloud.plugins.modules import ip_pool as ip_pool_docs
from ansible_collections.zonal.cloud.plugins.modules import ledger_copy as ledger_copy_docs
from ansible_collections.zonal.cloud.plugins.modules import ledger_event as ledger_event_docs
from ansible_collections.zonal.cloud.plugins.modules import zone_plan as zone_plan_docs
from ansible_collections.zonal.cloud.plugins.plugin_utils.controller_action import LEDGER_OPTIONS
from ansible_collections.zonal.cloud.plugins.plugin_utils.ledger.store import Ledger
from ansible_collections.zonal.cloud.tests.unit.plugins.fakes.zone import DB, HOSTS, WEB, ZONE, report

PLAN: dict[str, Any] = {"zone": "idc01-dev", "definition": ZONE, "hosts": HOSTS}


def act(plugin: Any, args: dict[str, Any], folder: Path | None, *, check_mode: bool = False) -> dict[str, Any]:
    task = SimpleNamespace(args=args, check_mode=check_mode, async_val=0, action="zonal.cloud.x", diff=True, ignore_errors=False)
    action = plugin.ActionModule(task, SimpleNamespace(_shell=SimpleNamespace(tmpdir=None)), SimpleNamespace(), None, None, None)
    result: dict[str, Any] = action.run(task_vars={"ansible_inventory_sources": ["host," * 999, str(folder)]} if folder else {})
    return result


def test_a_plan_beside_the_inventory(tmp_path: Path) -> None:
    instances = [WEB, {"app": "db", "kind": "vm", "vcpus": 1, "memory": "1G"}]
    checked = act(zone_plan, {**PLAN, "instances": instances}, tmp_path, check_mode=True)
    assert list(tmp_path.iterdir()) == []
    done = act(zone_plan, {**PLAN, "instances": instances}, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == [".zonal-ledger.db"]
    assert checked == done
    assert done["changed"]
    assert done["warnings"] == ["none/db is refused: instances[1].image: is missing; it is needed to create an instance"]
    assert done["diff"] == {
        "before": {},
        "after": {"idc01-dev-web-101001": "container on kvm01, 10.20.101.1, 2 vCPUs, planned"},
    }


@pytest.mark.parametrize("state", ["planned", "rebuilt"])
def test_the_pool_of_the_hosts_disks_may_have_another_name(state: str, tmp_path: Path) -> None:
    host = report()
    host["storage"]["pools"][0].update(group="vg0", name="thin")
    args = {**PLAN, "hosts": {"kvm01": host}, "instances": [DB]}
    assert "too little pool space left (10G wanted, 0 left at most)" in act(zone_plan, args, tmp_path)["warnings"][0]
    act(zone_plan, {**args, "state": state, "group": "vg0", "pool": "thin"}, tmp_path)
    # Two runs: the second knows the host from what the first has written.
    done = act(zone_plan, {**args, "hosts": {"kvm01": {**host, "storage": {}}}, "group": "vg0", "pool": "thin"}, tmp_path)
    assert ([step["name"] for step in done["plan"]["steps"]], done["warnings"]) == (["idc01-dev-db-101001"], [])


STATES = {"settled": "settled released waiting", "released": "released", "rebuilt": "rebuilt silent"}


@pytest.mark.parametrize("state", STATES)
def test_the_other_states(state: str, tmp_path: Path) -> None:
    act(zone_plan, PLAN, tmp_path)
    done = act(zone_plan, {**PLAN, "state": state}, tmp_path)
    assert not done["changed"]
    assert set(STATES[state].split()) <= done.keys()


def test_a_mistake_is_one_message(tmp_path: Path) -> None:
    done = act(zone_plan, {**PLAN, "definition": {**ZONE, "pools": ["x"]}}, tmp_path)
    assert (done["failed"], done["msg"]) == (True, "pools[0]: 'x' is not an IPv4 address, such as 10.20.101.7")
    assert act(zone_plan, PLAN, None)["msg"].startswith("ledger: is missing; the inventory has no folder")


def test_an_unknown_option_is_refused(tmp_path: Path) -> None:
    with pytest.raises(AnsibleError, match="Unsupported parameters"):
        act(zone_plan, {**PLAN, "colour": "blue"}, tmp_path)


def test_a_pool(tmp_path: Path) -> None:
    args = {"zone": "idc01-dev", "cidr": "10.20.0.0/24", "ledger": str(tmp_path / "book.db")}
    assert act(ip_pool, args, None)["pool"]["free"] == 254
    assert not act(ip_pool, args, None)["changed"]
    done = act(ip_pool, {**args, "state": "withdrawn", "addresses": ["10.20.0.9"]}, None, check_mode=True)
    assert (done["changed"], done["pool"]["quarantined"]) == (True, ["10.20.0.9"])
    assert act(ip_pool, {**args, "state": "withdrawn"}, None)["msg"] == "addresses: is missing; state withdrawn needs to know which"


DOCUMENTED = {ip_pool_docs: ip_pool, ledger_copy_docs: ledger_copy, ledger_event_docs: ledger_event, zone_plan_docs: zone_plan}


@pytest.mark.parametrize("module", DOCUMENTED, ids=lambda module: module.__name__.rpartition(".")[2])
def test_what_is_documented_is_what_is_taken(module: Any) -> None:
    action = DOCUMENTED[module].ActionModule
    documented = {**yaml.safe_load(module.DOCUMENTATION)["options"], **yaml.safe_load(ledger.ModuleDocFragment.DOCUMENTATION)["options"]}
    taken = {**LEDGER_OPTIONS, **action.options}
    for key in ("type", "required", "default", "choices", "elements"):
        assert {name: option.get(key) for name, option in documented.items()} == {name: option.get(key) for name, option in taken.items()}


def test_a_zone_is_copied_into_another_ledger(tmp_path: Path) -> None:
    act(zone_plan, {**PLAN, "instances": [WEB]}, tmp_path)
    saved = tmp_path / "zone.json"
    out = {"zone": "idc01-dev", "path": str(saved)}
    assert act(ledger_copy, out, tmp_path, check_mode=True)["changed"]
    assert not saved.exists()
    done = act(ledger_copy, out, tmp_path)
    assert (done["changed"], done["claims"], done["diff"]["before"]) == (True, 1, "")
    assert saved.stat().st_mode & 0o777 == 0o600
    assert not act(ledger_copy, out, tmp_path)["changed"]

    back = {**out, "state": "imported", "definition": ZONE, "ledger": str(tmp_path / "other.db")}
    assert act(ledger_copy, back, None, check_mode=True)["changed"]
    assert not (tmp_path / "other.db").exists()
    assert act(ledger_copy, back, None)["diff"] == {"before": [], "after": ["idc01-dev-web-101001"]}
    assert not act(ledger_copy, back, None)["changed"]
    again = {**PLAN, "instances": [WEB], "ledger": back["ledger"]}
    assert [step["name"] for step in act(zone_plan, again, None)["plan"]["steps"]] == ["idc01-dev-web-101001"]


BROKEN = {
    "no file": (None, "path: cannot read "),
    "nobody's": (None, "path: cannot read ~no-such-user/zone.json: "),
    "no JSON": ("{", "path: cannot read "),
    "a list": ("[1]", "path: [1] is not the format of an export"),
    "another file": ('{"a": 1}', "path: None is not the format of an export"),
    "cut": ('{"format": "zonal.cloud ledger 1", "zone": "idc01-dev"}', "was changed or cut off: claims: None is not a list; held: "),
    "changed": ('{"format": "zonal.cloud ledger 1", "claims": [{"x": 1}], "held": [], "hosts": []}', "claims[0].x: is not a known field"),
    "strange pools": ('{"format": "zonal.cloud ledger 1", "pools": {"x": 1}}', "path: pools: 'x' is not a known key"),
    "of another zone": ('{"format": "zonal.cloud ledger 1", "zone": "z", "claims": [], "held": [], "hosts": []}', "which is 'z'"),
}


@pytest.mark.parametrize("case", BROKEN)
def test_a_broken_copy_is_one_message(case: str, tmp_path: Path) -> None:
    text, message = BROKEN[case]
    file = tmp_path / "zone.json"
    if text is not None:
        file.write_text(text)
    path = str(file) if case != "nobody's" else "~no-such-user/zone.json"
    done = act(ledger_copy, {"zone": "idc01-dev", "path": path, "state": "imported", "definition": ZONE}, tmp_path)
    assert (done["failed"], message in done["msg"]) == (True, True), done["msg"]
    assert not (tmp_path / ".zonal-ledger.db").exists()


def test_a_zone_that_is_not_there_is_no_empty_copy(tmp_path: Path) -> None:
    done = act(ledger_copy, {"zone": "idc02", "path": str(tmp_path / "zone.json")}, tmp_path)
    assert done["msg"].startswith("zone: 'idc02' is not in the ledger ")
    assert list(tmp_path.iterdir()) == []


def test_a_copy_does_not_mix_with_other_claims(tmp_path: Path) -> None:
    act(zone_plan, {**PLAN, "instances": [WEB]}, tmp_path)
    act(ledger_copy, {"zone": "idc01-dev", "path": str(tmp_path / "zone.json")}, tmp_path)
    act(zone_plan, {**PLAN, "instances": [{**WEB, "count": 2}]}, tmp_path)
    done = act(ledger_copy, {"zone": "idc01-dev", "path": str(tmp_path / "zone.json"), "state": "imported", "definition": ZONE}, tmp_path)
    assert "zone: idc01-dev has 2 claims and 0 resting or quarantined addresses in the ledger already" in done["msg"]


def test_events_are_listed(tmp_path: Path) -> None:
    listing = {"zone": "idc01-dev", "state": "listed"}
    assert act(ledger_copy, listing, tmp_path) == {"changed": False, "events": []}
    act(zone_plan, {**PLAN, "instances": [WEB]}, tmp_path)
    events = act(ledger_copy, {**listing, "limit": 1}, tmp_path)["events"]
    assert [(event["action"], event["target"]) for event in events] == [("claim", "idc01-dev-web-101001 10.20.101.1 kvm01")]
    assert act(ledger_copy, {**listing, "limit": -1}, tmp_path)["msg"] == "limit: -1 is not a whole number of at least 0"
    with pytest.raises(AnsibleError, match="path"):
        act(ledger_copy, {"zone": "idc01-dev"}, tmp_path)


def test_an_event_is_written(tmp_path: Path) -> None:
    event = {"zone": "idc01-dev", "event": "capture", "target": "web " * 100, "why": "image web:1"}
    assert act(ledger_event, event, tmp_path)["msg"].startswith("zone: 'idc01-dev' is not in the ledger ")
    assert list(tmp_path.iterdir()) == []
    act(zone_plan, {**PLAN, "instances": [WEB]}, tmp_path)
    listing = {"zone": "idc01-dev", "state": "listed", "limit": 1}
    for check_mode, action in ((True, "claim"), (False, "capture")):
        assert act(ledger_event, event, tmp_path, check_mode=check_mode) == {"changed": True}
        (written,) = act(ledger_copy, listing, tmp_path)["events"]
        assert written["action"] == action
    assert (written["target"], written["why"]) == (event["target"][:255], "image web:1")
    assert act(ledger_event, {**event, "event": "a b"}, tmp_path)["msg"].startswith("event: 'a b' is not a valid name")
    # What SQLite takes and PostgreSQL does not.
    assert act(ledger_event, {**event, "event": "a" * 33}, tmp_path, check_mode=True)["msg"].endswith("' is longer than 32 characters")
    assert act(ledger_event, {**event, "why": "a\0b"}, tmp_path, check_mode=True)["msg"] == "why: 'a\\x00b' has characters that are no text"


def test_what_is_no_text_is_one_message(tmp_path: Path) -> None:
    pool = {"zone": "idc01-dev", "cidr": "10.20.0.0/24", "state": "withdrawn", "addresses": ["10.20.0.9"]}
    for check_mode in (True, False):
        assert act(ip_pool, {**pool, "reason": "\ud800"}, tmp_path, check_mode=check_mode)["msg"].startswith("reason: '\\ud800' has")
    done = act(zone_plan, {**PLAN, "hosts": {"kvm\udcff": report()}}, tmp_path)
    assert re.match(r"ledger: cannot write .*surrogates not allowed; nothing was changed", done["msg"])


def test_an_instance_of_the_zone_null_is_one_of_this_zone(tmp_path: Path) -> None:
    done = act(zone_plan, {**PLAN, "instances": [{**WEB, "zone": None}, {**WEB, "zone": "other"}]}, tmp_path)
    assert done["plan"]["summary"] == {"create": 1}


@pytest.mark.parametrize("check_mode", [True, False])
def test_addresses_that_are_out_of_use_are_copied_as_they_are(check_mode: bool, tmp_path: Path) -> None:
    pool = {"zone": "idc01-dev", "cidr": "10.20.0.0/16", "pools": ["10.20.7.0/24"], "hold": 7}
    act(ip_pool, {**pool, "state": "withdrawn", "addresses": ["10.20.7.3"], "reason": "a printer answers"}, tmp_path)
    files = [tmp_path / name for name in ("first.json", "second.json")]
    act(ledger_copy, {"zone": "idc01-dev", "path": str(files[0])}, tmp_path)
    bare = {key: value for key, value in ZONE.items() if key not in ("pools", "reserved")}
    other = {"zone": "idc01-dev", "ledger": str(tmp_path / "other.db")}
    back = {**other, "path": str(files[0]), "state": "imported", "definition": bare}
    assert act(ledger_copy, back, None, check_mode=check_mode)["diff"] == {"before": [], "after": ["10.20.7.3 quarantined"]}
    assert act(ledger_copy, back, None)["changed"] == check_mode
    assert not act(ledger_copy, back, None, check_mode=check_mode)["changed"]
    act(ledger_copy, {**other, "path": str(files[1])}, None)
    assert files[0].read_text() == files[1].read_text()
    act(ip_pool, {**other, "state": "withdrawn", "addresses": ["10.20.7.4"]}, None)
    assert "has 0 claims and 2 resting" in act(ledger_copy, back, None, check_mode=check_mode)["msg"]


def test_a_zone_without_instances_is_copied_with_its_pools(tmp_path: Path) -> None:
    act(ip_pool, {"zone": "idc01-dev", "cidr": "10.20.0.0/16", "pools": ["10.20.7.0/24"], "hold": 7}, tmp_path)
    files = [tmp_path / name for name in ("first.json", "second.json")]
    act(ledger_copy, {"zone": "idc01-dev", "path": str(files[0])}, tmp_path)
    other = {"zone": "idc01-dev", "ledger": str(tmp_path / "other.db")}
    back = {**other, "path": str(files[0]), "state": "imported", "definition": {"network": ZONE["network"]}}
    assert [act(ledger_copy, back, None, check_mode=check_mode)["changed"] for check_mode in (True, False, False)] == [True, True, False]
    act(ledger_copy, {**other, "path": str(files[1])}, None)
    assert files[0].read_text() == files[1].read_text()


@pytest.mark.parametrize("section", ["engines", "instances"])
@pytest.mark.parametrize("state", ["released", "settled"])
def test_what_was_not_gathered_is_not_gone(section: str, state: str, tmp_path: Path) -> None:
    (step,) = act(zone_plan, {**PLAN, "instances": [WEB]}, tmp_path)["plan"]["steps"]
    act(zone_plan, {**PLAN, "instances": [{**WEB, "state": "absent"}]}, tmp_path)
    hosts = {name: {key: told for key, told in host.items() if key != section} for name, host in HOSTS.items()}
    done = act(zone_plan, {**PLAN, "hosts": hosts, "state": state, "names": [step["name"]]}, tmp_path)
    assert (done["released"], done["waiting"]) == ([], [step["name"]])


MOVED: dict[str, dict[str, Any]] = {"pools": {"reserved": []}, "reserved": {"pools": []}}


@pytest.mark.parametrize("state", ["planned", "rebuilt"])
@pytest.mark.parametrize("check_mode", [True, False])
@pytest.mark.parametrize("key", MOVED)
def test_what_the_ledger_has_of_pools_must_be_in_a_network_that_moved(key: str, check_mode: bool, state: str, tmp_path: Path) -> None:
    act(zone_plan, PLAN, tmp_path)
    definition = {"network": {"cidr": "10.30.0.0/24", "bridge": "br0"}, **MOVED[key]}
    done = act(zone_plan, {**PLAN, "definition": definition, "state": state}, tmp_path, check_mode=check_mode)
    assert done["msg"].startswith(f"{key}: '{ZONE[key][0]}' is outside the ")
    # What is in the ledger can be read, and mended.
    assert act(ip_pool, {"zone": "idc01-dev"}, tmp_path)["pool"]["reserved"] == ZONE["reserved"]


def test_what_does_not_tell_its_addresses_has_not_lost_one(tmp_path: Path) -> None:
    (step,) = act(zone_plan, {**PLAN, "instances": [{**DB, "extra_addresses": ["10.20.101.8"]}]}, tmp_path)["plan"]["steps"]
    seen = {"name": step["name"], "kind": "vm", "state": "running", "zone": "idc01-dev"}
    there = {**PLAN, "hosts": {"kvm01": report(seen), "kvm02": report()}}
    act(zone_plan, {**there, "instances": [{**DB, "extra_addresses": []}]}, tmp_path)
    assert act(zone_plan, {**there, "state": "settled"}, tmp_path)["waiting"] == [step["name"]]
    (claim,) = Ledger(str(tmp_path / ".zonal-ledger.db")).read("idc01-dev").claims
    assert claim.leaving == ("10.20.101.8",)
    told = report({**seen, "address": step["address"]})
    assert act(zone_plan, {**there, "hosts": {"kvm01": told}, "state": "settled"}, tmp_path)["waiting"] == []
