# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: may change without notice.
"""What ``image_info`` returns: the golden volumes and docker images of a host, both faces of a content as one image."""

from __future__ import annotations

from typing import Any

from .._adapters.boot_files import BootFolder
from .._adapters.docker_engine import DockerEngine
from .._adapters.lvm import LvmVolumes
from .._domain.image_found import CONTAINER, DIGEST_LABEL, SHA256_LABEL, VM, StoredFace, show_faces, show_images
from .._domain.names import UNFINISHED, parse_image
from .._domain.thin_pool import parse_name
from .._domain.volume import CLOUD_INIT_TAG, DIGEST_TAG, IMAGE_TAG, INSTANCE_TAG, SHA256_TAG, tag_value, tag_values, users_of
from .._ports import Command, ContainerEngine
from .._ports_storage import Volumes
from .or_none import or_none


def golden_faces(volumes: Volumes, boot: BootFolder) -> list[StoredFace]:
    """Return what VMs can be made of. A root disk carries the digest of its image as well, but belongs to an instance."""
    every = volumes.list()
    whole = [volume for volume in every if not volume.name.endswith(UNFINISHED) and not tag_value(volume, INSTANCE_TAG)]
    return [
        StoredFace(
            VM,
            tag_value(volume, DIGEST_TAG),
            tuple(tag_values(volume, IMAGE_TAG)),
            tuple(tag_values(volume, SHA256_TAG)),
            volume.size,
            tuple(users_of(volume, every)),
            bootable=bool(boot.paths(volume.name)[0]),
            cloud_init=CLOUD_INIT_TAG in volume.tags,
        )
        for volume in whole
        if tag_value(volume, DIGEST_TAG)
    ]


def unfinished_golden(volumes: Volumes) -> list[str]:
    """Return the hidden volumes of images that are not whole, or no longer."""
    return [
        volume.name
        for volume in volumes.list()
        if volume.name.endswith(UNFINISHED) and tag_value(volume, DIGEST_TAG) and not tag_value(volume, INSTANCE_TAG)
    ]


def docker_faces(engine: ContainerEngine) -> list[StoredFace]:
    """Return what containers can be made of."""
    return [
        StoredFace(
            CONTAINER,
            image.labels[DIGEST_LABEL],
            image.names,
            tuple(filter(None, [image.labels.get(SHA256_LABEL)])),
            image.size,
            image.used_by,
        )
        for image in engine.images()
    ]


def read_images(params: dict[str, Any], command: Command) -> dict[str, Any]:
    """Return the images of this host; an engine that is not there has none."""
    name = parse_image("name", params["name"]) if params["name"] is not None else ""
    volumes = LvmVolumes(command, parse_name("group", params["group"]), parse_name("pool", params["pool"]))
    return {"images": show_images(_faces(DockerEngine(), volumes), name)}


def images_here(docker: ContainerEngine, volumes: Volumes) -> list[dict[str, Any]]:
    """Return what instances can be made of on this host."""
    return show_faces(_faces(docker, volumes))


def _faces(docker: ContainerEngine, volumes: Volumes) -> list[StoredFace]:
    return or_none(lambda: golden_faces(volumes, BootFolder())) + or_none(lambda: docker_faces(docker))
