# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""One node for the whole run, with docker, libvirt, a bridge and images; each engine starts when a test first needs it."""

from __future__ import annotations

import io
import os
import secrets
import tarfile
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.zonal.cloud.plugins.module_utils._adapters import docker_engine, shims
from ansible_collections.zonal.cloud.plugins.module_utils._adapters.kernel import disk_under
from ansible_collections.zonal.cloud.plugins.module_utils._adapters.shims import remove_bundle
from ansible_collections.zonal.cloud.plugins.module_utils._module import container, vm
from ansible_collections.zonal.cloud.tests.integration.engines.ceph_nodes import free_network
from ansible_collections.zonal.cloud.tests.integration.engines.ceph_registry import Registry, made_registry
from ansible_collections.zonal.cloud.tests.integration.engines.node import Node

BRIDGE, CIDR, ROUTER = "br0", "10.88.0.0/24", "10.88.0.1"
IMAGE = "engines:1"
BUSYBOX = Path("/bin/busybox")
LONG = ("registry", "test_ceph_growth.py")
OF_THE_REGISTRY = ("test_ceph_registry.py", "test_disk_copies.py", "test_image_publish.py", "test_rbd_disks.py")
INIT = """\
#!/bin/sh
trap 'exit 0' TERM
httpd -p 0.0.0.0:80 -h /www
while :; do sleep 1 & wait $!; done
"""
# Tells the address from which it was asked.
PEER = "#!/bin/sh\necho\necho $REMOTE_ADDR\n"
APPLETS = "sh sleep httpd ping nc printf cat ip hostname ifconfig".split()


@pytest.fixture(scope="session")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    if os.geteuid() != 0:
        raise RuntimeError("the engines tier needs root: it makes namespaces")
    made = Node(tmp_path_factory.mktemp("node"))
    try:
        made.start()
        made.add_bridge(BRIDGE, f"{ROUTER}/24")
        yield made
    finally:
        made.stop()


@pytest.fixture(scope="session")
def docker_url(node: Node) -> str:
    return node.start_docker()


@pytest.fixture(scope="session")
def libvirt_uri(node: Node) -> str:
    return node.start_libvirt()


@pytest.fixture(scope="session")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Registry]:
    """A registry and an S3 store on a host of their own, which has a docker; this machine reaches them, too."""
    with made_registry(tmp_path_factory.mktemp("registry"), free_network()) as made:
        yield made


@pytest.fixture
def prefix() -> str:
    return f"t{secrets.token_hex(3)}-"


@pytest.fixture(autouse=True)
def bridges_of_the_node(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let resources that run in this process look for bridges and disks where their engines are."""
    if "node" in request.fixturenames:
        found: Node = request.getfixturevalue("node")
        monkeypatch.setattr(container, "is_bridge", found.is_bridge)
        monkeypatch.setattr(vm, "is_bridge", found.is_bridge)
        monkeypatch.setattr(docker_engine, "disk_under", lambda path: disk_under(found.path(path)))
        # Of /var/run the kernel would make this machine's /run.
        monkeypatch.setattr(shims, "remove_bundle", lambda folder: remove_bundle(found.path(folder.removeprefix("/var"))))


@pytest.fixture(scope="session")
def archive(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A root file system of busybox."""
    path = tmp_path_factory.mktemp("image") / "rootfs.tgz"
    with tarfile.open(path, "w:gz") as tar:
        _add(tar, "bin/busybox", BUSYBOX.read_bytes(), 0o755)
        _add(tar, "sbin/init", INIT.encode(), 0o755)
        _add(tar, "www/cgi-bin/peer", PEER.encode(), 0o755)
        for applet in APPLETS:
            link = tarfile.TarInfo(f"bin/{applet}")
            link.type, link.linkname = tarfile.SYMTYPE, "busybox"
            tar.addfile(link)
    return str(path)


def _add(tar: tarfile.TarFile, name: str, content: bytes, mode: int) -> None:
    entry = tarfile.TarInfo(name)
    entry.size, entry.mode = len(content), mode
    tar.addfile(entry, io.BytesIO(content))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with what takes a worker longest, so that none has work left when the others have ended."""
    items.sort(key=lambda item: worker_of(item.nodeid) not in LONG)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Keep the tests of a file together, and all that need the registry, which takes minutes to make."""
    made = import_module("xdist.scheduler").LoadFileScheduling(config, log)
    made._split_scope = worker_of
    return made


def worker_of(nodeid: str) -> str:
    """Return what is the same for all tests that one worker runs."""
    file = Path(nodeid.split("::", 1)[0]).name
    return "registry" if file in OF_THE_REGISTRY else file
