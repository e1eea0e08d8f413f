# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: may change without notice.
"""Files of systemd-networkd and ifupdown, and the question who manages the network."""

from __future__ import annotations

import glob
import json
import os
import tempfile
from typing import Any

from .._domain import bridge_ifupdown as ifupdown
from .._domain import bridge_networkd as networkd
from .._domain.bridge_found import Managers
from .._ports import Command, EngineAbsent, EngineError
from .._ports_network import FileChanges

_NETWORKD_RAN = "/run/systemd/netif/state"  # stays when it is stopped
# As in systemd.network(5): of files with one name that of the first folder counts.
_NETWORKD_FOLDERS = ("/etc", "/run", "/usr/local/lib", "/usr/lib")
_NETWORK_MANAGER_RUNS = "/run/NetworkManager"
_IFUP = ("/sbin/ifup", "/usr/sbin/ifup")


class EtcNetwork:
    """See ``NetworkFiles`` in ``_ports_network.py``. ``root`` stands before every path, for tests."""

    def __init__(self, command: Command, root: str = "") -> None:
        self._command = command
        self._root = root

    def managers(self, *, uplink: str, bridge: str) -> Managers:
        runs = self._networkd_runs()
        file, text = self._network_file(uplink) if runs and uplink else ("", "")
        bridge_file, bridge_text = self._network_file(bridge) if runs else ("", "")
        return Managers(
            network_manager=bool(uplink) and self._network_manager(uplink),
            networkd=runs,
            ifupdown=any(os.path.exists(self._root + path) for path in _IFUP),
            uplink_file=file,
            uplink_text=text,
            bridge_file=bridge_file,
            bridge_text=bridge_text,
        )

    def read(self) -> dict[str, str]:
        ours = (f"{networkd.FOLDER}/{networkd.PREFIX}*", f"{networkd.RUN_FOLDER}/{networkd.RUN_PREFIX}*")
        found = {path: self._text(path) for pattern in ours for path in self._glob(pattern)}
        waiting = [ifupdown.MAIN_FILE]
        while waiting:
            path = waiting.pop(0)
            text = self._text(path)
            if path in found or text is None:
                continue
            found[path] = text
            for source in ifupdown.sources(text):
                whole = source.pattern if source.pattern.startswith("/") else f"{os.path.dirname(path)}/{source.pattern}"
                waiting += [part for part in self._glob(whole) if source.takes(part)]
        return {path: text for path, text in found.items() if text is not None}

    def write(self, changes: FileChanges) -> None:
        for path, text in changes.items():
            try:
                self._replace(self._root + path, text)
            except OSError as error:
                raise EngineError("write", path, error.strerror or str(error)) from error

    def reload(self, changes: FileChanges) -> bool:
        if not self._networkd_runs():
            return False
        # Told of a new netdev that is there already, networkd 257 reports "File exists" and its ports stay "configuring"
        # for ever; on a start it adopts what is there. A restart keeps addresses, also those from DHCP.
        adopt = any(path.endswith(".netdev") and text is not None for path, text in changes.items())
        self._command(["systemctl", "restart", "systemd-networkd"] if adopt else ["networkctl", "reload"])
        return True

    def _networkd_runs(self) -> bool:
        if not os.path.exists(self._root + _NETWORKD_RAN):
            return False
        try:
            self._command(["systemctl", "is-active", "--quiet", "systemd-networkd"])
        except EngineError:
            return False
        return True

    def _network_file(self, link: str) -> tuple[str, str]:
        try:
            status: dict[str, Any] = json.loads(self._command(["networkctl", "--json=short", "status", link]))
        except (EngineError, ValueError):
            return "", ""  # the interface does not exist, or networkd has been stopped: it manages nothing then
        if status.get("AdministrativeState") == "unmanaged":
            return "", ""
        file = status.get("NetworkFile") or ""
        if not file or os.path.basename(file).startswith((networkd.PREFIX, networkd.RUN_PREFIX)):
            return "", ""
        drop_ins = status.get("NetworkFileDropins")
        parts = [self._text(path) or "" for path in (file, *(self._drop_ins(file) if drop_ins is None else drop_ins))]
        return file, "\n".join(parts)

    def _drop_ins(self, file: str) -> list[str]:
        """Return the drop-ins of a .network file, which networkctl does not tell of before systemd 253."""
        patterns = (f"{folder}/systemd/network/{glob.escape(os.path.basename(file))}.d/*.conf" for folder in reversed(_NETWORKD_FOLDERS))
        found = {os.path.basename(path): path for pattern in patterns for path in self._glob(pattern)}
        return [found[name] for name in sorted(found)]

    def _network_manager(self, uplink: str) -> bool:
        if not os.path.isdir(self._root + _NETWORK_MANAGER_RUNS):
            return False
        try:
            answer = self._command(["nmcli", "--terse", "--fields", "GENERAL.STATE", "device", "show", uplink])
        except EngineAbsent:
            return False
        except EngineError:
            return False  # not running any more, or a device that it does not know
        return "unmanaged" not in answer

    def _glob(self, pattern: str) -> list[str]:
        found = glob.glob(glob.escape(self._root) + pattern)
        # A link to /dev/null switches a file of another folder off.
        return sorted(path[len(self._root) :] for path in found if os.path.isfile(path) or os.path.realpath(path) == os.devnull)

    def _text(self, path: str) -> str | None:
        try:
            with open(self._root + path, encoding="utf-8", errors="surrogateescape") as stream:
                return stream.read()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise EngineError("read", path, error.strerror or str(error)) from error

    @staticmethod
    def _replace(path: str, text: str | None) -> None:
        folder = os.path.dirname(path)
        if text is None:
            if os.path.exists(path):
                os.unlink(path)
                _sync(folder)
            return
        os.makedirs(folder, exist_ok=True)
        # The name begins with a dot: neither networkd nor ifupdown reads it should a power cut leave it behind.
        handle, draft = tempfile.mkstemp(prefix=".zonal-", dir=folder)
        try:
            with os.fdopen(handle, "w", encoding="utf-8", errors="surrogateescape") as stream:
                stream.write(text)
                stream.flush()
                os.fchmod(stream.fileno(), os.stat(path).st_mode & 0o777 if os.path.exists(path) else 0o644)
                os.fsync(stream.fileno())
            os.replace(draft, path)
        except BaseException:
            os.unlink(draft)
            raise
        _sync(folder)


def _sync(folder: str) -> None:
    """A rename lasts over a power cut only once its directory is on disk."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
