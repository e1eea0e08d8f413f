# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The zone as planned: what goes where and why, scaling, saved plans, drift, a lost ledger, a squatter."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

_DB = {
    "zone": "lab",
    "tenant": "demo",
    "app": "db",
    "count": 2,
    "kind": "vm",
    "image": "guest:1",
    "vcpus": 1,
    "memory": "128M",
    "disk": "512M",
}
# What outlives the loss of the ledger, because it stands on the instances; and what only the declaration has.
_ON_HOSTS = ("name", "address", "mac", "host", "tenant", "app", "kind", "index", "vcpus", "memory", "disk", "state")
_DECLARED = ("protected", "rules", "devices")
_WEB = {**_DB, "app": "web", "kind": "container", "memory": "64M", "disk": "256M"}


def declared(folder: Path, *instances: dict[str, Any], **more: Any) -> str:
    """Return the argument that declares these instances."""
    path = folder / "declared.json"
    path.write_text(json.dumps({"zonal_instances": instances, **more}))
    return f"@{path}"


def book(lab: Any, *columns: str) -> list[Any]:
    """Return these columns of the claims, by name; all that outlives the loss of the ledger when none is given."""
    return [tuple(claim[column] for column in columns or _ON_HOSTS) for claim in lab.claims()]


@pytest.fixture(scope="module")
def recorded(lab: Any, tmp_path_factory: pytest.TempPathFactory) -> str:
    """What the hosts report now, for plans that need no host."""
    report = tmp_path_factory.mktemp("report") / "hosts.json"
    lab.play("zonal.cloud.report", "-e", f"zonal_report_file={report}")
    return f"zonal_observations={report}"


def test_both_apps_are_spread_over_the_hosts(lab: Any) -> None:
    assert sorted(book(lab, "app", "host", "state")) == [(app, host, "settled") for app in ("db", "web") for host in ("h1", "h2")]


@pytest.mark.parametrize("admin", [True, False])
def test_a_pin_is_an_administrators(lab: Any, recorded: str, tmp_path: Path, admin: bool) -> None:
    pinned = declared(tmp_path, _DB, _WEB, {**_WEB, "app": "pin", "count": 1, "host": "h2"}, zonal_admin=admin)
    run = lab.start_play("zonal.cloud.provision", "--check", "-e", recorded, "-e", pinned)
    told = " ".join(run.finish(status=0 if admin else 2).split())
    assert ("lab-pin-001015 container h2 10.99.1.15" in told) == admin
    assert ("which only an administrator may" in told) == (not admin)


def test_a_quota_is_explained_before_anything_happens(lab: Any, recorded: str, tmp_path: Path) -> None:
    zone = {
        "hosts": "lab",
        "network": {"cidr": "10.99.0.0/16", "gateway": "10.99.0.1", "bridge": "br0"},
        "pools": ["10.99.1.11-10.99.1.99"],
    }
    limited = {"lab": {**zone, "quotas": {"demo": {"instances": 5, "memory": "1G"}}}}
    run = lab.start_play(
        "zonal.cloud.provision", "--check", "-e", recorded, "-e", declared(tmp_path, _DB, {**_WEB, "count": 4}, zonal_zones=limited)
    )
    assert "quota: tenant demo may have 5 instances, has 4 and asks for 2 more" in " ".join(run.finish(status=2).split())


def test_a_saved_plan_applies_exactly_or_not_at_all(lab: Any, tmp_path: Path) -> None:
    four = declared(tmp_path, _DB, {**_WEB, "count": 4})
    saved = tmp_path / "plan.json"
    lab.play("zonal.cloud.plan", "-e", four, "-e", f"zonal_plan={saved}")
    assert "create 2, keep 4" in Path(f"{saved}.txt").read_text()
    assert len(book(lab)) == 4

    name, address = lab.placed("container", "h2")
    lab.on("h2", f"docker update --memory 80M --memory-swap 80M {name}")
    try:
        refused = lab.start_play("zonal.cloud.provision", "-e", four, "-e", f"zonal_plan={saved}").finish(status=2)
        assert "host h2 has moved; nothing was changed" in " ".join(refused.split())
        drift = " ".join(lab.start_play("zonal.cloud.drift").finish(status=2).split())
        assert f"resize {name} container h2 {address} memory differs from what is declared" in drift
    finally:
        lab.on("h2", f"docker update --memory 64M --memory-swap 64M {name}")

    lab.play("zonal.cloud.provision", "-e", four, "-e", f"zonal_plan={saved}")
    hosts = {step["name"]: step["host"] for step in json.loads(saved.read_text())["lab"]["steps"]}
    assert {(name, host) for name, host, _state in book(lab, "name", "host", "state")} == set(hosts.items())
    assert {state for (state,) in book(lab, "state")} == {"settled"}
    for address in ("10.99.1.15", "10.99.1.16"):
        lab.eventually(lambda address=address: lab.answers(address), f"{address} answers")


def test_a_lost_ledger_is_rebuilt_as_it_was(lab: Any, tmp_path: Path) -> None:
    """The hosts tell what they have, and the next run of provision.yml what only the declaration has."""
    web = {**_WEB, "count": 4, "anti_affinity": [{"app": "db", "required": False}]}
    wanted = declared(tmp_path, {**_DB, "protected": True}, web)
    lab.play("zonal.cloud.provision", "-e", wanted)
    before, whole = book(lab), book(lab, *_ON_HOSTS, *_DECLARED)
    assert len(before) == 6
    assert {bool(protected) for app, protected in book(lab, "app", "protected") if app == "db"} == {True}
    ledger = Path(lab.inventory()["_meta"]["hostvars"]["h1"]["zonal_ledger_url"])
    ledger.unlink()
    lab.play("zonal.cloud.ledger_rebuild")
    assert book(lab) == before
    lab.play("zonal.cloud.provision", "-e", wanted)
    assert book(lab, *_ON_HOSTS, *_DECLARED) == whole


def test_the_last_ones_are_removed_first(lab: Any, tmp_path: Path) -> None:
    told = lab.play("zonal.cloud.plan", "-e", f"zonal_plan={tmp_path / 'plan.json'}")
    assert "2 of web (container) are declared, this is number 4" in " ".join(told.split())
    lab.play("zonal.cloud.provision", "-e", "zonal_prune=true")
    assert [name for (name,) in book(lab, "name")] == ["lab-db-001011", "lab-db-001012", "lab-web-001013", "lab-web-001014"]
    for host in ("h1", "h2"):
        assert lab.on(host, "docker ps --all --quiet").count("\n") == 1
    assert "agree" in lab.play("zonal.cloud.drift")


def test_a_squatter_is_found_and_its_address_not_given_out(lab: Any, tmp_path: Path) -> None:
    """The two addresses below rest after a release; the squatter sits on one that never was given out."""
    wanted = {**_WEB, "app": "late", "count": 4}
    squatter = "10.99.1.18"
    device = json.loads(lab.router("ip", "-j", "-4", "route", "get", "10.99.1.11"))[0]["dev"]
    lab.router("ip", "address", "add", f"{squatter}/32", "dev", device)
    try:
        told = lab.play("zonal.cloud.probe_addresses", "-e", '{"zonal_probe_addresses": ["10.99.1.11-10.99.1.40"]}')
        assert squatter in told
    finally:
        lab.router("ip", "address", "del", f"{squatter}/32", "dev", device)
    planned = lab.play("zonal.cloud.provision", "--check", "-e", declared(tmp_path, _DB, _WEB, wanted))
    assert "lab-late-001017" in planned
    assert "lab-late-001019" in planned
    assert "lab-late-001018" not in planned
