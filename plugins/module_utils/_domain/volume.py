# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: may change without notice.
"""Logical volumes, and the tags that say which image or instance one belongs to."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from .names import UNFINISHED, snapshot_of
from .thin_pool import EXTENT_SIZE

IMAGE_TAG = "zonal.image="
# Of the content, and of each archive that this content was read from.
DIGEST_TAG = "zonal.digest="
SHA256_TAG = "zonal.sha256="
INSTANCE_TAG = "zonal.instance="
CLOUD_INIT_TAG = "zonal.cloud-init"
# Of a snapshot, which has none of the tags above: nothing boots from it.
SNAPSHOT_TAG = "zonal.snapshot-of="
CREATED_TAG = "zonal.created="
CONSISTENT_TAG = "zonal.consistent="
# Of a root disk that is being restored: what the VM did before.
POWER_TAG = "zonal.power-before="


@dataclass(frozen=True)
class Volume:
    """A logical volume. ``path`` is its block device; ``origin`` the volume it is a thin snapshot of, or empty. Its size is rounded up to
    whole ones of ``extent_size``.

    ``is_block`` is False for a regular file that stands for a volume where there is no device-mapper.
    """

    group: str
    name: str
    path: str
    size: int
    pool: str = ""
    origin: str = ""
    tags: frozenset[str] = frozenset()
    is_block: bool = True
    extent_size: int = EXTENT_SIZE


def find_golden(volumes: Iterable[Volume], image: str) -> Volume | None:
    """Return the volume that holds the image ``name:tag`` for VMs; None when the host has none."""
    whole = (volume for volume in volumes if not volume.name.endswith(UNFINISHED))
    return next((volume for volume in whole if IMAGE_TAG + image in volume.tags), None)


def find_unfinished(volumes: Iterable[Volume], image: str) -> list[Volume]:
    """Return what is left of making or removing the image ``name:tag`` when a run was cut off."""
    return [volume for volume in volumes if volume.name.endswith(UNFINISHED) and IMAGE_TAG + image in volume.tags]


def users_of(golden: Volume, volumes: Iterable[Volume]) -> list[str]:
    """Return the instances whose root disk was made of ``golden``; they boot its kernel."""
    content = DIGEST_TAG + tag_value(golden, DIGEST_TAG)
    # While a snapshot is restored, an instance has two disks.
    return sorted({tag_value(volume, INSTANCE_TAG) for volume in volumes if content in volume.tags} - {""})


def is_disk_of(name: str, volume: Volume) -> bool:
    """Tell whether a volume was made for just this VM."""
    return INSTANCE_TAG + name in volume.tags


def snapshots_of(name: str, volumes: Iterable[Volume]) -> list[Volume]:
    """Return the snapshots of a VM's root disk."""
    return [volume for volume in volumes if volume.name.startswith(snapshot_of(name, "")) and is_snapshot_of(name, volume)]


def is_snapshot_of(name: str, volume: Volume) -> bool:
    """Tell whether a volume was made as a snapshot of this VM's root disk, be it whole or not."""
    return SNAPSHOT_TAG + name in volume.tags


def image_tags(image: str, digest: str, sha256: str) -> list[str]:
    """Return the tags of a golden volume."""
    return [IMAGE_TAG + image, DIGEST_TAG + digest, SHA256_TAG + sha256]


def instance_tags(name: str, golden: Volume) -> list[str]:
    """Return the tags of an instance's root disk: whose it is, and of which image content it was made."""
    return [INSTANCE_TAG + name, *sorted(tag for tag in golden.tags if tag.startswith(DIGEST_TAG))]


def tag_value(volume: Volume, prefix: str) -> str:
    """Return what stands behind ``prefix`` in one of the volume's tags; empty when no tag begins so."""
    return next(iter(tag_values(volume, prefix)), "")


def tag_values(volume: Volume, prefix: str) -> list[str]:
    """Return what stands behind ``prefix`` in the volume's tags, in order."""
    return sorted(tag[len(prefix) :] for tag in volume.tags if tag.startswith(prefix))
