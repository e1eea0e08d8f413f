# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: may change without notice.
"""A VM as libvirt domain XML. Two domains are compared as specs, never as XML text.

Format: https://libvirt.org/formatdomain.html
"""

from __future__ import annotations

import re
import string
import xml.etree.ElementTree as ET
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Union, cast

from .cpus import format_cpus
from .domain_type import KVM, LXC, XEN
from .facts import dump_facts
from .field_values import BOOT_DISK, HOST_MODEL, HOST_PASSTHROUGH, NEVER, PINNED
from .fields import Spec
from .instance_disks import MOST_DISKS, serial_of
from .names import mac_of, tap_of, uuid_of
from .rbd import RbdSource

NAMESPACE = "https://zonal.cloud/xmlns/instance/1"
FACTS = f"{{{NAMESPACE}}}instance"
ROOT_DISK = "vda"
# One virtio NIC is eth0 and one virtio disk is vda in every guest, whatever its distribution calls them else.
# Emulated on a busy host, the timer may tick too late for the kernel's test of it, which then panics: "IO-APIC + timer doesn't work!".
COMMAND_LINE = "root=/dev/vda rw console=ttyS0 net.ifnames=0 no_timer_check"
_XEN_DISK = "xvda"
_XEN_COMMAND_LINE = f"root=/dev/{_XEN_DISK} rw console=hvc0 net.ifnames=0"
# Of CPU time, in microseconds: as much of each period as there are CPUs.
_PERIOD = 100_000
# By the alias of a device libvirt and QEMU know it; libvirt keeps those that begin with "ua-".
DISK_ALIAS = "ua-zonal-disk-"
# The fact that names disks on Ceph which a VM has no more; see ``Hardware``.
HELD = "held"
# Network card, root disk, agent, balloon and random numbers.
_OTHER_SLOTS = 5
# How a device, or a file in place of one, is named.
_SOURCES = {"block": "dev", "file": "file"}
_TARGETS = tuple(f"vd{letter}" for letter in string.ascii_lowercase[1:])
PCI = ("domain", "bus", "slot", "function")
# A path, or an image on Ceph.
DiskSource = Union[str, RbdSource]


@dataclass(frozen=True)
class Hardware:
    """What the host provides for one VM. ``domain_type`` is kvm, qemu (libvirt's word for plain emulation), xen or lxc.

    ``kernel`` and ``initrd`` are paths, not used for a VM that boots from its disk. ``disk`` is a block device, or a regular file when
    ``disk_is_block`` is False; so are ``data``, the paths of data disks by their names, unless they are on Ceph. ``held`` are disks there
    that the VM had, and that the cluster takes for its own still. ``cpus`` are those that a VM of pinned CPUs has, as many as it ever may
    have.
    """

    disk: str
    kernel: str
    initrd: str
    domain_type: str
    disk_is_block: bool = True
    data: Mapping[str, DiskSource] = field(default_factory=dict)
    held: Collection[str] = ()
    cpus: frozenset[int] = frozenset()


def render_domain(name: str, spec: Spec, hardware: Hardware, known: Mapping[str, str] | None = None, *, uuid: str = "") -> str:
    """Return the domain XML of a VM; equal input gives equal text. For ``known`` see ``dump_facts``.

    ``uuid`` is that of the definition which is replaced: libvirt lets a domain keep its name only with it.
    """
    ET.register_namespace("zonal", NAMESPACE)
    root = ET.Element("domain", type=hardware.domain_type)
    _text(root, "name", name)
    _text(root, "uuid", uuid or uuid_of(spec["zone"], name))
    facts = ET.SubElement(ET.SubElement(root, "metadata"), FACTS)
    # libvirt's own flag is off while the VM is wanted to be stopped.
    declared = {**dump_facts(name, spec, known), "autostart": "yes" if spec["autostart"] else "no"}
    if hardware.held:
        declared[HELD] = " ".join(hardware.held)
    for key, value in sorted(declared.items()):
        ET.SubElement(facts, f"{{{NAMESPACE}}}fact", name=key).text = value
    _size(root, spec)
    add_system, add_devices = {XEN: (_xen_system, _xen_devices), LXC: (_lxc_system, _lxc_devices)}.get(
        hardware.domain_type, (_machine, _devices)
    )
    add_system(root, spec, hardware)
    ET.SubElement(root, "clock", offset="utc")
    for event, action in (("on_poweroff", "destroy"), ("on_reboot", "restart"), ("on_crash", crash_action(spec))):
        _text(root, event, action)
    add_devices(ET.SubElement(root, "devices"), name, spec, hardware)
    ET.indent(root)
    return ET.tostring(root, encoding="unicode") + "\n"


def render_disk(name: str, path: DiskSource, target: str, *, is_block: bool) -> str:
    """Return the XML of a data disk that a running VM gets as the device ``target``."""
    return ET.tostring(_disk(ET.Element("devices"), path, target, is_block=is_block, name=name), encoding="unicode")


def render_card(name: str, spec: Spec) -> str:
    """Return the XML of the network card of a VM, for one that runs."""
    return ET.tostring(_card(ET.Element("devices"), name, spec), encoding="unicode")


def crash_action(spec: Spec) -> str:
    """Return libvirt's word for what becomes of a VM whose guest has crashed."""
    return "destroy" if spec.get("restart_policy") == NEVER else "restart"


def most_vcpus(spec: Spec) -> int:
    """Return how many CPUs a VM ever may have without a restart."""
    return max(spec["vcpus"], spec.get("max_vcpus", 0))


def disk_alias(name: str) -> str:
    """Return the name under which libvirt knows the data disk ``name`` of a VM."""
    return DISK_ALIAS + name


def free_target(text: str) -> str:
    """Return the first device for a data disk that the domain of this XML does not have."""
    taken = {target.get("dev") for target in ET.fromstring(text).findall("devices/disk/target")}
    return next(target for target in _TARGETS if target not in taken)


def _size(root: ET.Element, spec: Spec) -> None:
    """Memory and CPUs: as much as there ever may be, and how much of that there is now."""
    memory, vcpus = spec["memory"], spec["vcpus"]
    most_memory, most = max(memory, spec.get("max_memory", memory)), most_vcpus(spec)
    _text(root, "memory", str(-(-most_memory // 1024)), unit="KiB")
    if most_memory > memory:
        _text(root, "currentMemory", str(-(-memory // 1024)), unit="KiB")
    if spec.get("hugepages"):
        backing = ET.SubElement(root, "memoryBacking")
        ET.SubElement(backing, "hugepages")
        # All of it is taken at the start, and with so many threads at a time: much memory by one thread takes minutes.
        ET.SubElement(backing, "allocation", mode="immediate", threads=str(vcpus))
    _text(root, "vcpu", str(most), placement="static", **({"current": str(vcpus)} if most > vcpus else {}))


def _share_cpus(root: ET.Element, spec: Spec, cpus: frozenset[int]) -> None:
    """Which CPUs of the host a VM has, and how it shares them with others."""
    tune = ET.Element("cputune")
    if spec.get("cpu_shares"):
        _text(tune, "shares", str(spec["cpu_shares"]))
    if spec.get("cpu_policy") == PINNED:
        # All of QEMU's threads are held there, also those that take memory: the kernel gives each what is near its CPU, while there is.
        cast(ET.Element, root.find("vcpu")).set("cpuset", format_cpus(cpus))
        for number, cpu in enumerate(sorted(cpus)):
            ET.SubElement(tune, "vcpupin", vcpu=str(number), cpuset=str(cpu))
    if len(tune):
        root.append(tune)


def _model_cpu(root: ET.Element, model: str) -> None:
    """Without a model it is QEMU's own."""
    if model in (HOST_MODEL, HOST_PASSTHROUGH):
        ET.SubElement(root, "cpu", mode=model)
    elif model:
        _text(ET.SubElement(root, "cpu", mode="custom", match="exact"), "model", model, fallback="forbid")


def _machine(root: ET.Element, spec: Spec, hardware: Hardware) -> None:
    _share_cpus(root, spec, hardware.cpus)
    system = ET.SubElement(root, "os")
    _text(system, "type", "hvm", arch="x86_64", machine="q35")
    if spec.get("boot") == BOOT_DISK:
        # The firmware takes the first of the disks.
        ET.SubElement(system, "boot", dev="hd")
    else:
        _kernel(system, hardware, COMMAND_LINE)
    features = ET.SubElement(root, "features")
    ET.SubElement(features, "acpi")
    ET.SubElement(features, "apic")
    _model_cpu(root, spec.get("cpu_model") or (HOST_MODEL if hardware.domain_type == KVM else ""))


def _xen_system(root: ET.Element, _spec: Spec, hardware: Hardware) -> None:
    # PVH: the hardware keeps the guest apart, as it does a whole machine, and the kernel starts without firmware, as in PV.
    system = ET.SubElement(root, "os")
    _text(system, "type", "xenpvh", arch="x86_64", machine="xenpvh")
    _kernel(system, hardware, _XEN_COMMAND_LINE)


def _lxc_system(root: ET.Element, spec: Spec, _hardware: Hardware) -> None:
    tune = ET.SubElement(root, "cputune")
    _text(tune, "period", str(_PERIOD))
    _text(tune, "quota", str(_PERIOD * spec["vcpus"]))
    system = ET.SubElement(root, "os")
    _text(system, "type", "exe", arch="x86_64")
    _text(system, "init", "/sbin/init")


def _kernel(system: ET.Element, hardware: Hardware, command_line: str) -> None:
    _text(system, "kernel", hardware.kernel)
    if hardware.initrd:
        _text(system, "initrd", hardware.initrd)
    _text(system, "cmdline", command_line)


def _xen_devices(devices: ET.Element, name: str, spec: Spec, hardware: Hardware) -> None:
    disk = ET.SubElement(devices, "disk", type=_kind(hardware), device="disk")
    ET.SubElement(disk, "source", {_SOURCES[_kind(hardware)]: hardware.disk})
    ET.SubElement(disk, "target", dev=_XEN_DISK, bus="xen")
    _card(devices, name, spec, model="")
    ET.SubElement(ET.SubElement(devices, "console", type="pty"), "target", type="xen", port="0")


def _lxc_devices(devices: ET.Element, name: str, spec: Spec, hardware: Hardware) -> None:
    root = ET.SubElement(devices, "filesystem", type=_kind(hardware), accessmode="passthrough")
    if not hardware.disk_is_block:
        ET.SubElement(root, "driver", type="loop", format="raw")
    ET.SubElement(root, "source", {_SOURCES[_kind(hardware)]: hardware.disk})
    ET.SubElement(root, "target", dir="/")
    ET.SubElement(_card(devices, name, spec, model=""), "guest", dev="eth0")
    ET.SubElement(ET.SubElement(devices, "console", type="pty"), "target", type="lxc", port="0")


def _devices(devices: ET.Element, name: str, spec: Spec, hardware: Hardware) -> None:
    root_disk = _disk(devices, hardware.disk, ROOT_DISK, is_block=hardware.disk_is_block)
    if spec.get("io_limits"):
        tune = ET.SubElement(root_disk, "iotune")
        for key, limit in spec["io_limits"].items():
            _text(tune, f"{key}_sec", str(limit))
    for entry, target in zip(spec.get("disks", ()), _TARGETS):
        _disk(devices, hardware.data[entry["name"]], target, is_block=hardware.disk_is_block, name=entry["name"])
    _card(devices, name, spec)
    for address in spec.get("pci_devices", []):
        # libvirt takes it from the host's driver at the start and gives it back at the end.
        passed = ET.SubElement(devices, "hostdev", mode="subsystem", type="pci", managed="yes")
        ET.SubElement(
            ET.SubElement(passed, "source"), "address", {name: f"0x{number}" for name, number in zip(PCI, re.split("[:.]", address))}
        )
    ET.SubElement(devices, "controller", type="usb", model="none")
    # A device that is attached to a running VM needs a slot that is there already.
    ET.SubElement(devices, "controller", type="pci", index="0", model="pcie-root")
    for _dummy in range(_OTHER_SLOTS + len(spec.get("pci_devices", ())) + MOST_DISKS):
        ET.SubElement(devices, "controller", type="pci", model="pcie-root-port")
    console = ET.SubElement(devices, "serial", type="pty")
    ET.SubElement(console, "log", file=f"/var/log/libvirt/qemu/{name}-console.log", append="on")
    ET.SubElement(console, "target", port="0")
    agent = ET.SubElement(devices, "channel", type="unix")
    ET.SubElement(agent, "target", type="virtio", name="org.qemu.guest_agent.0")
    balloon = ET.SubElement(devices, "memballoon", model="virtio")
    ET.SubElement(balloon, "stats", period="10")
    random = ET.SubElement(devices, "rng", model="virtio")
    _text(random, "backend", "/dev/urandom", model="random")
    # Through it a guest that has crashed tells so.
    ET.SubElement(devices, "panic", model="isa")


def _kind(hardware: Hardware) -> str:
    return "block" if hardware.disk_is_block else "file"


def _card(devices: ET.Element, name: str, spec: Spec, model: str = "virtio") -> ET.Element:
    card = ET.SubElement(devices, "interface", type="bridge")
    ET.SubElement(card, "mac", address=mac_of(spec["address"]))
    ET.SubElement(card, "source", bridge=spec["bridge"])
    if spec.get("bandwidth"):
        limits = ET.SubElement(card, "bandwidth")
        for direction, rate in spec["bandwidth"].items():
            ET.SubElement(limits, direction, average=str(rate // 1024))
    ET.SubElement(card, "target", dev=tap_of(name))
    if model:
        ET.SubElement(card, "model", type=model)
    if spec.get("link") == "down":
        ET.SubElement(card, "link", state="down")
    return card


def _disk(devices: ET.Element, path: DiskSource, target: str, *, is_block: bool, name: str = "") -> ET.Element:
    kind, attribute = ("block", "dev") if is_block else ("file", "file")
    if isinstance(path, RbdSource):
        kind = "network"
    disk = ET.SubElement(devices, "disk", type=kind, device="disk")
    # No host page cache: what the guest was told is written is on the SSD; freed blocks go back to the thin pool.
    ET.SubElement(disk, "driver", name="qemu", type="raw", cache="none", discard="unmap", detect_zeroes="unmap")
    if isinstance(path, RbdSource):
        source = ET.SubElement(disk, "source", protocol="rbd", name=path.image)
        ET.SubElement(source, "config", file=path.conf)
        ET.SubElement(ET.SubElement(source, "auth", username=path.user), "secret", type="ceph", usage=path.secret)
    else:
        ET.SubElement(disk, "source", {attribute: path})
    ET.SubElement(disk, "target", dev=target, bus="virtio")
    if name:
        _text(disk, "serial", serial_of(name))
        ET.SubElement(disk, "alias", name=disk_alias(name))
    return disk


def _text(parent: ET.Element, tag: str, text: str, **attributes: str) -> None:
    ET.SubElement(parent, tag, attributes).text = text
