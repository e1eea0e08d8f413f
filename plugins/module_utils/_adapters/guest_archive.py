# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: may change without notice.
"""Files for a container, in the form that docker takes them."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Sequence

from .._domain.guest_files import GuestFile


def archive_of(files: Sequence[GuestFile]) -> bytes:
    """Return a tar archive of files that belong to root, with their parent folders where only root may need them."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for file in files:
            folder = tarfile.TarInfo(file.path.rpartition("/")[0].lstrip("/"))
            folder.type, folder.mode = tarfile.DIRTYPE, 0o700 if file.mode & 0o077 == 0 else 0o755
            archive.addfile(folder)
            content = file.content.encode()
            entry = tarfile.TarInfo(file.path.lstrip("/"))
            entry.size, entry.mode = len(content), file.mode
            archive.addfile(entry, io.BytesIO(content))
    return buffer.getvalue()
