# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: may change without notice.
"""Downloads by aria2: several connections for one file, and an interrupted download goes on where it was."""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from .._domain.quantity import rough_size
from .._ports import Command, EngineAbsent, EngineError, Pause

TIMEOUT = 24 * 3600  # seconds
_STALLED = 60  # seconds without a byte, then the connection is made anew
_TRIES = 5
_CONNECTIONS = 4
# It keeps what a server says before the file itself, however much that is; a download of many GiB takes some tens of MiB.
_MEMORY = 512 * 1024**2
UNFINISHED, _CONTROL = ".new", ".aria2"
_BLOCK = 1024**2
# aria2c(1), EXIT STATUS. After these what was downloaded is of use to a new run.
_CAUSES = {
    2: f"the server sent nothing for {_STALLED} seconds",
    3: "the server does not have it",
    6: "the connection broke; a new run goes on where this one was",
    9: "there is not enough room for it on the host",
    19: "the server's name is not known here",
    22: "the server refuses to send it, or sends no proper answer",
    23: "the server sends the request around in circles",
    24: "the server wants another user or password",
    29: "the server is overloaded; a new run goes on where this one was",
}
_CODE = re.compile(r"errorCode=([0-9]+)")
_COUNTED = re.compile(r"\[#[0-9a-f]+ ([0-9]+)B/([0-9]+)B")
# What aria2 says where its number says little. Its words are not passed on: addresses are among them, also those it was sent on to.
_SAID = {
    "Failed to establish connection": "the server does not answer",
    "SSL/TLS handshake failure": "the server's certificate is not trusted, or it speaks no TLS; name the authority in ca_file",
    "Redirect to": "the server sends the request on to what is no address",
    "bad_alloc": "the server's answers have no end",
    "no answer within": "it takes longer than a day; a new run goes on where this one was",
}
_KILLED = "exit status -9"
_LARGER = "exit status -25"  # SIGXFSZ, see setrlimit(2)
_NO_ARIA2 = "failed to execute aria2c"
_OTHER_FILE = "its answers do not fit to each other or to what was downloaded before; a new run begins anew"


class _OtherFile(EngineError):
    """The parts that are there are not of the file that the server has."""


class Downloads:
    """Files in ``folder``, each whole under its final name or not there.

    After ``progress`` seconds a download pauses to tell how far it is; 0 lets it go on to its end.
    """

    def __init__(self, command: Command, folder: str, ca_file: str | None = None, progress: int = 0) -> None:
        self._command = command
        self._folder = folder
        self._ca_file = ca_file
        self._progress = progress
        self._held = -1

    def fetch(self, address: str, shown: str, name: str, limit: int, sha256: str = "") -> str:
        """Return the path of the file ``name``, downloaded from ``address`` unless it is there.

        A file of more than ``limit`` bytes is an EngineError, and so is one with another ``sha256``, if that is given. Errors tell
        ``shown`` instead of the address, which may be secret. A user and password in it are told to its host and port alone, and to none
        that these send on to. A Pause leaves what is there to the next call. Until this process forgets the file, lets it go or ends, no
        other one removes it.
        """
        path = self.path(name)
        try:
            os.makedirs(self._folder, mode=0o700, exist_ok=True)
            with self._alone():
                while not self._is_held(path):
                    self._finish(address, shown, name, limit, sha256, self._progress)
                    os.rename(path + UNFINISHED, path)
                    sync(self._folder)
        except OSError as error:
            raise EngineError("store the download of", shown, f"{error.filename}: {error.strerror}") from error
        return path

    def path(self, name: str) -> str:
        """Return where the file ``name`` is when it is there."""
        return os.path.join(self._folder, name)

    def size(self, name: str) -> int:
        """Return the bytes of the file ``name``."""
        return os.path.getsize(self.path(name))

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Let one process at a time download into the folder."""
        handle = os.open(self._folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
            yield
        finally:
            os.close(handle)

    def _is_held(self, path: str) -> bool:
        """Tell whether the file is there, and is not removed by another process from now on."""
        self.let_go()
        try:
            handle = os.open(path, os.O_RDONLY)
        except FileNotFoundError:
            return False
        fcntl.flock(handle, fcntl.LOCK_SH)
        if os.fstat(handle).st_nlink:
            self._held = handle
            return True
        os.close(handle)
        return False

    def _finish(self, address: str, shown: str, name: str, limit: int, sha256: str, pause: int) -> None:
        """Download the rest of what an earlier run has left, or all; after ``pause`` seconds tell how far it is."""
        resumed = os.path.exists(os.path.join(self._folder, name + UNFINISHED + _CONTROL))
        if not resumed:
            self.forget(name)  # without aria2's notes nobody knows which parts of a file are there
        try:
            self._download(address, shown, name, limit, pause)
            self._check(shown, name, sha256)
        except _OtherFile:
            self.forget(name)
            if not resumed:
                raise
            # To its end: a server that cannot go on would begin anew after each pause.
            self._finish(address, shown, name, limit, sha256, 0)

    def _check(self, shown: str, name: str, sha256: str) -> None:
        found = sync(os.path.join(self._folder, name + UNFINISHED), hashed=bool(sha256))
        if found != sha256:
            raise _OtherFile("download", shown, f"what came has the sha256 {found}, but {sha256} is wanted")

    def let_go(self) -> None:
        """Leave the file that was fetched to whoever wants to remove it."""
        if self._held >= 0:
            os.close(self._held)
            self._held = -1

    def forget(self, name: str) -> None:
        """Remove the file and what is left of an interrupted download of it. One that another process holds is left to that."""
        self.let_go()
        handle = -1
        try:
            with suppress(FileNotFoundError):
                handle = os.open(self.path(name), os.O_RDONLY)
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            for end in (UNFINISHED, UNFINISHED + _CONTROL, UNFINISHED + _CONTROL + "__temp", ""):
                path = self.path(name + end)
                shutil.rmtree(path, ignore_errors=True)
                with suppress(FileNotFoundError):
                    os.unlink(path)
        except BlockingIOError:
            return
        finally:
            if handle >= 0:
                os.close(handle)

    def _download(self, address: str, shown: str, name: str, limit: int, pause: int) -> None:
        if self._ca_file and address.lower().startswith("https:") and not os.path.isfile(self._ca_file):
            raise EngineError("check the certificate of", shown, f"there is no file {self._ca_file} (option ca_file)")
        options = {
            "input-file": "-",
            "dir": self._folder,
            "continue": "true",
            "always-resume": "false",  # a server that cannot go on in the middle starts anew
            "auto-save-interval": "1",
            "file-allocation": "none",
            "allow-overwrite": "true",
            "auto-file-renaming": "false",
            "split": str(_CONNECTIONS),
            "max-connection-per-server": str(_CONNECTIONS),
            "max-tries": str(_TRIES),
            "retry-wait": "2",
            "timeout": str(_STALLED),
            # What is downloaded is never taken for a list of other downloads.
            "follow-metalink": "false",
            "follow-torrent": "false",
            "enable-dht": "false",
            "no-netrc": "true",
            "console-log-level": "error",
            "summary-interval": "0",
            "human-readable": "false",
            "stop": str(pause),
            **({"ca-certificate": self._ca_file} if self._ca_file else {}),
            "http-auth-challenge": "true",
        }
        program = [
            "setpriv",
            "--pdeathsig=KILL",
            "prlimit",
            f"--fsize={limit}",
            f"--data={_MEMORY}",
            "aria2c",
            "--no-conf",
            *(f"--{option}={value}" for option, value in options.items()),
        ]
        started, before = time.monotonic(), self._stored(name)
        try:
            # What is on the command line would be seen by all.
            self._command(program, stdin=f"{address}\n  out={name}{UNFINISHED}\n", timeout=TIMEOUT)
        except EngineAbsent:
            raise
        except EngineError as error:
            if not pause or time.monotonic() - started < pause:
                raise self._failure(str(error), shown, name, limit) from None
            if self._stored(name) > before:
                raise _pause(str(error), shown) from None
            # Paused again and again it would never find out that the server is silent.
            self._download(address, shown, name, limit, 0)

    def _failure(self, said: str, shown: str, name: str, limit: int) -> EngineError:
        """Return the error for what aria2 said."""
        code = _CODE.search(said)
        known = next((cause for words, cause in _SAID.items() if words in said), "")
        cause = known or _CAUSES.get(int(code.group(1)) if code else 0, "")
        if _NO_ARIA2 in said:
            return EngineAbsent("download", shown, "the program aria2c is not installed; install the package aria2")
        if _LARGER in said or self._size(name) >= limit:
            self.forget(name)
            return EngineError("download", shown, f"it is larger than {limit} bytes")
        if _KILLED in said:
            cause = "aria2c was killed; a new run goes on where this one was"
        return EngineError("download", shown, cause) if cause else _OtherFile("download", shown, _OTHER_FILE)

    def _size(self, name: str) -> int:
        try:
            return os.stat(self.path(name + UNFINISHED)).st_size
        except FileNotFoundError:
            return 0

    def _stored(self, name: str) -> int:
        """Return how much is there of an unfinished file: its parts come at the same time, so its size says little."""
        try:
            return os.stat(self.path(name + UNFINISHED)).st_blocks
        except FileNotFoundError:
            return 0


def _pause(said: str, shown: str) -> Pause:
    """Return what there is to tell of a download that aria2 has counted until it was stopped."""
    counted = _COUNTED.findall(said)
    came, size = map(int, counted[-1]) if counted else (0, 0)
    share = f" of {rough_size(size)} ({came * 100 // size} %)" if size else ""
    return Pause(f"downloading {shown}: {rough_size(came)}{share}" if counted else f"downloading {shown}")


def sync(path: str, *, hashed: bool = False) -> str:
    """Let a file or folder outlive a power cut; return its sha256 if that is asked for."""
    digest = hashlib.sha256()
    handle = os.open(path, os.O_RDONLY)
    try:
        while hashed and (data := os.read(handle, _BLOCK)):
            digest.update(data)
        os.fsync(handle)
    finally:
        os.close(handle)
    return digest.hexdigest() if hashed else ""
