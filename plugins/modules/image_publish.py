#!/usr/bin/python
# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Publish an image in an S3 store and a docker registry."""

from __future__ import annotations

DOCUMENTATION = r"""
module: image_publish
short_description: Publish an image in an S3 store and a docker registry
version_added: 0.1.0
description:
  - Puts an image where hosts get it from, with both faces. Its archive goes into a bucket under the digest of its bytes, the image into
    a docker registry, and last a manifest of both into the bucket, in one request; by it the image is published.
  - The archive is checked as M(zonal.cloud.image) does it, before anything is sent; C(docs/images.md) tells what is refused.
  - An image is its content. What the name means already is not published again, however it is packed now, and what is in the store or
    in the registry is not sent again. A run that is cut off leaves the name what it was; the next one goes on.
author:
  - zonal.cloud contributors (@zonal-cloud)
options:
  name:
    description: Name and tag under which it is published, such as V(debian:13). It may mean another content so far.
    type: str
    required: true
  from:
    description:
      - What O(source) is.
      - V(tgz) is an archive, as M(zonal.cloud.image) takes it, whose own bytes are published.
      - V(volume) is a thin volume with ext4, such as the golden volume of an image. A snapshot of it is packed, so that whoever uses the
        volume goes on, and removed again.
      - V(docker) is an image of the host's docker. Its only layer is the archive; several are laid upon each other on a
        volume that is there meanwhile. What it tells containers to run is not kept.
      - V(instance) is a VM or container that M(zonal.cloud.vm) or M(zonal.cloud.container) has made. It goes on; RV(captured) tells how
        it was held still.
    type: str
    choices: [tgz, volume, docker, instance]
    default: tgz
  source:
    description:
      - Path of the archive on the host, name of the volume in O(group), C(name:tag) of the image in docker, or name of the instance.
    type: str
    required: true
    aliases: [src]
  snapshot:
    description:
      - With O(from=instance), name of a snapshot that M(zonal.cloud.snapshot) took of it. What this holds is published, and not what the
        instance holds now, which is not touched.
    type: str
  bucket:
    description: Bucket of the store, which is there.
    type: str
    default: images
  s3_endpoint:
    required: true
  s3_access_key:
    required: true
  s3_secret_key:
    required: true
  ca_file:
    description: Certificates of the authorities that the store's is checked against, on the host; without it those of the host.
    type: path
  registry:
    description:
      - Registry that the image is pushed to by the host's docker, such as V(registry.example:5000); without it there is no such face.
      - docker trusts it by C(/etc/docker/certs.d). In the host's docker the name C(REGISTRY/NAME:TAG) is removed in the end.
    type: str
  folder:
    description:
      - Folder of the host where archives are made, with room for all that the volume holds. It is readable for its owner only when it
        is made here.
    type: path
    default: /var/lib/zonal/publish
requirements:
  - the Python package boto3
  - docker and its Python package, for O(registry)
  - lvm2, for O(from=volume)
  - skopeo, for O(from=docker), and umoci and lvm2 for images with several layers
  - for O(from=instance) what the modules of its kind need; skopeo, umoci and lvm2 for a container, lvm2 for a VM
extends_documentation_fragment:
  - zonal.cloud.image
  - zonal.cloud.attributes
seealso:
  - module: zonal.cloud.image
  - module: zonal.cloud.s3_bucket
"""

EXAMPLES = r"""
- name: Publish an archive with both faces
  zonal.cloud.image_publish:
    name: "debian:13"
    source: /srv/debian-13.tgz
    s3_endpoint: https://kvm01.example:7480
    s3_access_key: "{{ images_access_key }}"
    s3_secret_key: "{{ images_secret_key }}"
    registry: kvm01.example:5000
    registry_user: zonal
    registry_password: "{{ registry_password }}"
    ca_file: /etc/ssl/certs/ca-certificates.crt
  register: published

- name: Show what to write into zonal_images
  ansible.builtin.debug:
    var: published.image.entry

- name: Publish what a golden volume holds, in the store only
  zonal.cloud.image_publish:
    name: "debian:13"
    from: volume
    source: img-9b0d6bd1a2f9
    s3_endpoint: https://kvm01.example:7480
    s3_access_key: "{{ images_access_key }}"
    s3_secret_key: "{{ images_secret_key }}"

- name: Publish what an instance held when a snapshot was taken
  zonal.cloud.image_publish:
    name: "web-of-monday:1"
    from: instance
    source: idc01-dev-web-101001
    snapshot: before-upgrade  # without it, what it holds now
    s3_endpoint: https://kvm01.example:7480
    s3_access_key: "{{ images_access_key }}"
    s3_secret_key: "{{ images_secret_key }}"
"""

RETURN = r"""
captured:
  description: The instance of which an archive was made.
  type: dict
  returned: with O(from=instance), outside of check mode
  contains:
    name: {description: Its name., type: str}
    kind: {description: "V(vm) or V(container).", type: str}
    zone: {description: Its zone., type: str}
    snapshot: {description: "The snapshot that was published; empty for what it held at that moment.", type: str}
    consistent:
      description:
        - Whether nothing was being written at that moment. docker pauses a container; a VM's guest agent freezes its file systems.
        - If not, the image holds what the disk would hold after a power cut at that moment.
      type: bool
    why: {description: "Why it was not consistent, in the engine's words.", type: str}
  sample: {name: lab-web-001011, kind: container, zone: lab, snapshot: "", consistent: true, why: ""}
plan:
  description: The steps that were done, or in check mode would be done, in their order.
  type: list
  elements: dict
  returned: success
  contains:
    action: {description: "V(upload), V(push) or V(write_manifest).", type: str}
    target: {description: What is written., type: str}
    reason: {description: Why., type: str}
    fields: {description: Always empty., type: list, elements: str}
  sample:
    - {action: write_manifest, target: "s3://images/images/debian/13.json", reason: nothing is published under that name, fields: []}
pending:
  description: Always empty; this module leaves no difference open.
  type: list
  elements: dict
  returned: success
  sample: []
image:
  description:
    - What is published under the name, or in check mode would be.
    - In check mode only RV(image.name) and RV(image.digest) are known of what is yet to be packed, and the latter only of a
      golden volume.
  type: dict
  returned: success
  contains:
    name: {description: Name and tag., type: str}
    digest: {description: Digest of the content., type: str}
    sha256: {description: Digest of the archive's bytes., type: str}
    size: {description: Bytes of the archive., type: int}
    content_size: {description: Bytes that the content takes on disk., type: int}
    bootable: {description: Whether it has a kernel., type: bool}
    src: {description: Where the archive is., type: str}
    registry:
      description: C(reference) of the image in the registry, and C(sha256) of its manifest there; null without a registry.
      type: dict
    created: {description: When it was published (UTC)., type: str}
    entry: {description: An entry of C(zonal_images) by which hosts get the archive., type: dict}
    registry_entry: {description: The same to get it from the registry; null without one., type: dict}
  sample:
    name: "debian:13"
    digest: 9b0d6bd1a2f9b1b7b9f06e5fd3e2f3c1bb2a1c9a5a3ee29f4ce4e4f7b0f6a811
    sha256: 0c1e64ad3f0d9f2d1d3b8ff4a2e0a5a4d3b7cde1f60f1a3f6f3a2f8b3c9d1e70
    size: 402653184
    content_size: 1103101952
    bootable: true
    src: s3://images/blobs/0c1e64ad3f0d9f2d1d3b8ff4a2e0a5a4d3b7cde1f60f1a3f6f3a2f8b3c9d1e70.tgz
    registry:
      reference: kvm01.example:5000/debian:13
      sha256: 5e884898da28047151d0e56f8dc6292773603d0d6aabbdd62a11ef721d1542d8
    created: "2026-01-31T12:00:00Z"
    entry:
      name: "debian:13"
      src: s3://images/blobs/0c1e64ad3f0d9f2d1d3b8ff4a2e0a5a4d3b7cde1f60f1a3f6f3a2f8b3c9d1e70.tgz
      digest: 9b0d6bd1a2f9b1b7b9f06e5fd3e2f3c1bb2a1c9a5a3ee29f4ce4e4f7b0f6a811
      sha256: 0c1e64ad3f0d9f2d1d3b8ff4a2e0a5a4d3b7cde1f60f1a3f6f3a2f8b3c9d1e70
      kinds: [container, vm]
    registry_entry:
      name: "debian:13"
      src: docker://kvm01.example:5000/debian:13
      digest: 9b0d6bd1a2f9b1b7b9f06e5fd3e2f3c1bb2a1c9a5a3ee29f4ce4e4f7b0f6a811
      kinds: [container, vm]
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.zonal.cloud.plugins.module_utils._module.image_publish import build_image_publish
from ansible_collections.zonal.cloud.plugins.module_utils._module.run import run


def main() -> None:
    """Run the module."""
    options = {
        "name": {"type": "str", "required": True},
        "from": {"type": "str", "choices": ["tgz", "volume", "docker", "instance"], "default": "tgz"},
        "source": {"type": "str", "required": True, "aliases": ["src"]},
        "snapshot": {"type": "str"},
        "bucket": {"type": "str", "default": "images"},
        "s3_endpoint": {"type": "str", "required": True},
        "s3_access_key": {"type": "str", "required": True, "no_log": False},
        "s3_secret_key": {"type": "str", "required": True, "no_log": True},
        "ca_file": {"type": "path"},
        "registry": {"type": "str"},
        "registry_user": {"type": "str"},
        "registry_password": {"type": "str", "no_log": True},
        "folder": {"type": "path", "default": "/var/lib/zonal/publish"},
        "max_size": {"type": "str", "default": "20G"},
        "privileged_files": {"type": "str", "choices": ["usual", "none", "any"], "default": "usual"},
        "group": {"type": "str", "default": "zonal"},
        "pool": {"type": "str", "default": "pool"},
    }
    run(AnsibleModule(argument_spec=options, supports_check_mode=True), build_image_publish, changes_host=False)


if __name__ == "__main__":
    main()
