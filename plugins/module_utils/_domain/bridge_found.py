# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: may change without notice.
"""What was found on a host: running links, files, who manages them, and a change that waits to be confirmed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from . import bridge_ifupdown as ifupdown
from . import bridge_networkd as networkd
from .bridge import BridgeConfig, BridgeSpec, Snapshot


@dataclass(frozen=True)
class Managers:
    """Who configures the host's network. ``uplink_file`` is networkd's file of the uplink, and ``uplink_text`` its text
    with all drop-ins; both are empty when networkd does not manage the uplink or the file is our own. So are those of
    the bridge."""

    network_manager: bool = False
    networkd: bool = False
    ifupdown: bool = False
    uplink_file: str = ""
    uplink_text: str = ""
    bridge_file: str = ""
    bridge_text: str = ""


@dataclass(frozen=True)
class Pending:
    """A change that is in force and waits to be confirmed; ``wish`` is ``BridgeSpec.wish`` of the run that made it."""

    token: str
    wish: Mapping[str, Any]
    config: BridgeConfig | None
    seconds_left: int = 0


@dataclass(frozen=True)
class Found:
    """Everything the plan depends on. ``rolled_back`` is when the last unconfirmed change was undone, or empty."""

    snapshot: Snapshot = field(default_factory=Snapshot)
    managers: Managers = field(default_factory=Managers)
    files: Mapping[str, str] = field(default_factory=dict)
    pending: Pending | None = None
    rolled_back: str = ""


def stored_config(name: str, files: Mapping[str, str]) -> BridgeConfig | None:
    """The configuration that the host's files hold for the bridge."""
    return networkd.stored_config(name, files) or ifupdown.stored_config(name, files)


def file_changes(name: str, config: BridgeConfig | None, files: Mapping[str, str]) -> dict[str, str | None]:
    """Path to new text (None: remove) in the order in which a power cut between two of them does no harm."""
    netdev, bridge, uplink = networkd.paths(name)
    changes: dict[str, str | None] = {}
    wanted = networkd.render(config) if config and config.backend == "networkd" else {}
    stanzas = interfaces(files)
    if config and config.backend == "ifupdown":
        changes.update(ifupdown.render(config, stanzas))
    else:
        changes.update(ifupdown.remove(name, stanzas))
    changes.update({path: text for path, text in wanted.items() if files.get(path) != text})
    # The uplink's file goes first: without it the uplink has its former configuration again.
    changes.update({path: None for path in (uplink, bridge, netdev, networkd.leaving_path(name)) if path in files and path not in wanted})
    return changes


def home(spec: BridgeSpec, found: Found) -> str:
    """The uplink of the bridge, which one that was not asked for keeps; empty when it has none."""
    former = stored_config(spec.name, found.files)
    return spec.uplink or (former.uplink if former else "")


def describe(name: str, found: Found) -> dict[str, Any]:
    """The bridge in the words of the module's options."""
    bridge = found.snapshot.find(name)
    config = stored_config(name, found.files)
    if bridge is None:
        return {"name": name, "state": "absent", "persistent": config is None, "unconfirmed": found.pending is not None}
    ports = found.snapshot.ports(name)
    known = config or (found.pending.config if found.pending else None)
    uplink = known.uplink if known else next(iter(ports), "")
    return {
        "name": name,
        "state": "present",
        "uplink": uplink if uplink in ports else "",
        "ports": list(ports),
        "addresses": sorted(address.cidr for address in bridge.addresses),
        "routes": sorted(str(route) for route in bridge.routes),
        "mac": bridge.mac,
        "mtu": bridge.mtu,
        "stp": bridge.stp,
        "forward_delay": bridge.forward_delay / 100 if bridge.forward_delay % 100 else bridge.forward_delay // 100,
        "backend": config.backend if config else "",
        "persistent": config is not None and not file_changes(name, config, found.files),
        "unconfirmed": found.pending is not None,
    }


def interfaces(files: Mapping[str, str]) -> dict[str, str]:
    return {path: text for path, text in files.items() if not path.startswith((networkd.FOLDER, networkd.RUN_FOLDER))}
