# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: may change without notice.
"""The options of ``image``: an archive that lies on the host, or one that is downloaded for as long as it is needed."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Callable

from .._adapters.boot_files import BootFolder
from .._adapters.docker_engine import DockerEngine
from .._adapters.download import TIMEOUT, Downloads
from .._adapters.guest_disks import MountedGuestDisks
from .._adapters.lvm import LvmVolumes
from .._adapters.packed_stream import largest_packed
from .._adapters.registry_download import RegistryDownloads
from .._adapters.rootfs_archive import Archive
from .._adapters.s3 import S3Buckets
from .._adapters.skopeo import Registry, RegistryAccess
from .._domain.errors import SpecError, ZonalError
from .._domain.image import CONTAINER, Image, ImageWish, parse_digest
from .._domain.image_policy import Policy
from .._domain.names import parse_image
from .._domain.plan import Plan
from .._domain.quantity import check_wait, parse_size
from .._domain.source import FILE, REGISTRY, S3, Source, parse_source
from .._domain.thin_pool import parse_name
from .._ports import Command
from .image import ImageResource
from .image_stores import image_store, registry_login

_PRESENT = "present"


@dataclass(frozen=True)
class ImageDownload:
    """An archive that is brought here. ``address`` is asked for when it is needed, since it may be good for a time only."""

    downloads: Downloads
    address: Callable[[], str]
    shown: str
    name: str
    limit: int
    sha256: str

    @property
    def path(self) -> str:
        return self.downloads.path(self.name)

    def fetch(self) -> dict[str, Any]:
        """Bring the archive unless it is here, and return what that took."""
        started, came = time.monotonic(), not os.path.exists(self.path)
        self.downloads.fetch(self.address(), self.shown, self.name, self.limit, self.sha256)
        return {"bytes": self.downloads.size(self.name) if came else 0, "seconds": round(time.monotonic() - started, 1)}

    def let_go(self) -> None:
        self.downloads.let_go()

    def forget(self) -> None:
        self.downloads.forget(self.name)


class DownloadedImageResource(ImageResource):
    """See ``Resource`` and ``Fetching`` in ``run.py``."""

    def __init__(self, download: ImageDownload, wish: ImageWish, *parts: Any) -> None:
        super().__init__(wish, download.path, *parts)
        self._download = download

    def _archive(self) -> None:
        """Let there be an archive. The host is locked."""

    @contextmanager
    def fetched(self, plan: Plan[Image]) -> Iterator[dict[str, Any]]:
        """See ``Fetching``. What was not made into an image stays, so that the next run does not bring it again."""
        if not any(step.action.startswith("make_") for step in plan.steps):
            # Of a run that was cut off when it had made the image.
            if os.path.exists(self._download.path):
                self._download.forget()
            yield {}
            return
        try:
            yield {"download": self._download.fetch()}
        finally:
            self._download.let_go()
        self._download.forget()

    def _check(self) -> Archive:
        try:
            self._archive()
            return super()._check()
        except ZonalError:
            self._download.forget()
            raise


class RegistryImageResource(DownloadedImageResource):
    """The archive of an image with several layers is made of them on a volume."""

    def __init__(self, downloads: RegistryDownloads, *parts: Any) -> None:
        super().__init__(*parts)
        self._downloads = downloads

    def _archive(self) -> None:
        name = self._download.name
        if self._downloads.has_layers(name):
            with self._downloads.flattened(name) as archive, self._scratch() as device:
                self._disks.flatten(device, self._download.path, archive)


def build_image(params: dict[str, Any], command: Command) -> ImageResource:
    """Return the resource for the module's parameters."""
    check_wait("progress", params["progress"])
    if not params["kinds"]:
        raise SpecError("kinds", [], "names no kind; leave the option out for both")
    wish = ImageWish(
        name=parse_image("name", params["name"]),
        asked=frozenset(params["kinds"]),
        digest=parse_digest("digest", params["digest"]) if params["digest"] is not None else "",
        sha256=parse_digest("sha256", params["sha256"]) if params["sha256"] is not None else "",
        present=params["state"] == _PRESENT,
        lender=parse_image("kernel", params["kernel"]) if params["kernel"] is not None else "",
    )
    policy = Policy(parse_size("max_size", params["max_size"]), params["privileged_files"], old_sparse=CONTAINER not in wish.asked)
    engines = (
        DockerEngine(),
        LvmVolumes(command, parse_name("group", params["group"]), parse_name("pool", params["pool"])),
        MountedGuestDisks(command),
        BootFolder(),
    )
    source = parse_source("src", params["src"] or "")
    if source.kind == FILE or not wish.present:
        return ImageResource(wish, os.path.expanduser(source.location), policy, *engines)
    about = (source.shown, wish.sha256 or wish.digest, largest_packed(policy.max_size), wish.sha256)
    if source.kind == REGISTRY:
        layers = RegistryDownloads(command, params["folder"], Registry(command, _registry_access(params)), params["progress"])
        return RegistryImageResource(layers, ImageDownload(layers, lambda: source.reference, *about), wish, policy, *engines)
    downloads = Downloads(command, params["folder"], params["ca_file"], params["progress"])
    address = _s3_address(params, source) if source.kind == S3 else lambda: source.location
    return DownloadedImageResource(ImageDownload(downloads, address, *about), wish, policy, *engines)


def _registry_access(params: dict[str, Any]) -> RegistryAccess:
    login = registry_login(params)
    return RegistryAccess(login.user, login.password, params["ca_file"] or "")


def _s3_address(params: dict[str, Any], source: Source) -> Callable[[], str]:
    store = S3Buckets(image_store(params, f"the archive {source.shown} is in an S3 store"))
    return lambda: store.address_of(source.bucket, source.key, TIMEOUT)
