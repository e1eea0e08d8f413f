# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The playbooks that need no host: the example zone is planned for hosts that were recorded, and mistakes end in one message."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.zonal.cloud.plugins.module_utils._domain.claims import REMOVING, Claim
from ansible_collections.zonal.cloud.plugins.module_utils._domain.pools import Ranges
from ansible_collections.zonal.cloud.plugins.plugin_utils.ledger.store import Ledger
from ansible_collections.zonal.cloud.tests.unit.plugins.fakes.zone import G, report

ROOT = Path(__file__).resolve().parents[3]
HOSTS = {f"kvm0{number}.example": report(cpus=32, memory=256 * G) for number in (1, 2, 3)}
ZONE = {"hosts": "idc01_dev", "network": {"cidr": "10.20.0.0/16", "bridge": "br0"}, "pools": ["10.20.101.1-10.20.101.9"]}
WEB = {"zone": "idc01-dev", "app": "web", "kind": "container", "image": "debian:13", "vcpus": 1, "memory": "1G"}
IMAGE = {"name": "debian:13", "src": "debian-13.tar.gz", "sha256": "0" * 64}


@pytest.fixture
def inventory(tmp_path: Path) -> Path:
    """A copy of the example, and what its hosts were when they were recorded."""
    shutil.copytree(ROOT / "inventories" / "example", tmp_path / "inventory")
    (tmp_path / "hosts.json").write_text(json.dumps(HOSTS))
    return tmp_path


def play(folder: Path, playbook: str, *arguments: str, status: int = 0, **variables: Any) -> str:
    """Run a playbook in the folder and return its output in one line."""
    given = json.dumps({key: value for key, value in {"zonal_observations": "hosts.json", **variables}.items() if value is not None})
    command = [str(Path(sys.executable).parent / "ansible-playbook"), "-i", "inventory", f"zonal.cloud.{playbook}", "-e", given, *arguments]
    env = {**os.environ, "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"), "ANSIBLE_COLLECTIONS_PATH": str(ROOT / ".work" / "collections")}
    done = subprocess.run(command, cwd=folder, env={**env, "ANSIBLE_NOCOLOR": "1"}, capture_output=True, text=True, check=False)
    assert done.returncode == status, done.stdout + done.stderr
    assert "Traceback" not in done.stdout + done.stderr
    return " ".join((done.stdout + done.stderr).split())


# Nothing listens on port 1.
SILENT = {"ansible_host": "127.0.0.1", "ansible_port": 1, "ansible_ssh_common_args": "-o BatchMode=yes -o ConnectTimeout=2"}


def write_hosts(folder: Path, **groups: dict[str, Any]) -> None:
    """Replace the hosts of the inventory by groups of hosts with their variables."""
    (folder / "inventory" / "hosts.yml").write_text(json.dumps({name: {"hosts": hosts} for name, hosts in groups.items()}))


def test_the_example_is_planned_and_nothing_is_written(inventory: Path) -> None:
    told = play(inventory, "provision", "--check")
    assert "Zone idc01-dev: create 3" in told
    assert "idc01-dev-db-101007 vm" in told
    assert "quota of payments: instances 0 -> 3 of 40" in told
    assert sorted(path.name for path in (inventory / "inventory").iterdir()) == ["group_vars", "hosts.yml"]


def test_the_example_of_the_readme_is_planned(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its one block of YAML holds files, each under a comment with its name."""
    text = (ROOT / "README.md").read_text(encoding="utf-8").partition("```yaml\n")[2].partition("```")[0]
    names = re.findall(r"^# (inventory/\S+)$", text, re.MULTILINE)
    assert names == ["inventory/hosts.yml", "inventory/group_vars/all.yml"]
    for name, part in zip(names, re.split(r"^# inventory/\S+$", text, flags=re.MULTILINE)[1:], strict=True):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(part, encoding="utf-8")
    (tmp_path / "hosts.json").write_text(json.dumps(HOSTS))
    (tmp_path / ".ssh").mkdir()
    (tmp_path / ".ssh" / "id_ed25519.pub").write_text("ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIPplanned operator\n")
    monkeypatch.setenv("HOME", str(tmp_path))
    told = play(tmp_path, "provision", "--check")
    assert "Zone idc01-dev: create 5" in told
    assert "quota of payments: instances 0 -> 5 of 40" in told


def test_a_plan_is_saved_for_machines_and_people(inventory: Path) -> None:
    play(inventory, "plan", zonal_plan="plan.json")
    saved = json.loads((inventory / "plan.json").read_text())["idc01-dev"]
    assert saved["summary"] == {"create": 3}
    assert saved["hash"] in (inventory / "plan.json.txt").read_text()
    assert "create 3" in play(inventory, "provision", "--check", zonal_plan="plan.json")
    (inventory / "hosts.json").write_text(json.dumps({**HOSTS, "kvm02.example": report()}))
    told = play(inventory, "provision", "--check", status=2, zonal_plan="plan.json")
    assert "host kvm02.example has moved; nothing was changed, make a new plan" in told


def test_an_unreachable_host_is_planned_around(inventory: Path) -> None:
    (inventory / "hosts.json").write_text(json.dumps({name: HOSTS[name] for name in ("kvm01.example", "kvm03.example")}))
    told = play(inventory, "provision", "--check")
    assert "create 3" in told
    assert "container kvm02.example" not in told


MISTAKES: dict[str, tuple[dict[str, Any], str]] = {
    "no group": ({"zonal_zones": {"z": {**ZONE, "hosts": "gone"}}}, "zonal_zones.z.hosts: 'gone' is not a group of the inventory"),
    "zone of no shape": ({"zonal_zones": {"z": "lab"}}, "zonal_zones.z.hosts: '' is not a group of the inventory"),
    "strange zone": ({"zonal_instances": [{**WEB, "zone": "lost"}]}, 'zone "lost" is not declared in zonal_zones'),
    "no zone": ({"zonal_instances": [{"app": "web"}]}, 'zone "" is not declared in zonal_zones'),
    "zone as list": ({"zonal_instances": [{**WEB, "zone": ["x"]}]}, 'zone ["x"] is not declared in zonal_zones'),
    "unknown image": ({"zonal_instances": [{**WEB, "image": "x:1"}]}, "instances[0].image: 'x:1' is not among the declared images"),
    "not a list": ({"zonal_instances": "web"}, 'zonal_instances: "web" is not a list; nothing was changed'),
    "list of text": ({"zonal_instances": ["web"]}, 'zonal_instances: "web" is not a mapping of fields such as {zone: NAME'),
    "undefined": (
        {"zonal_instances": [{**WEB, "memory": "{{ lost.x }}"}]},
        "zonal_instances: a variable that it is made of is not defined",
    ),
    "undefined zones": ({"zonal_zones": "{{ lost }}"}, "zonal_zones: a variable that it is made of is not defined"),
    "no flag": ({"zonal_prune": "maybe"}, 'zonal_prune: "maybe" is neither true nor false; nothing was changed'),
    "images as text": ({"zonal_images": "x"}, 'zonal_images: "x" is not a list; nothing was changed'),
    "image as text": ({"zonal_images": ["x"]}, 'zonal_images[0]: "x" is not a mapping such as {name: "debian:13"'),
    "image of no name": ({"zonal_images": [{"src": "x"}]}, "zonal_images[0].name: is missing; zonal_images[0].sha256: is missing; nothing"),
    "image of a number": ({"zonal_images": [{**IMAGE, "digest": 5}]}, "zonal_images[0].digest: 5 is not text; put it into quotes; nothing"),
    "image's key": ({"zonal_images": [{**IMAGE, "kind": "vm"}]}, "zonal_images[0]: 'kind' is not a known key; known are digest, kernel"),
    "two images": (
        {"zonal_images": [IMAGE, IMAGE, {**IMAGE, "src": "y"}]},
        "zonal_images: 'debian:13' is declared 2 times, and not the same",
    ),
    "no plan": ({"zonal_plan": "lost.json"}, "zonal_plan: lost.json is not a plan of zones that are declared"),
    "no report": ({"zonal_observations": "lost.json"}, "zonal_observations: lost.json is not a report of hosts by name"),
    "zones as list": ({"zonal_zones": [{"name": "z"}]}, 'zonal_zones: [{"name": "z"}] is not a mapping of names to zones; nothing was'),
    "zones as text": ({"zonal_zones": "z"}, 'zonal_zones: "z" is not a mapping of names to zones; nothing was changed'),
    "bad pool": ({"zonal_zones": {"idc01-dev": {**ZONE, "pools": ["10.21.0.1"]}}}, "pools: '10.21.0.1' is outside the addresses"),
    "template": ({"zonal_instances": [{**WEB, "app": "{{ 1 + 1 }}"}]}, "instances[0].app: "),
    "pin": ({"zonal_instances": [{**WEB, "host": "kvm01.example"}]}, "which only an administrator may"),
    "hosts as list": ({"zonal_zones": {"z": {**ZONE, "hosts": ["a"]}}}, "zonal_zones.z.hosts: '['a']' is not a group of the inventory"),
    "too much": ({"zonal_zones": {"idc01-dev": ZONE}, "zonal_instances": [{**WEB, "count": 10}]}, "pools: no address is left of 9"),
}


@pytest.mark.parametrize("case", MISTAKES)
def test_a_mistake_ends_in_one_message(case: str, inventory: Path) -> None:
    variables, message = MISTAKES[case]
    assert message in play(inventory, "provision", "--check", status=2, **variables)


# Of the other playbooks, by what is given to them.
MISTAKES_OF_OTHERS: dict[str, tuple[str, dict[str, Any], str]] = {
    "number as name": ("snapshot", {"zonal_names": 5}, "zonal_names: 5 is not names of instances, as a list or with commas between them"),
    "no names": ("snapshot", {"zonal_names": []}, "zonal_names: [] is not names of instances"),
    "no number": ("snapshot", {"zonal_snapshot_keep": "x"}, 'zonal_snapshot_keep: "x" is not a whole number of at least 1; nothing was'),
    "no state": (
        "snapshot",
        {"zonal_snapshot_state": "gone"},
        "zonal_snapshot_state: 'gone' is none of present, current, restored, absent",
    ),
    "names are needed": (
        "snapshot",
        {"zonal_snapshot_state": "absent"},
        "zonal_snapshot_state: 'absent' needs zonal_names and zonal_snapshot",
    ),
    "empty names": (
        "snapshot",
        {"zonal_snapshot_state": "restored", "zonal_names": "", "zonal_snapshot": "x"},
        "zonal_snapshot_state: 'restored' needs zonal_names and zonal_snapshot",
    ),
    "lost zone": ("snapshot", {"zonal_zone": "lost"}, "zonal_zone: 'lost' is not declared in zonal_zones; nothing was changed"),
    "no file": ("report", {"zonal_report_file": "lost/hosts.json"}, "zonal_report_file: 'lost/hosts.json' cannot be a file"),
    "no place": ("plan", {"zonal_plan": "lost/plan.json"}, "zonal_plan: 'lost/plan.json' cannot be a file; name the one that"),
    "list as pattern": ("report", {"zonal_hosts": ["kvm01.example"]}, 'zonal_hosts: ["kvm01.example"] is not text; nothing was changed'),
    "history of nothing": ("history", {"zonal_zones": {}, "zonal_hosts": "idc01_dev"}, "zonal_zones: no zone is declared, so name one"),
    "no events": ("history", {"zonal_history": 0}, "zonal_history: 0 is not a whole number of at least 1; nothing was changed"),
    "bad name": ("retire", {"zonal_retire": ["A B"]}, 'zonal_retire: ["A B"] is not names of instances'),
    "no builder": ("publish_image", {}, "zonal_publish_hosts: 'zonal_registry[0]' matches no host of the inventory that could publish"),
    "no registry": ("registry", {}, "zonal_registry_hosts: 'zonal_registry' is not a group of the inventory that has hosts"),
    "image without source": ("images", {"zonal_images": [{"name": "a:1"}]}, "zonal_images[0].src: is missing"),
}


@pytest.mark.parametrize("case", MISTAKES_OF_OTHERS)
def test_a_mistake_of_another_playbook_ends_in_one_message(case: str, inventory: Path) -> None:
    """No host is asked: none of these can be reached."""
    playbook, variables, message = MISTAKES_OF_OTHERS[case]
    write_hosts(inventory, idc01_dev={"kvm01.example": SILENT})
    told = play(inventory, playbook, "--check", status=2, zonal_observations=None, **variables)
    assert message in told
    assert "UNREACHABLE" not in told
    assert not (inventory / "inventory" / ".zonal-ledger.db").exists()


def test_with_tags_there_is_a_verdict_too(inventory: Path) -> None:
    """A job of AWX may have tags; hosts that are not there are left out, and refusals end in an error."""
    assert "create 3" in play(inventory, "provision", "--check", "--tags", "instances")
    told = play(inventory, "provision", "--check", "--tags", "instances", status=2, zonal_images=[])
    assert "instances[0].image: 'debian:13' is not among the declared images" in told


def test_answers_of_a_survey_are_text_and_may_be_empty(inventory: Path) -> None:
    assert "create 3" in play(inventory, "provision", "--check", zonal_prune="false", zonal_admin="true")
    write_hosts(inventory, idc01_dev={"kvm01": {"ansible_connection": "local", "ansible_become": False}})
    empty: dict[str, Any] = dict.fromkeys(
        ("zonal_names", "zonal_zone", "zonal_snapshot", "zonal_snapshot_keep", "zonal_snapshot_state", "zonal_hosts"), ""
    )
    assert "Policies of 0 instances: took nothing" in play(inventory, "snapshot", zonal_observations=None, **empty)
    assert "PLAY [Report]" in play(inventory, "report", zonal_observations=None, zonal_report_file="")
    assert "Zone idc01-dev: the last" in play(inventory, "history", zonal_observations=None, zonal_zone="", zonal_history="5")
    write_hosts(inventory, idc01_dev={"kvm01": SILENT})
    told = play(inventory, "retire", status=2, zonal_observations=None, zonal_retire="web-1, web-2", zonal_retire_zone="")
    assert "web-1, web-2 may still be on a host that does not answer" in told


def test_a_zone_may_have_a_number_for_a_name_in_quotes(inventory: Path) -> None:
    zones, instances = (inventory / "inventory" / "group_vars" / "all" / f"{name}.yml" for name in ("zones", "instances"))
    instances.write_text(json.dumps({"zonal_instances": [{**WEB, "zone": 101}]}))
    zones.write_text(json.dumps({"zonal_zones": {"101": ZONE}}))
    play(inventory, "plan", zonal_plan="plan.json", zonal_images=None)
    assert "Zone 101: create 1" in play(inventory, "provision", "--check", zonal_plan="plan.json", zonal_images=None)
    # Without quotes it is no text, and neither are most others.
    zones.write_text(f"zonal_zones: {{101: {json.dumps(ZONE)}, no: {json.dumps(ZONE)}}}")
    told = play(inventory, "provision", "--check", status=2)
    assert "zonal_zones: 101, false is no name but a number or a flag of YAML; write it in quotes; nothing was changed" in told


def test_recorded_hosts_are_not_changed(inventory: Path) -> None:
    assert "hosts that were recorded cannot be changed; add --check" in play(inventory, "provision", status=2)


NO_PLANS = {
    "no zone": "{}",
    "zone without a plan": '{"idc01-dev": null}',
    "list": '["idc01-dev"]',
    "half": '{"idc01-dev": {"hash"',
    "empty": "",
    "another zone": '{"idc02": {"hash": "x"}}',
}


@pytest.mark.parametrize("case", NO_PLANS)
def test_what_is_no_plan_is_not_taken_for_a_wish_to_plan_anew(case: str, inventory: Path) -> None:
    (inventory / "plan.json").write_text(NO_PLANS[case])
    told = play(inventory, "provision", "--check", status=2, zonal_plan="plan.json")
    assert "zonal_plan: plan.json is not a plan of zones that are declared" in told
    assert "Zone idc01-dev" not in told


def test_a_report_that_cannot_be_used_is_told_and_others_go_on(inventory: Path) -> None:
    hostile = {**HOSTS, "kvm02.example": {**report(), "hardware": {"cpus": {"count": "{{ 7 * 7 }}"}}}}
    (inventory / "hosts.json").write_text(json.dumps(hostile))
    told = play(inventory, "provision", "--check", status=2)
    assert "create 3" in told
    assert "host kvm02.example is taken as one that does not answer" in told
    (inventory / "hosts.json").write_text("[1]")
    assert "zonal_observations: hosts.json is not a report of hosts by name" in play(inventory, "provision", "--check", status=2)


def test_hosts_that_are_all_silent_are_told(inventory: Path) -> None:
    hosts = {"idc01_dev": {"hosts": {f"kvm0{number}.example": SILENT for number in (1, 2)}}}
    (inventory / "inventory" / "hosts.yml").write_text(json.dumps(hosts))
    told = play(inventory, "provision", "--check", status=2, zonal_observations=None)
    assert "2 x has failed or does not answer" in told
    assert "kvm02.example does not answer; its instances keep their addresses" in told
    told = play(inventory, "retire", status=2, zonal_observations=None, zonal_retire=["idc01-dev-web-101001"])
    assert "idc01-dev-web-101001 may still be on a host that does not answer or was not asked (kvm01.example, kvm02.example)" in told
    assert "zonal_zones: declare the zones" in play(
        inventory, "retire", status=2, zonal_retire=["x"], zonal_zones={}, zonal_hosts="idc01_dev"
    )
    assert "kvm01.example did not answer, so what runs there is not in the ledger" in play(
        inventory, "ledger_rebuild", status=2, zonal_observations=None
    )


NOBODY: dict[str, tuple[dict[str, Any], dict[str, Any], str]] = {
    "an empty group": ({"idc01_dev": {}}, {}, "zonal_zones.idc01-dev.hosts: 'idc01_dev' is not a group of the inventory that has hosts"),
    "no zones": ({"other": {"a": {}}}, {"zonal_zones": {}}, "or of the group zonal_hosts, and there are neither; nothing was changed"),
    "no inventory": ({}, {"zonal_zones": {}}, "or of the group zonal_hosts, and there are neither; nothing was changed"),
    "another choice": ({"idc01_dev": {"a": {}}}, {"zonal_hosts": "b"}, "'b' matches no host of the inventory; nothing was changed"),
}


@pytest.mark.parametrize("case", NOBODY)
def test_a_playbook_for_nobody_says_so(case: str, inventory: Path) -> None:
    groups, variables, message = NOBODY[case]
    write_hosts(inventory, **groups)
    assert message in play(inventory, "site", status=2, zonal_observations=None, **variables)


def test_one_host_alone_is_no_agreement(inventory: Path) -> None:
    """The group zonal_hosts adds a host, and the zones are declared where the first host of the inventory does not see them."""
    here = {"ansible_connection": "local"}
    write_hosts(inventory, a_first={"other": {}}, idc01_dev={"kvm01": here, "kvm02": SILENT}, zonal_hosts={"kvm03": here})
    (inventory / "inventory" / "group_vars" / "all" / "zones.yml").rename(inventory / "inventory" / "group_vars" / "idc01_dev.yml")
    told = play(inventory, "drift", "--limit", "kvm01", status=2, zonal_observations=None, zonal_instances=[])
    assert "kvm02 was not asked, so whether it agrees is not known" in told
    assert "PLAY [Report]" in play(inventory, "report", "--limit", "kvm03", zonal_observations=None)


def test_nothing_is_pruned_on_a_host_beyond_the_limit(inventory: Path) -> None:
    ledger = Ledger(str(inventory / "inventory" / ".zonal-ledger.db"))
    with ledger.write("idc01-dev") as book:
        book.declare({"cidr": "10.20.0.0/16"}, 60, Ranges(), Ranges())
        book.claim([Claim("web-1", "10.20.101.1", "kvm02", "none", "web", "container", 1, 1, G, G)], "test")
    write_hosts(inventory, idc01_dev={"kvm01": {"ansible_connection": "local"}, "kvm02": SILENT})
    gone: dict[str, Any] = {
        "zonal_instances": [{**WEB, "app": "other", "state": "absent"}],
        "zonal_images": None,
        "zonal_zones": {"idc01-dev": ZONE},
    }
    told = play(inventory, "provision", "--limit", "kvm01", zonal_observations=None, zonal_prune=True, **gone)
    assert "orphan web-1 container kvm02" in told
    assert "its host kvm02 is left out of this run, so it is not pruned" in told
    assert "kvm02 was not asked; it takes nothing new, and what is on it stays" in told
    assert [claim.state for claim in ledger.read("idc01-dev").claims] == ["planned"]


def test_a_name_of_two_zones_is_not_retired_by_its_name(inventory: Path) -> None:
    ledger = Ledger(str(inventory / "inventory" / ".zonal-ledger.db"))
    for zone in ("z1", "z2"):
        with ledger.write(zone) as book:
            book.declare({"cidr": "10.20.0.0/16"}, 60, Ranges(), Ranges())
            book.claim([Claim("web-1", "10.20.101.1", "kvm01", "none", "web", "vm", 1, 1, G, G)], "test")
    write_hosts(inventory, idc01_dev={"kvm01": SILENT})
    named: dict[str, Any] = {"zonal_observations": None, "zonal_retire": ["web-1"], "zonal_zones": {"z1": ZONE, "z2": ZONE}}
    told = play(inventory, "retire", status=2, **named)
    assert "names: web-1 is an instance of each of the zones z1, z2; say with -e zonal_retire_zone=ZONE which one" in told
    assert "zonal_retire_zone: 'z3' is not declared" in play(inventory, "retire", status=2, **named, zonal_retire_zone="z3")
    assert REMOVING not in {claim.state for zone in ("z1", "z2") for claim in ledger.read(zone).claims}
    assert "web-1 may still be on a host" in play(inventory, "retire", status=2, **named, zonal_retire_zone="z2")
    assert [claim.state == REMOVING for zone in ("z1", "z2") for claim in ledger.read(zone).claims] == [False, True]
    told = play(inventory, "history", **named, zonal_zone="z2")
    assert "declare hold: 60 (declared), by " in told
    assert "claim web-1 10.20.101.1 kvm01 (test), by " in told
    assert "change web-1 removing (retired), by " in told
    # What runs without a claim is of the zone that stands on it.
    running = [{"name": "web-9", "kind": kind, "zone": zone, "state": "running"} for kind, zone in (("vm", "z1"), ("container", "z2"))]
    (inventory / "hosts.json").write_text(json.dumps({"kvm01": report(*running)}))
    told = play(inventory, "retire", status=2, **{**named, "zonal_observations": "hosts.json", "zonal_retire": ["web-9"]})
    assert "names: web-9 is an instance of each of the zones z1, z2; say with" in told
    # And so is what runs in a zone that is not declared here.
    running = [{"name": "web-1", "kind": "container", "zone": "z9", "state": "running"}]
    (inventory / "hosts.json").write_text(json.dumps({"kvm01": report(*running)}))
    one = {**named, "zonal_observations": "hosts.json", "zonal_zones": {"z1": ZONE}}
    assert "names: web-1 is an instance of each of the zones z1, z9; say with" in play(inventory, "retire", status=2, **one)
