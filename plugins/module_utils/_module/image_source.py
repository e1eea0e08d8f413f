# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: may change without notice.
"""What an image is published from: an archive of the host, or what one is made of, a thin volume or an image of docker."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any, Callable, Protocol

from .._adapters.packed_stream import largest_packed
from .._adapters.rootfs_archive import Archive, check_archive
from .._adapters.skopeo import LocalImages
from .._adapters.work_folder import work_folder
from .._domain.errors import RefusedError, SpecError
from .._domain.image_policy import Policy, volume_size
from .._domain.names import PUBLISHED_ON, golden_of
from .._domain.volume import DIGEST_TAG, Volume, tag_value
from .._ports_storage import GuestDisks, Volumes

_ARCHIVE, _LAYOUT = "archive", "layers"
_BLOCK = 1024**2


class ImageSource(Protocol):
    """Something that an image can be published from."""

    def find(self) -> Archive | None:
        """Return its archive if there is one without anything being written."""

    def digest(self) -> str:
        """Return the digest of its content as far as it is known without anything being written; else an empty text."""

    def archive(self) -> AbstractContextManager[Archive]:
        """Give its checked archive, which may be there meanwhile only."""

    def about(self) -> dict[str, Any]:
        """Return what the module's result tells of it once there is an archive."""


@dataclass(frozen=True)
class Workshop:
    """Where archives are made: a folder, and a hidden volume that is there meanwhile. ``lock`` is that of the host; who holds ``own`` has
    the volume, so that one which is in use can be told from one that was left.
    """

    folder: str
    volumes: Volumes
    disks: GuestDisks
    lock: Callable[[], AbstractContextManager[None]]
    own: Callable[[], AbstractContextManager[None]] = nullcontext

    @contextmanager
    def scratch(self, make: Callable[[str], Volume]) -> Iterator[Volume]:
        """Yield the volume that ``make`` makes under the hidden name it is given; one that a run has left there goes first."""
        with self.own():
            try:
                with self.lock():
                    self.volumes.remove(PUBLISHED_ON)
                    volume = make(PUBLISHED_ON)
                yield volume
            finally:
                with self.lock():
                    self.volumes.remove(PUBLISHED_ON)


class _Silent:
    """A source of which there is nothing to tell."""

    def about(self) -> dict[str, Any]:
        return {}


class ArchiveSource(_Silent):
    """A file of the host, whose own bytes are published."""

    def __init__(self, path: str, policy: Policy) -> None:
        self._path = path
        self._policy = policy
        self._checked: Archive | None = None

    def find(self) -> Archive:
        # What is done with it later is held against what was found here.
        if self._checked is None:
            self._checked = check_archive(self._path, self._policy)
        return self._checked

    def digest(self) -> str:
        return self.find().content.digest

    @contextmanager
    def archive(self) -> Iterator[Archive]:
        yield self.find()


class VolumeSource(_Silent):
    """A thin volume with ext4, of which a snapshot is packed: whoever uses the volume goes on."""

    def __init__(self, name: str, policy: Policy, workshop: Workshop) -> None:
        self._name = name
        self._policy = policy
        self._workshop = workshop

    def find(self) -> None:
        return None

    def digest(self) -> str:
        """Only a golden volume is known to be what its tag says: nobody writes to it."""
        digest = tag_value(self._volume(), DIGEST_TAG)
        return digest if self._name == golden_of(digest) else ""

    @contextmanager
    def archive(self) -> Iterator[Archive]:
        known, shop = self.digest(), self._workshop
        with work_folder(shop.folder) as folder:
            path = _new_file(folder)
            with shop.scratch(self._snapshot) as snapshot:
                packed = shop.disks.pack(snapshot.path, path, lost_found=bool(known))
            archive = check_archive(path, self._policy)
            if archive.content.digest != packed or known not in ("", packed):
                raise RefusedError(
                    f"source: the volume {self._name} holds the content {packed}, its archive {archive.content.digest}"
                    + (f", and its tag says {known}" if known else "")
                    + "; nothing was published",
                    field="source",
                )
            yield archive

    def _snapshot(self, hidden: str) -> Volume:
        return self._workshop.volumes.clone(self._name, hidden, ())

    def _volume(self) -> Volume:
        volume = self._workshop.volumes.find(self._name)
        if volume is None:
            raise SpecError("source", self._name, "is no volume of that group on this host; zonal.cloud.image_info tells those of images")
        return volume


class DockerSource(_Silent):
    """An image of the host's docker. Its only layer is the archive; several are laid upon each other on a volume."""

    def __init__(self, name: str, policy: Policy, workshop: Workshop, images: LocalImages) -> None:
        self._name = name
        self._policy = policy
        self._workshop = workshop
        self._images = images

    def find(self) -> None:
        return None

    def digest(self) -> str:
        """Labels are not believed: whoever builds an image writes them."""
        return ""

    @contextmanager
    def archive(self) -> Iterator[Archive]:
        with work_folder(self._workshop.folder) as folder:
            layout = os.path.join(folder, _LAYOUT)
            layers = self._images.copy(self._name, layout, largest_packed(self._policy.max_size))
            yield check_archive(layers[0] if len(layers) == 1 else self._flattened(folder, layout), self._policy)

    def _flattened(self, folder: str, layout: str) -> str:
        path, shop = _new_file(folder), self._workshop

        def create(hidden: str) -> Volume:
            size = min(volume_size(self._policy.max_size), shop.volumes.free())
            return shop.volumes.create(hidden, size // _BLOCK * _BLOCK, ())

        with shop.scratch(create) as volume:
            shop.disks.flatten(volume.path, layout, path)
        return path


def _new_file(folder: str) -> str:
    path = os.path.join(folder, _ARCHIVE)
    with open(path, "xb"):
        return path
