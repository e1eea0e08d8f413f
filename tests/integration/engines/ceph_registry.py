# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A registry and an S3 store as the role ceph_registry makes them, and what clients need to use them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from glob import glob
from pathlib import Path
from typing import Any

import docker

from ansible_collections.zonal.cloud.tests.integration.engines.ceph_nodes import CephNode, Ran, play

REGISTRY_PORT, S3_PORT = 5000, 7480
IMAGES = "images"
# Of both buckets; a PUT of more is refused by its announced length.
# Not a whole number of KiB, to which Ceph rounds.
QUOTA = "1.95G"
_SAMPLE_SECONDS = 0.1
# Debian's boto3, which the module uses as well; keys come by standard input.
_S3 = """
import boto3, botocore, json, sys
asked = json.load(sys.stdin)
config = botocore.config.Config(s3={"addressing_style": "path"}, retries={"max_attempts": 1}, connect_timeout=10, read_timeout=60,
    **({} if asked["keys"] else {"signature_version": botocore.UNSIGNED}))
client = boto3.client("s3", endpoint_url=asked["url"], verify=asked["ca"], region_name="us-east-1", config=config, **asked["keys"])
try:
    answer = getattr(client, asked["call"])(**asked["options"])
    print(answer["Body"].read().decode() if "Body" in answer else json.dumps(answer, default=str))
except botocore.exceptions.ClientError as error:
    print("refused:", error.response["Error"]["Code"])
"""


@dataclass(frozen=True)
class Registry:
    """What the role has made on ``node``. ``first`` is the run that made it, ``seen`` are the command lines of its processes."""

    node: CephNode
    folder: Path
    docker_url: str
    first: Ran
    seen: frozenset[str]

    @property
    def name(self) -> str:
        """What image names begin with."""
        return f"{self.node.address}:{REGISTRY_PORT}"

    @property
    def url(self) -> str:
        return f"https://{self.name}"

    @property
    def s3_url(self) -> str:
        return f"https://{self.node.address}:{S3_PORT}"

    @property
    def ca_file(self) -> str:
        return self.node.path("/etc/ssl/zonal-registry/ca.crt")

    @property
    def login(self) -> dict[str, str]:
        return {"username": "zonal", "password": Path(self.node.path("/etc/docker/registry/password")).read_text().strip()}

    def keys(self, user: str) -> dict[str, str]:
        """Return the keys of a user of the store: zonal-registry, zonal-images or zonal-images-reader."""
        found = json.loads(self.node.run("radosgw-admin", "user", "info", "--uid", user))["keys"][0]
        return {"aws_access_key_id": found["access_key"], "aws_secret_access_key": found["secret_key"]}

    def by_hosts_python(self, module: str, *arguments: str, keys: Mapping[str, str] | None = None) -> str:
        """Run a module with the Python that has boto3, as on hosts, for the user zonal-images and its bucket; return what it printed."""
        keys = keys or self.keys("zonal-images")
        words = [module, self.s3_url, self.ca_file, IMAGES, keys["aws_access_key_id"], *arguments]
        path = os.pathsep.join(path for path in sys.path if path.endswith("collections"))
        done = subprocess.run(
            ["/usr/bin/python3", "-m", *words],
            input=keys["aws_secret_access_key"],
            env={**os.environ, "PYTHONPATH": path},
            capture_output=True,
            text=True,
            timeout=600,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def secrets(self) -> list[str]:
        users = ("zonal-registry", "zonal-images", "zonal-images-reader")
        ceph = [
            self.node.run("ceph", "auth", "print-key", who) for who in ("client.admin", "mon.", "osd.0", f"client.rgw.{self.node.name}")
        ]
        http = Path(self.node.path("/etc/docker/registry/http.env")).read_text().strip().partition("=")[2]
        return [self.login["password"], http, *ceph, *(self.keys(user)["aws_secret_access_key"] for user in users)]

    def s3(self, user: str, call: str, **options: Any) -> str:
        """Do one call of S3 as a user (none: anonymous); return its answer, or "refused: " and why."""
        keys = self.keys(user) if user else {}
        asked = json.dumps({"url": self.s3_url, "ca": self.ca_file, "keys": keys, "call": call, "options": options})
        done = subprocess.run(["/usr/bin/python3", "-c", _S3], input=asked, capture_output=True, text=True, timeout=120, check=False)
        if done.returncode:
            raise RuntimeError(done.stderr)
        return done.stdout.strip()

    def play(self, *arguments: str, **variables: Any) -> Ran:
        """Run the playbook again, as the first time."""
        return play(self.folder, [self.node], *arguments, ceph_registry_images_quota=QUOTA, **variables)

    def docker(self) -> docker.APIClient:
        return docker.APIClient(base_url=self.docker_url, version="auto", timeout=120)

    def push(self, image: str, login: Mapping[str, str] | None = None) -> str:
        """Push an image and return what went wrong, if anything."""
        return _error(self.docker().push(image, stream=True, decode=True, auth_config=dict(self.login if login is None else login)))

    def pull(self, image: str, login: Mapping[str, str] | None = None) -> str:
        """Pull an image and return what went wrong, if anything."""
        try:
            return _error(self.docker().pull(image, stream=True, decode=True, auth_config=dict(self.login if login is None else login)))
        except docker.errors.APIError as error:
            return str(error.explanation)


def _error(lines: Iterator[dict[str, Any]]) -> str:
    return "; ".join(line["error"] for line in list(lines) if "error" in line)


@contextmanager
def watched() -> Iterator[set[str]]:
    """Collect the command lines of this machine's processes, those of nodes among them, as anybody could."""
    seen: set[str] = set()
    done = threading.Event()

    def look() -> None:
        while not done.wait(_SAMPLE_SECONDS):
            for path in glob("/proc/[0-9]*/cmdline"):
                try:
                    seen.add(Path(path).read_bytes().replace(b"\0", b" ").decode(errors="replace"))
                except OSError:
                    continue

    watcher = threading.Thread(target=look, daemon=True)
    watcher.start()
    try:
        yield seen
    finally:
        done.set()
        watcher.join()


@contextmanager
def made_registry(folder: Path, network: str) -> Iterator[Registry]:
    """Make a registry of one host, with docker beside it, and end it."""
    node = CephNode(folder / "r1", "r1", network)
    node.folder.mkdir()
    try:
        node.start()
        docker_url = node.start_docker()
        with watched() as seen:
            began = time.monotonic()
            first = play(folder, [node], "-vvv", ceph_registry_images_quota=QUOTA)
        if first.status:
            raise RuntimeError(f"the registry was not made:\n{first.output[-8000:]}")
        print(f"the registry was made in {time.monotonic() - began:.0f} seconds")
        yield Registry(node, folder, docker_url, first, frozenset(seen))
    finally:
        node.stop()
