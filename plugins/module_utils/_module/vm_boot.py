# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: may change without notice.
"""What starts a VM: its image's kernel, which lies on the host, or a bootloader on its root disk."""

from __future__ import annotations

from .._adapters.boot_files import BootFolder
from .._domain.errors import SpecError
from .._domain.field_values import BOOT_DISK
from .._domain.fields import Spec
from .._domain.names import golden_of
from .._domain.volume import DIGEST_TAG, Volume, tag_value
from .._ports_storage import GuestDisks, Volumes


class VmBoot:
    """What the root disks of ``volumes`` start from; ``folder`` has the kernels of the images that they were made of."""

    def __init__(self, disks: GuestDisks, volumes: Volumes, folder: BootFolder) -> None:
        self._disks = disks
        self._volumes = volumes
        self._folder = folder

    def check(self, spec: Spec, golden: Volume) -> tuple[str, str]:
        """Return the paths of kernel and initial ramdisk; SpecError when a disk of this image cannot be made to boot as wanted."""
        kernel, initrd = self._folder.paths(golden.name)
        if not kernel:
            raise SpecError("image", spec["image"], "has lost its kernel on this host; bring it there again with zonal.cloud.image")
        if spec.get("boot") == BOOT_DISK:
            self._disks.check_loader()
            if not self._disks.has_kernel(golden.path):
                raise SpecError("boot", BOOT_DISK, f"needs a kernel in the image, and {spec['image']} has none of its own")
        return kernel, initrd

    def check_change(self, name: str, spec: Spec, disk: Volume | None) -> None:
        """SpecError when the VM ``name``, which may run yet, cannot be changed to boot as wanted."""
        if spec["boot"] == BOOT_DISK and disk is not None and self._disks.has_bootloader(disk.path):
            return
        golden = None if disk is None else self._volumes.find(_golden_of(disk))
        if golden is None:
            raise SpecError("boot", spec["boot"], f"cannot be changed, since the image that {name} was made of is not on this host")
        self.check(spec, golden)

    def provide(self, spec: Spec, path: str) -> None:
        """Give the root disk at ``path``, which nothing uses, a bootloader, if it needs one and has none."""
        if spec.get("boot") == BOOT_DISK and not self._disks.has_bootloader(path):
            self._disks.add_bootloader(path)

    def paths(self, disk: Volume) -> tuple[str, str]:
        """Return the paths of kernel and initial ramdisk of the image that a root disk was made of; empty text for what is not there."""
        return self._folder.paths(_golden_of(disk))


def _golden_of(disk: Volume) -> str:
    return golden_of(tag_value(disk, DIGEST_TAG))
