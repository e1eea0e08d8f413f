# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Downloads against what aria2 was seen to say; the true one is in tests/integration/engines/test_downloads.py."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from pathlib import Path

import pytest

from ansible_collections.zonal.cloud.plugins.module_utils._adapters.download import Downloads
from ansible_collections.zonal.cloud.plugins.module_utils._ports import EngineAbsent, EngineError

GOOD, OTHER = b"good", b"other"
SHA256 = hashlib.sha256(GOOD).hexdigest()
ADDRESS = "https://images.example/a?X-Amz-Signature=secret"
LENGTH = "errorCode=1 URI=secret -> errorCode=1 total length mismatch. expected: 1, actual: 2"
ASSERTION = "aria2c: Piece.cc:309: void aria2::Piece::initWrCache(): Assertion `rv' failed."


class Aria2:
    """Does one thing after the other: writes bytes as the whole file, or leaves a part and says why."""

    def __init__(self, folder: Path, *acts: bytes | str) -> None:
        self.folder = folder
        self.acts = list(acts)
        self.begun_anew: list[bool] = []

    def __call__(self, argv: Sequence[str], *, stdin: str | None = None, timeout: float = 120) -> str:
        part, notes = self.folder / "name.new", self.folder / "name.new.aria2"
        assert "secret" not in " ".join(argv)
        assert stdin is not None
        assert ADDRESS in stdin
        self.begun_anew.append(not notes.exists())
        act = self.acts.pop(0)
        if isinstance(act, str):
            part.write_bytes(b"part")
            notes.touch()
            raise EngineError("run", "prlimit aria2c", act)
        part.write_bytes(act)
        notes.unlink(missing_ok=True)
        return ""


def interrupted(folder: Path) -> None:
    (folder / "name.new").write_bytes(b"part")
    (folder / "name.new.aria2").touch()


def fetch(aria2: Aria2, sha256: str = SHA256) -> str:
    return Downloads(aria2, str(aria2.folder)).fetch(ADDRESS, "shown", "name", 1000, sha256)


@pytest.mark.parametrize("sha256", [SHA256, ""])
def test_it_is_there_when_it_is_whole(tmp_path: Path, sha256: str) -> None:
    aria2 = Aria2(tmp_path, GOOD)
    for _again in range(2):
        assert Path(fetch(aria2, sha256)).read_bytes() == GOOD
    assert os.listdir(tmp_path) == ["name"]


@pytest.mark.parametrize("first", [OTHER, LENGTH, ASSERTION, "errorCode=8 no resume", "errorCode=1 something new"])
def test_parts_of_another_file_are_thrown_away(tmp_path: Path, first: bytes | str) -> None:
    interrupted(tmp_path)
    aria2 = Aria2(tmp_path, first, GOOD)
    assert Path(fetch(aria2)).read_bytes() == GOOD
    assert aria2.begun_anew == [False, True]
    assert os.listdir(tmp_path) == ["name"]


def test_another_file_is_told_with_both_sums(tmp_path: Path) -> None:
    for resumed in (False, True):
        if resumed:
            interrupted(tmp_path)
        with pytest.raises(EngineError) as told:
            fetch(Aria2(tmp_path, *[OTHER] * (1 + resumed)))
        found = hashlib.sha256(OTHER).hexdigest()
        assert str(told.value) == f"Cannot download shown: what came has the sha256 {found}, but {SHA256} is wanted"
        assert os.listdir(tmp_path) == []


SAID = {
    "errorCode=1 Failed to establish connection, cause: Connection refused": "the server does not answer",
    "URI=https://other/?sig=secret -> errorCode=1 SSL/TLS handshake failure: x": "the server's certificate is not trusted",
    "errorCode=1 CUID#7 - Redirect to file:///secret failed.": "the server sends the request on to what is no address",
    "errorCode=3 Resource not found": "the server does not have it",
    "no answer within 86400 seconds": "it takes longer than a day",
    "exit status -9": "aria2c was killed",
}
FORGOTTEN = {
    LENGTH: "its answers do not fit",
    ASSERTION: "its answers do not fit",
    "errorCode=8 secret": "its answers do not fit",
    "exit status -25": "it is larger than 1000 bytes",
}


@pytest.mark.parametrize("said", [*SAID, *FORGOTTEN])
def test_a_failure_is_told_without_secrets(tmp_path: Path, said: str) -> None:
    with pytest.raises(EngineError) as told:
        fetch(Aria2(tmp_path, said))
    assert str(told.value).startswith(f"Cannot download shown: {(SAID | FORGOTTEN)[said]}")
    assert "secret" not in f"{told.value} {told.value.details}"
    assert len(os.listdir(tmp_path)) == (2 if said in SAID else 0)


def test_a_missing_program_is_told_with_its_package(tmp_path: Path) -> None:
    with pytest.raises(EngineAbsent, match=r"the program aria2c is not installed; install the package aria2$"):
        fetch(Aria2(tmp_path, "prlimit: failed to execute aria2c: No such file or directory"))
