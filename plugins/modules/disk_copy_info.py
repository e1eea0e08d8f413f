#!/usr/bin/python
# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Tell which copies of disks a bucket has."""

from __future__ import annotations

DOCUMENTATION = r"""
module: disk_copy_info
short_description: Tell which copies of disks a bucket has
version_added: 0.1.0
description:
  - Returns the copies that M(zonal.cloud.disk_copy) has made in a bucket. It needs no volumes, so it may be asked from anywhere.
options:
  volume:
    description: Volume whose copies are returned. If not set, those of all volumes.
    type: str
  bucket:
    description: Name of the bucket, which must be there, see M(zonal.cloud.s3_bucket).
    type: str
    required: true
extends_documentation_fragment:
  - zonal.cloud.s3_store
  - zonal.cloud.attributes.info_module
seealso:
  - module: zonal.cloud.disk_copy
author:
  - zonal.cloud contributors (@zonal-cloud)
"""

EXAMPLES = r"""
- name: Read the copies of a VM's root disk
  zonal.cloud.disk_copy_info:
    volume: vm-idc01-dev-db-101007
    bucket: copies
    endpoint: https://kvm01.example:7480
    access_key: "{{ copies_access_key }}"
    secret_key: "{{ copies_secret_key }}"
  register: found

- name: Show the last one
  ansible.builtin.debug:
    msg: "{{ found.copies | rejectattr('problem') | sort(attribute='created') | last }}"
"""

RETURN = r"""
copies:
  description: The copies in order of their volumes and names.
  returned: success
  type: list
  elements: dict
  contains:
    name: {description: Name of the copy., type: str}
    volume: {description: Name of the volume that the copy is of., type: str}
    problem: {description: What is wrong with its description; then there is nothing else. Empty when it is as it should be., type: str}
    size: {description: Size of the disk., type: str}
    data: {description: 'Bytes that are not zero, counted in blocks of 1 MiB.', type: int}
    stored: {description: Bytes in the store., type: int}
    sha256: {description: Digest of the disk's content from its first to its last byte., type: str}
    created: {description: 'The moment of the snapshot, in UTC.', type: str}
    tags: {description: Tags that the volume had., type: list, elements: str}
  sample:
    - name: "2026-11-25"
      volume: vm-idc01-dev-db-101007
      problem: ""
      size: 100G
      data: 3221225472
      stored: 1181116006
      sha256: 9b0d6bd1a2f9b1b7b9f06e5fd3e2f3c1bb2a1c9a5a3ee29f4ce4e4f7b0f6a811
      created: "2026-11-25T03:00:00Z"
      tags: [zonal.instance=idc01-dev-db-101007]
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.zonal.cloud.plugins.module_utils._module.disk_copy import read_disk_copies
from ansible_collections.zonal.cloud.plugins.module_utils._module.run import inform
from ansible_collections.zonal.cloud.plugins.module_utils._module.s3_options import s3_options


def main() -> None:
    """Run the module."""
    options = {
        "volume": {"type": "str"},
        "bucket": {"type": "str", "required": True},
        **s3_options(),
    }
    inform(AnsibleModule(argument_spec=options, supports_check_mode=True), read_disk_copies)


if __name__ == "__main__":
    main()
