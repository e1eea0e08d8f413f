# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""playbooks/images.yml on a node with docker: images from a path, an address and a registry, and a second run that fetches nothing."""

from __future__ import annotations

import hashlib
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import docker
import pytest

from ansible_collections.zonal.cloud.tests.integration.engines.docker_registry import (
    PASSWORD,
    USER,
    DockerRegistry,
    made_docker_registry,
)
from ansible_collections.zonal.cloud.tests.integration.engines.node import Node
from ansible_collections.zonal.cloud.tests.unit.plugins.contracts.archives import member, pack

ROOT = Path(__file__).resolve().parents[3]
PORT = 8123


class Play:
    """Runs the playbook on the node for two images, and tells what it changed."""

    def __init__(self, node: Node, folder: Path, images: list[dict[str, Any]]) -> None:
        self.node = node
        self.folder = folder
        self.archives = folder / "var" / "archives"
        host = {"ansible_connection": "local", "ansible_user": "root", "ansible_python_interpreter": sys.executable}
        (folder / "inventory.json").write_text(json.dumps({"zonal_hosts": {"hosts": {"node": host}}}))
        # What the node would install is there, but not in its own list of packages.
        self.variables: dict[str, Any] = {
            "zonal_images": images,
            "instances_image_folder": str(self.archives),
            "_instances_packages": [],
        }
        self.playbook = "zonal.cloud.images"

    def __call__(self, *arguments: str, **variables: Any) -> int:
        given = json.dumps({**self.variables, **variables})
        program = [str(Path(sys.executable).parent / "ansible-playbook"), "-i", str(self.folder / "inventory.json")]
        env = {**os.environ, "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"), "ANSIBLE_COLLECTIONS_PATH": str(ROOT / ".work" / "collections")}
        done = subprocess.run(
            self.node.enter(*program, self.playbook, "-e", given, *arguments),
            env={**env, "ANSIBLE_NOCOLOR": "1"},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        assert PASSWORD not in done.stdout + done.stderr
        changed = re.search(r"changed=(\d+)", done.stdout)
        assert changed is not None
        return int(changed[1])


@pytest.fixture
def play(node: Node, docker_url: str, tmp_path: Path, prefix: str) -> Iterator[Play]:
    images = []
    for name, address in (("path", ""), ("web", f"http://127.0.0.1:{PORT}")):
        content = pack(member(f"etc/{name}", size=1000))
        (tmp_path / name).write_bytes(content)
        images.append({"name": f"{prefix}{name}:1", "src": f"{address or tmp_path}/{name}", "kinds": ["container"]})
        images[-1]["sha256"] = hashlib.sha256(content).hexdigest()
    argv = node.enter(
        "setpriv",
        "--pdeathsig",
        "KILL",
        sys.executable,
        "-m",
        "http.server",
        "--bind",
        "127.0.0.1",
        "--directory",
        str(tmp_path),
        str(PORT),
    )
    with subprocess.Popen(argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as server:
        try:
            with registry_with(node, tmp_path / "registry", content := pack(member("etc/registry", size=1000))) as registry:
                sha256 = hashlib.sha256(content).hexdigest()
                name, src = f"{prefix}registry:1", f"docker://{registry.name}/team/registry:1"
                images.insert(0, {"name": name, "src": src, "kinds": ["container"], "sha256": sha256})
                made = Play(node, tmp_path, images)
                made.variables["instances_ca_file"] = registry.ca_file
                made.variables["instances_registry_user"] = USER
                made.variables["instances_registry_password"] = PASSWORD
                yield made
        finally:
            server.kill()


@contextmanager
def registry_with(node: Node, folder: Path, layer: bytes) -> Iterator[DockerRegistry]:
    """A registry on the node with one image, which is put there by this machine."""
    folder.mkdir()
    with made_docker_registry(folder) as here:
        here.push("team/registry", "1", layer)
    with made_docker_registry(folder, node.enter) as there:
        yield there


@pytest.fixture
def names(docker_url: str, prefix: str) -> Any:
    api = docker.APIClient(base_url=docker_url, version="auto")
    return lambda: sorted(tag.removeprefix(prefix) for image in api.images() for tag in image["RepoTags"] if tag.startswith(prefix))


def test_images_are_made_once_and_removed_on_demand(play: Play, names: Any) -> None:
    assert play("--check") > 0
    assert names() == []
    assert play() > 0
    assert names() == ["path:1", "registry:1", "web:1"]
    assert os.listdir(play.archives) == []
    for archive in ("path", "web"):
        (play.folder / archive).unlink()
    assert play("--check") == 0
    assert play() == 0
    play.variables["zonal_images"].pop()
    assert play("--check", zonal_image_cleanup=True) == 1
    assert names() == ["path:1", "registry:1", "web:1"]
    assert play(zonal_image_cleanup=True) == 1
    assert names() == ["path:1", "registry:1"]
    assert play(zonal_image_cleanup=True) == 0


def test_the_archive_of_an_image_that_is_made_goes_although_another_one_fails(play: Play, names: Any, prefix: str) -> None:
    _registry, made, _web = play.variables["zonal_images"]
    broken = {**made, "name": f"{prefix}broken:1", "src": str(play.folder / "broken"), "sha256": hashlib.sha256(b"broken").hexdigest()}
    (play.folder / "broken").write_bytes(b"broken")
    play.variables["zonal_images"] = [made, broken]
    with pytest.raises(AssertionError, match="it is not a complete tar archive"):
        play()
    assert (names(), os.listdir(play.archives)) == (["path:1"], [broken["sha256"]])
    # As a run leaves it that is killed after the last image was made.
    (play.archives / made["sha256"]).touch()
    content = pack(member("etc/whole", size=1000))
    (play.folder / "broken").write_bytes(content)
    (play.archives / broken["sha256"]).unlink()
    broken["sha256"] = hashlib.sha256(content).hexdigest()
    assert play() > 0
    assert (names(), os.listdir(play.archives)) == (["broken:1", "path:1"], [])


def refusal(play: Play, images: list[dict[str, Any]]) -> str:
    """Return what a play with these images ends with."""
    with pytest.raises(AssertionError) as refused:
        play(zonal_images=images)
    return " ".join(str(refused.value).split())


def test_what_cannot_be_meant_is_refused_before_anything_is_made(play: Play, names: Any) -> None:
    registry, path, web = play.variables["zonal_images"]
    cases = {
        f"zonal_images: '{path['name']}' is declared 2 times, and not the same": [path, registry, {**web, "name": path["name"]}],
        "zonal_images[1].sha256: is missing": [path, {key: web[key] for key in ("name", "src")}],
        "zonal_images[1].src: is missing": [path, {key: web[key] for key in ("name", "sha256")}],
        "zonal_images[1].name: is missing": [path, {key: web[key] for key in ("src", "sha256")}],
    }
    for message, images in cases.items():
        told = refusal(play, images)
        assert message in told
        assert "has no attribute" not in told
        assert names() == []
    # The same words twice, such as of two files that are joined, are no contradiction.
    assert play(zonal_images=[path, dict(path)]) > 0
    assert names() == ["path:1"]


ROLE = """
- hosts: node
  gather_facts: false
  tasks:
    - ansible.builtin.import_role: {name: zonal.cloud.instances, tasks_from: images}
      vars: {_instances_named: [], _instances_for_vms: [], _instances_kinds: []}
"""


def test_the_role_alone_refuses_them_too(play: Play) -> None:
    _registry, path, web = play.variables["zonal_images"]
    (play.folder / "role.yml").write_text(ROLE)
    play.playbook = str(play.folder / "role.yml")
    twice = f"zonal_images: {path['name']} is declared more than once, and not the same each time"
    assert twice in refusal(play, [path, {**web, "name": path["name"]}])
    assert f"zonal_images: {web['name']} has neither sha256 nor digest" in refusal(play, [path, {key: web[key] for key in ("name", "src")}])
    assert play(zonal_images=[path, dict(path)]) == 0


SLOW_SERVER = """
import sys, time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

class Slow(BaseHTTPRequestHandler):
    def do_GET(self):
        content = open(sys.argv[1], "rb").read()
        begin = int((self.headers.get("Range") or "bytes=0-").removeprefix("bytes=").split("-")[0])
        self.send_response(206 if begin else 200)
        self.send_header("Content-Length", str(len(content) - begin))
        self.send_header("Accept-Ranges", "bytes")
        self.send_header("Content-Range", f"bytes {begin}-{len(content) - 1}/{len(content)}")
        self.end_headers()
        for start in range(begin, len(content), 256 * 1024):
            self.wfile.write(content[start : start + 256 * 1024])
            time.sleep(0.1)

ThreadingHTTPServer(("127.0.0.1", int(sys.argv[2])), Slow).serve_forever()
"""
SLOW_PLAY = """
- hosts: node
  gather_facts: false
  tasks:
    - zonal.cloud.image:
        name: "{{ name }}"
        src: "{{ src }}"
        sha256: "{{ sha256 }}"
        kinds: [container]
        folder: "{{ folder }}"
        progress: 1
"""


def test_how_much_is_there_is_told_while_it_comes(play: Play, names: Any, prefix: str, tmp_path: Path) -> None:
    content = pack(member("etc/slow", size=8 * 1024**2))
    (tmp_path / "slow").write_bytes(content)
    (tmp_path / "slow.yml").write_text(SLOW_PLAY)
    src, sha256 = f"http://127.0.0.1:{PORT + 1}/slow", hashlib.sha256(content).hexdigest()
    given = json.dumps({"name": f"{prefix}slow:1", "src": src, "sha256": sha256, "folder": str(tmp_path / "var" / "slow")})
    program = [str(Path(sys.executable).parent / "ansible-playbook"), "-i", str(tmp_path / "inventory.json"), "-e", given]
    env = {**os.environ, "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"), "ANSIBLE_COLLECTIONS_PATH": str(ROOT / ".work" / "collections")}
    argv = play.node.enter("setpriv", "--pdeathsig", "KILL", sys.executable, "-c", SLOW_SERVER, str(tmp_path / "slow"), str(PORT + 1))
    with subprocess.Popen(argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as server:
        try:
            done = subprocess.run(
                play.node.enter(*program, str(tmp_path / "slow.yml")), env=env, capture_output=True, text=True, check=False
            )
        finally:
            server.kill()
    assert done.returncode == 0, done.stdout + done.stderr
    shares = [int(share) for share in re.findall(rf"^node: downloading {src}: \d+[KM] of 8M \((\d+) %\)$", done.stdout, re.MULTILINE)]
    assert shares, done.stdout
    assert shares == sorted(set(shares))
    assert "slow:1" in names()
