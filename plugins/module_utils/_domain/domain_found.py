# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: may change without notice.
"""What a libvirt domain's XML tells of a VM: the other way of ``domain_xml``."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

from .cpus import parse_cpus
from .domain_xml import DISK_ALIAS, FACTS, HELD, PCI, ROOT_DISK
from .errors import ZonalError
from .facts import load_facts
from .field_values import BANDWIDTH, BOOT_DISK, HOST_MODEL, HOST_PASSTHROUGH, IO_LIMITS, NEVER, PINNED
from .fields import Spec, addresses_of
from .instance import Renamed
from .instance_disks import DiskEntry
from .names import mac_of
from .rbd import RBD

# A kernel list of numbers that a host may have.
_LIST = re.compile(r"\d{1,4}(?:-\d{1,4})?(?:,\d{1,4}(?:-\d{1,4})?)*", re.ASCII)
_NUMBER = re.compile(r"\d{1,18}", re.ASCII)
_KIB = {"b": 1 / 1024, "bytes": 1 / 1024, "k": 1, "kib": 1, "m": 1024, "mib": 1024, "g": 1024**2, "gib": 1024**2}


@dataclass(frozen=True)
class ParsedDomain:
    """What a domain's XML tells: its spec as far as XML holds it, its facts, whether this collection made it, which data disks are
    attached, by name, and which on Ceph are not, but were, see ``Hardware``. ``cpus`` are the CPUs of the host that it is bound to, none
    when it may run on any; ``mac`` is that of its first card on a bridge, if it has one."""

    spec: Spec
    facts: Mapping[str, str]
    ours: bool
    uuid: str
    domain_type: str
    kernel: str
    initrd: str
    attached: Mapping[str, DiskEntry]
    held: tuple[str, ...]
    cpus: frozenset[int]
    mac: str


def parse_domain(text: str) -> ParsedDomain:
    """Return what a domain's XML tells. Values that are missing or strange are left out of the spec."""
    try:
        root = ET.fromstring(text)
    except (ET.ParseError, ValueError) as error:
        raise ZonalError(f"libvirt gave domain XML that is not well-formed: {error}") from None
    holder = root.find(f"metadata/{FACTS}")
    facts = {} if holder is None else {item.get("name", ""): item.text or "" for item in holder}
    spec = dict(load_facts(facts))
    if facts.get("autostart") in ("yes", "no"):
        spec["autostart"] = facts["autostart"] == "yes"
    spec.update(_parse_size(root))
    # libvirt names a disk to boot from in all of them.
    if root.findtext("os/type") == "hvm" and not root.findtext("os/kernel"):
        spec["boot"] = BOOT_DISK
    # Of the root disk: a limit of another one is somebody else's.
    tuned = f"devices/disk/target[@dev='{ROOT_DISK}']/../iotune"
    limits = {key: _number(root.findtext(f"{tuned}/{key}_sec")) for key in IO_LIMITS}
    if any(limits.values()):
        spec["io_limits"] = {key: limit for key, limit in limits.items() if limit}
    passed = [_pci_address(item) for item in root.iterfind("devices/hostdev[@type='pci']/source/address")]
    if passed:
        spec["pci_devices"] = passed
    pins = _parse_pins(root)
    spec.update(_parse_cpu(root, pins))
    if root.findtext("on_crash") == "destroy":
        spec["restart_policy"] = NEVER
    card = root.find("devices/interface[@type='bridge']")
    spec.update(_parse_card(card))
    mac = None if card is None else card.find("mac")
    attached = {entry["name"]: entry for entry in map(_parse_disk, root.findall("devices/disk/alias/..")) if entry["name"]}
    return ParsedDomain(
        spec=cast(Spec, spec),
        facts=facts,
        ours=holder is not None,
        uuid=root.findtext("uuid", ""),
        domain_type=root.get("type", ""),
        kernel=root.findtext("os/kernel", ""),
        initrd=root.findtext("os/initrd", ""),
        attached=attached,
        held=tuple(name for name in facts.get(HELD, "").split() if name not in attached),
        cpus=frozenset().union(*pins.values()),
        mac="" if mac is None else mac.get("address", "").lower(),
    )


def renamed_vm(name: str, found: ParsedDomain) -> Renamed | None:
    """Return a VM that has another name than it says; None for any other, and for one whose card has another MAC than its address."""
    known_as = found.facts.get("name", "")
    if known_as in ("", name) or "address" not in found.spec or found.mac != mac_of(found.spec["address"]):
        return None
    return Renamed("vm", name, known_as, tuple(addresses_of(found.spec)))


def attached_in(text: str) -> Mapping[str, DiskEntry]:
    """Return the data disks that are attached in a domain's XML; what has none is not read, since reading takes long."""
    return parse_domain(text).attached if DISK_ALIAS in text else {}


def target_in(text: str, name: str) -> str:
    """Return what libvirt calls the data disk ``name`` in a domain's XML, such as vdb; empty when that has none of it."""
    target = ET.fromstring(text).find(f"devices/disk/alias[@name='{DISK_ALIAS}{name}']/../target")
    return "" if target is None else target.get("dev", "")


def _parse_disk(disk: ET.Element) -> DiskEntry:
    """Return a data disk; without a name when it is another one."""
    alias = disk.find("alias")
    text = "" if alias is None else alias.get("name", "")
    entry = DiskEntry(name=text[len(DISK_ALIAS) :] if text.startswith(DISK_ALIAS) else "")
    if disk.get("type") == "network":
        entry["store"] = RBD
    return entry


def pinned_in(text: str) -> frozenset[int]:
    """Return the CPUs that a domain is bound to; what is bound to none is not read, since reading takes long."""
    return parse_domain(text).cpus if "<vcpupin " in text else frozenset()


def parse_cpu_models(text: str) -> frozenset[str]:
    """Return what libvirt's domain capabilities tell that a domain can have: CPU models, and the words that stand for the host's own."""
    modes = [mode for mode in ET.fromstring(text).findall("cpu/mode") if mode.get("supported") == "yes"]
    models = [model for mode in modes if mode.get("name") == "custom" for model in mode.findall("model")]
    usable = [model.text or "" for model in models if model.get("usable") != "no"]
    return frozenset([*usable, *(name for mode in modes if (name := mode.get("name", "")) in (HOST_MODEL, HOST_PASSTHROUGH))])


def _parse_pins(root: ET.Element) -> dict[str, frozenset[int]]:
    """Return the CPUs of the host that each virtual one is bound to, by its number; none for what is no list of CPUs."""
    pins = root.findall("cputune/vcpupin")
    return {pin.get("vcpu", ""): parse_cpus(text) if _LIST.fullmatch(text := pin.get("cpuset", "")) else frozenset() for pin in pins}


def _parse_cpu(root: ET.Element, pins: Mapping[str, frozenset[int]]) -> dict[str, Any]:
    """Return what is told of CPUs beside how many there are."""
    told: dict[str, Any] = {}
    shares = _number(root.findtext("cputune/shares"))
    if shares:
        told["cpu_shares"] = shares
    if pins:
        each_has_one = all(len(cpus) == 1 for cpus in pins.values()) and len(frozenset().union(*pins.values())) == len(pins)
        # Any other way of binding is neither policy, and so None, which no wish is.
        told["cpu_policy"] = PINNED if each_has_one and len(pins) == _number(root.findtext("vcpu")) else None
    cpu = root.find("cpu")
    mode = None if cpu is None else cpu.get("mode", "custom")
    if mode is not None and (mode, root.get("type")) != (HOST_MODEL, "kvm"):
        told["cpu_model"] = root.findtext("cpu/model") if mode == "custom" else mode
    return told


def _parse_size(root: ET.Element) -> dict[str, Any]:
    """Return memory and CPUs that there are now, and the most that there may be where that is more."""
    vcpu = root.find("vcpu")
    most_vcpus = _number(None if vcpu is None else vcpu.text)
    vcpus = (_number(vcpu.get("current")) if vcpu is not None else None) or most_vcpus
    most_memory = _bytes(root.find("memory"))
    memory = _bytes(root.find("currentMemory")) or most_memory
    size = {"memory": memory, "vcpus": vcpus, "max_memory": most_memory, "max_vcpus": most_vcpus}
    if root.find("memoryBacking/hugepages") is not None:
        size["hugepages"] = True
    return {key: value for key, value in size.items() if value and value != size.get(key.partition("max_")[2])}


def _parse_card(card: ET.Element | None) -> dict[str, Any]:
    """Return what the first card on a bridge tells."""
    told: dict[str, Any] = {}
    for part in () if card is None else card:
        if part.tag == "source" and part.get("bridge"):
            told["bridge"] = part.get("bridge")
        elif part.tag == "link" and part.get("state") == "down":
            told["link"] = "down"
        elif part.tag == "bandwidth":
            rates = {item.tag: (_number(item.get("average")) or 0) * 1024 for item in part if item.tag in BANDWIDTH}
            told["bandwidth"] = {direction: rate for direction, rate in rates.items() if rate}
    return told


def _pci_address(element: ET.Element) -> str:
    domain, bus, slot, function = (element.get(name, "").removeprefix("0x") for name in PCI)
    return f"{domain}:{bus}:{slot}.{function}"


def _number(text: str | None) -> int | None:
    return int(text) if text and _NUMBER.fullmatch(text) else None


def _bytes(element: ET.Element | None) -> int | None:
    number = None if element is None else _number(element.text)
    unit = "" if element is None else element.get("unit", "KiB").lower()
    return None if number is None or unit not in _KIB else int(number * _KIB[unit]) * 1024
