# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: may change without notice.
"""Downloads by aria2: several connections for one file, and an interrupted download goes on where it was."""

from __future__ import annotations

import os
import re
from contextlib import suppress

from .._ports import Command, EngineAbsent, EngineError

_TIMEOUT = 24 * 3600  # seconds
_STALLED = 60  # seconds without a byte, then the connection is made anew
_TRIES = 5
_CONNECTIONS = 4
_UNFINISHED, _CONTROL = ".new", ".aria2"
# aria2c(1), EXIT STATUS
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


class Downloads:
    """Files in ``folder``, each whole under its final name or not there."""

    def __init__(self, command: Command, folder: str, ca_file: str | None = None) -> None:
        self._command = command
        self._folder = folder
        self._ca_file = ca_file

    def fetch(self, address: str, shown: str, name: str, limit: int) -> str:
        """Return the path of the file ``name``, downloaded from ``address`` unless it is there.

        A file of more than ``limit`` bytes is an EngineError. Errors tell ``shown`` instead of the address, which may be secret.
        """
        path = os.path.join(self._folder, name)
        if not os.path.exists(path):
            try:
                os.makedirs(self._folder, mode=0o700, exist_ok=True)
                if not os.path.exists(path + _UNFINISHED + _CONTROL):
                    self.forget(name)  # without aria2's notes nobody knows which parts of a file are there
                self._download(address, shown, name, limit)
                os.rename(path + _UNFINISHED, path)
            except OSError as error:
                raise EngineError("store the download of", shown, f"{error.filename}: {error.strerror}") from error
        return path

    def forget(self, name: str) -> None:
        """Remove the file and what is left of an interrupted download of it."""
        for end in ("", _UNFINISHED, _UNFINISHED + _CONTROL):
            with suppress(FileNotFoundError):
                os.unlink(os.path.join(self._folder, name + end))

    def _download(self, address: str, shown: str, name: str, limit: int) -> None:
        options = {
            "input-file": "-",  # an address on the command line would be seen by all
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
            **({"ca-certificate": self._ca_file} if self._ca_file else {}),
        }
        program = ["prlimit", f"--fsize={limit}", "aria2c", "--no-conf", *(f"--{option}={value}" for option, value in options.items())]
        try:
            self._command(program, stdin=f"{address}\n  out={name}{_UNFINISHED}\n", timeout=_TIMEOUT)
        except EngineAbsent:
            raise
        except EngineError as error:
            if self._size(name) >= limit:
                self.forget(name)
                raise EngineError("download", shown, f"it is larger than {limit} bytes") from None
            said = str(error).replace(address, shown)
            code = _CODE.search(said)
            raise EngineError("download", shown, _CAUSES.get(int(code.group(1)), said) if code else said) from None

    def _size(self, name: str) -> int:
        try:
            return os.stat(os.path.join(self._folder, name + _UNFINISHED)).st_size
        except FileNotFoundError:
            return 0
