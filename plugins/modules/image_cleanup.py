#!/usr/bin/python
# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Remove the images of a host that nothing uses."""

from __future__ import annotations

DOCUMENTATION = r"""
module: image_cleanup
short_description: Remove the images of a host that nothing uses
description:
  - Removes golden volumes and docker images that M(zonal.cloud.image) has made, of which no instance is made, and none of whose names is
    in O(keep). Older contents of a kept name go too, as they have lost it. What others have made is left alone.
author:
  - zonal.cloud contributors (@zonal-cloud)
version_added: 0.1.0
options:
  keep:
    description: Names of images that stay although nothing uses them, such as V(debian:13).
    type: list
    elements: str
    required: true
  group:
    description: Volume group of the thin pool.
    type: str
    default: zonal
  pool:
    description: Thin pool that holds the golden volumes.
    type: str
    default: pool
requirements:
  - what M(zonal.cloud.container) and M(zonal.cloud.vm) need; an engine that is not there has no images
extends_documentation_fragment:
  - zonal.cloud.attributes
seealso:
  - module: zonal.cloud.image
  - module: zonal.cloud.image_info
"""

EXAMPLES = r"""
- name: Keep what is declared, and what is in use
  zonal.cloud.image_cleanup:
    keep: "{{ zonal_images | map(attribute='name') }}"
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
  sample: [{action: remove_vm, target: "image debian:12", reason: "nothing uses it, and it is not to be kept", fields: []}]
image_cleanup:
  description: What stays.
  type: dict
  returned: success
  contains:
    images: {description: The images as RV(zonal.cloud.image_info#module:images) has them., type: list, elements: dict}
  sample: {images: []}
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.zonal.cloud.plugins.module_utils._module.image_cleanup import build_image_cleanup
from ansible_collections.zonal.cloud.plugins.module_utils._module.run import run


def main() -> None:
    """Run the module."""
    options = {
        "keep": {"type": "list", "elements": "str", "required": True},
        "group": {"type": "str", "default": "zonal"},
        "pool": {"type": "str", "default": "pool"},
    }
    run(AnsibleModule(argument_spec=options, supports_check_mode=True), build_image_cleanup)


if __name__ == "__main__":
    main()
