# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: may change without notice.
"""The ports: what the use cases need from the outside world. The docstrings are the contract.

Every call raises EngineError when the engine refuses or does not answer in time (docker: EngineSilent), and EngineAbsent when it is not
there at all.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any, Protocol

from ._domain.container_config import EngineFacts
from ._domain.errors import ZonalError
from ._domain.guest_files import GuestFile
from ._domain.usage import Usage
from ._domain.volume import Volume
from ._ports_disks import DockerVolumes, HotPlug


class EngineError(ZonalError):
    """An engine did not do what was asked: says what was tried, on what, and the engine's own words."""

    def __init__(self, tried: str, target: str, cause: str) -> None:
        cause = " ".join(cause.split()) or "no reason given"
        super().__init__(f"Cannot {tried} {target}: {cause}", tried=tried, target=target, cause=cause)


class EngineAbsent(EngineError):
    """The engine is not installed or not running. In check mode this means: nothing exists there yet."""


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


class Volumes(Protocol):
    """Thin volumes of one volume group. All sizes are bytes and are rounded up to whole extents by the engine."""

    def find(self, name: str) -> Volume | None:
        """Return the volume of that name; None when there is none (also when the group does not exist)."""

    def list(self) -> list[Volume]:
        """Return all ordinary volumes of the group, without hidden ones and pools; empty when there is no group."""

    def path(self, name: str) -> str:
        """Return the block device of a volume of that name, whether it is there yet or not."""

    def create(self, name: str, size: int, tags: Iterable[str]) -> Volume:
        """Create an empty thin volume of ``size`` in the pool. EngineError when the name is taken."""

    def clone(self, origin: str, name: str, tags: Iterable[str], size: int = 0) -> Volume:
        """Create a writable, active thin snapshot of ``origin``, as large as that or ``size``, whichever is more.

        With a ``size`` a crash may leave it inactive or of the origin's size.
        """

    def grow(self, name: str, size: int) -> None:
        """Make the volume at least ``size`` large; a volume that is already that large is left alone."""

    def rename(self, name: str, new_name: str) -> None:
        """Rename; atomic, also over a power cut."""

    def retag(self, name: str, add: Iterable[str], remove: Iterable[str]) -> None:
        """Add and remove tags in one change."""

    def set_read_only(self, name: str) -> None:
        """Let nobody write to the volume any more."""

    def remove(self, name: str) -> None:
        """Remove the volume with its data; no error when it is already gone."""

    def is_open(self, name: str) -> bool:
        """Tell whether anything has opened the volume, such as a VM that runs or a mount; False when there is none."""

    def free(self) -> int:
        """Return the bytes of the pool that hold no data yet, as the pool reports them; 0 when there is no pool."""


@dataclass(frozen=True)
class BootFiles:
    """Kernel and initial ramdisk of an image (None: it has none), and whether the image has cloud-init."""

    kernel: bytes | None
    initrd: bytes | None
    cloud_init: bool


@dataclass(frozen=True)
class Unpacked:
    """What an archive has become on a device: its boot files, and the content digest of the file system."""

    boot: BootFiles
    digest: str


LAYOUT_TAG = "image"


class GuestDisks(Protocol):
    """File systems of guests on block devices. Nothing of a guest is ever run, and no link in it leads to the host."""

    def make(self, device: str, archive: str, bytes_per_inode: int) -> Unpacked:
        """Make an ext4 file system on ``device``, unpack ``archive`` into it, and return what it holds."""

    def pack(self, device: str, archive: str, *, lost_found: bool) -> str:
        """Write what an ext4 file system on ``device`` holds into the file ``archive``, which is there, packed with gzip, and return the
        digest of the content. EngineError, and nothing written, when there may be not enough room for it. A journal is replayed.

        ``lost_found`` tells whether a folder /lost+found is content: after ``make`` it is, else it is the file system's own.
        """

    def flatten(self, device: str, layout: str, archive: str) -> None:
        """Lay the layers of the image LAYOUT_TAG of an OCI layout upon each other on ``device``, which loses what it had, and write what
        comes out into the file ``archive``. Nothing of it was looked at yet."""

    def personalise(self, device: str, files: Sequence[GuestFile]) -> None:
        """Grow the file system to its device and write ``files`` into it, replacing what stands there."""


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

    def attached(self, network: str) -> list[str]:
        """Return the names of all containers that are attached to a network, running or not, sorted; none when there is no network."""

    def create_network(self, body: Mapping[str, Any]) -> None:
        """Create a network; EngineError when the name is taken."""

    def remove_network(self, name: str) -> None:
        """Remove a network, not the bridge under it that was there before; no error when it is gone, EngineError while a container
        that runs is attached."""

    def image_labels(self, name: str) -> Mapping[str, str] | None:
        """Return the labels of a local image ``name:tag``; None when it is not there."""

    def images(self) -> list[StoredImage]:
        """Return all local images that carry our labels."""

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
        """Remove the local images that carry our labels and have no name, as far as nothing uses them."""


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
        """Return libvirt's statistics of all domains that run, by name, in one call that waits for none of them."""

    def set_autostart(self, name: str, wanted: bool) -> None:
        """Let the domain start with its host, or not."""

    def remove(self, name: str) -> None:
        """Cut the power of a domain and remove its definition, not its disks; no error when there is none."""
