# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""``VmEngine`` in memory; it passes the same contract as libvirt (contracts/vms.py)."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from ansible_collections.zonal.cloud.plugins.module_utils._domain.instance import PAUSED, RUNNING, STOPPED
from ansible_collections.zonal.cloud.plugins.module_utils._ports import Domain, EngineAbsent, EngineDown, EngineError


class FakeVms:
    """A libvirt connection. Tests may set ``installed``, ``running``, ``agents``, whether guests have one, ``deaf``, whether they keep what
    is to be detached, ``sizes``, what guests see of disks by their paths (on Ceph: targets), ``counted``, their statistics, and ``kind``,
    the driver; ``held`` tells who is held still."""

    def __init__(self) -> None:
        self.installed = self.running = True
        self.kind = "qemu"
        self.agents = True
        self.deaf = False
        self.sizes: dict[str, int] = {}
        self.held: set[str] = set()
        self.counted: dict[str, Mapping[str, Any]] = {}
        self._domains: dict[str, Domain] = {}

    def snapshot(self) -> dict[str, Domain]:
        """Return all there is, to compare two worlds."""
        return dict(self._domains)

    def driver(self) -> str:
        self._must_be_installed()
        return self.kind

    def find(self, name: str) -> Domain | None:
        self._must_be_installed()
        return self._domains.get(name)

    def domains(self) -> list[Domain]:
        self._must_be_installed()
        return list(self._domains.values())

    def stats(self) -> dict[str, Mapping[str, Any]]:
        self._must_be_installed()
        running = {name: ET.fromstring(domain.live_xml) for name, domain in self._domains.items() if domain.live_xml}
        return {name: {**self._blocks(root), **self.counted.get(name, {})} for name, root in running.items()}

    def define(self, xml: str) -> None:
        self._must_be_installed()
        try:
            root = ET.fromstring(xml)
        except ET.ParseError as error:
            raise EngineError("define", "VM", str(error)) from error
        name = root.findtext("name")
        if root.tag != "domain" or not name:
            raise EngineError("define", "VM", "it is no domain with a name")
        old = self._domains.get(name)
        if old is None:
            self._domains[name] = Domain(name, xml, "", STOPPED, autostart=False)
        elif ET.fromstring(old.xml).findtext("uuid") != root.findtext("uuid"):
            raise EngineError("define", "VM", f"domain '{name}' already exists with another uuid")
        else:
            self._domains[name] = replace(old, xml=xml)

    def attach(self, name: str, device: str) -> None:
        root, item = self._running("attach a device to VM", name), ET.fromstring(device)
        devices = root.find("devices")
        if devices is None:
            devices = ET.SubElement(root, "devices")
        taken = [target.get("dev") for target in devices.findall("*/target")]
        target = item.find("target")
        if target is not None and target.get("dev") in taken:
            raise EngineError("attach a device to VM", name, "the target is taken already")
        devices.append(item)
        self._set_running(name, root)

    def change_device(self, name: str, device: str) -> None:
        root, item = self._running("change a device of VM", name), ET.fromstring(device)
        devices = root.find("devices")
        mac = item.find("mac")
        assert devices is not None
        assert mac is not None
        same = [card for card in devices.findall(item.tag) if card.find(f"mac[@address='{mac.get('address')}']") is not None]
        if not same:
            raise EngineError("change a device of VM", name, "no such card")
        devices[list(devices).index(same[0])] = item
        self._set_running(name, root)

    def detach(self, name: str, alias: str, timeout: int) -> None:
        domain = self._must_have("detach a device from VM", name)
        root = ET.fromstring(domain.live_xml or "<domain/>")
        devices = root.find("devices")
        if devices is None:
            return
        for item in devices.findall(f"*/alias[@name='{alias}']/.."):
            if self.deaf:
                raise EngineError("detach a device from VM", name, f"the guest does not let go of it within {timeout} seconds")
            devices.remove(item)
            self._set_running(name, root)

    def resize(self, name: str, path: str, size: int) -> None:
        blocks = self._blocks(self._running("let a disk grow in VM", name))
        if path not in [value for key, value in blocks.items() if key.endswith((".path", ".name"))]:
            raise EngineError("let a disk grow in VM", name, f"invalid path {path} not assigned to domain")
        self.sizes[path] = size

    @contextmanager
    def quiet(self, name: str) -> Iterator[str]:
        domain = self._must_have("hold still VM", name)
        if domain.power == STOPPED or not self.agents:
            yield "" if domain.power == STOPPED else "guest agent is not connected"
            return
        self.held.add(name)
        try:
            yield ""
        finally:
            self.held.remove(name)

    def adjust(self, name: str, vcpus: int = 0, memory: int = 0, io_limits: Mapping[str, int] | None = None, cpu_shares: int = 0) -> None:
        root = self._running("adjust VM", name)
        for tag, most, value in (("vcpu", "vcpu", vcpus), ("currentMemory", "memory", memory // 1024)):
            found = root.find(most)
            if not value:
                continue
            if found is None or value > int(found.text or 0) * (1024 if found.get("unit") == "MiB" else 1):
                raise EngineError("adjust VM", name, f"{value} is more than the maximum")
            if tag == "vcpu":
                found.set("current", str(value))
            else:
                current = root.find(tag)
                (ET.SubElement(root, tag) if current is None else current).text = str(value)
        if cpu_shares:
            tune = _child(root, "cputune")
            _child(tune, "shares").text = str(cpu_shares)
        if io_limits is not None:
            disk = root.find("devices/disk")
            assert disk is not None
            for old in disk.findall("iotune"):
                disk.remove(old)
            tune = ET.SubElement(disk, "iotune")
            for key, limit in io_limits.items():
                ET.SubElement(tune, f"{key}_sec").text = str(limit)
        self._set_running(name, root)

    def set_autostart(self, name: str, wanted: bool) -> None:
        self._domains[name] = replace(self._must_have("set autostart of VM", name), autostart=wanted)

    def start(self, name: str) -> None:
        domain = self._must_have("start VM", name)
        if domain.power == STOPPED:
            self._domains[name] = replace(domain, power=RUNNING, live_xml=domain.xml)

    def stop(self, name: str, timeout: int) -> None:
        self._domains[name] = replace(self._must_have("stop VM", name), power=STOPPED, live_xml="")

    def pause(self, name: str) -> None:
        domain = self._must_have("pause VM", name)
        if domain.power == STOPPED:
            raise EngineError("pause VM", name, "domain is not running")
        self._domains[name] = replace(domain, power=PAUSED)

    def resume(self, name: str) -> None:
        domain = self._must_have("resume VM", name)
        if domain.power == STOPPED:
            raise EngineError("resume VM", name, "domain is not running")
        self._domains[name] = replace(domain, power=RUNNING)

    def remove(self, name: str) -> None:
        self._must_be_installed()
        self._domains.pop(name, None)

    def set_crash_action(self, name: str, action: str) -> None:
        root = self._running("change what follows a crash of VM", name)
        _child(root, "on_crash").text = action
        self._set_running(name, root)

    def cpu_models(self, domain_type: str) -> Collection[str]:
        self._must_be_installed()
        return {"host-model", "EPYC-Rome", *(["host-passthrough"] if domain_type == "kvm" else [])}

    def _blocks(self, root: ET.Element) -> dict[str, Any]:
        disks = root.findall("devices/disk/source/..")
        told: dict[str, Any] = {"block.count": len(disks)}
        for number, disk in enumerate(disks):
            (source,), (target,) = disk.findall("source"), disk.findall("target")
            path, name = source.get("dev") or source.get("file"), target.get("dev", "")
            told[f"block.{number}.name"] = name
            if path:
                told[f"block.{number}.path"] = path
            seen = path or name
            if seen in self.sizes:
                told[f"block.{number}.capacity"] = self.sizes[seen]
        return told

    def _running(self, tried: str, name: str) -> ET.Element:
        domain = self._must_have(tried, name)
        if not domain.live_xml:
            raise EngineError(tried, name, "domain is not running")
        return ET.fromstring(domain.live_xml)

    def _set_running(self, name: str, root: ET.Element) -> None:
        self._domains[name] = replace(self._domains[name], live_xml=ET.tostring(root, encoding="unicode"))

    def _must_be_installed(self) -> None:
        if not self.installed:
            raise EngineAbsent("use", "libvirt", "the Python package libvirt is missing")
        if not self.running:
            raise EngineDown("reach", "libvirt", "there is no socket; is libvirtd running?")

    def _must_have(self, tried: str, name: str) -> Domain:
        self._must_be_installed()
        if name not in self._domains:
            raise EngineError(tried, name, f"no domain with matching name '{name}'")
        return self._domains[name]


def _child(parent: ET.Element, tag: str) -> ET.Element:
    """Return the child of that tag, made when there is none."""
    found = parent.find(tag)
    return ET.SubElement(parent, tag) if found is None else found
