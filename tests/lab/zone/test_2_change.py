# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is declared is what becomes of a zone, and what is wrong changes nothing."""

from __future__ import annotations

import json
import re
from functools import partial
from pathlib import Path
from typing import Any

import pytest

_WEB = {"zone": "lab", "tenant": "demo", "app": "extra", "kind": "container", "image": "guest:1", "vcpus": 1, "memory": "64M"}
_DB = {**_WEB, "kind": "vm", "memory": "128M"}


def provision(lab: Any, tmp_path: Path, *extra: dict[str, Any]) -> str:
    """Provision only the given instances, on the first host."""
    return str(lab.play("zonal.cloud.provision", "--limit", "h1", "-e", f"@{_write(tmp_path, list(extra))}"))


def refuse(lab: Any, tmp_path: Path, *extra: dict[str, Any]) -> str:
    """Provision what must be refused and return the output."""
    run = lab.start_play("zonal.cloud.provision", "--limit", "h1", "-e", f"@{_write(tmp_path, list(extra))}")
    output = str(run.finish(300, status=2))
    assert "Traceback" not in output
    assert re.search(r"changed=0", output), output
    return output


def _write(tmp_path: Path, instances: list[dict[str, Any]]) -> Path:
    declared = tmp_path / "instances.json"
    declared.write_text(json.dumps({"zonal_instances": instances}))
    return declared


def test_both_kinds_live_change_and_go(lab: Any, tmp_path: Path) -> None:
    container, vm = {**_WEB, "address": "10.99.1.31"}, {**_DB, "app": "more", "address": "10.99.1.32", "disk": "300M"}
    provision(lab, tmp_path, container, vm)
    for one in (container, vm):
        lab.eventually(partial(lab.answers, one["address"]), f"the new {one['kind']} answers")
    is_made_without_a_copy(lab, "vm-lab-more-001032")
    assert int(lab.login("10.99.1.32", "df -m / | tail -1 | awk '{print $2}'")) > 200
    limits = "docker inspect lab-extra-001031 --format '{{.State.StartedAt}} {{.HostConfig.Memory}} {{.HostConfig.MemorySwap}}'"
    started = lab.on("h1", limits).split()[0]
    boot = lab.login("10.99.1.32", "cat /proc/sys/kernel/random/boot_id")

    changed = {**container, "memory": "80M"}, {**vm, "memory": "160M"}
    told = provision(lab, tmp_path, *changed)
    assert lab.on("h1", limits).split() == [started, str(80 * 1024**2), str(80 * 1024**2)]
    assert "memory takes effect at a restart, which must be allowed" in " ".join(told.split())
    assert lab.login("10.99.1.32", "cat /proc/sys/kernel/random/boot_id") == boot
    assert "changed=0" in provision(lab, tmp_path, *changed)

    provision(lab, tmp_path, {**container, "state": "absent"}, vm)
    assert not lab.answers("10.99.1.31")
    lab.play("zonal.cloud.retire", "--limit", "h1", "-e", '{"zonal_retire": ["lab-more-001032"]}')
    left = lab.on("h1", "docker ps --all; lvs zonal; virsh list --all")
    assert "lab-extra-001031" not in left
    assert "lab-more-001032" not in left


def is_made_without_a_copy(lab: Any, name: str) -> None:
    rows = json.loads(lab.on("h1", "lvs --reportformat json --units m --nosuffix -o lv_name,origin,lv_size,lv_tags zonal"))
    volume = next(row for row in rows["report"][0]["lv"] if row["lv_name"] == name)
    assert volume["origin"].startswith("img-")
    assert float(volume["lv_size"]) == 300
    assert f"zonal.instance={name.removeprefix('vm-')}" in volume["lv_tags"]


def _at(tail: str) -> dict[str, Any]:
    return {**_WEB, "address": f"10.99.1.{tail}"}


# Those that need no host are in tests/integration/engines/test_playbooks.py.
_MISTAKES = {
    "all at once": (
        [
            _at("40") | {"memory": "4 apples"},
            {**_at("41"), "app": "more", "name": "a;reboot"},
            {**_DB, "address": "10.99.1.41", "app": "xml", "name": "<a>&amp;"},
        ],
        ["memory: '4 apples' is not a size", "name: 'a;reboot' is not a valid name", "name: '<a>&amp;' is not a valid name"],
    ),
    "address of a neighbour": (
        [{**_WEB, "address": "10.99.1.13", "name": "thief"}],
        ["lab-web-001013 with 10.99.1.13 belongs to web (container) of demo"],
    ),
    "no such room": ([{**_DB, "address": "10.99.1.41", "disk": "900G"}], ["too little pool space left (900G wanted"]),
}


@pytest.mark.parametrize("mistake", _MISTAKES)
def test_a_mistake_ends_in_one_message_and_changes_nothing(lab: Any, tmp_path: Path, mistake: str) -> None:
    instances, messages = _MISTAKES[mistake]
    state = "lvs --noheadings -o lv_name zonal; virsh list --all --name; docker ps --all --quiet"
    before = lab.on("h1", state)
    told = " ".join(refuse(lab, tmp_path, *instances).split())
    assert [message for message in messages if message not in told] == []
    assert lab.on("h1", state) == before


def test_what_somebody_else_made_is_not_touched(lab: Any, tmp_path: Path) -> None:
    lab.on("h1", "docker create --name lab-extra-001033 --network none guest:1")
    try:
        run = lab.start_play("zonal.cloud.provision", "--limit", "h1", "-e", f"@{_write(tmp_path, [{**_WEB, 'address': '10.99.1.33'}])}")
        assert "zonal.cloud did not make" in " ".join(run.finish(300, status=2).split())
        assert "lab-extra-001033" in lab.on("h1", "docker ps --all")
    finally:
        lab.on("h1", "docker rm lab-extra-001033")
        lab.play("zonal.cloud.retire", "--limit", "h1", "-e", '{"zonal_retire": ["lab-extra-001033"]}')
