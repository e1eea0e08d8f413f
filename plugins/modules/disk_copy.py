#!/usr/bin/python
# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Copy a disk into an S3 store, and make a disk of a copy."""

from __future__ import annotations

DOCUMENTATION = r"""
module: disk_copy
short_description: Copy a disk into an S3 store, and make a disk of a copy
version_added: 0.1.0
description:
  - Takes a snapshot of a thin volume, such as the root disk of a VM, and stores it packed in a bucket, such as one of Ceph's gateway.
    The copy is the disk at one moment. While an instance runs it is what a power cut then would have left; nothing in it is told to
    write down what it holds in memory.
  - Makes a volume of a copy, with the same tags. It is whole, and its sha256 that of the disk that was copied, before it gets its name.
  - Only what is not zero is stored and written. Other modules can change the host while the bytes are under way.
  - What a run that was cut off has left goes with the next run for the same volume. C(docs/copies.md) tells how copies are stored.
  - What a container writes outside its volumes is on no thin volume of its own, so it cannot be copied.
options:
  name:
    description: Name of the copy, 1 to 63 letters, digits and C(_.-), such as V(2026-11-25). Each volume has names of its own.
    type: str
    required: true
  volume:
    description:
      - Name of the thin volume that is copied or made. The root disk of a VM is C(vm-) and its name.
      - Volumes of several hosts that are called the same share their copies' names; let O(name) tell the host then.
    type: str
    required: true
  source:
    description:
      - Volume that the copy is of, for O(state=restored) into a volume of another name. It gets the tags that users have set, not
        those that say whose disk it is.
      - The default is O(volume).
    type: str
  group:
    description: Name of the volume group.
    type: str
    default: zonal
  pool:
    description: Name of the thin pool in that group, see M(zonal.cloud.thin_pool).
    type: str
    default: pool
  bucket:
    description: Name of the bucket, which must be there, see M(zonal.cloud.s3_bucket).
    type: str
    required: true
  overwrite:
    description:
      - If V(true), O(state=restored) gives up a volume that is there, and does so again in each run. It stays until the new one is whole,
        so that the pool needs room for both.
      - A volume that is in use, such as by a VM that runs, is never overwritten.
    type: bool
    default: false
  state:
    description:
      - V(present) makes the copy unless there is one of that name, which is never written over.
      - V(restored) makes the volume of the copy. One that was made of the same content is left as it is, whatever was written to it since.
      - V(absent) removes the copy, whole or not; its volume is not asked for.
    type: str
    choices: [present, restored, absent]
    default: present
requirements:
  - lvm2 and thin-provisioning-tools on the host
attributes:
  idempotent:
    description: Run twice in a row with the same options, the second run changes nothing.
    support: partial
    details:
      - With O(overwrite=true) each run restores.
extends_documentation_fragment:
  - zonal.cloud.s3_store
  - zonal.cloud.attributes
seealso:
  - module: zonal.cloud.disk_copy_info
  - module: zonal.cloud.thin_volume
author:
  - zonal.cloud contributors (@zonal-cloud)
"""

EXAMPLES = r"""
- name: Copies of a VM's root disk
  module_defaults:
    zonal.cloud.disk_copy:
      bucket: copies
      endpoint: https://kvm01.example:7480
      access_key: "{{ copies_access_key }}"
      secret_key: "{{ copies_secret_key }}"
  block:
    - name: Make one; the VM may run
      zonal.cloud.disk_copy:
        name: "{{ now(utc=true).strftime('%Y-%m-%d') }}"
        volume: vm-idc01-dev-db-101007

    - name: Bring the disk back, after the VM was stopped
      zonal.cloud.disk_copy:
        name: "2026-11-25"
        volume: vm-idc01-dev-db-101007
        overwrite: true
        state: restored

    - name: Look into a copy beside the disk that is used
      zonal.cloud.disk_copy:
        name: "2026-11-25"
        source: vm-idc01-dev-db-101007
        volume: look-into
        state: restored
"""

RETURN = r"""
disk_copy:
  description:
    - The copy as it is now, or would be in check mode. Without a copy there are only its names and the state. Of a copy that would be made
      the size is known and what it will hold is not.
  returned: success
  type: dict
  contains:
    name: {description: Name of the copy., type: str, sample: "2026-11-25"}
    volume: {description: Name of the volume that is copied or made., type: str, sample: vm-idc01-dev-db-101007}
    source: {description: Name of the volume that the copy is of., type: str, sample: vm-idc01-dev-db-101007}
    bucket: {description: Name of the bucket., type: str, sample: copies}
    state:
      description: V(restored) when O(state=restored) and the volume was made of it; otherwise V(present) or V(absent).
      type: str
      sample: present
    size: {description: Size of the disk., type: str, sample: 100G}
    data: {description: 'Bytes that are not zero, counted in blocks of 1 MiB; a volume takes as much.', type: int, sample: 3221225472}
    stored: {description: Bytes in the store., type: int, sample: 1181116006}
    sha256:
      description: Digest of the disk's content from its first to its last byte.
      type: str
      sample: 9b0d6bd1a2f9b1b7b9f06e5fd3e2f3c1bb2a1c9a5a3ee29f4ce4e4f7b0f6a811
    created: {description: 'The moment of the snapshot, in UTC.', type: str, sample: "2026-11-25T03:00:00Z"}
    tags:
      description: Tags that the volume had.
      type: list
      elements: str
      sample: [zonal.instance=idc01-dev-db-101007]
transfer:
  description: What was sent or received, empty if nothing was. C(bytes) are those in the store.
  returned: when not in check mode and something was to be moved
  type: dict
  sample: {bytes: 1181116006, seconds: 41.5}
plan:
  description: What was done, or would be done in check mode, in order.
  returned: always
  type: list
  elements: dict
  sample:
    - action: store_copy
      target: s3://copies/copies/vm-idc01-dev-db-101007/2026-11-25.json
      reason: does not exist; zonal/vm-idc01-dev-db-101007 has 100G
      fields: [name]
pending:
  description: Always empty; this module leaves no difference open.
  returned: success
  type: list
  elements: dict
  sample: []
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.zonal.cloud.plugins.module_utils._module.disk_copy import build_disk_copy
from ansible_collections.zonal.cloud.plugins.module_utils._module.run import run
from ansible_collections.zonal.cloud.plugins.module_utils._module.s3_options import s3_options


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "name": {"type": "str", "required": True},
            "volume": {"type": "str", "required": True},
            "source": {"type": "str"},
            "group": {"type": "str", "default": "zonal"},
            "pool": {"type": "str", "default": "pool"},
            "bucket": {"type": "str", "required": True},
            **s3_options(),
            "overwrite": {"type": "bool", "default": False},
            "state": {"type": "str", "choices": ["present", "restored", "absent"], "default": "present"},
        },
        supports_check_mode=True,
    )
    run(module, build_disk_copy)


if __name__ == "__main__":
    main()
