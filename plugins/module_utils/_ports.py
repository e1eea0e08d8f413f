# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: may change without notice.
"""The ports: what the use cases need from the outside world. The docstrings are the contract.

Every call raises EngineError when the engine refuses or does not answer in time (docker: EngineSilent), and EngineAbsent when it is not
there at all.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any, Protocol

from ._domain.container_config import EngineFacts
from ._domain.errors import ZonalError
from ._domain.guest_files import GuestFile
from ._domain.usage import Usage
from ._ports_disks import DockerVolumes, HotPlug


class EngineError(ZonalError):
    """An engine did not do what was asked: says what was tried, on what, and the engine's own words."""

    def __init__(self, tried: str, target: str, cause: str) -> None:
        cause = " ".join(cause.split()) or "no reason given"
        super().__init__(f"Cannot {tried} {target}: {cause}", tried=tried, target=target, cause=cause)


class EngineAbsent(EngineError):
    """The engine is not installed or not running. In check mode this means: nothing exists there yet."""


class EngineDown(EngineAbsent):
    """The engine is installed and not running: what it has is there all the same, and not known."""


class EngineSilent(EngineError):
    """The engine did not answer in time, or broke the connection."""


class Pause(Exception):
    """What takes long stops so that people are told ``line``. The next call goes on; after a ``last`` one it must not pause again."""

    def __init__(self, line: str, *, last: bool = False) -> None:
        super().__init__(line)
        self.line = line
        self.last = last


class Command(Protocol):
    """Runs one program of the host."""

    def __call__(self, argv: Sequence[str], *, stdin: str | None = None, timeout: float = 120) -> str:
        """Run ``argv`` (never through a shell) in the C locale and return its standard output.

        ``timeout`` is in seconds. A non-zero exit or a time-out is an EngineError that quotes standard error;
        a program that is not installed is an EngineAbsent.
        """


class PowerEngine(Protocol):
    """What both engines can do with an instance that is there."""

    def start(self, name: str) -> None:
        """Start it; no error when it runs."""

    def stop(self, name: str, timeout: int) -> None:
        """Ask it to stop and cut it off after ``timeout`` seconds; no error when it is stopped."""

    def pause(self, name: str) -> None:
        """Let it hold still, with its memory, until it is resumed; no error when it does already."""

    def resume(self, name: str) -> None:
        """Let it run on after a pause."""


@dataclass(frozen=True)
class StoredImage:
    """A local docker image: its names ``name:tag``, labels, size in bytes, and the containers that were made of it."""

    names: tuple[str, ...]
    labels: Mapping[str, str]
    size: int
    used_by: tuple[str, ...]


@dataclass(frozen=True)
class Login:
    """Who asks a registry; without a user it is asked as by anybody."""

    user: str = ""
    password: str = field(default="", repr=False)


class ContainerEngine(PowerEngine, DockerVolumes, Protocol):
    """The docker Engine API. Bodies are those of the API; ``_domain/container_config.py`` writes and reads them."""

    def facts(self) -> EngineFacts:
        """Return what the engine and its host can do."""

    def find(self, name: str) -> Mapping[str, Any] | None:
        """Return the description of the container of exactly that name; None when there is none."""

    def managed(self) -> list[Mapping[str, Any]]:
        """Return the descriptions of all containers that carry our labels, running or not."""

    def create(self, name: str, body: Mapping[str, Any]) -> None:
        """Create a container; EngineError when the name is taken or the image is missing."""

    def put_files(self, name: str, files: Sequence[GuestFile]) -> None:
        """Write files into a container, started or not."""

    def rename(self, name: str, new_name: str) -> None:
        """Rename a container; atomic."""

    def update(self, name: str, body: Mapping[str, Any]) -> None:
        """Change limits and restart policy of a container without a restart."""

    def remove(self, name: str) -> None:
        """Remove a stopped or running container with its writable layer; no error when there is none."""

    def network(self, name: str) -> Mapping[str, Any] | None:
        """Return the description of a network; None when there is none."""

    def networks(self) -> list[Mapping[str, Any]]:
        """Return the descriptions of all networks."""

    def attached(self, network: str) -> list[str]:
        """Return the names of all containers attached to a network, running or not, sorted; none when there is no network."""

    def attach(self, name: str, network: str, endpoint: Mapping[str, Any]) -> None:
        """Attach a container that is stopped to a network, instead of to one of that name which is gone."""

    def create_network(self, body: Mapping[str, Any]) -> None:
        """Create a network; EngineError when the name is taken."""

    def remove_network(self, name: str) -> None:
        """Remove a network, not the bridge under it that was there before; no error when it is gone, EngineError while a container
        that runs is attached."""

    def image_labels(self, name: str) -> Mapping[str, str] | None:
        """Return the labels of a local image ``name:tag``; None when it is not there."""

    def images(self) -> list[StoredImage]:
        """Return all local images that carry our labels, without those that somebody has made of them, which inherit the labels."""

    def import_image(self, archive: str, name: str, labels: Mapping[str, str], sha256: str = "") -> None:
        """Make the local image ``name:tag`` of a root file system archive; atomic. It starts ``/sbin/init``.

        With ``sha256``, RefusedError and no image when the bytes that were taken in have another digest.
        """

    def commit(self, name: str, image: str) -> None:
        """Make the local image ``name:tag`` of what a container holds now. One that runs is held still meanwhile."""

    def pushed(self, reference: str, login: Login) -> str:
        """Return the sha256 of the manifest that a registry has for ``HOST:PORT/name:tag``, in hex; empty when it has none."""

    def push(self, reference: str, login: Login) -> str:
        """Push the local image ``HOST:PORT/name:tag`` and return the sha256 of its manifest. What the registry has is not sent again."""

    def remove_image(self, name: str) -> None:
        """Remove the local image ``name:tag``; no error when there is none."""

    def remove_nameless(self) -> None:
        """Remove those of ``images`` that have no name, as far as nothing uses them."""


class ListedContainers(Protocol):
    """docker, for those who want little of many containers."""

    def listed(self) -> list[Mapping[str, Any]]:
        """Return all containers that carry our labels as the engine lists them, in one call."""


class ContainerUsage(Protocol):
    """The kernel's counters of containers."""

    def usage(self, ids: Collection[str]) -> dict[str, Usage]:
        """Return what the containers of these ids have used; those that do not run are not among them."""


@dataclass(frozen=True)
class Domain:
    """A libvirt domain. ``xml`` is its persistent definition, ``live_xml`` that of the running one or empty."""

    name: str
    xml: str
    live_xml: str
    power: str
    autostart: bool


class VmEngine(PowerEngine, HotPlug, Protocol):
    """The libvirt connection of one host."""

    def driver(self) -> str:
        """Return which of libvirt's drivers it is: qemu, xen or lxc."""

    def find(self, name: str) -> Domain | None:
        """Return the domain of exactly that name; None when there is none."""

    def domains(self) -> list[Domain]:
        """Return all domains, running or not."""

    def define(self, xml: str) -> None:
        """Define a domain or replace its persistent definition."""

    def quiet(self, name: str) -> AbstractContextManager[str]:
        """Let the guest's agent write out its file systems and hold them still meanwhile. The value tells why it does not, and is
        empty when it does or the domain does not run."""

    def stats(self) -> dict[str, Mapping[str, Any]]:
        """Return libvirt's statistics of all domains that run, by name, in one call that waits for none of them; nothing where the driver
        has none."""

    def adjust(self, name: str, vcpus: int = 0, memory: int = 0, io_limits: Mapping[str, int] | None = None, cpu_shares: int = 0) -> None:
        """Give a domain that runs so many CPUs, bytes of memory and such a weight (0: as it is), CPUs and memory within its maximum, and
        its root disk just these limits, but leave its definition."""

    def set_crash_action(self, name: str, action: str) -> None:
        """Let a domain that runs ``restart``, or go off (``destroy``), when its guest crashes; its definition stays as it is."""

    def cpu_models(self, domain_type: str) -> Collection[str]:
        """Return the CPU models that domains of the type, kvm or qemu, can have on this host; among them the words host-model and
        host-passthrough where it knows what these say."""

    def set_autostart(self, name: str, wanted: bool) -> None:
        """Let the domain start with its host, or not."""

    def remove(self, name: str) -> None:
        """Cut the power of a domain and remove its definition, not its disks; no error when there is none."""
