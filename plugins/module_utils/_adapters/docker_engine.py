# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: may change without notice.
"""docker through its Python SDK (low-level client: one method for each call of the Engine API)."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from .._domain.container_config import LABEL, EngineFacts
from .._domain.cpus import parse_cpus
from .._domain.errors import RefusedError
from .._domain.guest_files import GuestFile
from .._ports import EngineError, EngineSilent, Login, StoredImage
from .deps import need_docker, unreachable
from .docker_images import drop_nameless, our_images
from .guest_archive import archive_of
from .kernel import disk_under
from .shims import end_lost, end_shim

_ONLINE = "/sys/devices/system/cpu/online"
_TIMEOUT = 300
# Seconds between attempts: containerd cleans up behind a task that was killed, and a container that is busy comes to rest.
_ATTEMPTS, _PAUSE = 5, 1.0
_IMAGE_ID = re.compile("sha256:[0-9a-f]{64}")
_NAMELESS = "<none>:<none>"
# docker takes a name that is not there for the beginning of an id, of which there may be several.
_SEVERAL = "ultiple IDs found with provided prefix"
# How registries say that they have no such tag, or no such repository; docker passes it on with various codes.
_NOT_PUSHED = ("manifest unknown", "name unknown", "repository name not known to registry")


class DockerEngine:
    """See ``ContainerEngine`` in ``_ports.py``."""

    def __init__(self, url: str = "unix:///var/run/docker.sock") -> None:
        self._url = url
        self._client: Any = None

    def close(self) -> None:
        """End the connection; the next call makes another."""
        if self._client is not None:
            self._client.close()
            self._client = None

    def facts(self) -> EngineFacts:
        with self._asking("ask", "docker for its facts") as api:
            info = api.info()
            major, minor = (int(part) for part in api.api_version.split(".")[:2])
        cpus: frozenset[int] = frozenset()
        if info.get("CPUSet"):
            with open(_ONLINE, encoding="ascii") as handle:
                cpus = parse_cpus(handle.read())
        backing = dict(item for item in info.get("DriverStatus") or [] if len(item) == 2).get("Backing Filesystem")
        return EngineFacts(
            api=(major, minor),
            cgroup=int(info.get("CgroupVersion") or 1),
            size_limits=info.get("Driver") == "overlay2" and backing == "xfs",
            cpus=cpus,
            root=info["DockerRootDir"],
            device=disk_under(info["DockerRootDir"]),
        )

    def find(self, name: str) -> Mapping[str, Any] | None:
        body = self._found("look up container", name, lambda api: api.inspect_container(name))
        # docker also answers for a prefix of an id.
        return body if body is not None and body.get("Name") == f"/{name}" else None

    def managed(self) -> list[Mapping[str, Any]]:
        listed = self.listed()
        bodies = (self._found("look up container", item["Id"], lambda api, id=item["Id"]: api.inspect_container(id)) for item in listed)
        return [body for body in bodies if body is not None]

    def listed(self) -> list[Mapping[str, Any]]:
        with self._asking("list", "containers") as api:
            found: list[Mapping[str, Any]] = api.containers(all=True, filters={"label": LABEL + "name"})
        return found

    def create(self, name: str, body: Mapping[str, Any]) -> None:
        with self._asking("create container", name) as api:
            api.create_container_from_config(dict(body), name)

    def put_files(self, name: str, files: Sequence[GuestFile]) -> None:
        if files:
            with self._asking("write files into container", name) as api:
                api.put_archive(name, "/", archive_of(files))

    def rename(self, name: str, new_name: str) -> None:
        with self._asking("rename container", name) as api:
            api.rename(name, new_name)

    def start(self, name: str) -> None:
        with self._asking("start container", name) as api:
            for attempt in range(_ATTEMPTS):
                try:
                    api.start(name)
                    return
                except need_docker().errors.APIError as error:
                    if attempt == _ATTEMPTS - 1 or not end_lost(api.inspect_container(name)["Id"], str(error.explanation)):
                        raise
                    time.sleep(_PAUSE)

    def stop(self, name: str, timeout: int) -> None:
        with self._asking("stop container", name) as api:
            api.stop(name, timeout=timeout)

    def pause(self, name: str) -> None:
        with self._asking("pause container", name) as api:
            for attempt in range(_ATTEMPTS):
                try:
                    if not api.inspect_container(name)["State"]["Paused"]:
                        api.pause(name)
                    return
                except need_docker().errors.APIError as error:
                    # Said by runc when it has tried long enough to hold still what comes and goes.
                    if "unable to freeze" not in str(error.explanation) or attempt == _ATTEMPTS - 1:
                        raise
                    time.sleep(_PAUSE)

    def resume(self, name: str) -> None:
        with self._asking("resume container", name) as api:
            api.unpause(name)

    def update(self, name: str, body: Mapping[str, Any]) -> None:
        with self._asking("update container", name) as api:
            api.update_container(
                name,
                cpu_shares=body.get("CpuShares"),
                cpuset_cpus=body.get("CpusetCpus"),
                mem_limit=body.get("Memory"),
                memswap_limit=body.get("MemorySwap"),
                restart_policy=body["RestartPolicy"],
            )

    def remove(self, name: str) -> None:
        body = self.find(name)
        if body is None:
            return
        # By its id: docker would take a name that is not there any more for the beginning of another's id.
        self._found("remove container", name, lambda api: api.remove_container(body["Id"], v=True, force=True))
        if not body["State"]["Running"]:
            # What docker has forgotten of it, see above, would run on.
            end_shim(body["Id"])

    def network(self, name: str) -> Mapping[str, Any] | None:
        body: Mapping[str, Any] | None = self._found("look up network", name, lambda api: api.inspect_network(name))
        return body

    def networks(self) -> list[Mapping[str, Any]]:
        with self._asking("list", "networks") as api:
            found: list[Mapping[str, Any]] = api.networks()
        return found

    def create_network(self, body: Mapping[str, Any]) -> None:
        with self._asking("create network", body["Name"]) as api:
            api.create_network(body["Name"], driver=body["Driver"], options=body["Options"], ipam=body["IPAM"], labels=body["Labels"])

    def attached(self, network: str) -> list[str]:
        # Not the list that the network itself has: in that are only containers that run.
        with self._asking("list the containers of network", network) as api:
            listed = api.containers(all=True, filters={"network": network})
        return sorted(name.lstrip("/") for body in listed for name in body["Names"])

    def remove_network(self, name: str) -> None:
        self._found("remove network", name, lambda api: api.remove_network(name))

    def attach(self, name: str, network: str, endpoint: Mapping[str, Any]) -> None:
        with self._asking("attach container", name) as api:
            if network in api.inspect_container(name)["NetworkSettings"]["Networks"]:
                api.disconnect_container_from_network(name, network, force=True)
            mac = {"mac_address": endpoint["MacAddress"]} if "MacAddress" in endpoint else {}
            api.connect_container_to_network(name, network, ipv4_address=endpoint["IPAMConfig"]["IPv4Address"], **mac)

    def volume(self, name: str) -> Mapping[str, Any] | None:
        body: Mapping[str, Any] | None = self._found("look up volume", name, lambda api: api.inspect_volume(name))
        return body

    def remove_volume(self, name: str) -> None:
        self._found("remove volume", name, lambda api: api.remove_volume(name))

    def image_labels(self, name: str) -> Mapping[str, str] | None:
        body = self._found("look up image", name, lambda api: api.inspect_image(name))
        return None if body is None else (body.get("Config") or {}).get("Labels") or {}

    def images(self) -> list[StoredImage]:
        with self._asking("list", "images") as api:
            listed = our_images(api)
            users = [(body["ImageID"], name.lstrip("/")) for body in api.containers(all=True) for name in body["Names"]]
        return [
            StoredImage(
                names=tuple(sorted(name for name in body["RepoTags"] or () if name != _NAMELESS)),
                labels=body["Labels"],
                size=body["Size"],
                used_by=tuple(sorted(name for image, name in users if image == body["Id"])),
            )
            for body in listed
        ]

    def import_image(self, archive: str, name: str, labels: Mapping[str, str], sha256: str = "") -> None:
        # Not above: Python compiles all that a module imports at each of its runs, and few of those on docker import an image.
        from .packed_stream import PackedFile

        repository, _dummy, tag = name.rpartition(":")
        changes = ['CMD ["/sbin/init"]', *(f"LABEL {key}={value}" for key, value in sorted(labels.items()))]
        with PackedFile(archive) as file, self._asking("import image", name) as api:
            answer = str(api.import_image_from_stream(iter(file.read, b""), changes=changes))
            made = _IMAGE_ID.search(answer)
            # The API answers 200 and writes an error into the stream when the archive turns out to be broken.
            if made is None or '"error"' in answer:
                raise EngineError("import image", name, answer)
            # Without a name until it is known to be what was checked.
            if sha256 and file.sha256() != sha256:
                api.remove_image(made[0])
                raise RefusedError(f"src: {archive} changed while docker took it in; the image was removed again", field="src")
            api.tag(made[0], repository, tag=tag, force=True)
        self.remove_nameless()

    def commit(self, name: str, image: str) -> None:
        repository, _dummy, tag = image.rpartition(":")
        with self._asking("make an image of container", name) as api:
            api.commit(name, repository, tag)

    def pushed(self, reference: str, login: Login) -> str:
        errors = need_docker().errors
        with self._asking("look for", reference) as api:
            try:
                found = api.inspect_distribution(reference, auth_config=_auth(login))
            except errors.APIError as error:
                if isinstance(error, errors.NotFound) or any(words in str(error.explanation) for words in _NOT_PUSHED):
                    return ""
                raise
        return str(found["Descriptor"]["digest"]).partition(":")[2]

    def push(self, reference: str, login: Login) -> str:
        digest = ""
        with self._asking("push", reference) as api:
            for line in api.push(reference, stream=True, decode=True, auth_config=_auth(login)):
                # The API answers 200 and writes an error into the stream.
                if "error" in line:
                    raise EngineError("push", reference, str(line["error"]))
                digest = (line.get("aux") or {}).get("Digest", digest)
        if not digest:
            raise EngineError("push", reference, "docker does not tell what became of it")
        return digest.partition(":")[2]

    def remove_nameless(self) -> None:
        """Older images of ours have lost their name, or never got one because a run was cut off."""
        with self._asking("remove", "images without a name") as api:
            drop_nameless(api)

    def remove_image(self, name: str) -> None:
        self._found("remove image", name, lambda api: api.remove_image(name))

    def _found(self, tried: str, target: str, call: Any) -> Any:
        """Return what the call returns; None when docker says that there is no such object."""
        errors = need_docker().errors
        with self._asking(tried, target) as api:
            try:
                return call(api)
            except errors.APIError as error:
                if isinstance(error, errors.NotFound) or _SEVERAL in str(error.explanation):
                    return None
                raise

    @contextmanager
    def _asking(self, tried: str, target: str) -> Iterator[Any]:
        """Give the client, and turn what goes wrong into an EngineError."""
        docker = need_docker()
        try:
            if self._client is None:
                self._client = docker.APIClient(base_url=self._url, version="auto", timeout=_TIMEOUT)
            yield self._client
        except docker.errors.APIError as error:
            raise EngineError(tried, target, str(error.explanation or error)) from error
        except docker.errors.DockerException as error:
            if "timed out" in str(error):
                # It is there: the SDK tells so of its first call, for the version.
                raise EngineSilent(tried, target, f"docker does not answer: {error}") from error
            raise unreachable(f"docker at {self._url}", f"{error}; is docker running?", "dockerd") from error
        except OSError as error:  # requests' exceptions are OSErrors: time-outs and broken connections
            raise EngineSilent(tried, target, f"docker does not answer: {error}") from error


def _auth(login: Login) -> dict[str, str]:
    """Return who asks, even if nobody: otherwise docker's own login of this host would be sent."""
    return {"username": login.user, "password": login.password}
