# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: may change without notice.
"""docker's network of a bridge, as one container needs it: there is one for each bridge, and it is made when it is first needed."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Any

from .._domain.docker_network import bridge_of, holder_of, is_network_of, joined_network, overlaps, parse_network, render_network
from .._domain.errors import SpecError
from .._domain.fields import Spec
from .._domain.names import network_of
from .._ports import ContainerEngine


class ContainerNetwork:
    """The network of the container ``name``.

    ``own`` are the names that it has while it is made, too; ``is_bridge`` knows the host's bridges.
    """

    def __init__(self, engine: ContainerEngine, name: str, own: Collection[str], is_bridge: Callable[[str], bool]) -> None:
        self._engine = engine
        self._name = name
        self._own = own
        self._is_bridge = is_bridge

    def check(self, spec: Spec, gone: Collection[str]) -> None:
        """SpecError when docker's network of the bridge is another one and must stay as it is; the containers in ``gone`` go."""
        network, wanted = network_of(spec["bridge"]), (spec["cidr"], spec.get("gateway", ""))
        found = self._engine.network(network)
        if found is None:
            # Not for a bridge that an earlier task may yet make, or that nobody will: that is told when it is needed.
            if self._is_bridge(spec["bridge"]):
                self._check_overlaps(spec, gone)
            return
        if parse_network(found) == wanted:
            return
        users = self._users(network, gone)
        if not is_network_of(found, spec["bridge"]):
            why = "zonal.cloud did not make that network, so it is not replaced"
        elif users:
            why = f"it is replaced when no other container is attached to it any more; remove these first: {', '.join(users)}"
        else:
            return
        cidr, gateway = parse_network(found)
        raise SpecError(
            "network.cidr",
            spec["cidr"],
            f"with the gateway {wanted[1] or 'none'} does not fit docker's network {network}, "
            f"which has {cidr or 'none'} and {gateway or 'none'}; {why}",
        )

    def _check_overlaps(self, spec: Spec, gone: Collection[str]) -> None:
        """SpecError when docker has another network with addresses of this one, which it does not allow, and that must stay."""
        for other in self._overlapping(spec):
            users, what = self._users(other["Name"], gone), f"overlaps docker's network {other['Name']}"
            if users or not bridge_of(other):
                why = f"that has the containers {', '.join(users)}" if users else "zonal.cloud did not make that, so it is not removed"
                raise SpecError("network.cidr", spec["cidr"], f"{what}, and docker allows no overlap; {why}")

    def _overlapping(self, spec: Spec) -> list[Mapping[str, Any]]:
        return [body for body in self._engine.networks() if body["Name"] != network_of(spec["bridge"]) and overlaps(body, spec["cidr"])]

    def _users(self, network: str, gone: Collection[str]) -> list[str]:
        """Return the containers of a network without this one and those that go."""
        return [name for name in self._engine.attached(network) if name not in (*self._own, *gone)]

    def holder(self, spec: Spec) -> str:
        """Return the name of the container that runs with the address; empty when there is none."""
        return holder_of(self._engine.network(network_of(spec["bridge"])) or {}, spec["address"])

    def make(self, spec: Spec) -> None:
        """Make docker's network of the bridge; those that are in its way have passed ``check`` and are removed."""
        body = render_network(spec["bridge"], spec["cidr"], spec.get("gateway", ""))
        found = self._engine.network(body["Name"])
        if found is not None and parse_network(found) != parse_network(body):
            self._engine.remove_network(body["Name"])
            found = None
        if found is None:
            for other in self._overlapping(spec):
                self._engine.remove_network(other["Name"])
            self._engine.create_network(body)

    def provide(self, spec: Spec) -> None:
        """Make docker's network of the bridge if there is none; one that is there may have others in it, and stays as it is."""
        if self._engine.network(network_of(spec["bridge"])) is None:
            self.check(spec, ())
            self.make(spec)

    def rejoin(self, spec: Spec, endpoint: Mapping[str, Any]) -> None:
        """Let the container, which is stopped, back into its network if that was removed: docker would look for the one that there was."""
        self.provide(spec)
        network = network_of(spec["bridge"])
        made, body = self._engine.network(network), self._engine.find(self._name)
        if made is not None and body is not None and joined_network(body, network) not in ("", made["Id"]):
            self._engine.attach(self._name, network, endpoint)
