#!/usr/bin/python
# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Tell which images a host has."""

from __future__ import annotations

DOCUMENTATION = r"""
module: image_info
short_description: Tell which images a host has
description:
  - Returns the images that M(zonal.cloud.image) has made on a host. What VMs and containers have of the same content is one image.
  - An engine that is not installed or not running has no images; it is no error.
author:
  - zonal.cloud contributors (@zonal-cloud)
version_added: 0.1.0
options:
  name:
    description: Name and tag of one image, such as V(debian:13). All are returned when it is not given.
    type: str
  group:
    description: Volume group of the thin pool.
    type: str
    default: zonal
  pool:
    description: Thin pool that holds the golden volumes.
    type: str
    default: pool
extends_documentation_fragment:
  - zonal.cloud.attributes.info_module
seealso:
  - module: zonal.cloud.image
"""

EXAMPLES = r"""
- name: Read the images of a host
  zonal.cloud.image_info:
  register: found

- name: Show those that nothing is made of
  ansible.builtin.debug:
    msg: "{{ item.names | join(', ') }} ({{ item.digest[:12] }})"
  loop: "{{ found.images | rejectattr('used_by') }}"
"""

RETURN = r"""
images:
  description: The images in order of their names. One that has lost its name to a newer content stays while an instance uses it.
  returned: success
  type: list
  elements: dict
  contains:
    digest: {description: Digest of the content., type: str}
    names: {description: Names and tags., type: list, elements: str}
    sha256: {description: Digests of the archives that the content was read from., type: list, elements: str}
    kinds: {description: Kinds of instances that can be made of it here., type: list, elements: str}
    size: {description: 'Bytes for each kind: of the volume that a root disk is a snapshot of, and of the docker image.', type: dict}
    bootable: {description: Whether its kernel is here for VMs to boot., type: bool}
    cloud_init: {description: Whether cloud-init was found in it; false as well when no VM can be made of it here., type: bool}
    used_by: {description: Instances and other containers that are made of it., type: list, elements: str}
  sample:
    - digest: 9b0d6bd1a2f9b1b7b9f06e5fd3e2f3c1bb2a1c9a5a3ee29f4ce4e4f7b0f6a811
      names: ["debian:13"]
      sha256: [0c1e64ad3f0d9f2d1d3b8ff4a2e0a5a4d3b7cde1f60f1a3f6f3a2f8b3c9d1e70]
      kinds: [container, vm]
      size: {container: 402653184, vm: 620756992}
      bootable: true
      cloud_init: false
      used_by: [idc01-dev-web-101101]
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.zonal.cloud.plugins.module_utils._module.image_info import read_images
from ansible_collections.zonal.cloud.plugins.module_utils._module.run import inform


def main() -> None:
    """Run the module."""
    options = {
        "name": {"type": "str"},
        "group": {"type": "str", "default": "zonal"},
        "pool": {"type": "str", "default": "pool"},
    }
    inform(AnsibleModule(argument_spec=options, supports_check_mode=True), read_images)


if __name__ == "__main__":
    main()
