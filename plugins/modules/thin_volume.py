#!/usr/bin/python
# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Manage a thin volume and its filesystem."""

from __future__ import annotations

DOCUMENTATION = r"""
module: thin_volume
short_description: Manage a thin volume and its filesystem
version_added: 0.1.0
description:
  - Makes a volume in a thin pool, with a filesystem if asked for, and grows both while they are in use.
  - A volume is never made smaller, and a filesystem is only made on a volume that carries nothing.
  - An interrupted run is completed by running again, also when it was cut while the filesystem was being made.
  - Mounting is left to systemd, see the role P(zonal.cloud.docker_engine#role) for an example.
options:
  name:
    description: Name of the volume.
    type: str
    required: true
  group:
    description: Name of the volume group.
    type: str
    default: zonal
  pool:
    description: Name of the thin pool in that group, see M(zonal.cloud.thin_pool).
    type: str
    default: pool
  size:
    description:
      - Size such as V(100G) (powers of 1024), rounded up to whole extents. Space of the pool is only taken as it is written to.
      - Required when O(state=present).
    type: str
  filesystem:
    description:
      - V(none) leaves the volume's content alone. V(xfs) needs at least V(300M).
      - A mounted filesystem grows with the volume; one that is not mounted grows in the first run after it was mounted.
    type: str
    choices: [none, xfs, ext4]
    default: none
  tags:
    description:
      - LVM tags of the volume. If not set they are left as they are, an empty list removes all.
      - Tags that begin with C(zonal.) belong to the collection.
    type: list
    elements: str
  force:
    description: If V(true), O(state=absent) destroys a volume that holds data. A volume in use is never destroyed.
    type: bool
    default: false
  state:
    description: V(present) makes, grows and corrects the volume. V(absent) removes it.
    type: str
    choices: [present, absent]
    default: present
requirements:
  - lvm2 and thin-provisioning-tools on the host
  - xfsprogs or e2fsprogs on the host, for O(filesystem)
extends_documentation_fragment:
  - zonal.cloud.attributes
seealso:
  - module: zonal.cloud.thin_pool
author:
  - zonal.cloud contributors (@zonal-cloud)
"""

EXAMPLES = r"""
- name: A volume for docker's data
  zonal.cloud.thin_volume:
    name: docker
    size: 400G
    filesystem: xfs

- name: Remove it with the data
  zonal.cloud.thin_volume:
    name: docker
    state: absent
    force: true
"""

RETURN = r"""
thin_volume:
  description: The volume as it is now, or would be in check mode. Without a volume there are only its names, O(state) and the path.
  returned: success
  type: dict
  contains:
    name:
      description: Name of the volume.
      type: str
      sample: docker
    group:
      description: Name of the volume group.
      type: str
      sample: zonal
    pool:
      description: Name of the thin pool.
      type: str
      sample: pool
    path:
      description: The volume's block device.
      type: str
      sample: /dev/zonal/docker
    state:
      description: V(present) or V(absent).
      type: str
      sample: present
    size:
      description: Size of the volume.
      type: str
      sample: 400G
    filesystem:
      description: What the volume carries, V(none) for nothing.
      type: str
      sample: xfs
    tags:
      description: Tags of the volume, without those of the collection.
      type: list
      elements: str
      sample: []
    mounts:
      description: Where the volume is mounted.
      type: list
      elements: str
      sample: [/var/lib/docker]
    data_percent:
      description: How much of the volume takes space in the pool, in percent; null while it is not active.
      type: float
      sample: 17.5
plan:
  description: What was done, or would be done in check mode, in order.
  returned: always
  type: list
  elements: dict
  sample:
    - {action: create_volume, target: zonal/docker, reason: does not exist; 400G, fields: [size]}
pending:
  description: Always empty; this module leaves no difference open.
  returned: success
  type: list
  elements: dict
  sample: []
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.zonal.cloud.plugins.module_utils._module.run import run
from ansible_collections.zonal.cloud.plugins.module_utils._module.thin_volume import build_thin_volume


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "name": {"type": "str", "required": True},
            "group": {"type": "str", "default": "zonal"},
            "pool": {"type": "str", "default": "pool"},
            "size": {"type": "str"},
            "filesystem": {"type": "str", "choices": ["none", "xfs", "ext4"], "default": "none"},
            "tags": {"type": "list", "elements": "str"},
            "force": {"type": "bool", "default": False},
            "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
        },
        required_if=[("state", "present", ["size"])],
        supports_check_mode=True,
    )
    run(module, build_thin_volume)


if __name__ == "__main__":
    main()
