# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: may change without notice.
"""Publishing an image as a resource: options in, a store and a registry behind, report out."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from datetime import datetime, timezone
from functools import partial
from typing import Any, Callable

from .._adapters.docker_engine import DockerEngine
from .._adapters.guest_disks import MountedGuestDisks
from .._adapters.guest_release import released_after_us
from .._adapters.host_lock import host_lock, volume_lock
from .._adapters.layer_copies import FolderLayers
from .._adapters.libvirt_engine import LibvirtEngine
from .._adapters.lvm import LvmVolumes
from .._adapters.rootfs_archive import Archive
from .._adapters.s3 import S3Objects
from .._adapters.skopeo import LocalImages
from .._domain.errors import RefusedError, SpecError
from .._domain.image_manifest import LONGEST, Blob, ImageManifest, Pushed, manifest_key, read_manifest, write_manifest
from .._domain.image_policy import Policy
from .._domain.image_publish import Candidate, Published, PublishWish, plan_publication, report
from .._domain.names import PUBLISHED_ON, parse_image, parse_label, parse_snapshot
from .._domain.plan import Plan, Step
from .._domain.quantity import parse_size
from .._domain.s3_bucket import parse_bucket
from .._domain.source import parse_local_image, parse_registry
from .._domain.thin_pool import parse_name
from .._ports import Command, ContainerEngine, Login
from .._ports_s3 import Objects
from .image import DIGEST_LABEL, SHA256_LABEL
from .image_source import ArchiveSource, DockerSource, ImageSource, VolumeSource, Workshop
from .image_stores import image_store, registry_login
from .instance_source import Engines, instance_source

# How many seconds another run may have the volume on which archives are made.
_LONGEST_MAKING = 24 * 3600


class ImagePublishResource:
    """See ``Resource`` and ``Fetching`` in ``run.py``. ``lock`` is that of the host: docker is filled while it is held."""

    name = "image"

    def __init__(
        self,
        wish: PublishWish,
        source: ImageSource,
        objects: Objects,
        containers: ContainerEngine,
        login: Login,
        lock: Callable[[], AbstractContextManager[None]] = host_lock,
    ) -> None:
        self._wish = wish
        self._source = source
        self._objects = objects
        self._containers = containers
        self._login = login
        self._lock = lock
        self._archive: Archive | None = None
        self._found = Published()
        self._pushed: Pushed | None = None

    def observe(self) -> Published:
        self._archive = self._archive or self._source.find()
        manifest = self._manifest()
        candidate = self._candidate()
        blobs = [manifest.blob] if manifest and manifest.digest == candidate.digest else []
        blobs += [candidate.blob] if candidate.blob else []
        pushed = self._containers.pushed(self._wish.reference, self._login) if self._wish.registry else ""
        self._found = Published(manifest, next(filter(self._is_stored, blobs), None), pushed)
        return self._found

    def nothing(self) -> Published:
        return Published()

    def plan(self, found: Published) -> Plan[Published]:
        return plan_publication(self._wish, self._candidate(), found)

    def report(self, state: Published) -> dict[str, Any]:
        return report(self._wish, state)

    @contextmanager
    def fetched(self, plan: Plan[Published]) -> Iterator[dict[str, Any]]:
        """See ``Fetching``: the archive is made when something is to be published, or to find out whether."""
        if not plan.steps:
            yield {}
            return
        with self._source.archive() as archive:
            self._archive = archive
            yield self._source.about()

    def apply(self, step: Step) -> None:
        archive = self._archive
        if archive is None:
            # Nothing was to be done when it was to be made.
            raise RefusedError(f"name: another run has changed what {self._wish.name} is meanwhile; run again", field="name")
        if step.action == "upload":
            about = {"digest": archive.content.digest, "sha256": archive.sha256}
            self._objects.put_file(archive.blob.key, archive.path, archive.sha256, about)
        elif step.action == "push":
            self._push(archive)
        else:
            self._objects.put(manifest_key(self._wish.name), write_manifest(self._new_manifest(archive)))

    def _push(self, archive: Archive) -> None:
        """docker pushes what has the name that it is to have in the registry, so it has that name meanwhile."""
        reference = self._wish.reference
        labels = {DIGEST_LABEL: archive.content.digest, SHA256_LABEL: archive.sha256}
        try:
            with self._lock():
                self._containers.import_image(archive.path, reference, labels, archive.sha256)
            self._pushed = Pushed(reference, self._containers.push(reference, self._login))
        finally:
            with self._lock():
                self._containers.remove_image(reference)

    def _new_manifest(self, archive: Archive) -> ImageManifest:
        """Return the manifest for what is there now."""
        content, older = archive.content, self._found.manifest
        kept = older.pushed if older and older.digest == content.digest else None
        return ImageManifest(
            name=self._wish.name,
            digest=content.digest,
            blob=self._found.stored or archive.blob,
            content_size=content.size,
            bootable=content.kernel,
            pushed=self._pushed or kept,
            created=datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ"),
        )

    def _candidate(self) -> Candidate:
        archive = self._archive
        if archive is None:
            return Candidate(self._source.digest())
        return Candidate(archive.content.digest, archive.blob, archive.content.size, archive.content.kernel)

    def _manifest(self) -> ImageManifest | None:
        key = manifest_key(self._wish.name)
        content = self._objects.read(key, LONGEST)
        try:
            return None if content is None else read_manifest(self._wish.name, content)
        except ValueError as error:
            raise RefusedError(
                f"name: what {self._wish.address(key)} has is no manifest of an image: {error}; look at it, remove it and publish again",
                field="name",
            ) from None

    def _is_stored(self, blob: Blob) -> bool:
        found = self._objects.head(blob.key)
        return found is not None and found.size == blob.size and found.metadata.get("sha256") == blob.sha256


def build_image_publish(params: Mapping[str, Any], command: Command) -> ImagePublishResource:
    """Return the resource of the module's options."""
    registry = parse_registry("registry", params["registry"]) if params["registry"] else ""
    wish = PublishWish(parse_image("name", params["name"]), parse_bucket("bucket", params["bucket"]), registry)
    policy = Policy(parse_size("max_size", params["max_size"]), params["privileged_files"], old_sparse=False)
    objects = S3Objects(image_store(params, "images are published in an S3 store"), wish.bucket)
    return ImagePublishResource(wish, _source(params, wish, policy, command), objects, DockerEngine(), registry_login(params))


def _source(params: Mapping[str, Any], wish: PublishWish, policy: Policy, command: Command) -> ImageSource:
    source = params["source"]
    if params["snapshot"] and params["from"] != "instance":
        raise SpecError("snapshot", params["snapshot"], "is one of an instance, and goes with from: instance only")
    if params["from"] == "tgz":
        return ArchiveSource(os.path.expanduser(source), policy)
    group = parse_name("group", params["group"])
    volumes = LvmVolumes(command, group, parse_name("pool", params["pool"]))
    own = partial(host_lock, volume_lock(group, PUBLISHED_ON), _LONGEST_MAKING)
    workshop = Workshop(params["folder"], volumes, MountedGuestDisks(command), host_lock, own)
    images = LocalImages(command)
    if params["from"] == "instance":
        docker = DockerEngine()
        copies = FolderLayers(command, lambda: docker.facts().root)
        engines = Engines(docker, images, copies, LibvirtEngine(), partial(released_after_us, command))
        name = parse_label("source", source)
        label = parse_snapshot("snapshot", params["snapshot"], group, name) if params["snapshot"] else ""
        return instance_source(name, label, policy, workshop, engines)
    if params["from"] == "volume":
        return VolumeSource(parse_name("source", source), policy, workshop)
    if source == wish.reference:
        raise SpecError("source", source, "is the name that the image is pushed by, and docker forgets it then; give the image another one")
    return DockerSource(parse_local_image("source", source), policy, workshop, images)
