# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: may change without notice.
"""Undoes a network change unless it is confirmed: a shell script that needs nobody who may be cut off by the change.

All of it lies in /run, as a boot undoes the change by itself: the files in /etc are only written by the confirmation.
Whoever renames or removes the token, under the lock, has won; so undoing and confirming never both happen.
"""

from __future__ import annotations

import fcntl
import json
import os
import secrets
import shlex
import shutil
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any

from .._domain.bridge import BridgeConfig
from .._domain.bridge_found import Pending
from .._domain.errors import RefusedError
from .._ports import Command, EngineError
from .._ports_network import FileChanges, Lines
from .iproute import batch_text

_FOLDER = "/run/zonal-cloud"
_SYSTEMD_RUNS = "/run/systemd/system"
_SCRIPT = """\
# Puts the network back to what it was before a change of the bridge {name}, unless the change has been confirmed.
# Arguments: token [seconds to wait first]
exec </dev/null >>{folder}/undo.log 2>&1
cd {folder} || exit 0
[ -z "$2" ] || sleep "$2"
exec 9>lock
flock 9
[ "$(cat token 2>/dev/null)" = "$1" ] || exit 0
ip -force -batch undo.batch
[ ! -e undo-files ] || . ./undo-files
if [ -e /run/systemd/netif/state ]; then
  # networkd saw links go that came again; only on a start it looks at all that is there. It removes what is not in its
  # files, so that is given again.
  systemctl try-restart systemd-networkd
  sleep 2
  ip -force -batch again.batch
fi
date -u +%FT%TZ > rolled_back
rm -f token
"""


class RollbackScript:
    """See ``Watchdog`` in ``_ports_network.py``. ``folder`` is where its state lies, for tests."""

    def __init__(self, command: Command, folder: str = _FOLDER) -> None:
        self._command = command
        self._base = folder

    def pending(self, name: str) -> Pending | None:
        token, text = self._text(name, "token"), self._text(name, "change.json")
        if not token or not text:
            return None
        change = json.loads(text)
        config = BridgeConfig.from_dict(change["config"]) if change["config"] else None
        left = max(0, round(change["until"] - time.monotonic()))
        return Pending(token=token, wish=_tuples(change["wish"]), config=config, seconds_left=left)

    def rolled_back(self, name: str) -> str:
        return self._text(name, "rolled_back").strip()

    def arm(self, name: str, wish: Mapping[str, Any], config: BridgeConfig | None, restore: Lines, seconds: int) -> None:
        folder = self._folder(name)
        shutil.rmtree(folder, ignore_errors=True)
        token = secrets.token_hex(8)
        change = {"wish": wish, "config": config.as_dict() if config else None, "until": time.monotonic() + seconds}
        try:
            os.makedirs(folder, mode=0o700)
            self._put(name, "undo.sh", _SCRIPT.format(name=name, folder=shlex.quote(folder)))
            self._put(name, "undo.batch", batch_text(restore))
            self._put(name, "again.batch", batch_text([line for line in restore if "replace" in line]))
            self._put(name, "change.json", json.dumps(change, sort_keys=True))
            self._put(name, "token", token)
        except OSError as error:
            raise EngineError("prepare the way back in", folder, error.strerror or str(error)) from error
        try:
            self._command(self._launcher(name, token, seconds))
        except EngineError:
            os.unlink(f"{folder}/token")
            raise

    @contextmanager
    def claim(self, name: str, token: str) -> Iterator[None]:
        folder = self._folder(name)
        try:
            handle = os.open(f"{folder}/lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise EngineError("open the lock", f"{folder}/lock", error.strerror or str(error)) from error
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
            if self._text(name, "token") != token:
                raise RefusedError(f"confirm: the host undid the change of {name} just before it was confirmed; run again")
            yield
        finally:
            os.close(handle)

    def protect(self, name: str, former: FileChanges) -> None:
        before = self._text(name, "undo-files")
        lines = []
        for number, (path, text) in enumerate(former.items(), before.count("\n")):
            target, draft = shlex.quote(path), shlex.quote(f"{os.path.dirname(path)}/.zonal-undo")
            if text is None:
                lines.append(f"rm -f {target}\n")
            else:
                self._put(name, f"former-{number}", text)
                # The file may hold secrets, so it stays for those whom it is for.
                mode = f"{{ chmod --reference={target} {draft} 2>/dev/null || chmod 644 {draft}; }}"
                lines.append(f"(umask 077 && cp former-{number} {draft}) && {mode} && mv -f {draft} {target}\n")
        # What was put by before is older, so it is put back last.
        self._put(name, "undo-files", "".join(lines) + before)

    def disarm(self, name: str) -> None:
        token = self._text(name, "token")
        os.unlink(f"{self._folder(name)}/token")
        self._stop(name, token)

    def undo(self, name: str) -> None:
        token = self._text(name, "token")
        self._command(["sh", f"{self._folder(name)}/undo.sh", token])
        # A run that was killed may not have come to begin the waiting; without the token it does nothing.
        with suppress(EngineError):
            self._stop(name, token)

    def _stop(self, name: str, token: str) -> None:
        # Only the waiting: a script that runs already finds no token, or has undone the change.
        if token and os.path.isdir(_SYSTEMD_RUNS):
            self._command(["systemctl", "stop", f"{_unit(name, token)}.timer"])

    def _launcher(self, name: str, token: str, seconds: int) -> list[str]:
        script = f"{self._folder(name)}/undo.sh"
        if not os.path.isdir(_SYSTEMD_RUNS):
            return ["setsid", "--fork", "sh", script, token, str(seconds)]
        # A unit of its own: it outlives the ssh session also where logind ends the processes of closed sessions.
        timer = [f"--unit={_unit(name, token)}", f"--on-active={seconds}", "--timer-property=AccuracySec=100ms", "--collect"]
        return ["systemd-run", "--quiet", *timer, "sh", script, token]

    def _folder(self, name: str) -> str:
        return f"{self._base}/bridge-{name}"

    def _put(self, name: str, file: str, text: str) -> None:
        with open(f"{self._folder(name)}/{file}", "w", encoding="utf-8", errors="surrogateescape") as stream:
            stream.write(text)

    def _text(self, name: str, file: str) -> str:
        try:
            with open(f"{self._folder(name)}/{file}", encoding="utf-8", errors="surrogateescape") as stream:
                return stream.read()
        except FileNotFoundError:
            return ""


def _unit(name: str, token: str) -> str:
    return f"zonal-undo-bridge-{name}-{token}"


def _tuples(wish: Mapping[str, Any]) -> dict[str, Any]:
    """JSON has no tuples; a wish is compared with one that never went through JSON."""
    return {key: tuple(value) if isinstance(value, list) else value for key, value in wish.items()}
