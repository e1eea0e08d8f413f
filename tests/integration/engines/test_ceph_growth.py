# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A registry's Ceph that begins with one host, becomes one of three, and goes on when one of these is lost."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.zonal.cloud.tests.integration.engines.ceph_nodes import CephNode, Ran, free_network, play
from ansible_collections.zonal.cloud.tests.integration.engines.ceph_registry import IMAGES, Registry
from ansible_collections.zonal.cloud.tests.integration.engines.node import wait_for

OWNER = "zonal-images"
# What docs/disks.md makes for the disks of VMs.
DISKS = "zonal-disks"


@pytest.fixture
def nodes(tmp_path: Path) -> Iterator[list[CephNode]]:
    """Three hosts; the first one joins the others."""
    network = free_network()
    first = CephNode(tmp_path / "r1", "r1", network)
    made = [first, *(CephNode(tmp_path / f"r{number + 1}", f"r{number + 1}", network, number, first) for number in (1, 2))]
    try:
        for node in made:
            node.folder.mkdir()
            node.start()
        yield made
    finally:
        for node in reversed(made):
            node.stop()


def copies(node: CephNode) -> dict[str, tuple[int, int]]:
    """Return how many copies of each pool there are, and of how many one may write, by the pool's name."""
    return {pool["pool_name"]: (pool["size"], pool["min_size"]) for pool in asked(node, "osd", "pool", "ls", "detail")}


def asked(node: CephNode, *words: str) -> Any:
    return json.loads(node.run("ceph", "--connect-timeout", "20", *words, "--format", "json"))


def test_one_host_becomes_three_and_one_of_them_may_be_lost(nodes: list[CephNode], tmp_path: Path) -> None:
    first, _second, third = nodes
    registry = Registry(first, tmp_path, "", Ran(0, ""), frozenset())

    def put(key: str) -> str:
        return registry.s3(OWNER, "put_object", Bucket=IMAGES, Key=key, Body=key)

    def got(key: str) -> str:
        return registry.s3(OWNER, "get_object", Bucket=IMAGES, Key=key)

    made = play(tmp_path, nodes[:1])
    assert made.status == 0, made.output[-4000:]
    first.run("sh", "-ec", f"ceph osd pool create {DISKS} 16 --autoscale-mode=warn && rbd pool init {DISKS}")
    assert set(copies(first).values()) == {(1, 1)}
    put("alone")

    grown = play(tmp_path, nodes)
    assert grown.status == 0, grown.output[-4000:]
    status = asked(first, "status")
    assert (sorted(status["quorum_names"]), status["osdmap"]["num_up_osds"]) == (["r1", "r2", "r3"], 3)
    kept = copies(first)
    assert kept.pop(DISKS) == (1, 1), "it is the operator's, who is told to set it"
    assert set(kept.values()) == {(3, 2)}
    first.run("sh", "-ec", f"ceph osd pool set {DISKS} size 3 && ceph osd pool set {DISKS} min_size 2")
    again = play(tmp_path, nodes)
    assert (again.status, again.changed) == (0, {"r1": 0, "r2": 0, "r3": 0}), again.output[-4000:]

    third.stop()
    wait_for("what is left of the cluster", lambda: asked(first, "status")["osdmap"]["num_up_osds"] == 2, 120)
    assert got("alone") == "alone"
    put("without r3")
    assert got("without r3") == "without r3"
