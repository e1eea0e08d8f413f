# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: may change without notice.
"""Archives of images in a registry. The only layer of an image is its archive; several are kept as an OCI layout, to be made one of."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from glob import escape, glob

from .._domain.quantity import rough_size
from .._domain.registry_image import RegistryImage, check_download
from .._ports import Command, EngineError, Pause
from .download import UNFINISHED, Downloads, sync
from .skopeo import Registry

_COPY = ".layers"
_BLOBS = "/blobs/sha256"
# What aria2 writes beside a file is smaller.
_SPARE = 1024**2


class RegistryDownloads(Downloads):
    """Each in ``folder`` under its final name: a file, or a folder with layers. ``address`` is the reference of an image.

    An only layer is downloaded as any other file. skopeo brings several, and what a registry gives for more than a password; it can go on
    with the next layer, but not in the middle of one, so there is one pause, before it begins.
    """

    def __init__(self, command: Command, folder: str, registry: Registry, progress: int = 0) -> None:
        super().__init__(command, folder, progress=progress)
        self._registry = registry

    def size(self, name: str) -> int:
        if not self.has_layers(name):
            return super().size(name)
        return sum(entry.stat().st_size for entry in os.scandir(self.path(name) + _BLOBS))

    def has_layers(self, name: str) -> bool:
        """Tell whether ``name`` is a folder with layers."""
        return os.path.isdir(self.path(name))

    @contextmanager
    def flattened(self, name: str) -> Iterator[str]:
        """Yield an empty file for the archive that is made of the layers; then it takes their place."""
        path = self.path(name)
        try:
            with open(path + UNFINISHED, "wb") as file:
                os.fchmod(file.fileno(), 0o600)
            yield path + UNFINISHED
            sync(path + UNFINISHED)
            with self._alone():
                shutil.rmtree(path)
                os.rename(path + UNFINISHED, path)
        except OSError as error:
            raise EngineError("store the archive of", path, f"{error.filename}: {error.strerror}") from error

    def forget(self, name: str) -> None:
        super().forget(name + _COPY)
        super().forget(name)

    def _finish(self, address: str, shown: str, name: str, limit: int, sha256: str, pause: int) -> None:
        image = self._registry.find(address)
        if image is None:
            raise EngineError("download", shown, "the registry does not have it")
        check_download(image, shown, limit, sha256)
        if len(image.layers) > 1 or not self._finish_alone(image, shown, name, pause):
            super().forget(name)
            self._finish_layers(image, shown, name, pause)

    def _finish_alone(self, image: RegistryImage, shown: str, name: str, pause: int) -> bool:
        """Download the only layer; False when the registry gave nothing of it, or something else."""
        super().forget(name + _COPY)
        address, self._ca_file = self._registry.web_access(image)
        (layer,) = image.layers
        try:
            super()._finish(address, shown, name, layer.size + _SPARE, layer.sha256, pause)
        except EngineError:
            if self._stored(name):
                raise
            return False
        return self._size(name) == layer.size

    def _finish_layers(self, image: RegistryImage, shown: str, name: str, pause: int) -> None:
        if pause:
            raise Pause(f"downloading {shown}: {rough_size(image.size)} in {len(image.layers)} layers", last=True)
        # Layers that a run brought which was killed are not brought again; whoever unpacks them checks their sums.
        copy = self.path(name + _COPY)
        for part in glob(f"{escape(copy)}/*put-blob*"):
            os.unlink(part)
        try:
            self._registry.copy(image, copy)
            blobs = [f"{copy}{_BLOBS}/{layer.sha256}" for layer in image.layers]
            if [os.path.getsize(blob) for blob in blobs] != [layer.size for layer in image.layers]:
                raise EngineError("download", shown, "the registry tells other sizes of its layers than they have")
            os.rename(blobs[0] if len(blobs) == 1 else copy, self.path(name + UNFINISHED))
        finally:
            shutil.rmtree(copy, ignore_errors=True)
        if len(blobs) == 1:  # whoever unpacks layers checks their sums
            sync(self.path(name + UNFINISHED))
