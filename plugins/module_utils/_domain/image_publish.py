# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: may change without notice.
"""Publishing an image: its archive into a store, the image into a registry, and last the manifest, by which it is there."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from .image import CONTAINER, VM
from .image_manifest import Blob, ImageManifest, Pushed, manifest_key
from .plan import Plan, Step


@dataclass(frozen=True)
class PublishWish:
    """Where an image is to be published. Without a ``registry`` it is in the store only."""

    name: str
    bucket: str
    registry: str = ""

    @property
    def reference(self) -> str:
        """What the image is called in the registry; empty without one."""
        return self.registry and f"{self.registry}/{self.name}"

    def address(self, key: str) -> str:
        return f"s3://{self.bucket}/{key}"


@dataclass(frozen=True)
class Candidate:
    """What is known of the image that is to be published. Before an archive is made, ``blob`` is None and ``digest`` may be empty."""

    digest: str = ""
    blob: Blob | None = None
    content_size: int = 0
    bootable: bool = False


@dataclass(frozen=True)
class Published:
    """What was found: the manifest, an archive of the wanted content that is whole in the store, and the sha256 of the manifest that the
    registry has. Of what is planned ``digest`` may be all that is known.
    """

    manifest: ImageManifest | None = None
    stored: Blob | None = None
    pushed: str = ""
    digest: str = ""


def plan_publication(wish: PublishWish, candidate: Candidate, found: Published) -> Plan[Published]:
    """Return the steps. What has the content already stays as it is, however it is packed."""
    manifest = found.manifest if found.manifest and found.manifest.digest == candidate.digest else None
    steps: list[Step] = []
    if found.stored is None:
        key = candidate.blob.key if candidate.blob else "blobs/..."
        reason = "the store does not have it" if candidate.digest else "what it has is known only when it is packed"
        steps.append(Step("upload", wish.address(key), reason))
    if wish.registry and not (manifest and found.pushed and manifest.pushed == Pushed(wish.reference, found.pushed)):
        reason = "the registry may have another content under that name" if found.pushed else "the registry does not have it"
        steps.append(Step("push", wish.reference, reason))
    if steps or manifest is None or manifest.blob != found.stored:
        steps.append(Step("write_manifest", wish.address(manifest_key(wish.name)), _reason(found, manifest)))
    if not steps:
        return Plan(found)
    kept = manifest.pushed if manifest else None
    pushed = Pushed(wish.reference, "") if any(step.action == "push" for step in steps) else kept
    return Plan(_after(wish, candidate, found, pushed), tuple(steps))


def report(wish: PublishWish, state: Published) -> dict[str, Any]:
    """Return what is published, with the entries of ``zonal_images`` by which hosts get it."""
    manifest = state.manifest
    if manifest is None:
        return {"name": wish.name, **({"digest": state.digest} if state.digest else {})}
    pushed, source = manifest.pushed, wish.address(manifest.blob.key)
    entry = {"name": manifest.name, "digest": manifest.digest, "kinds": [CONTAINER, VM] if manifest.bootable else [CONTAINER]}
    return {
        "name": manifest.name,
        "digest": manifest.digest,
        "sha256": manifest.blob.sha256,
        "size": manifest.blob.size,
        "content_size": manifest.content_size,
        "bootable": manifest.bootable,
        "src": source,
        "registry": pushed and {"reference": pushed.reference, "sha256": pushed.sha256},
        "created": manifest.created,
        "entry": {**entry, "src": source, "sha256": manifest.blob.sha256},
        "registry_entry": pushed and {**entry, "src": f"docker://{pushed.reference}"},
    }


def _reason(found: Published, manifest: ImageManifest | None) -> str:
    if found.manifest is None:
        return "nothing is published under that name"
    return "what it names is not all there" if manifest else "the name means another content"


def _after(wish: PublishWish, candidate: Candidate, found: Published, pushed: Pushed | None) -> Published:
    """Return what the steps lead to, as far as it is known before an archive is made."""
    if candidate.blob is None:
        return Published(digest=candidate.digest)
    blob = found.stored or candidate.blob
    return Published(ImageManifest(wish.name, candidate.digest, blob, candidate.content_size, candidate.bootable, pushed, ""), blob)
