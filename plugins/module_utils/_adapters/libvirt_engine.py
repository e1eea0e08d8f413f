# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: may change without notice.
"""libvirt through its Python binding; one connection for a whole run."""

from __future__ import annotations

import time
import xml.etree.ElementTree as ET
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any

from .._domain.domain_found import parse_cpu_models
from .._domain.domain_xml import ROOT_DISK
from .._domain.field_values import IO_LIMITS
from .._domain.instance import PAUSED, RUNNING, STOPPED
from .._ports import Domain, EngineError, EngineSilent
from .deadline import Overdue, WithDeadline, in_time
from .deps import need_libvirt, unreachable
from .domain_power import cut_power, is_paused, resume, stop
from .libvirt_settings import system_uri

_POLL = 0.5
# A VM of much memory that is all taken at its start needs some of that.
_TIMEOUT = 300
_AGENT_SECONDS = 30
_PLAIN = ("LXC", "Xen")
# QEMU's words for a second request.
_UNPLUGGING = "in the process of unplug"


class LibvirtEngine:
    """See ``VmEngine`` in ``_ports.py``. Without a ``uri`` it is that of the host."""

    def __init__(self, uri: str = "") -> None:
        self._uri = uri
        self._connection: Any = None

    def close(self) -> None:
        """End the connection; the next call makes another."""
        if self._connection is not None:
            with suppress(need_libvirt().libvirtError, Overdue):
                self._connection.close()
            self._connection = None

    def driver(self) -> str:
        with self._asking("ask for the driver of", "VMs") as connection:
            return str(connection.getType()).lower()

    def find(self, name: str) -> Domain | None:
        with self._asking("look up VM", name) as connection:
            domain = self._lookup(connection, name)
            return None if domain is None else self._describe(domain)

    def domains(self) -> list[Domain]:
        with self._asking("list", "VMs") as connection:
            return [found for domain in connection.listAllDomains() if (found := self._describe(domain)) is not None]

    def stats(self) -> dict[str, Mapping[str, Any]]:
        libvirt = need_libvirt()
        kinds = libvirt.VIR_DOMAIN_STATS_CPU_TOTAL | libvirt.VIR_DOMAIN_STATS_BALLOON
        kinds |= libvirt.VIR_DOMAIN_STATS_INTERFACE | libvirt.VIR_DOMAIN_STATS_BLOCK
        # What cannot be had without waiting for a VM that is busy is left out.
        flags = libvirt.VIR_CONNECT_GET_ALL_DOMAINS_STATS_ACTIVE | libvirt.VIR_CONNECT_GET_ALL_DOMAINS_STATS_NOWAIT
        with self._asking("read the statistics of", "VMs") as connection:
            try:
                return {domain.name(): told for domain, told in connection.getAllDomainStats(kinds, flags)}
            except libvirt.libvirtError as error:
                if error.get_error_code() != libvirt.VIR_ERR_NO_SUPPORT:
                    raise
                return {}

    def define(self, xml: str) -> None:
        with self._asking("define", "VM") as connection:
            connection.defineXML(xml)

    def attach(self, name: str, device: str) -> None:
        with self._asking("attach a device to VM", name) as connection:
            connection.lookupByName(name).attachDeviceFlags(device, need_libvirt().VIR_DOMAIN_AFFECT_LIVE)

    def change_device(self, name: str, device: str) -> None:
        with self._asking("change a device of VM", name) as connection:
            connection.lookupByName(name).updateDeviceFlags(device, need_libvirt().VIR_DOMAIN_AFFECT_LIVE)

    def detach(self, name: str, alias: str, timeout: int) -> None:
        libvirt = need_libvirt()
        with self._asking("detach a device from VM", name) as connection:
            domain = connection.lookupByName(name)
            if not _has_device(domain, alias):
                return
            try:
                domain.detachDeviceAlias(alias, libvirt.VIR_DOMAIN_AFFECT_LIVE)
            except libvirt.libvirtError as error:
                # Asked for by a run before this one, and the guest has not answered yet.
                if _UNPLUGGING not in str(error) and _has_device(domain, alias):
                    raise
            deadline = time.monotonic() + timeout
            while _has_device(domain, alias):
                if time.monotonic() >= deadline:
                    raise EngineError("detach a device from VM", name, f"the guest does not let go of it within {timeout} seconds")
                time.sleep(_POLL)

    def resize(self, name: str, path: str, size: int) -> None:
        with self._asking("let a disk grow in VM", name) as connection:
            connection.lookupByName(name).blockResize(path, size, need_libvirt().VIR_DOMAIN_BLOCK_RESIZE_BYTES)

    @contextmanager
    def quiet(self, name: str) -> Iterator[str]:
        libvirt = need_libvirt()
        with self._asking("hold still VM", name) as connection:
            domain = connection.lookupByName(name)
            if not domain.isActive():
                yield ""
                return
            with suppress(libvirt.libvirtError):
                # Otherwise libvirt waits for ever for an agent that hangs. Its test driver knows no such thing.
                domain.agentSetResponseTimeout(_AGENT_SECONDS)
            try:
                domain.fsFreeze()
            except libvirt.libvirtError as error:
                # An agent that is late does it yet.
                with suppress(libvirt.libvirtError):
                    domain.fsThaw()
                yield str(error)
                return
            try:
                yield ""
            finally:
                domain.fsThaw()

    def adjust(self, name: str, vcpus: int = 0, memory: int = 0, io_limits: Mapping[str, int] | None = None, cpu_shares: int = 0) -> None:
        live = need_libvirt().VIR_DOMAIN_AFFECT_LIVE
        with self._asking("adjust VM", name) as connection:
            domain = connection.lookupByName(name)
            if vcpus:
                domain.setVcpusFlags(vcpus, live)
                self._bring_online(domain, vcpus)
            if memory:
                domain.setMemoryFlags(memory // 1024, live)
            if cpu_shares:
                domain.setSchedulerParametersFlags({"cpu_shares": cpu_shares}, live)
            if io_limits is not None:
                domain.setBlockIoTune(ROOT_DISK, {f"{key}_sec": io_limits.get(key, 0) for key in IO_LIMITS}, live)

    def set_crash_action(self, name: str, action: str) -> None:
        libvirt = need_libvirt()
        actions = {"restart": libvirt.VIR_DOMAIN_LIFECYCLE_ACTION_RESTART, "destroy": libvirt.VIR_DOMAIN_LIFECYCLE_ACTION_DESTROY}
        with self._asking("change what follows a crash of VM", name) as connection:
            domain = connection.lookupByName(name)
            domain.setLifecycleAction(libvirt.VIR_DOMAIN_LIFECYCLE_CRASH, actions[action], libvirt.VIR_DOMAIN_AFFECT_LIVE)

    def cpu_models(self, domain_type: str) -> Collection[str]:
        with self._asking("ask libvirt for", "CPU models") as connection:
            return parse_cpu_models(connection.getDomainCapabilities(None, "x86_64", "q35", domain_type))

    def set_autostart(self, name: str, wanted: bool) -> None:
        with self._asking("set autostart of VM", name) as connection:
            connection.lookupByName(name).setAutostart(int(wanted))

    def start(self, name: str) -> None:
        with self._asking("start VM", name) as connection:
            domain = connection.lookupByName(name)
            if not domain.isActive():
                domain.create()

    def stop(self, name: str, timeout: int) -> None:
        with self._asking("stop VM", name) as connection:
            stop(connection.lookupByName(name), timeout)

    def pause(self, name: str) -> None:
        with self._asking("pause VM", name) as connection:
            domain = connection.lookupByName(name)
            if not is_paused(domain):
                domain.suspend()

    def resume(self, name: str) -> None:
        with self._asking("resume VM", name) as connection:
            why = resume(connection.lookupByName(name))
            if why:
                raise EngineError("resume VM", name, why)

    def remove(self, name: str) -> None:
        libvirt = need_libvirt()
        with self._asking("remove VM", name) as connection:
            domain = self._lookup(connection, name)
            if domain is None:
                return
            if domain.isActive():
                cut_power(domain)
            flags = (
                libvirt.VIR_DOMAIN_UNDEFINE_MANAGED_SAVE
                | libvirt.VIR_DOMAIN_UNDEFINE_SNAPSHOTS_METADATA
                | libvirt.VIR_DOMAIN_UNDEFINE_CHECKPOINTS_METADATA
                | libvirt.VIR_DOMAIN_UNDEFINE_NVRAM
            )
            # Others have nothing of that, and take no flags that they do not know.
            domain.undefineFlags(0 if connection.getType() in _PLAIN else flags)

    @staticmethod
    def _bring_online(domain: Any, vcpus: int) -> None:
        """Let the guest's agent take the CPUs into use. Without an agent a rule of the guest's udev does that, or nobody."""
        libvirt = need_libvirt()
        with suppress(libvirt.libvirtError):
            domain.agentSetResponseTimeout(_AGENT_SECONDS)
            domain.setVcpusFlags(vcpus, libvirt.VIR_DOMAIN_VCPU_GUEST)

    @staticmethod
    def _lookup(connection: Any, name: str) -> Any:
        libvirt = need_libvirt()
        try:
            return connection.lookupByName(name)
        except libvirt.libvirtError as error:
            if error.get_error_code() == libvirt.VIR_ERR_NO_DOMAIN:
                return None
            raise

    @staticmethod
    def _describe(domain: Any) -> Domain | None:
        """Return what a domain is; None when it is not there any more, such as one that was never defined and has ended."""
        libvirt = need_libvirt()
        try:
            active = bool(domain.isActive())
            power = PAUSED if is_paused(domain) else RUNNING if active else STOPPED
            return Domain(
                name=domain.name(),
                xml=domain.XMLDesc(libvirt.VIR_DOMAIN_XML_INACTIVE),
                live_xml=domain.XMLDesc(0) if active else "",
                power=power,
                autostart=bool(domain.autostart()),
            )
        except libvirt.libvirtError as error:
            if error.get_error_code() == libvirt.VIR_ERR_NO_DOMAIN:
                return None
            raise

    @contextmanager
    def _asking(self, tried: str, target: str) -> Iterator[Any]:
        """Give the connection, and turn what goes wrong into an EngineError."""
        libvirt = need_libvirt()
        try:
            # A libvirtd that was restarted meanwhile has closed it.
            if self._connection is None or not self._connection.isAlive():
                # Without a handler the binding prints every error to standard error.
                libvirt.registerErrorHandler(lambda context, error: None, None)
                self._uri = self._uri or system_uri()
                self._connection = WithDeadline(in_time(_TIMEOUT, libvirt.open, self._uri), "vir", _TIMEOUT)
        except libvirt.libvirtError as error:
            raise unreachable(f"libvirt at {self._uri}", f"{error}; is libvirtd running?", "libvirtd", "virtqemud") from error
        except Overdue as error:
            raise EngineSilent(tried, target, f"libvirt does not answer: {error}") from error
        try:
            yield self._connection
        except libvirt.libvirtError as error:
            raise EngineError(tried, target, str(error)) from error
        except Overdue as error:
            # Closing it would hang as well.
            self._connection = None
            raise EngineSilent(tried, target, f"libvirt does not answer: {error}") from error


def _has_device(domain: Any, alias: str) -> bool:
    """Tell whether a domain that runs has a device of that alias; one that went off has none."""
    if not domain.isActive():
        return False
    root = ET.fromstring(domain.XMLDesc(0))
    return any(item.get("name") == alias for item in root.findall("devices/*/alias"))
