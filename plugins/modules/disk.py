#!/usr/bin/python
# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Manage one data disk."""

from __future__ import annotations

DOCUMENTATION = r"""
module: disk
short_description: Manage a data disk, which instances can have one after the other
description:
  - Makes, grows and removes a disk with a life of its own, a thin volume or an image on Ceph C(disk-NAME). An instance has it by the option
    C(disks) of M(zonal.cloud.vm), M(zonal.cloud.container) or M(zonal.cloud.instances), and leaves it behind with its data when it goes.
  - Its file system is made once, on the whole disk without a partition table, so that a VM and a container can have the same disk.
  - Those modules make a disk as well when they are told its size. This one is for disks without an instance, with another file system,
    and to remove one.
author:
  - zonal.cloud contributors (@zonal-cloud)
version_added: 0.1.0
options:
  name:
    description:
      - Name of the disk on this host, or with O(store=rbd) in the pool; 1 to 63 lower-case letters, digits and hyphens (RFC 1123).
      - The guest of a VM finds the disk as C(/dev/disk/by-id/virtio-NAME). Of a name with more than 20 characters that is the beginning
        and a digest.
    type: str
    required: true
  size:
    description:
      - Size such as V(500G) (powers of 1024), at least V(16M), rounded up to whole extents. Space of the pool is only taken as it is
        written to. Needed to make the disk.
      - A larger size makes the disk grow while it is in use. A VM that runs sees that at once and its guest lets the file system grow by
        itself (C(resize2fs), C(xfs_growfs)); a file system that a container has mounted, or that is C(ext4) and nobody has open, grows as
        well. An C(xfs) that is not mounted grows in the first run after it was mounted.
      - A disk is never made smaller.
    type: str
  filesystem:
    description:
      - What the disk is made with; when not set V(ext4). V(xfs) needs at least V(300M). A container cannot have a disk with V(none).
      - It is not changed later. A disk with O(store=rbd) has V(none), and the guest makes its own.
    type: str
    choices: [ext4, xfs, none]
  store:
    description:
      - V(thin) is the thin pool of this host, whose instances can have the disk.
      - V(rbd) is a pool of Ceph that all hosts of a zone reach. VMs of all of them can have the disk, one at a time.
    type: str
    choices: [thin, rbd]
    default: thin
  lost_host:
    description:
      - Name of a host, as RV(disk.used_by) shows it, that never runs again. What its instance has of a disk with O(store=rbd) is
        forgotten, so that another one can have the disk.
      - Refused while anything has the disk open. A host that comes back nevertheless would start its VM with a disk of somebody else, and
        both would destroy its file system; see that it does not.
    type: str
  group:
    description: Volume group of the thin pool.
    type: str
    default: zonal
  pool:
    description: Thin pool that holds the disk.
    type: str
    default: pool
  state:
    description:
      - V(present) makes the disk and lets it grow.
      - V(absent) removes it B(with its data). That is refused while an instance of the host has it, running or not, or while it is open;
        with O(store=rbd) of any host.
      - A disk that is there is changed only when docker and libvirt, where they are installed, tell whose it is.
    type: str
    choices: [present, absent]
    default: present
requirements:
  - lvm2, thin-provisioning-tools and e2fsprogs or xfsprogs on the host (role P(zonal.cloud.thin_storage#role))
  - with O(store=rbd) ceph-common on the host (role P(zonal.cloud.hypervisor#role))
seealso:
  - module: zonal.cloud.vm
  - module: zonal.cloud.container
  - module: zonal.cloud.thin_volume
extends_documentation_fragment:
  - zonal.cloud.attributes
  - zonal.cloud.rbd
"""

EXAMPLES = r"""
- name: A disk for a database, whoever will run that
  zonal.cloud.disk:
    name: db-data
    size: 500G
    filesystem: xfs

- name: A large one on Ceph, which can go from host to host
  zonal.cloud.disk:
    name: archive
    size: 8T
    store: rbd

- name: Let others have it after its host has burned down
  zonal.cloud.disk:
    name: archive
    store: rbd
    lost_host: kvm01

- name: Remove it with its data
  zonal.cloud.disk:
    name: db-data
    state: absent
"""

RETURN = r"""
disk:
  description: The disk as it is now, or in check mode would be. Without a disk there are only its name and O(state).
  type: dict
  returned: success
  contains:
    name: {description: Name of the disk., type: str}
    state: {description: V(present) or V(absent)., type: str}
    size: {description: Size of the disk., type: str}
    filesystem: {description: What it was made with., type: str}
    used_by:
      description: The instance that has it; a list of one or none. One of another host is told with that, such as V(db-101006 on kvm01).
      type: list
      elements: str
  sample: {name: db-data, state: present, size: 500G, filesystem: xfs, used_by: [db-101006]}
plan:
  description: The steps that were done, or in check mode would be done, in their order.
  type: list
  elements: dict
  returned: success
  sample: [{action: make_disk, target: disk db-data, reason: "does not exist; 500G, xfs", fields: [size]}]
pending:
  description: Always empty; this module leaves no difference open.
  type: list
  elements: dict
  returned: success
  sample: []
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.zonal.cloud.plugins.module_utils._module.disk import build_disk
from ansible_collections.zonal.cloud.plugins.module_utils._module.instance_options import pool_options, rbd_options
from ansible_collections.zonal.cloud.plugins.module_utils._module.run import run


def main() -> None:
    """Run the module."""
    options = {
        "name": {"type": "str", "required": True},
        "size": {"type": "str"},
        "filesystem": {"type": "str", "choices": ["ext4", "xfs", "none"]},
        "store": {"type": "str", "choices": ["thin", "rbd"], "default": "thin"},
        "lost_host": {"type": "str"},
        **pool_options(),
        **rbd_options(),
        "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
    }
    run(AnsibleModule(argument_spec=options, supports_check_mode=True), build_disk)


if __name__ == "__main__":
    main()
