# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: may change without notice.
"""An image on one host: a golden volume for VMs, a docker image for containers, both of one archive."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from .._adapters.boot_files import BootFolder
from .._adapters.rootfs_archive import Archive, check_archive
from .._domain.errors import RefusedError, SpecError, ZonalError
from .._domain.image import CONTAINER, VM, Face, Image, ImageWish, check_content, no_kernel, plan_image
from .._domain.image_found import DIGEST_LABEL, SHA256_LABEL
from .._domain.image_policy import Policy, volume_size
from .._domain.names import UNFINISHED, golden_of
from .._domain.plan import Plan, Step
from .._domain.quantity import format_size
from .._domain.volume import (
    CLOUD_INIT_TAG,
    DIGEST_TAG,
    IMAGE_TAG,
    SHA256_TAG,
    Volume,
    find_golden,
    find_unfinished,
    image_tags,
    tag_value,
    tag_values,
    users_of,
)
from .._ports import ContainerEngine
from .._ports_storage import BootFiles, GuestDisks, Volumes

_UNFINISHED = Face("", ())
_BLOCK = 1024**2


class ImageResource:
    """See ``Resource`` in ``run.py``."""

    name = "image"

    def __init__(
        self,
        wish: ImageWish,
        source: str,
        policy: Policy,
        containers: ContainerEngine,
        volumes: Volumes,
        disks: GuestDisks,
        boot: BootFolder,
    ) -> None:
        self._wish = wish
        self._source = source
        self._policy = policy
        self._containers = containers
        self._volumes = volumes
        self._disks = disks
        self._boot = boot
        self._users: list[str] = []
        self._checked: Archive | None = None

    def observe(self) -> Image:
        """Return what is there of the wanted kinds; the other kind's engine may not be installed at all."""
        faces = {}
        self._users = []
        if VM in self._wish.asked:
            volumes = self._volumes.list()
            golden = find_golden(volumes, self._wish.name)
            if golden is not None:
                made = Face(tag_value(golden, DIGEST_TAG), tuple(tag_values(golden, SHA256_TAG)))
                # Boot files lie on the host's own disk, which may have been lost alone.
                faces[VM] = made if self._bootable(golden.name) else _UNFINISHED
                self._users = users_of(golden, volumes)
            elif find_unfinished(volumes, self._wish.name):
                faces[VM] = _UNFINISHED
        if CONTAINER in self._wish.asked:
            labels = self._containers.image_labels(self._wish.name) or {}
            if DIGEST_LABEL in labels:
                faces[CONTAINER] = Face(labels[DIGEST_LABEL], tuple(filter(None, [labels.get(SHA256_LABEL)])))
                self._users = sorted({*self._users, *self._containers_of_it()})
        return Image(self._wish.name, faces)

    def _containers_of_it(self) -> list[str]:
        """Return the containers that speak against a removal."""
        stored = [] if self._wish.present else self._containers.images()
        return [user for image in stored if self._wish.name in image.names for user in image.used_by]

    def nothing(self) -> Image:
        return Image(self._wish.name, {})

    def plan(self, found: Image) -> Plan[Image]:
        if not self._wish.present and self._users:
            raise RefusedError(f"name: the image {self._wish.name} is in use by {', '.join(self._users)}; remove these first", field="name")
        return plan_image(self._wish, found, source=self._source)

    def report(self, state: Image) -> dict[str, Any]:
        faces = dict(sorted(state.faces.items()))
        return {
            "name": state.name,
            "kinds": list(faces),
            "digest": {kind: face.digest for kind, face in faces.items()},
            "sha256": {kind: list(face.sha256) for kind, face in faces.items()},
        }

    def apply(self, step: Step) -> None:
        if step.action == "make_vm":
            self._make_golden(self._check())
        elif step.action == "make_container":
            archive = self._check()
            labels = {DIGEST_LABEL: archive.content.digest, SHA256_LABEL: archive.sha256}
            self._containers.import_image(self._source, self._wish.name, labels, archive.sha256)
        elif step.action == "remove_vm":
            self._remove_golden()
        elif step.action == "remove_container":
            self._containers.remove_image(self._wish.name)

    def _check(self) -> Archive:
        """Look through the archive once. What engines then make of it is held against what was found here."""
        if self._checked is None:
            archive = check_archive(self._source, self._policy, self._wish.sha256)
            check_content(self._wish, archive.content, self._source)
            self._checked = archive
        return self._checked

    def _make_golden(self, archive: Archive) -> None:
        """Unpack under a hidden name; the image appears by a rename, whole. Names and archives of the same content share a volume."""
        self._discard_unfinished()
        name = golden_of(archive.content.digest)
        tags = image_tags(self._wish.name, archive.content.digest, archive.sha256)
        found = self._volumes.find(name)
        if found is not None and tag_value(found, DIGEST_TAG) != archive.content.digest:
            raise RefusedError(f"src: the volume {name} is there, but it does not hold the content {archive.content.digest}")
        if found is None or not self._bootable(name):
            self._unpack(archive, name, tags, again=found is not None)
        self._release_older(name)
        if found is None:
            self._volumes.rename(name + UNFINISHED, name)
        else:
            self._volumes.retag(name, tags, ())

    def _bootable(self, golden: str) -> bool:
        return bool(self._boot.paths(golden)[0])

    def _unpack(self, archive: Archive, name: str, tags: list[str], *, again: bool) -> None:
        """Make the hidden volume and the boot files of ``name``, or leave neither; ``again`` for the boot files alone."""
        lent = None if archive.content.kernel else self._lent()
        size, free = archive.content.volume_size, self._volumes.free()
        if size > free:
            raise SpecError(
                "src", self._source, f"needs {format_size(size)}, but the thin pool has {format_size(free // _BLOCK * _BLOCK)} free"
            )
        hidden = name + UNFINISHED
        self._volumes.remove(hidden)
        volume = self._volumes.create(hidden, size, tags)
        try:
            boot = self._fill(volume, archive, lent)
            if again:
                self._volumes.remove(hidden)
            else:
                self._volumes.set_read_only(hidden)
            # Last of all: a golden volume that has them is whole.
            self._boot.store(name, boot)
        except ZonalError:
            self._discard(name)
            raise

    def _lent(self) -> BootFiles:
        """Return kernel and initial ramdisk of the image that lends them."""
        golden = find_golden(self._volumes.list(), self._wish.lender)
        if golden is None:
            raise SpecError("kernel", self._wish.lender, "is not on this host as an image for VMs; bring it there first")
        kernel, initrd = self._boot.read(golden.name)
        if kernel is None:
            raise SpecError("kernel", self._wish.lender, "has lost its kernel on this host; make it anew")
        return BootFiles(kernel, initrd, cloud_init=False)

    def _fill(self, volume: Volume, archive: Archive, lent: BootFiles | None) -> BootFiles:
        unpacked = self._disks.make(volume.path, self._source, archive.content.bytes_per_inode)
        if unpacked.digest != archive.content.digest:
            raise RefusedError(f"src: {self._source} has become another content than was checked; what was unpacked is removed again")
        boot = unpacked.boot
        if boot.kernel is None:
            # There may be a link that leads nowhere, which was taken for one.
            if lent is None and not self._wish.lender:
                raise no_kernel(self._wish.name)
            boot = lent or self._lent()
        self._volumes.retag(volume.name, (CLOUD_INIT_TAG,) if unpacked.boot.cloud_init else (), ())
        return boot

    @contextmanager
    def _scratch(self) -> Iterator[str]:
        """Yield the device of a volume that is there meanwhile; what a run that is cut off leaves of it goes as a half-made image does."""
        self._discard_unfinished()
        hidden = golden_of(self._wish.digest) + UNFINISHED
        self._volumes.remove(hidden)
        size = min(volume_size(self._policy.max_size), self._volumes.free())
        volume = self._volumes.create(hidden, size // _BLOCK * _BLOCK, [IMAGE_TAG + self._wish.name, DIGEST_TAG + self._wish.digest])
        try:
            yield volume.path
        finally:
            self._volumes.remove(hidden)

    def _release_older(self, name: str) -> None:
        """Let no other volume than ``name`` carry the image's name."""
        older = [volume for volume in self._volumes.list() if IMAGE_TAG + self._wish.name in volume.tags]
        for volume in older:
            if volume.name not in (name, name + UNFINISHED):
                self._release(volume)

    def _release(self, golden: Volume) -> None:
        """Take the image's name from a golden volume, and remove one that then has neither a name nor an instance."""
        names = {tag for tag in golden.tags if tag.startswith(IMAGE_TAG)}
        if len(names) > 1 or users_of(golden, self._volumes.list()):
            self._volumes.retag(golden.name, (), (IMAGE_TAG + self._wish.name,))
        else:
            remove_golden(self._volumes, self._boot, golden.name)

    def _discard_unfinished(self) -> None:
        for volume in find_unfinished(self._volumes.list(), self._wish.name):
            self._discard(volume.name[: -len(UNFINISHED)])

    def _discard(self, name: str) -> None:
        discard_golden(self._volumes, self._boot, name)

    def _remove_golden(self) -> None:
        self._discard_unfinished()
        golden = self._golden()
        if golden is not None:
            self._release(golden)

    def _golden(self) -> Volume | None:
        return find_golden(self._volumes.list(), self._wish.name)


def remove_golden(volumes: Volumes, boot: BootFolder, name: str) -> None:
    """Remove a golden volume with its boot files; at once it is no image any more."""
    volumes.rename(name, name + UNFINISHED)
    discard_golden(volumes, boot, name)


def discard_golden(volumes: Volumes, boot: BootFolder, name: str) -> None:
    """Remove the hidden volume of ``name``, and the boot files unless there is a whole one."""
    if volumes.find(name) is None:
        boot.remove(name)
    volumes.remove(name + UNFINISHED)
