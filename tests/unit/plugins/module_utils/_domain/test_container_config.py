# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A container as docker's API writes it: the body, its way back, and descriptions that somebody else's tools made."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.zonal.cloud.plugins.module_utils._domain.container_config import (
    EngineFacts,
    render_container,
    render_limits,
    restart_policy,
)
from ansible_collections.zonal.cloud.plugins.module_utils._domain.container_found import parse_container
from ansible_collections.zonal.cloud.plugins.module_utils._domain.docker_network import parse_network, render_network
from ansible_collections.zonal.cloud.plugins.module_utils._domain.facts import with_printed
from ansible_collections.zonal.cloud.plugins.module_utils._domain.fields import Spec, differences, parse_spec
from ansible_collections.zonal.cloud.tests.unit.plugins.fakes.containers import FakeContainers
from ansible_collections.zonal.cloud.tests.unit.plugins.fakes.instances import wish
from ansible_collections.zonal.cloud.tests.unit.plugins.golden_files import assert_golden
from ansible_collections.zonal.cloud.tests.unit.plugins.specs import container_specs

MIB = 1024**2
NEW = EngineFacts(api=(1, 45), cgroup=2, size_limits=True, cpus=frozenset(range(256)), device="/dev/dm-1")
FULL: dict[str, Any] = {
    "io_limits": {"write_bytes": "50M", "read_iops": 500},
    "labels": {"example.org/tier": "<gold> & silver"},
    "environment": {"MODE": "a=b", "WORD": ""},
    "command": ["/bin/sh", "-c", "exec sleep 1d"],
    "capabilities": ["NET_ADMIN", "sys_time"],
}
OLD = EngineFacts(api=(1, 41), cgroup=1, size_limits=False, cpus=frozenset())


@pytest.mark.parametrize(("file", "engine", "disk"), [("container-1.45.json", NEW, "1G"), ("container-1.41.json", OLD, None)])
def test_golden(file: str, engine: EngineFacts, disk: str | None) -> None:
    body = render_container("web", wish("container", disk=disk).spec, frozenset({2, 3} if engine.cpus else ()), engine)
    assert_golden(file, json.dumps(body, indent=2) + "\n")


def test_golden_with_all_fields() -> None:
    spec = wish("container", disk="1G", **FULL).spec
    assert_golden("container-all-fields.json", json.dumps(render_container("web", spec, frozenset({2, 3}), NEW), indent=2) + "\n")


@pytest.mark.parametrize("names", ["", "[", "5", '["HOME"]', '["A=B"]', f"{'[' * 100_000}"], ids=lambda names: names[:10])
def test_variables_that_cannot_be_read_differ_from_any(names: str) -> None:
    parsed = parse_container({**labels(environment=names), "Name": "/web"})
    for wanted in ({}, {"HOME": "/"}):
        assert [item.field for item in differences("container", {"environment": wanted}, parsed.spec)] == ["environment"]


@pytest.mark.parametrize(("file", "gateway"), [("network.json", "10.20.0.1"), ("network-without-gateway.json", "")])
def test_golden_network(file: str, gateway: str) -> None:
    body = render_network("br0", "10.20.0.0/16", gateway)
    assert_golden(file, json.dumps(body, indent=2) + "\n")
    assert parse_network(body) == ("10.20.0.0/16", gateway)


@pytest.mark.parametrize("body", [{}, {"IPAM": None}, {"IPAM": {"Config": None}}, {"IPAM": {"Config": []}}, {"IPAM": {"Config": [{}]}}])
def test_a_network_without_addresses(body: dict[str, Any]) -> None:
    assert parse_network(body) == ("", "")


@given(container_specs, st.sampled_from([NEW, OLD]))
def test_what_was_written_reads_back(named: tuple[str, Spec], engine: EngineFacts) -> None:
    name, spec = named
    cpus = frozenset(range(spec["vcpus"])) if engine.cpus else frozenset()
    body = render_container(name, spec, cpus, engine)
    assert render_container(name, spec, cpus, engine) == body
    docker = FakeContainers()
    docker.import_image("archive", spec["image"], {})
    docker.create(name, body)
    parsed = parse_container(docker.managed()[0])
    found = with_printed(parsed.spec, parsed.facts, spec)
    assert differences("container", spec, found) == []
    assert set(found) <= set(spec)
    assert (parsed.name, parsed.ours, parsed.power, parsed.cpus) == (name, True, "stopped", cpus)


@given(st.integers(1, 255))
def test_memory_and_swap_are_always_equal(vcpus: int) -> None:
    limits = render_limits(parse_spec({"vcpus": vcpus, "memory": "64M"}), frozenset(), OLD)
    assert limits["Memory"] == limits["MemorySwap"] == 64 * MIB
    assert 2 <= limits["CpuShares"] <= 262144


@pytest.mark.parametrize(("autostart", "name"), [(True, "unless-stopped"), (False, "no")])
def test_restart_policy(autostart: bool, name: str) -> None:
    assert restart_policy(autostart) == {"Name": name}


def labels(**facts: str) -> dict[str, Any]:
    return {"Config": {"Labels": {f"cloud.zonal.{key}": value for key, value in facts.items()}}}


FEW = {"vcpus": 0, "memory": None, "autostart": False}
READ: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "nothing": ({}, FEW),
    "nulls": (dict.fromkeys(["Name", "Config", "HostConfig", "State", "NetworkSettings"]), FEW),
    "inner nulls": (
        {"Config": {"Labels": None, "Hostname": None}, "HostConfig": dict.fromkeys(["CpusetCpus", "StorageOpt", "RestartPolicy"])},
        FEW,
    ),
    "no limits": ({"HostConfig": {"Memory": 0, "MemorySwap": 0, "CpuShares": 0}}, {**FEW, "memory": 0}),
    "swap": ({"HostConfig": {"Memory": 64 * MIB, "MemorySwap": -1}}, {**FEW, "memory": 0}),
    "a weight": ({"HostConfig": {"CpuShares": 3072}}, {**FEW, "vcpus": 3}),
    "CPUs": ({"HostConfig": {"CpusetCpus": "0-2,7", "CpuShares": 1024}}, {**FEW, "vcpus": 4}),
    "always": ({"HostConfig": {"RestartPolicy": {"Name": "always"}}}, {**FEW, "autostart": True}),
    "on failure": ({"HostConfig": {"RestartPolicy": {"Name": "on-failure"}}}, FEW),
    "a size": ({"HostConfig": {"StorageOpt": {"size": "1073741824"}}}, {**FEW, "disk": 1024 * MIB}),
    "a size in words": ({"HostConfig": {"StorageOpt": {"size": "1G"}}}, {**FEW, "disk": 1024 * MIB}),
    "a size that is none": ({"HostConfig": {"StorageOpt": {"size": "\u00b2"}}}, FEW),
    "another network": ({"HostConfig": {"NetworkMode": "host"}}, FEW),
    "our network without endpoint": ({"HostConfig": {"NetworkMode": "zonal-br0"}}, {**FEW, "bridge": "br0"}),
    "labels that do not parse": (labels(name="x", zone="A B", dns="[", address="::1", image="", keys="\x00"), FEW),
    "labels of another kind": (labels(dns="5", cidr="10.0.0.1/8", hostname="-"), FEW),
    "deep JSON": (labels(dns="[" * 200_000), FEW),
    "markup": (labels(zone="<b>&amp;</b>", tenant="$(id)", app="{{ 7 * 7 }}"), FEW),
}


@pytest.mark.parametrize(("body", "spec"), READ.values(), ids=READ.keys())
def test_what_others_wrote(body: dict[str, Any], spec: dict[str, Any]) -> None:
    assert parse_container(body).spec == spec


@pytest.mark.parametrize(
    ("state", "power"),
    [
        ({}, "stopped"),
        ({"Running": False}, "stopped"),
        ({"Running": True}, "running"),
        ({"Running": True, "Paused": True}, "paused"),
        ({"Running": False, "Restarting": True}, "running"),
        ({"Dead": True}, "stopped"),
    ],
)
def test_power(state: dict[str, Any], power: str) -> None:
    assert parse_container({"State": state}).power == power


@pytest.mark.parametrize(
    ("state", "note"),
    [
        ({"Running": True, "Status": "running"}, ""),
        ({"Status": "created"}, ""),
        ({"Status": "exited", "ExitCode": 3}, "its program has ended (with 3)"),
        ({"Status": "exited", "ExitCode": 137, "OOMKilled": True}, "its program has ended (with 137, for lack of memory)"),
        (
            {"Status": "restarting", "Running": True, "Restarting": True, "ExitCode": 1},
            "its program ends again and again (last with 1), and docker starts it anew",
        ),
    ],
)
def test_why_it_does_not_stay_up(state: dict[str, Any], note: str) -> None:
    assert parse_container({"State": state}).note == note


@pytest.mark.parametrize(
    ("body", "ours"), [(labels(name="x"), True), (labels(zone="x"), False), ({"Config": {"Labels": {"name": "x"}}}, False)]
)
def test_ours_is_what_carries_our_name(body: dict[str, Any], ours: bool) -> None:
    assert parse_container(body).ours is ours


@given(st.dictionaries(st.sampled_from(["zone", "dns", "address", "image", "hostname", "cidr", "keys", "name"]), st.text()))
def test_any_label_is_read_or_left_out(facts: dict[str, str]) -> None:
    parsed = parse_container(labels(**facts))
    assert set(parsed.spec) <= {"zone", "dns", "address", "image", "hostname", "cidr", *FEW}
