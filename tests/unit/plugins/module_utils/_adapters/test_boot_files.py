# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Kernels and initial ramdisks of golden volumes."""

from __future__ import annotations

from pathlib import Path

import pytest

from ansible_collections.zonal.cloud.plugins.module_utils._adapters.boot_files import BootFolder
from ansible_collections.zonal.cloud.plugins.module_utils._ports import EngineError
from ansible_collections.zonal.cloud.plugins.module_utils._ports_storage import BootFiles

BOTH = BootFiles(b"kernel", b"initrd", cloud_init=False)


def test_they_are_kept_replaced_and_removed(tmp_path: Path) -> None:
    folder = BootFolder(str(tmp_path / "deep" / "boot"))
    assert folder.paths("img-1") == ("", "")
    for files in (BOTH, BootFiles(b"newer", b"initrd", cloud_init=True)):
        folder.store("img-1", files)
        kernel, initrd = folder.paths("img-1")
        assert (Path(kernel).read_bytes(), Path(initrd).read_bytes()) == (files.kernel, files.initrd)
        # QEMU runs as a user of its own.
        assert [Path(path).stat().st_mode & 0o777 for path in (kernel, initrd, Path(kernel).parent)] == [0o644, 0o644, 0o755]
    for _dummy in range(2):
        folder.remove("img-1")
        assert folder.paths("img-1") == ("", "")


def test_what_an_image_has_not_is_not_there(tmp_path: Path) -> None:
    folder = BootFolder(str(tmp_path))
    folder.store("img-1", BOTH)
    folder.store("img-1", BootFiles(b"kernel", None, cloud_init=False))
    assert (bool(folder.paths("img-1")[0]), folder.paths("img-1")[1]) == (True, "")
    folder.store("img-1", BootFiles(None, b"initrd", cloud_init=False))
    assert folder.paths("img-1") == ("", "")


def test_what_a_run_that_was_cut_off_left_is_replaced(tmp_path: Path) -> None:
    left = tmp_path / "zonal-img-1.new"
    left.mkdir()
    (left / "rest").touch()
    folder = BootFolder(str(tmp_path))
    assert folder.paths("img-1") == ("", "")
    folder.store("img-1", BOTH)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["zonal-img-1"]
    assert not (tmp_path / "zonal-img-1" / "rest").exists()


def test_a_folder_that_cannot_be_made_is_one_message(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(EngineError, match=r"^Cannot store the kernel in \S+/file/zonal-img-1\.new: .*Not a directory"):
        BootFolder(str(tmp_path / "file")).store("img-1", BOTH)
