# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The role ceph_registry on a real Ceph with its gateway, and a real docker registry on that."""

from __future__ import annotations

import io
import json
import os
import re
import secrets
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.zonal.cloud.plugins.module_utils._adapters.download import Downloads
from ansible_collections.zonal.cloud.plugins.module_utils._ports import EngineError
from ansible_collections.zonal.cloud.tests.host_command import run_command
from ansible_collections.zonal.cloud.tests.integration.engines.ceph_nodes import DISK, CephNode, play
from ansible_collections.zonal.cloud.tests.integration.engines.ceph_registry import IMAGES, Registry
from ansible_collections.zonal.cloud.tests.integration.engines.node import wait_for
from ansible_collections.zonal.cloud.tests.unit.plugins.contracts import objects as contract_of_objects

MIB = 1 << 20


@pytest.fixture
def image(registry: Registry, prefix: str) -> Iterator[str]:
    """An image of random bytes that the registry has not seen, in docker only."""
    name = f"{registry.name}/{prefix}bytes:1"
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w") as tar:
        entry = tarfile.TarInfo("bytes")
        entry.size = 2 * MIB
        tar.addfile(entry, io.BytesIO(os.urandom(entry.size)))
    api = registry.docker()
    api.import_image_from_data(content.getvalue(), repository=name[:-2], tag="1")
    yield name
    if api.images(name):
        api.remove_image(name, force=True)


def test_what_is_pushed_can_be_pulled(registry: Registry, image: str) -> None:
    api = registry.docker()
    before = api.inspect_image(image)["RootFS"]
    assert registry.push(image) == ""
    api.remove_image(image)
    assert registry.pull(image) == ""
    assert api.inspect_image(image)["RootFS"] == before


@pytest.mark.parametrize("login", [{"username": "zonal", "password": "wrong"}, {"username": "nobody", "password": "x"}, {}])
def test_who_has_no_password_is_refused(registry: Registry, image: str, login: dict[str, str]) -> None:
    told = registry.push(image, login)
    assert "unauthorized" in told or "no basic auth credentials" in told


def test_archives_are_written_by_their_owner_and_read_by_readers(registry: Registry, prefix: str) -> None:
    where = {"Bucket": IMAGES, "Key": f"{prefix}archive.tgz"}
    try:
        assert "ETag" in registry.s3("zonal-images", "put_object", **where, Body="content")
        assert registry.s3("zonal-images", "get_object", **where) == "content"
        assert registry.s3("zonal-images-reader", "get_object", **where) == "content"
        assert registry.s3("zonal-images-reader", "put_object", **where, Body="other") == "refused: AccessDenied"
        assert registry.s3("zonal-registry", "get_object", **where) == "refused: AccessDenied"
        assert registry.s3("", "get_object", **where) == "refused: AccessDenied"
        assert registry.s3("", "put_object", **where, Body="other") == "refused: AccessDenied"
    finally:
        registry.s3("zonal-images", "delete_object", **where)


_ADDRESS = """
import sys
from ansible_collections.zonal.cloud.plugins.module_utils._adapters.s3 import S3Access, S3Buckets
url, ca_file, access_key, bucket, key = sys.argv[1:]
print(S3Buckets(S3Access(url, access_key, sys.stdin.read(), ca_file, "us-east-1")).address_of(bucket, key, 60))
"""


def test_a_reader_can_download_an_archive(registry: Registry, prefix: str, tmp_path: Path) -> None:
    where = {"Bucket": IMAGES, "Key": f"{prefix}an archive.tgz"}
    registry.s3("zonal-images", "put_object", **where, Body="content" * 100_000)
    keys = registry.keys("zonal-images-reader")
    argv = ["/usr/bin/python3", "-c", _ADDRESS, registry.s3_url, registry.ca_file, keys["aws_access_key_id"], *where.values()]
    path = os.pathsep.join(path for path in sys.path if path.endswith("collections"))
    try:
        made = subprocess.run(
            argv, input=keys["aws_secret_access_key"], env={**os.environ, "PYTHONPATH": path}, capture_output=True, text=True, check=True
        )
        shown = f"s3://{IMAGES}/{where['Key']}"
        found = Downloads(run_command, str(tmp_path), registry.ca_file).fetch(made.stdout.strip(), shown, "archive", MIB)
        assert Path(found).read_text() == "content" * 100_000
        with pytest.raises(EngineError, match="the server's certificate is not trusted"):
            Downloads(run_command, str(tmp_path)).fetch(made.stdout.strip(), shown, "other", MIB)
    finally:
        registry.s3("zonal-images", "delete_object", **where)


def test_contract_of_objects(registry: Registry) -> None:
    assert registry.by_hosts_python(contract_of_objects.__name__).count("ok ") == len(contract_of_objects.CONTRACT) + 1


def test_a_quota_holds(registry: Registry, prefix: str) -> None:
    """The length is announced, and refused before any byte is sent."""
    node, url = registry.node, registry.s3_url
    node.run("truncate", "--size", "3G", "/var/tmp/large")
    keys = registry.keys("zonal-images")
    user = f"user = {keys['aws_access_key_id']}:{keys['aws_secret_access_key']}\n"
    curl = [
        "curl",
        "--silent",
        "--config",
        "-",
        "--aws-sigv4",
        "aws:amz:us-east-1:s3",
        "--header",
        "x-amz-content-sha256: UNSIGNED-PAYLOAD",
    ]
    told = node.run(*curl, "--upload-file", "/var/tmp/large", f"{url}/{IMAGES}/{prefix}large", stdin=user)
    assert "<Code>QuotaExceeded</Code>" in told
    again = registry.play()
    assert (again.status, again.changed) == (0, {"r1": 0}), again.output[-4000:]


def test_what_nothing_refers_to_is_deleted(registry: Registry, image: str) -> None:
    def stored() -> int:
        return sum(
            item["Size"] for item in json.loads(registry.s3("zonal-registry", "list_objects_v2", Bucket="registry")).get("Contents", [])
        )

    before = stored()
    assert registry.push(image) == ""
    assert stored() > before + 2 * MIB
    path = image.removeprefix(f"{registry.name}/").removesuffix(":1")
    login = f"user = {registry.login['username']}:{registry.login['password']}\n"
    curl = ["curl", "--silent", "--show-error", "--fail", "--config", "-", "--cacert", "/etc/ssl/zonal-registry/ca.crt"]
    accept = ["--header", "Accept: application/vnd.docker.distribution.manifest.v2+json"]
    headers = registry.node.run(*curl, *accept, "--head", f"{registry.url}/v2/{path}/manifests/1", stdin=login)
    digest = next(line.split()[1] for line in headers.splitlines() if line.lower().startswith("docker-content-digest:"))
    registry.node.run(*curl, "--request", "DELETE", f"{registry.url}/v2/{path}/manifests/{digest}", stdin=login)
    registry.node.systemctl("start", "zonal-registry-gc.service")
    assert stored() < before + MIB
    wait_for("the registry", lambda: "unauthorized" in registry.push(image, {"username": "nobody", "password": "x"}))
    assert registry.push(image) == ""


def no_secret_is_in(shown: str, registry: Registry) -> None:
    for number, secret in enumerate(registry.secrets()):
        assert len(secret) >= 32
        assert secret not in shown, number


def test_a_run_shows_no_secret(registry: Registry) -> None:
    no_secret_is_in(registry.first.output, registry)
    for program in ("ceph-mon", "ceph-osd", "radosgw", "docker-registry"):
        assert any(program in line for line in registry.seen), program
    for number, secret in enumerate(registry.secrets()):
        assert [line for line in registry.seen if secret in line] == [], number
    for file in ("storage.env", "http.env", "password", "registry.key"):
        assert Path(registry.node.path(f"/etc/docker/registry/{file}")).stat().st_mode & 0o077 == 0, file


def test_a_lost_storage_daemon_is_told_and_mended(registry: Registry, image: str) -> None:
    node = registry.node
    pid = int(Path(node.path("/run/systemctl/ceph-osd@0.service.pid")).read_text())
    node.run("kill", "-KILL", str(pid))
    node.run("mv", DISK, f"{DISK}.away")
    told = registry.play(ceph_registry_wait=30)
    assert told.status == 2
    assert f"ceph_registry_osd_devices: {DISK} of r1 cannot be used" in told.text
    assert "No such file or directory" in told.text
    node.run("mv", f"{DISK}.away", DISK)
    # Of a run that changes nothing: test_ceph_growth.py, and on a host with systemd, tests/lab.
    mended = registry.play("-vvv")
    assert mended.status == 0, mended.output[-4000:]
    no_secret_is_in(mended.output, registry)
    assert registry.push(image) == ""


def test_a_device_that_carries_something_is_refused(registry: Registry) -> None:
    other = f"/var/lib/{secrets.token_hex(4)}.ext4"
    registry.node.run("truncate", "--size", "64M", other)
    registry.node.run("mkfs.ext4", "-q", other)
    told = registry.play("-e", json.dumps({"ceph_registry_osd_devices": [DISK, other]}))
    assert told.status == 2
    assert f"{other} of r1 cannot be used: it carries ext4; erase it by hand if it is not needed" in told.text


MISTAKES: dict[str, tuple[dict[str, Any], str]] = {
    "half a certificate": (
        {"ceph_registry_certificate": "x.crt"},
        "ceph_registry_certificate and ceph_registry_certificate_key: give both",
    ),
    "no store": ({"ceph_registry_ceph": "external"}, "ceph_registry_s3_url: '' must be the URL of the external store"),
    "no keys": (
        {"ceph_registry_ceph": "external", "ceph_registry_s3_url": "https://rgw.example", "ceph_registry_access_key": "AK"},
        "ceph_registry_secret_key, ceph_registry_images_access_key, ceph_registry_images_secret_key: give the keys",
    ),
    "little memory": ({"ceph_registry_osd_memory": "512M"}, "ceph_registry_osd_memory: 512M is too little"),
    "no size": ({"ceph_registry_quota": "10X"}, "ceph_registry_quota: '10X' is no size such as 500G"),
    "no room": ({"ceph_registry_images_quota": "0G"}, "ceph_registry_images_quota: '0G' is no size such as 500G"),
    "no name": ({"ceph_registry_names": ["10.0.0.300"]}, "ceph_registry_names: '10.0.0.300' is neither the name of a host nor an address"),
    "IPv6": ({"ceph_registry_address": "2001:db8::1"}, "ceph_registry_address: '2001:db8::1' is none of IPv4"),
    "unknown primary": ({"ceph_registry_primary": "kvm09"}, "the primary ('kvm09'), and all of them must take part and answer"),
}


@pytest.mark.parametrize("case", MISTAKES)
def test_a_mistake_is_told_before_anything_is_touched(case: str, registry: Registry) -> None:
    variables, message = MISTAKES[case]
    told = registry.play("-e", json.dumps({"ceph_registry_images_quota": "", **variables}))
    assert told.status == 2
    assert message in told.text
    assert told.changed == {"r1": 0}


@pytest.fixture
def other(registry: Registry, tmp_path: Path) -> Iterator[CephNode]:
    """A host beside that of the registry."""
    node = CephNode(tmp_path / "r2", "r2", registry.node.address.rpartition(".")[0], 1, registry.node)
    node.folder.mkdir()
    try:
        node.start()
        yield node
    finally:
        node.stop()


def test_a_mirror_of_a_store_elsewhere_serves_who_has_a_certificate_and_takes_nothing(
    registry: Registry, other: CephNode, image: str, tmp_path: Path
) -> None:
    assert registry.push(image) == ""
    # What is below /proc is nothing that a path can be made absolute of.
    authority = str(shutil.copy(registry.ca_file, tmp_path))
    variables = {
        "ceph_registry_ceph": "external",
        "ceph_registry_s3_url": registry.s3_url,
        "ceph_registry_authority": authority,
        "ceph_registry_readonly": True,
        "ceph_registry_auth": "mtls",
    }
    for part, user in (("", "zonal-registry"), ("images_", "zonal-images")):
        keys = registry.keys(user)
        variables[f"ceph_registry_{part}access_key"] = keys["aws_access_key_id"]
        variables[f"ceph_registry_{part}secret_key"] = keys["aws_secret_access_key"]
    policy = registry.s3("zonal-images", "get_bucket_policy", Bucket=IMAGES)
    made = play(tmp_path, [other], "-vvv", **variables)
    assert made.status == 0, made.output[-4000:]
    # It is the owner's, not the mirror's.
    assert json.loads(registry.s3("zonal-images", "get_bucket_policy", Bucket=IMAGES))["Policy"] == json.loads(policy)["Policy"]
    assert [secret for secret in registry.secrets() if secret in made.output] == []
    # docker of the registry's host gets what r2 has issued to itself: its authority and a certificate.
    mirror = f"{other.address}:5000"
    known = Path(registry.node.path(f"/etc/docker/certs.d/{mirror}"))
    known.mkdir(parents=True)
    (known / "ca.crt").write_text(other.run("cat", f"/etc/docker/certs.d/{mirror}/ca.crt"))
    mirrored = image.replace(registry.name, mirror)
    registry.docker().tag(image, mirrored[:-2], "1")
    # Which of the two depends on the version of Go.
    assert re.search("tls: (bad certificate|certificate required)", registry.pull(mirrored, {}))
    for name in ("client.cert", "client.key"):
        (known / name).write_text(other.run("cat", f"/etc/docker/certs.d/{mirror}/{name}"))
    assert registry.pull(mirrored, {}) == ""
    assert registry.push(mirrored, {}) != ""
