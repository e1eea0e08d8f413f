# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Make an image present on a host."""

from __future__ import annotations

DOCUMENTATION = r"""
module: image
short_description: Make an image present on a host
description:
  - An image is one root filesystem in a tar archive. For VMs it is unpacked once into a read-only thin volume, of which root disks
    are snapshots; for containers it is imported into docker. Both carry the digest of the content and that of the archive.
  - The archive is checked as a whole before anything is made, and unpacked under a hidden name, so that a part of an image is never
    visible. What became of it is held against what was checked. C(docs/images.md) tells what is refused, and why.
author:
  - zonal.cloud contributors (@zonal-cloud)
version_added: 0.1.0
options:
  name:
    description: Name and tag, such as V(debian:13).
    type: str
    required: true
  state:
    description:
      - V(present) makes what is missing of O(kinds), also when the host has another content of that name. The older content
        stays as long as an instance uses it.
      - V(absent) removes it; refused while an instance is made of it.
    type: str
    choices: [present, absent]
    default: present
  src:
    description:
      - Where the archive is (tar, plain or packed with gzip, bzip2 or xz). Needed only when the image is not there yet.
      - Either a path on the host, or an address that the host downloads it from, V(https://...), V(http://...) or V(s3://BUCKET/KEY).
        An address has blanks and the like as C(%20).
        Downloading goes on where an interrupted run has stopped, and other modules can change the host meanwhile. What was downloaded is
        removed when the image is made.
      - Or an image of a docker registry, V(docker://HOST[:PORT]/PATH:TAG) or V(docker://HOST[:PORT]/PATH@sha256:...), of which the one for
        the host's architecture is taken. Its only layer is the archive; of several one archive is made, which is known by O(digest) alone.
        What its labels say is not trusted.
      - What is in an S3 store or a registry is read by the user whose O(s3_access_key) or O(registry_user) is given.
    type: str
  folder:
    description: Folder of the host for downloads.
    type: path
    default: /var/lib/zonal/images
  ca_file:
    description:
      - Certificates of the authorities that O(src) is checked against, on the host; without it those of the host.
      - For a registry, those in its folder below C(/etc/docker/certs.d) count as well.
    type: path
  sha256:
    description: Digest of the archive's bytes, 64 hex digits. For O(state=present) it or O(digest) is needed.
    type: str
  digest:
    description:
      - Digest of the content, 64 hex digits, which does not depend on how it is packed; see RV(image.digest).
      - If it is given, it alone decides whether the image is there.
    type: str
  kinds:
    description:
      - Kinds of instances that the image is to serve.
      - An image without a kernel under C(/boot) can serve containers only; for V(vm) it is refused, unless O(kernel) is given.
    type: list
    elements: str
    choices: [container, vm]
    default: [container, vm]
  progress:
    description:
      - Seconds between lines that tell how much of a download is there; V(0) tells nothing until the end.
      - The module ends each time, and its action calls it again. Of an image with several layers it only tells how much will come.
    type: int
    default: 10
  kernel:
    description:
      - Name and tag of an image for VMs on this host, such as the default of a zone, whose kernel and initial ramdisk boot VMs of an image
        that has no kernel. One that has is not changed by this.
      - They are copied when the image is made, so the other image may change or go later. Its initial ramdisk must find the root disk
        without modules from there.
    type: str
requirements:
  - what M(zonal.cloud.container) and M(zonal.cloud.vm) need, for the kinds that are asked for
  - aria2, to download
  - the Python package boto3, to download from an S3 store
  - skopeo, to download from a registry, and umoci for images with several layers
extends_documentation_fragment:
  - zonal.cloud.image
  - zonal.cloud.attributes
seealso:
  - module: zonal.cloud.image_info
"""

EXAMPLES = r"""
- name: Bring an image to the host
  ansible.builtin.copy:
    src: images/debian-13.tgz
    dest: /var/lib/zonal/images/debian-13.tgz
    mode: "0600"

- name: Make it usable for VMs and containers
  zonal.cloud.image:
    name: "debian:13"
    src: /var/lib/zonal/images/debian-13.tgz
    sha256: 0c1e64ad3f0d9f2d1d3b8ff4a2e0a5a4d3b7cde1f60f1a3f6f3a2f8b3c9d1e70

- name: The same from a store, for containers only
  zonal.cloud.image:
    name: "debian:13"
    src: s3://images/debian-13.tgz
    s3_endpoint: https://ceph.example:7480
    s3_access_key: "{{ images_access_key }}"
    s3_secret_key: "{{ images_secret_key }}"
    ca_file: /etc/ssl/zonal-registry/ca.crt
    sha256: 0c1e64ad3f0d9f2d1d3b8ff4a2e0a5a4d3b7cde1f60f1a3f6f3a2f8b3c9d1e70
    kinds: [container]

- name: The same from a registry, for both
  zonal.cloud.image:
    name: "debian:13"
    src: docker://registry.example:5000/images/debian:13
    registry_user: zonal
    registry_password: "{{ registry_password }}"
    digest: 9b0d6bd1a2f9b1b7b9f06e5fd3e2f3c1bb2a1c9a5a3ee29f4ce4e4f7b0f6a811
"""

RETURN = r"""
plan:
  description: The steps that were done, or in check mode would be done, in their order.
  type: list
  elements: dict
  returned: success
  contains:
    action: {description: What is done., type: str}
    target: {description: To what., type: str}
    reason: {description: Why., type: str}
    fields: {description: Options whose differences led to the step., type: list, elements: str}
  sample: [{action: create, target: "image debian:13", reason: it does not exist, fields: []}]
download:
  description: What was downloaded.
  type: dict
  returned: when O(src) is an address and the image was made
  contains:
    bytes: {description: Size of the archive or of all layers; 0 when an earlier run had downloaded it., type: int}
    seconds: {description: How long it took., type: float}
  sample: {bytes: 402653184, seconds: 11.2}
image:
  description: The image as it is now, or in check mode would be.
  type: dict
  returned: success
  contains:
    name: {description: Name and tag., type: str}
    kinds: {description: Kinds that are present., type: list, elements: str}
    digest:
      description: Digest of the content for each kind; in check mode empty when only O(sha256) is known of it.
      type: dict
    sha256: {description: Digests of the archives that the content was read from for each kind., type: dict}
  sample:
    name: "debian:13"
    kinds: [vm]
    digest: {vm: 9b0d6bd1a2f9b1b7b9f06e5fd3e2f3c1bb2a1c9a5a3ee29f4ce4e4f7b0f6a811}
    sha256: {vm: [0c1e64ad3f0d9f2d1d3b8ff4a2e0a5a4d3b7cde1f60f1a3f6f3a2f8b3c9d1e70]}
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.zonal.cloud.plugins.module_utils._module.image_download import build_image
from ansible_collections.zonal.cloud.plugins.module_utils._module.run import run


def main() -> None:
    """Run the module."""
    options = {
        "name": {"type": "str", "required": True},
        "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
        "src": {"type": "str"},
        "folder": {"type": "path", "default": "/var/lib/zonal/images"},
        "s3_endpoint": {"type": "str"},
        "s3_access_key": {"type": "str", "no_log": False},
        "s3_secret_key": {"type": "str", "no_log": True},
        "registry_user": {"type": "str"},
        "registry_password": {"type": "str", "no_log": True},
        "ca_file": {"type": "path"},
        "sha256": {"type": "str"},
        "digest": {"type": "str"},
        "progress": {"type": "int", "default": 10},
        "kernel": {"type": "str"},
        "kinds": {"type": "list", "elements": "str", "choices": ["container", "vm"], "default": ["container", "vm"]},
        "max_size": {"type": "str", "default": "20G"},
        "privileged_files": {"type": "str", "choices": ["usual", "none", "any"], "default": "usual"},
        "group": {"type": "str", "default": "zonal"},
        "pool": {"type": "str", "default": "pool"},
    }
    needed = [("state", "present", ["sha256", "digest"], True)]
    module = AnsibleModule(argument_spec=options, required_if=needed, supports_check_mode=True)
    run(module, build_image)


if __name__ == "__main__":
    main()
