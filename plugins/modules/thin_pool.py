#!/usr/bin/python
# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Manage an LVM thin pool on whole devices."""

from __future__ import annotations

DOCUMENTATION = r"""
module: thin_pool
short_description: Manage an LVM thin pool on whole devices
version_added: 0.1.0
description:
  - Makes a volume group of the named devices and a thin pool in it, in which VM disks and docker's data are thin volumes.
  - The pool grows when a device is added to O(devices) or when O(size) is raised. It is never made smaller.
  - A device that carries anything, is in use, or belongs to another volume group is refused by name, see O(wipe).
    A physical volume that is in no group counts as empty, as an interrupted run leaves one behind.
  - An interrupted run is completed by running again.
options:
  name:
    description: Name of the thin pool.
    type: str
    default: pool
  group:
    description:
      - Name of the volume group.
      - A group that exists and was not made by this module is refused, see O(adopt).
    type: str
    default: zonal
  devices:
    description:
      - The block devices of the group, as full paths. Stable names such as C(/dev/disk/by-id/...) are best.
      - Required when O(state=present). All devices of the group must be listed. A device is never taken out of the group;
        empty it with C(pvmove) and take it out with C(vgreduce).
    type: list
    elements: str
  size:
    description:
      - Size of the pool, either such as V(100G) (powers of 1024) or such as V(90%), a share of the whole volume group.
      - The rest of the group is what the pool grows into by itself, see O(autoextend_threshold), and holds the pool's metadata
        and the spare for its repair. With the defaults that is room for two steps, of which the journal tells. With V(100%)
        there would be none for the metadata.
      - A pool that has grown above this size by itself, or by a run that was cut off, is left as it is. Less than what was asked
        for before is refused.
    type: str
    default: 90%
  metadata_size:
    description:
      - Size of the pool's metadata, from V(2M) to V(15G). It is never made smaller.
      - If not set, a new or growing pool has 128 bytes for each chunk, twice what mapping all of it takes, as snapshots need
        more; at least V(4M).
    type: str
  chunk_size:
    description:
      - Size of the pieces that the pool gives out, a multiple of V(64K) up to V(1G). It cannot be changed later.
      - If not set, a new pool has V(64K), which shares most between images and their clones, or for pools above 7.5 TiB the
        smallest chunk with which the metadata does not reach its limit.
    type: str
  autoextend_threshold:
    description:
      - When so many percent of the data or of the metadata are used, LVM's monitor (dmeventd) makes that part larger by itself.
        From V(50) to V(100); V(100) is never.
      - Kept in an LVM profile of its own, C(/etc/lvm/profile/zonal-GROUP-NAME.profile).
    type: int
    default: 80
  autoextend_percent:
    description:
      - How much larger the pool becomes in one step, in percent of its size, from V(1) to V(100).
      - LVM takes whole steps only, so with large steps the last free part of the group is never used.
    type: int
    default: 5
  tags:
    description:
      - LVM tags of the pool. If not set they are left as they are, an empty list removes all.
      - Tags that begin with C(zonal.) belong to the collection.
    type: list
    elements: str
  wipe:
    description:
      - If V(true), a new device that carries a filesystem, partition table, RAID, LUKS or any other signature is erased, not refused.
      - A device that is mounted, used as swap, held by another device, or part of another volume group is refused all the same.
    type: bool
    default: false
  adopt:
    description:
      - If V(true), a volume group of that name that was not made by this module is taken over as it is. All of its devices must be listed.
      - Two owners of one pool destroy it, so be sure that nothing else manages this group.
    type: bool
    default: false
  force:
    description: If V(true), O(state=absent) destroys the volumes in the pool. Volumes in use are never destroyed.
    type: bool
    default: false
  state:
    description:
      - V(present) makes, grows and corrects the pool.
      - V(absent) removes the pool, and the group with its devices' labels if nothing else is in it.
    type: str
    choices: [present, absent]
    default: present
requirements:
  - lvm2 and thin-provisioning-tools on the host
extends_documentation_fragment:
  - zonal.cloud.attributes
seealso:
  - module: zonal.cloud.thin_volume
author:
  - zonal.cloud contributors (@zonal-cloud)
"""

EXAMPLES = r"""
- name: All of an SSD
  zonal.cloud.thin_pool:
    devices:
      - /dev/disk/by-id/nvme-SAMSUNG_MZQL21T9HCJR_S64GNE0T1234

- name: Another SSD, so the pool grows
  zonal.cloud.thin_pool:
    devices:
      - /dev/disk/by-id/nvme-SAMSUNG_MZQL21T9HCJR_S64GNE0T1234
      - /dev/disk/by-id/nvme-SAMSUNG_MZQL21T9HCJR_S64GNE0T5678

- name: Remove a pool with all that is in it
  zonal.cloud.thin_pool:
    state: absent
    force: true
"""

RETURN = r"""
thin_pool:
  description: The pool as it is now, or would be in check mode. Without a pool only O(name), O(group) and O(state) are certain.
  returned: success
  type: dict
  contains:
    name:
      description: Name of the pool.
      type: str
      sample: pool
    group:
      description: Name of the volume group.
      type: str
      sample: zonal
    state:
      description: V(present) or V(absent).
      type: str
      sample: present
    devices:
      description: The devices of the group, by their kernel's names.
      type: list
      elements: str
      sample: [/dev/nvme0n1]
    group_size:
      description: Size of the group.
      type: str
      sample: 1788G
    group_free:
      description: What of the group is in no volume.
      type: str
      sample: 172G
    size:
      description: Size of the pool.
      type: str
      sample: 1609G
    metadata_size:
      description: Size of the pool's metadata.
      type: str
      sample: 3220M
    chunk_size:
      description: Size of the pieces that the pool gives out.
      type: str
      sample: 64K
    tags:
      description: Tags of the pool, without those of the collection.
      type: list
      elements: str
      sample: []
    data_percent:
      description: How much of the pool is used, in percent; null while it is not active.
      type: float
      sample: 41.27
    metadata_percent:
      description: How much of the metadata is used, in percent; null while it is not active.
      type: float
      sample: 12.5
    volumes:
      description: Number of volumes in the pool.
      type: int
      sample: 12
    autoextend_threshold:
      description: From how many percent on the pool grows by itself; null if that is not set.
      type: int
      sample: 80
    autoextend_percent:
      description: By how many percent the pool grows by itself; null if that is not set.
      type: int
      sample: 5
plan:
  description: What was done, or would be done in check mode, in order.
  returned: always
  type: list
  elements: dict
  sample:
    - {action: create_pool, target: zonal/pool, reason: does not exist; 1609G, fields: [size]}
pending:
  description: Always empty; this module leaves no difference open.
  returned: success
  type: list
  elements: dict
  sample: []
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.zonal.cloud.plugins.module_utils._module.run import run
from ansible_collections.zonal.cloud.plugins.module_utils._module.thin_pool import build_thin_pool


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "name": {"type": "str", "default": "pool"},
            "group": {"type": "str", "default": "zonal"},
            "devices": {"type": "list", "elements": "str"},
            "size": {"type": "str", "default": "90%"},
            "metadata_size": {"type": "str"},
            "chunk_size": {"type": "str"},
            "autoextend_threshold": {"type": "int", "default": 80},
            "autoextend_percent": {"type": "int", "default": 5},
            "tags": {"type": "list", "elements": "str"},
            "wipe": {"type": "bool", "default": False},
            "adopt": {"type": "bool", "default": False},
            "force": {"type": "bool", "default": False},
            "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
        },
        required_if=[("state", "present", ["devices"])],
        supports_check_mode=True,
    )
    run(module, build_thin_pool)


if __name__ == "__main__":
    main()
