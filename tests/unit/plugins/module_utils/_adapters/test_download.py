# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Downloads against what aria2 was seen to say; the true one is in tests/integration/engines/test_downloads.py."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from pathlib import Path

import pytest

from ansible_collections.zonal.cloud.plugins.module_utils._adapters import download
from ansible_collections.zonal.cloud.plugins.module_utils._adapters.download import Downloads
from ansible_collections.zonal.cloud.plugins.module_utils._ports import EngineAbsent, EngineError, Pause

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


@pytest.mark.parametrize(
    "first", [OTHER, LENGTH, ASSERTION, f"{ASSERTION} exit status -6", "errorCode=8 no resume", "errorCode=1 something new"]
)
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
    "[#52fe9f 0B/30000000B(0%)] exit status -9": "aria2c was killed",
}
FORGOTTEN = {
    LENGTH: "its answers do not fit",
    ASSERTION: "its answers do not fit",
    f"{ASSERTION} exit status -6": "its answers do not fit",
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


def test_an_authority_that_is_not_there_is_told(tmp_path: Path) -> None:
    """aria2 goes on without, and then says that the certificate is not trusted."""
    with pytest.raises(EngineError, match=r"^Cannot check the certificate of shown: there is no file /nowhere \(option ca_file\)$"):
        Downloads(Aria2(tmp_path), str(tmp_path), "/nowhere").fetch(ADDRESS, "shown", "name", 1000)


COUNTED = "[#52fe9f 0B/30000000B(0%)]\n[#52fe9f 4259840B/30000000B(14%) CN:1 DL:1407156B ETA:18s]\n(INPR):download in-progress."
PAUSES = {
    COUNTED: "downloading shown: 4M of 28M (14 %)",
    "[#1 5242880B/0B CN:1]": "downloading shown: 5M",
    "[ERROR] CUID#7 errorCode=6 the connection broke": "downloading shown",
}


class Slow(Aria2):
    """Takes ten seconds each time; ``grows`` tells whether something comes in them."""

    clock = 0.0
    grows = True
    stops: tuple[str, ...] = ()

    def __call__(self, argv: Sequence[str], *, stdin: str | None = None, timeout: float = 120) -> str:
        self.stops += tuple(word for word in argv if word.startswith("--stop="))
        self.clock += 10
        try:
            return super().__call__(argv, stdin=stdin, timeout=timeout)
        finally:
            if self.grows:
                (self.folder / "name.new").write_bytes(b"x" * 8192 * len(self.stops))


def slow(folder: Path, monkeypatch: pytest.MonkeyPatch, *acts: bytes | str) -> Slow:
    made = Slow(folder, *acts)
    monkeypatch.setattr(download.time, "monotonic", lambda: made.clock)
    return made


@pytest.mark.parametrize("said", PAUSES)
def test_it_pauses_to_tell_how_much_is_there_and_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, said: str) -> None:
    aria2 = slow(tmp_path, monkeypatch, said, GOOD)
    downloads = Downloads(aria2, str(tmp_path), progress=10)
    with pytest.raises(Pause) as pause:
        downloads.fetch(ADDRESS, "shown", "name", 10**6)
    assert (pause.value.line, pause.value.last) == (PAUSES[said], False)
    downloads.fetch(ADDRESS, "shown", "name", 10**6)
    assert aria2.begun_anew == [True, False]
    assert os.listdir(tmp_path) == ["name"]


def test_of_a_silent_server_it_is_found_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    aria2 = slow(tmp_path, monkeypatch, COUNTED, "errorCode=2 timeout")
    aria2.grows = False
    interrupted(tmp_path)
    with pytest.raises(EngineError, match=r"the server sent nothing for 60 seconds$"):
        Downloads(aria2, str(tmp_path), progress=10).fetch(ADDRESS, "shown", "name", 10**6)
    assert aria2.stops == ("--stop=10", "--stop=0")


def test_a_failure_before_its_time_is_no_pause(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    aria2 = slow(tmp_path, monkeypatch, "errorCode=3 Resource not found")
    with pytest.raises(EngineError, match=r"the server does not have it$"):
        Downloads(aria2, str(tmp_path), progress=11).fetch(ADDRESS, "shown", "name", 10**6)
