# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A registry on Ceph on one host: what is published there by either face runs as both kinds on the other host."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pytest

REGISTRY, USER = "h1", "h2"
S3, PUSHED = "tgz:1", "pushed:1"
_INSTANCE = {"zone": "lab", "tenant": "demo", "app": "published", "vcpus": 1, "disk": "256M"}
_RECEIVED = "cat /sys/class/net/vec0/statistics/rx_bytes"
_ARCHIVE = """
- hosts: {host}
  gather_facts: false
  tasks:
    - ansible.builtin.copy: {{src: "{{{{ lab_guest_image.path }}}}", dest: /var/tmp/guest.tgz, mode: "0600"}}
"""
# Two contents that no host has: else there would be nothing to fetch.
_CONTENTS = f"""
set -e
mkdir /var/tmp/root
tar --extract --numeric-owner --file /var/tmp/guest.tgz --directory /var/tmp/root
for name in {S3} {PUSHED}; do
  echo $name >/var/tmp/root/etc/content
  tar --create --gzip --numeric-owner --directory /var/tmp/root --file /var/tmp/$name.tgz --force-local .
done
docker import /var/tmp/{PUSHED}.tgz {PUSHED} >/dev/null
"""
_INFO = """
- hosts: {host}
  gather_facts: false
  tasks:
    - zonal.cloud.image_info:
      register: told
    - ansible.builtin.copy: {{content: "{{{{ told.images }}}}", dest: "{target}", mode: "0600"}}
      delegate_to: localhost
"""


@dataclass(frozen=True)
class Registry:
    """The registry of the lab, and the options of plays that use it."""

    lab: Any
    folder: Path
    options: list[str]

    def play(self, playbook: str, *arguments: str, **variables: Any) -> str:
        output = str(self.lab.play(playbook, *self.options, *arguments, "-e", json.dumps(variables)))
        assert "Traceback" not in output
        return output

    def write(self, name: str, text: str) -> str:
        (self.folder / name).write_text(text)
        return str(self.folder / name)

    def publish(self, playbook: str, **variables: Any) -> dict[str, str]:
        """Publish and return the entry for ``zonal_images`` that was told."""
        output = self.play(playbook, **variables)
        return dict(re.findall(r"\b(name|src|digest): '?([^\s']+)", output.partition("what to write into zonal_images")[2]))

    def images(self, host: str) -> list[dict[str, Any]]:
        """Return what image_info tells of a host."""
        self.lab.play(self.write("info.yml", _INFO.format(host=host, target=self.folder / "images.json")))
        told: list[dict[str, Any]] = json.loads((self.folder / "images.json").read_text())
        return told


@pytest.fixture(scope="module")
def registry(lab: Any, tmp_path_factory: pytest.TempPathFactory) -> Registry:
    folder = tmp_path_factory.mktemp("registry")
    hosts = folder / "hosts.yml"
    # A small store on a thin volume of the pool; one core has other things to do than to commit twenty times a second.
    size = {"ceph_registry_osd_size": "3G", "ceph_registry_osd_memory": "896M"}
    hosts.write_text(json.dumps({"zonal_registry": {"hosts": {REGISTRY: {}}, "vars": size}}))
    lab.play("zonal.cloud.registry", "-i", str(hosts), timeout=1800)
    keys = json.loads(lab.on(REGISTRY, "radosgw-admin user info --uid zonal-images"))["keys"][0]
    address = next(host["ansible_host"] for name, host in lab.inventory()["_meta"]["hostvars"].items() if name == REGISTRY)
    endpoint, authorities = f"https://{address}:7480", "/etc/ssl/certs/ca-certificates.crt"
    password = lab.on(REGISTRY, "cat /etc/docker/registry/password").strip()
    store = {"s3_endpoint": endpoint, "s3_access_key": keys["access_key"], "s3_secret_key": keys["secret_key"], "ca_file": authorities}
    login = {"registry_user": "zonal", "registry_password": password}
    variables = {f"{prefix}_{name}": value for prefix in ("instances", "zonal_publish") for name, value in {**store, **login}.items()}
    secrets = folder / "secrets.json"
    secrets.touch(mode=0o600)
    secrets.write_text(json.dumps({**variables, "zonal_publish_registry": f"{address}:5000"}))
    return Registry(lab, folder, ["-i", str(hosts), "-e", f"@{secrets}"])


@pytest.fixture(scope="module")
def entries(registry: Registry, lab: Any) -> list[dict[str, str]]:
    """One image published as an archive and taken as that, and one published by docker and taken from its registry."""
    registry.play(registry.write("copy.yml", _ARCHIVE.format(host=REGISTRY)))
    lab.on(REGISTRY, _CONTENTS)
    archive = registry.publish("zonal.cloud.publish_image", zonal_publish_name=S3, zonal_publish_source=f"/var/tmp/{S3}.tgz")
    docker = registry.publish(
        "zonal.cloud.publish_image", zonal_publish_name=PUSHED, zonal_publish_from="docker", zonal_publish_source=PUSHED
    )
    address = json.loads(Path(registry.options[-1].removeprefix("@")).read_text())["zonal_publish_registry"]
    return [archive, {**docker, "src": f"docker://{address}/{PUSHED}"}]


@pytest.mark.parametrize("face", [S3, PUSHED])
def test_what_has_one_face_runs_as_both_kinds(registry: Registry, lab: Any, entries: list[dict[str, str]], face: str) -> None:
    (entry,) = (entry for entry in entries if entry["name"] == face)
    declared = [
        {**_INSTANCE, "kind": kind, "image": face, "memory": memory, "address": f"10.99.1.{60 + number}"}
        for number, (kind, memory) in enumerate((("vm", "128M"), ("container", "64M")))
    ]
    registry.play("zonal.cloud.provision", "--limit", USER, zonal_images=[entry], zonal_instances=declared)
    for one in declared:
        lab.eventually(partial(lab.answers, one["address"]), f"the {one['kind']} answers")
    assert lab.login(declared[0]["address"], "cat /etc/content").strip() == face
    names = [claim["name"] for claim in lab.claims() if claim["app"] == _INSTANCE["app"]]
    assert lab.on(USER, f"docker exec {names[1]} cat /etc/content").strip() == face
    assert [(image["digest"], image["kinds"]) for image in registry.images(USER) if face in image["names"]] == [
        (entry["digest"], ["container", "vm"])
    ]
    # A lab host has room for few instances.
    lab.play("zonal.cloud.retire", "--limit", USER, "-e", json.dumps({"zonal_retire": names}))


def test_a_second_run_fetches_nothing(registry: Registry, lab: Any, entries: list[dict[str, str]]) -> None:
    registry.play("zonal.cloud.images", "--limit", USER, zonal_images=entries)
    before = int(lab.on(USER, _RECEIVED))
    output = registry.play("zonal.cloud.images", "--limit", USER, zonal_images=entries)
    assert set(re.findall(r"changed=(\d+)", output)) == {"0"}, output
    # What Ansible sends to a host is far less than an image.
    size = Path(json.loads(lab.cli("image", "--json"))["path"]).stat().st_size
    assert int(lab.on(USER, _RECEIVED)) - before < size / 4


def test_what_a_container_holds_becomes_an_image_and_an_event(registry: Registry, lab: Any) -> None:
    name = lab.placed("container", REGISTRY)[0]
    lab.on(REGISTRY, f"docker exec {name} sh -c 'echo written >/root/marker'")
    entry = registry.publish("zonal.cloud.capture_image", zonal_capture_instance=name, zonal_capture_name="captured:1")
    assert lab.on(REGISTRY, f"docker exec {name} cat /root/marker").strip() == "written"
    registry.play("zonal.cloud.images", "--limit", USER, zonal_images=[{**entry, "kinds": ["container"]}])
    assert lab.on(USER, "docker run --rm --network none captured:1 cat /root/marker").strip() == "written"
    told = " ".join(lab.play("zonal.cloud.history", "-e", json.dumps({"zonal_zone": "lab"})).split())
    assert f"capture {name}" in told


def test_after_a_power_cut_it_serves_again_and_nothing_is_left_to_do(registry: Registry, lab: Any, entries: list[dict[str, str]]) -> None:
    lab.cli("kill", REGISTRY)
    lab.cli("start", REGISTRY, timeout=600)
    output = lab.play("zonal.cloud.registry", *registry.options, timeout=1800)
    assert set(re.findall(r"changed=(\d+)", output)) == {"0"}, output
    lab.on(USER, f"docker image rm {PUSHED}")
    assert "changed=1" in registry.play("zonal.cloud.images", "--limit", USER, zonal_images=entries[1:])
