# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What host_info returns, from a host that is written down."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.zonal.cloud.plugins.module_utils._adapters.sysfs import Sysfs
from ansible_collections.zonal.cloud.plugins.module_utils._domain.errors import SpecError
from ansible_collections.zonal.cloud.plugins.module_utils._module.host_info import SECTIONS, HostReader
from ansible_collections.zonal.cloud.plugins.module_utils._module.instances_here import instances_here
from ansible_collections.zonal.cloud.plugins.module_utils._ports import EngineAbsent, EngineError
from ansible_collections.zonal.cloud.tests.unit.plugins.fakes.containers import FakeContainers
from ansible_collections.zonal.cloud.tests.unit.plugins.fakes.copies import NO_COPIES
from ansible_collections.zonal.cloud.tests.unit.plugins.fakes.sysfs import two_sockets_with_smt, write_files
from ansible_collections.zonal.cloud.tests.unit.plugins.fakes.vms import FakeVms
from ansible_collections.zonal.cloud.tests.unit.plugins.fakes.volumes import FakeVolumes

LVS = {"vg_name": "zonal", "vg_free": "0", "lv_name": "pool", "lv_attr": "twi-aotz--", "lv_size": "1000", "pool_lv": ""}
PERCENT = {"data_percent": "10.00", "metadata_percent": "1.00"}
LINKS = [{"ifname": "br0", "linkinfo": {"info_kind": "bridge"}}, {}]
INSTANCE = {"name": "web-1", "kind": "container"}
IMAGE = {"name": "debian:13", "kind": "container"}
DEFAULTS: dict[str, Any] = {"gather": list(SECTIONS), "kvm_timeout": 20.0}


class Host:
    """Programs of a host; counts what is started."""

    def __init__(self, **answers: str) -> None:
        self._answers = answers
        self.started: list[str] = []

    def __call__(self, argv: Sequence[str], *, stdin: str | None = None, timeout: float = 120) -> str:
        self.started.append(argv[0])
        if argv[0] not in self._answers:
            raise EngineAbsent("run", argv[0], "not installed")
        return self._answers[argv[0]]


@pytest.fixture
def sysfs(tmp_path: Path) -> Sysfs:
    return Sysfs(str(write_files(tmp_path, two_sockets_with_smt())))


def reader(host: Host, sysfs: Sysfs, tmp_path: Path) -> HostReader:
    return HostReader(host, sysfs, lambda: [INSTANCE], lambda: [IMAGE], root=str(tmp_path))


def test_everything(sysfs: Sysfs, tmp_path: Path) -> None:
    host = Host(lvs=json.dumps({"report": [{"lv": [{**LVS, **PERCENT}]}]}), ip=json.dumps(LINKS))
    found = reader(host, sysfs, tmp_path).read(DEFAULTS)["host"]
    assert found["release"]["id"] == "debian"
    assert found["hardware"]["cpus"]["cores"][0] == {"package": 0, "node": 0, "cpus": [0, 4]}
    assert found["hardware"]["cpus"]["offline"] == [7]
    assert [(node["id"], node["cpus"]) for node in found["hardware"]["nodes"]] == [(0, [0, 1, 4, 5]), (1, [2, 3, 6])]
    assert found["storage"]["pools"][0]["free"] == 900
    assert [bridge["name"] for bridge in found["network"]["bridges"]] == ["br0"]
    assert found["engines"]["docker"] == {"installed": False, "version": "", "running": False, "reason": ""}
    assert found["kvm"] == {"usable": False, "reason": found["kvm"]["reason"], "seconds": 0.0}
    assert (found["instances"], found["images"]) == ([INSTANCE], [IMAGE])
    json.dumps(found)


def test_an_engine_that_goes_before_it_tells_what_runs_does_not_run(sysfs: Sysfs, tmp_path: Path) -> None:
    """Otherwise its instances, of which it tells nothing then, would be taken for ones that are gone."""
    docker, libvirt, down = FakeContainers(), FakeVms(), dict[str, str]()
    host = Host(docker='{"ServerVersion": "28.2.2"}')

    def instances() -> list[dict[str, Any]]:
        docker.running = libvirt.installed = False
        return instances_here(docker, NO_COPIES, libvirt, FakeVolumes(), down)

    told = HostReader(host, sysfs, instances, list, down=down, root=str(tmp_path)).read({**DEFAULTS, "gather": ["engines", "instances"]})
    assert told["host"]["instances"] == []
    found = told["host"]["engines"]
    assert (found["docker"]["installed"], found["docker"]["running"], found["libvirt"]["installed"]) == (True, False, False)
    assert "there is no socket; is docker running?" in found["docker"]["reason"]


def test_only_what_is_asked_for_is_started(sysfs: Sysfs, tmp_path: Path) -> None:
    host = Host(ip="[]")
    found = reader(host, sysfs, tmp_path).read({**DEFAULTS, "gather": ["network", "hardware"]})["host"]
    assert host.started == ["ip"]
    assert {"hardware", "network"} == set(SECTIONS) & set(found)


def test_no_lvm_is_no_pool(sysfs: Sysfs, tmp_path: Path) -> None:
    found = reader(Host(), sysfs, tmp_path).read({**DEFAULTS, "gather": ["storage"]})
    assert found["host"]["storage"] == {"pools": []}


def test_a_report_that_cannot_be_read_is_an_error(sysfs: Sysfs, tmp_path: Path) -> None:
    with pytest.raises(EngineError, match="Cannot read the report of ip"):
        reader(Host(ip="Object unknown"), sysfs, tmp_path).read({**DEFAULTS, "gather": ["network"]})


@pytest.mark.parametrize("timeout", [0, -1])
def test_a_time_that_is_none(sysfs: Sysfs, tmp_path: Path, timeout: float) -> None:
    with pytest.raises(SpecError, match=r"kvm_timeout: .* is not a time"):
        reader(Host(), sysfs, tmp_path).read({**DEFAULTS, "kvm_timeout": timeout})
