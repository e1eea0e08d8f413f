# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: may change without notice.
"""What an image is published from: an archive of the host, or a thin volume that one is packed of."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Callable, Protocol

from .._adapters.rootfs_archive import Archive, check_archive
from .._adapters.work_folder import work_folder
from .._domain.errors import RefusedError, SpecError
from .._domain.image_policy import Policy
from .._domain.names import UNFINISHED, golden_of
from .._domain.volume import DIGEST_TAG, Volume, tag_value
from .._ports import GuestDisks, Volumes

_ARCHIVE = "archive.tgz"


class ImageSource(Protocol):
    """Something that an image can be published from."""

    def find(self) -> Archive | None:
        """Return its archive if there is one without anything being written."""

    def digest(self) -> str:
        """Return the digest of its content as far as it is known without anything being written; else an empty text."""

    def archive(self) -> AbstractContextManager[Archive]:
        """Give its checked archive, which may be there meanwhile only."""


class ArchiveSource:
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


class VolumeSource:
    """A thin volume with ext4, of which a snapshot is packed: whoever uses the volume goes on. ``lock`` is that of the host."""

    def __init__(
        self,
        name: str,
        policy: Policy,
        folder: str,
        volumes: Volumes,
        disks: GuestDisks,
        lock: Callable[[], AbstractContextManager[None]],
    ) -> None:
        self._name = name
        self._policy = policy
        self._folder = folder
        self._volumes = volumes
        self._disks = disks
        self._lock = lock

    def find(self) -> None:
        return None

    def digest(self) -> str:
        """Only a golden volume is known to be what its tag says: nobody writes to it."""
        digest = tag_value(self._volume(), DIGEST_TAG)
        return digest if self._name == golden_of(digest) else ""

    @contextmanager
    def archive(self) -> Iterator[Archive]:
        known = self.digest()
        with work_folder(self._folder) as folder:
            path = os.path.join(folder, _ARCHIVE)
            with open(path, "xb"):
                pass
            packed = self._pack(path, lost_found=bool(known))
            archive = check_archive(path, self._policy)
            if archive.content.digest != packed or known not in ("", packed):
                raise RefusedError(
                    f"source: the volume {self._name} holds the content {packed}, its archive {archive.content.digest}"
                    + (f", and its tag says {known}" if known else "")
                    + "; nothing was published",
                    field="source",
                )
            yield archive

    def _pack(self, path: str, *, lost_found: bool) -> str:
        hidden = f"{self._name}-publish{UNFINISHED}"
        try:
            with self._lock():
                self._volumes.remove(hidden)
                snapshot = self._volumes.clone(self._name, hidden, ())
            return self._disks.pack(snapshot.path, path, lost_found=lost_found)
        finally:
            with self._lock():
                self._volumes.remove(hidden)

    def _volume(self) -> Volume:
        volume = self._volumes.find(self._name)
        if volume is None:
            raise SpecError("source", self._name, "is no volume of that group on this host; zonal.cloud.image_info tells those of images")
        return volume
