# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: may change without notice.
"""What a VM's CPUs and memory need of its host; asked before anything is stopped for them."""

from __future__ import annotations

from collections.abc import Iterable

from .._adapters.kernel import cpu_nodes, huge_memory
from .._adapters.kvm import kvm_usable
from .._domain.cpus import choose_cpus
from .._domain.domain_xml import most_vcpus
from .._domain.errors import SpecError
from .._domain.fields import Spec
from .._domain.quantity import format_size, rough_size
from .._ports import Command, VmEngine


def accelerator_of(wanted: str, command: Command) -> str:
    """Return what libvirt calls the wanted accelerator: auto, kvm or tcg."""
    if wanted == "auto":
        return "kvm" if kvm_usable(command)[0] else "qemu"
    return "kvm" if wanted == "kvm" else "qemu"


def check_huge_pages(spec: Spec) -> None:
    """SpecError when the host does not keep as many huge pages as the VM may have memory."""
    memory, total = max(spec["memory"], spec.get("max_memory", 0)), huge_memory()
    if spec.get("hugepages") and memory > total:
        needs = f"needs {format_size(memory)} of huge pages, and this host has {rough_size(total)}"
        raise SpecError("hugepages", True, f"{needs}; reserve them, as by the sysctl vm.nr_hugepages")


def check_cpu_model(engine: VmEngine, model: str, accelerator: str) -> None:
    """SpecError when VMs of the accelerator cannot have the CPU model on this host."""
    if model not in engine.cpu_models(accelerator):
        by = "KVM" if accelerator == "kvm" else "plain emulation"
        raise SpecError("cpu_model", model, f"is none that libvirt here can give a VM by {by}; see virsh domcapabilities")


def choose_pins(spec: Spec, used: Iterable[frozenset[int]]) -> frozenset[int]:
    """Return a CPU of the host for each that the VM may ever have; ``used`` are those of the others. SpecError when there are fewer."""
    count = most_vcpus(spec)
    return choose_cpus(count, cpu_nodes(), used, "vcpus" if count == spec["vcpus"] else "max_vcpus")
