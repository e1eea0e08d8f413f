# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A registry on Ceph on one host: what is published there by either face runs as both kinds on the other host."""

from __future__ import annotations

import json
import re
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tests.lab.zone.registry import PUSHED, REGISTRY, S3, USER, Registry

_INSTANCE = {"zone": "lab", "tenant": "demo", "app": "published", "vcpus": 1, "disk": "256M"}
_RECEIVED = "cat /sys/class/net/vec0/statistics/rx_bytes"


@pytest.mark.parametrize("face", [S3, PUSHED])
def test_what_has_one_face_runs_as_both_kinds(registry: Registry, lab: Any, entries: list[dict[str, str]], face: str) -> None:
    (entry,) = (entry for entry in entries if entry["name"] == face)
    declared = [
        {**_INSTANCE, "kind": kind, "image": face, "memory": memory, "address": f"10.99.1.{60 + number}"}
        for number, (kind, memory) in enumerate((("vm", "128M"), ("container", "64M")))
    ]
    registry.play("zonal.cloud.provision", "--limit", USER, zonal_images=[entry], zonal_instances=declared)
    for one in declared:
        lab.eventually(partial(lab.answers, one["address"]), f"the {one['kind']} answers")
    assert lab.login(declared[0]["address"], "cat /etc/content").strip() == face
    names = [claim["name"] for claim in lab.claims() if claim["app"] == _INSTANCE["app"]]
    assert lab.on(USER, f"docker exec {names[1]} cat /etc/content").strip() == face
    assert [(image["digest"], image["kinds"]) for image in registry.images(USER) if face in image["names"]] == [
        (entry["digest"], ["container", "vm"])
    ]
    # A lab host has room for few instances.
    lab.play("zonal.cloud.retire", "--limit", USER, "-e", json.dumps({"zonal_retire": names}))


def test_a_second_run_fetches_nothing(registry: Registry, lab: Any, entries: list[dict[str, str]]) -> None:
    registry.play("zonal.cloud.images", "--limit", USER, zonal_images=entries)
    before = int(lab.on(USER, _RECEIVED))
    output = registry.play("zonal.cloud.images", "--limit", USER, zonal_images=entries)
    assert set(re.findall(r"changed=(\d+)", output)) == {"0"}, output
    # What Ansible sends to a host is far less than an image.
    size = Path(json.loads(lab.cli("image", "--json"))["path"]).stat().st_size
    assert int(lab.on(USER, _RECEIVED)) - before < size / 4


def test_what_a_container_held_becomes_an_image_and_an_event(registry: Registry, lab: Any) -> None:
    """What it holds now: tests/integration/engines/test_image_publish.py."""
    name = lab.placed("container", REGISTRY)[0]
    lab.on(REGISTRY, f"docker exec {name} sh -c 'echo written >/root/marker'")
    lab.module(REGISTRY, "zonal.cloud.snapshot", instance=name, name="captured")
    lab.on(REGISTRY, f"docker exec {name} rm /root/marker")
    of = {"zonal_capture_instance": name, "zonal_capture_snapshot": "captured"}
    entry = registry.publish("zonal.cloud.capture_image", **of, zonal_capture_name="captured:1")
    lab.module(REGISTRY, "zonal.cloud.snapshot", instance=name, name="captured", state="absent")
    registry.play("zonal.cloud.images", "--limit", USER, zonal_images=[{**entry, "kinds": ["container"]}])
    assert lab.on(USER, "docker run --rm --network none captured:1 cat /root/marker").strip() == "written"
    told = " ".join(lab.play("zonal.cloud.history", "-e", json.dumps({"zonal_zone": "lab"})).split())
    assert f"capture {name}" in told
    assert "of its snapshot captured" in told
