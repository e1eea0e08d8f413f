# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A registry on Ceph on a host of the lab, and two images that are published there."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

REGISTRY, USER = "h1", "h2"
S3, PUSHED = "tgz:1", "pushed:1"
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


def made_registry(lab: Any, folder: Path) -> Registry:
    """Make the registry."""
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


def published(registry: Registry) -> list[dict[str, str]]:
    """Publish an image as an archive, and one by docker that is taken from the registry; return their entries."""
    registry.play(registry.write("copy.yml", _ARCHIVE.format(host=REGISTRY)))
    registry.lab.on(REGISTRY, _CONTENTS)
    archive = registry.publish("zonal.cloud.publish_image", zonal_publish_name=S3, zonal_publish_source=f"/var/tmp/{S3}.tgz")
    docker = registry.publish(
        "zonal.cloud.publish_image", zonal_publish_name=PUSHED, zonal_publish_from="docker", zonal_publish_source=PUSHED
    )
    address = json.loads(Path(registry.options[-1].removeprefix("@")).read_text())["zonal_publish_registry"]
    return [archive, {**docker, "src": f"docker://{address}/{PUSHED}"}]
