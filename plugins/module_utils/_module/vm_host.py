# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: may change without notice.
"""What a VM needs of its host; asked before anything is made or stopped for it."""

from __future__ import annotations

from collections.abc import Iterable

from .._adapters.kernel import cpu_nodes, huge_memory, pci_fault
from .._domain.cpus import choose_cpus
from .._domain.disk import check_larger
from .._domain.domain_found import parse_domain
from .._domain.domain_type import KVM
from .._domain.domain_xml import most_vcpus
from .._domain.errors import SpecError
from .._domain.fields import Spec
from .._domain.quantity import format_size, rough_size
from .._domain.volume import CLOUD_INIT_TAG, Volume
from .._ports import Domain, VmEngine
from .._ports_storage import Volumes

_MIB = 1024**2


def check_huge_pages(spec: Spec) -> None:
    """SpecError when the host does not keep as many huge pages as the VM may have memory."""
    memory, total = max(spec["memory"], spec.get("max_memory", 0)), huge_memory()
    if spec.get("hugepages") and memory > total:
        needs = f"needs {format_size(memory)} of huge pages, and this host has {rough_size(total)}"
        raise SpecError("hugepages", True, f"{needs}; reserve them, as by the sysctl vm.nr_hugepages")


def check_cpu_model(engine: VmEngine, model: str, domain_type: str) -> None:
    """SpecError when VMs of the type cannot have the CPU model on this host."""
    if model not in engine.cpu_models(domain_type):
        by = "KVM" if domain_type == KVM else "plain emulation"
        raise SpecError("cpu_model", model, f"is none that libvirt here can give a VM by {by}; see virsh domcapabilities")


def host_cpus() -> frozenset[int]:
    """Return the CPUs that this host has."""
    return frozenset().union(*cpu_nodes())


def choose_pins(spec: Spec, used: Iterable[frozenset[int]]) -> frozenset[int]:
    """Return a CPU of the host for each that the VM may ever have; ``used`` are those of the others. SpecError when there are fewer."""
    count = most_vcpus(spec)
    return choose_cpus(count, cpu_nodes(), used, "vcpus" if count == spec["vcpus"] else "max_vcpus")


def check_pci_devices(name: str, spec: Spec, domains: Iterable[Domain]) -> None:
    """SpecError when the VM ``name`` cannot have its PCI devices, as when another of the ``domains`` has one, whether it runs or not."""
    wanted = spec.get("pci_devices", ())
    others = [domain for domain in domains if domain.name != name] if wanted else []
    held = {device: domain.name for domain in others for text in (domain.xml, domain.live_xml) for device in _passed(text)}
    for device in wanted:
        fault = pci_fault(device) or (f"is what the VM {held[device]} has" if device in held else "")
        if fault:
            raise SpecError("pci_devices", device, fault)


def _passed(xml: str) -> Iterable[str]:
    """Return the PCI devices of a domain; what has none is not read, since reading takes long."""
    return parse_domain(xml).spec.get("pci_devices", ()) if "<hostdev " in xml else ()


def check_user_data(spec: Spec, golden: Volume) -> None:
    """SpecError when nothing in the image would read the user-data."""
    if spec.get("user_data") and CLOUD_INIT_TAG not in golden.tags:
        raise SpecError("user_data", "(not shown)", f"needs cloud-init, which the image {spec['image']} does not have")


def check_root(volumes: Volumes, spec: Spec, golden: Volume, old: Volume | None, *, stays: bool) -> None:
    """SpecError when the root disk cannot be as large as it is wanted; an ``old`` one that ``stays`` may grow."""
    if old is None or not stays:
        root_size(volumes, spec, golden, old)
    elif "disk" in spec:
        check_larger("disk", old.name, spec["disk"], old)


def root_size(volumes: Volumes, spec: Spec, golden: Volume, old: Volume | None) -> int:
    """Return the size of the root disk that is made of ``golden`` in place of ``old``; SpecError when it does not fit."""
    size = spec.get("disk", golden.size)
    if size < golden.size:
        raise SpecError("disk", format_size(size), f"is smaller than the image {spec['image']}, which needs {format_size(golden.size)}")
    free = volumes.free() + (old.size if old else 0)
    if size > free:
        raise SpecError("disk", format_size(size), f"does not fit: the thin pool of this host has {format_size(free // _MIB * _MIB)} free")
    return size
