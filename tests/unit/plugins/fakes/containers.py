# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""``ContainerEngine`` in memory; it passes the same contract as docker (contracts/containers.py)."""

from __future__ import annotations

import copy
import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ansible_collections.zonal.cloud.plugins.module_utils._domain.container_config import LABEL, EngineFacts
from ansible_collections.zonal.cloud.plugins.module_utils._domain.docker_network import overlaps
from ansible_collections.zonal.cloud.plugins.module_utils._domain.errors import RefusedError
from ansible_collections.zonal.cloud.plugins.module_utils._domain.guest_files import GuestFile
from ansible_collections.zonal.cloud.plugins.module_utils._ports import EngineAbsent, EngineDown, EngineError, Login, StoredImage

FACTS = EngineFacts(api=(1, 45), cgroup=2, size_limits=True, cpus=frozenset(range(8)))
_STOPPED = {"Running": False, "Paused": False, "Restarting": False}
_RUNNING = {**_STOPPED, "Running": True}
_PAUSED = {**_RUNNING, "Paused": True}
_DEAD = {**_STOPPED, "Dead": True, "Status": "dead"}


class FakeContainers:
    """A docker daemon. Tests may set ``installed``, ``running``, ``engine_facts``, ``strange_capabilities``, which it does not know,
    ``nameless``, ``refusal``, why nothing can be pushed, and ``layers``, the folder with what containers write, and read ``files``,
    ``registry``, what a registry has, and ``pushes``.
    """

    def __init__(self, facts: EngineFacts = FACTS) -> None:
        self.installed = self.running = True
        self.strange_capabilities: set[str] = set()
        self.engine_facts = facts
        self.files: dict[str, dict[str, GuestFile]] = {}
        self.nameless: list[StoredImage] = []
        self.refusal = ""
        self.layers = ""
        self.registry: dict[str, str] = {}
        self.pushes: list[tuple[str, Login]] = []
        self._containers: dict[str, dict[str, Any]] = {}
        self._networks: dict[str, dict[str, Any]] = {}
        self._made = 0
        self._images: dict[str, dict[str, str]] = {}
        self._volumes: dict[str, dict[str, Any]] = {}

    def snapshot(self) -> dict[str, Any]:
        """Return all there is, to compare two worlds."""
        return copy.deepcopy(
            {
                "containers": self._containers,
                "files": self.files,
                "networks": self._networks,
                "images": self._images,
                "volumes": self._volumes,
            }
        )

    def die_while_removing(self, name: str) -> None:
        """Leave what docker leaves when it is killed in the middle of a removal."""
        self._containers[name]["State"] = dict(_DEAD)

    def end(self, name: str) -> None:
        """Let a container's program end with 1."""
        self._containers[name]["State"] = {**_STOPPED, "Status": "exited", "ExitCode": 1}

    def facts(self) -> EngineFacts:
        self._must_be_installed()
        return self.engine_facts

    def find(self, name: str) -> Mapping[str, Any] | None:
        self._must_be_installed()
        return self._describe(name) if name in self._containers else None

    def managed(self) -> list[Mapping[str, Any]]:
        self._must_be_installed()
        return [self._describe(name) for name, body in self._containers.items() if LABEL + "name" in body["Config"]["Labels"]]

    def create(self, name: str, body: Mapping[str, Any]) -> None:
        self._must_be_installed()
        if name in self._containers:
            raise EngineError("create container", name, "the name is already in use")
        if strange := self.strange_capabilities.intersection(body.get("HostConfig", {}).get("CapAdd") or ()):
            raise EngineError("create container", name, f'invalid CapAdd: unknown capability: "CAP_{min(strange)}"')
        image = next((self._id_of(image) for image in self._images if body["Image"] in (image, self._id_of(image))), "")
        if not image:
            raise EngineError("create container", name, f"No such image: {body['Image']}")
        body = copy.deepcopy(dict(body))
        for mount in body.get("HostConfig", {}).get("Mounts") or []:
            # A volume that is there stays what it is.
            driver = mount["VolumeOptions"]["DriverConfig"]
            made = {"Name": mount["Source"], "Labels": mount["VolumeOptions"]["Labels"], "Options": driver["Options"]}
            self._volumes.setdefault(mount["Source"], made)
        endpoints = body.get("NetworkingConfig", {}).get("EndpointsConfig", {})
        mac = body.get("MacAddress", "")
        self._containers[name] = {
            "Config": {key: body.get(key) for key in ("Image", "Hostname", "Env", "Cmd")} | {"Labels": body.get("Labels") or {}},
            "HostConfig": body.get("HostConfig") or {},
            "NetworkSettings": {"Networks": {net: {"MacAddress": mac, **endpoint} for net, endpoint in endpoints.items()}},
            "State": dict(_STOPPED),
            "Image": image,
        }
        self.files[name] = {}

    def put_files(self, name: str, files: Sequence[GuestFile]) -> None:
        self._must_have("write files into container", name)
        self.files[name].update({file.path: file for file in files})

    def rename(self, name: str, new_name: str) -> None:
        self._must_have("rename container", name)
        if new_name in self._containers:
            raise EngineError("rename container", name, f"the name {new_name} is already in use")
        self._containers[new_name] = self._containers.pop(name)
        self.files[new_name] = self.files.pop(name)

    def start(self, name: str) -> None:
        state = self._must_have("start container", name)["State"]
        if state == _DEAD:
            raise EngineError("start container", name, "container is marked for removal and cannot be started")
        if state["Paused"]:
            raise EngineError("start container", name, "cannot start a paused container, try unpause instead")
        if not state["Running"]:
            self._attach(name)
            state.update(_RUNNING)

    def stop(self, name: str, timeout: int) -> None:
        self._must_have("stop container", name)["State"].update(_STOPPED)

    def pause(self, name: str) -> None:
        state = self._must_have("pause container", name)["State"]
        if not state["Running"]:
            raise EngineError("pause container", name, f"Container {name} is not running")
        state.update(_PAUSED)

    def resume(self, name: str) -> None:
        state = self._must_have("resume container", name)["State"]
        if not state["Paused"]:
            raise EngineError("resume container", name, f"Container {name} is not paused")
        state.update(_RUNNING)

    def update(self, name: str, body: Mapping[str, Any]) -> None:
        changed = {key: value for key, value in body.items() if key != "MemorySwappiness"}
        self._must_have("update container", name)["HostConfig"].update(copy.deepcopy(changed))

    def remove(self, name: str) -> None:
        self._must_be_installed()
        self._containers.pop(name, None)
        self.files.pop(name, None)

    def network(self, name: str) -> Mapping[str, Any] | None:
        self._must_be_installed()
        if name not in self._networks:
            return None
        running = [user for user in self.attached(name) if self._containers[user]["State"]["Running"]]
        return {**copy.deepcopy(self._networks[name]), "Containers": {user: self._endpoint(user, name) for user in running}}

    def networks(self) -> list[Mapping[str, Any]]:
        self._must_be_installed()
        return copy.deepcopy(list(self._networks.values()))

    def attached(self, network: str) -> list[str]:
        self._must_be_installed()
        return sorted(name for name, body in self._containers.items() if network in body["NetworkSettings"]["Networks"])

    def remove_network(self, name: str) -> None:
        if any(self._containers[user]["State"]["Running"] for user in self.attached(name)):
            raise EngineError("remove network", name, "it has active endpoints")
        self._networks.pop(name, None)

    def create_network(self, body: Mapping[str, Any]) -> None:
        self._must_be_installed()
        if body["Name"] in self._networks:
            raise EngineError("create network", body["Name"], "a network of that name already exists")
        pools = [pool["Subnet"] for pool in body["IPAM"]["Config"]]
        if any(overlaps(other, pool) for other in self._networks.values() for pool in pools):
            raise EngineError("create network", body["Name"], "Pool overlaps with other one on this address space")
        self._made += 1
        self._networks[body["Name"]] = {**copy.deepcopy(dict(body)), "Id": f"id-{self._made}"}

    def attach(self, name: str, network: str, endpoint: Mapping[str, Any]) -> None:
        body = self._must_have("attach container", name)
        if network not in self._networks:
            raise EngineError("attach container", name, f"network {network} not found")
        body["NetworkSettings"]["Networks"][network] = {"MacAddress": "", **copy.deepcopy(dict(endpoint))}

    def volume(self, name: str) -> Mapping[str, Any] | None:
        self._must_be_installed()
        return copy.deepcopy(self._volumes.get(name))

    def remove_volume(self, name: str) -> None:
        self._must_be_installed()
        used = [mount["Source"] for body in self._containers.values() for mount in body["HostConfig"].get("Mounts") or []]
        if name in used:
            raise EngineError("remove volume", name, "volume is in use")
        self._volumes.pop(name, None)

    def image_labels(self, name: str) -> Mapping[str, str] | None:
        self._must_be_installed()
        labels = self._images.get(name)
        return None if labels is None else dict(labels)

    def images(self) -> list[StoredImage]:
        self._must_be_installed()
        ours = {name: labels for name, labels in self._images.items() if LABEL + "digest" in labels}
        users = {name: [user for user, body in self._containers.items() if body["Config"]["Image"] == name] for name in ours}
        return [*self.nameless, *(StoredImage((name,), dict(labels), 0, tuple(sorted(users[name]))) for name, labels in ours.items())]

    def import_image(self, archive: str, name: str, labels: Mapping[str, str], sha256: str = "") -> None:
        self._must_be_installed()
        if sha256 and hashlib.sha256(Path(archive).read_bytes()).hexdigest() != sha256:
            raise RefusedError(f"src: {archive} changed while docker took it in; the image was removed again")
        self._images[name] = dict(labels)

    def commit(self, name: str, image: str) -> None:
        self._must_have("make an image of container", name)
        self._images[image] = dict(self._containers[name]["Config"]["Labels"])

    def pushed(self, reference: str, login: Login) -> str:
        self._must_be_installed()
        return self.registry.get(reference, "")

    def push(self, reference: str, login: Login) -> str:
        self._must_be_installed()
        if self.refusal:
            raise EngineError("push", reference, self.refusal)
        self.pushes.append((reference, login))
        self.registry[reference] = hashlib.sha256(repr(self._images[reference]).encode()).hexdigest()
        return self.registry[reference]

    def remove_image(self, name: str) -> None:
        self._must_be_installed()
        if name in self._images and any(body["Config"]["Image"] == name for body in self._containers.values()):
            raise EngineError("remove image", name, "conflict: a container is using it")
        self._images.pop(name, None)

    def remove_nameless(self) -> None:
        self._must_be_installed()
        for image in [image for image in self.images() if not image.names and not image.used_by]:
            self.nameless.remove(image)

    def _describe(self, name: str) -> dict[str, Any]:
        layer = {"Name": "overlay2", "Data": {"UpperDir": f"{self.layers}/{name}"}}
        return copy.deepcopy({"Name": f"/{name}", "GraphDriver": layer, **self._containers[name]})

    def _endpoint(self, container: str, network: str) -> dict[str, str]:
        address = self._containers[container]["NetworkSettings"]["Networks"][network]["IPAMConfig"]["IPv4Address"]
        return {"Name": container, "IPv4Address": f"{address}/16"}

    def _attach(self, name: str) -> None:
        """Refuse a network that is not there, or not the one that it was in before, and an address that a running container has."""
        for network, endpoint in self._containers[name]["NetworkSettings"]["Networks"].items():
            made = self._networks.get(network, {}).get("Id", "")
            if endpoint.setdefault("NetworkID", made) != made or not made:
                raise EngineError("start container", name, f"network {endpoint['NetworkID'] or network} not found")
            for other, body in self._containers.items():
                taken = body["NetworkSettings"]["Networks"].get(network, {}).get("IPAMConfig")
                if other != name and body["State"]["Running"] and taken == endpoint["IPAMConfig"]:
                    raise EngineError("start container", name, "Address already in use")

    def _id_of(self, image: str) -> str:
        return "sha256:" + hashlib.sha256(repr(self._images[image]).encode()).hexdigest()

    def _must_be_installed(self) -> None:
        if not self.installed:
            raise EngineAbsent("use", "docker", "the Python package docker is missing")
        if not self.running:
            raise EngineDown("reach", "docker", "there is no socket; is docker running?")

    def _must_have(self, tried: str, name: str) -> dict[str, Any]:
        self._must_be_installed()
        if name not in self._containers:
            raise EngineError(tried, name, f"No such container: {name}")
        return self._containers[name]
