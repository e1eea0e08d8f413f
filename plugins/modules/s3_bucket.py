#!/usr/bin/python
# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Manage a bucket of an S3 store and its policy."""

from __future__ import annotations

DOCUMENTATION = r"""
module: s3_bucket
short_description: Manage a bucket of an S3 store and its policy
version_added: 0.1.0
description:
  - Makes a bucket at an S3 endpoint, such as that of Ceph's gateway, and sets its policy. What lies in it is never touched.
  - A bucket without a policy is read and written by its owner only, that is the user whose keys are given, who makes it.
options:
  name:
    description: Name of the bucket, 3 to 63 lower-case letters, digits and hyphens.
    type: str
    required: true
  policy:
    description: The bucket's policy, in the words of S3. If not set it is left as it is, an empty one removes it.
    type: dict
extends_documentation_fragment:
  - zonal.cloud.s3_store
  - zonal.cloud.attributes
author:
  - zonal.cloud contributors (@zonal-cloud)
"""

EXAMPLES = r"""
- name: A bucket that another user may read
  zonal.cloud.s3_bucket:
    name: images
    endpoint: https://kvm01.example:7480
    access_key: "{{ images_access_key }}"
    secret_key: "{{ images_secret_key }}"
    policy:
      Version: "2012-10-17"
      Statement:
        - Effect: Allow
          Principal: {AWS: ["arn:aws:iam:::user/images-reader"]}
          Action: ["s3:GetObject"]
          Resource: ["arn:aws:s3:::images/*"]
"""

RETURN = r"""
s3_bucket:
  description: The bucket as it is now, or would be in check mode.
  returned: success
  type: dict
  contains:
    name:
      description: Name of the bucket.
      type: str
      sample: images
    endpoint:
      description: URL of the store.
      type: str
      sample: https://kvm01.example:7480
    state:
      description: V(present) or V(absent).
      type: str
      sample: present
    policy:
      description: The bucket's policy, empty without one.
      type: dict
      sample: {}
plan:
  description: What was done, or would be done in check mode, in order.
  returned: always
  type: list
  elements: dict
  sample:
    - {action: create_bucket, target: images, reason: "does not exist at https://kvm01.example:7480", fields: [name]}
pending:
  description: Always empty; this module leaves no difference open.
  returned: success
  type: list
  elements: dict
  sample: []
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.zonal.cloud.plugins.module_utils._module.run import run
from ansible_collections.zonal.cloud.plugins.module_utils._module.s3_bucket import build_s3_bucket
from ansible_collections.zonal.cloud.plugins.module_utils._module.s3_options import s3_options


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "name": {"type": "str", "required": True},
            **s3_options(),
            "policy": {"type": "dict"},
        },
        supports_check_mode=True,
    )
    run(module, build_s3_bucket)


if __name__ == "__main__":
    main()
