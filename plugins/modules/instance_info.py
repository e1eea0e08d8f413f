#!/usr/bin/python
# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Tell what the instances of a host are."""

from __future__ import annotations

DOCUMENTATION = r"""
module: instance_info
short_description: Tell what the instances of a host are
description:
  - Returns the VMs and containers of this collection as the engines and the objects themselves tell, in the words of the options of
    M(zonal.cloud.vm) and M(zonal.cloud.container).
  - An engine that is not installed or not running has no instances; it is no error. Of ssh keys only is told that there are none, of
    user-data and of a container's environment nothing.
author:
  - zonal.cloud contributors (@zonal-cloud)
version_added: 0.1.0
options:
  names:
    description: Names of the instances to tell of; without it all are. One that is not on the host is no error.
    type: list
    elements: str
  group:
    description: Volume group of the VMs' disks.
    type: str
    default: zonal
  pool:
    description: Thin pool of that group.
    type: str
    default: pool
requirements:
  - what M(zonal.cloud.container) and M(zonal.cloud.vm) need
extends_documentation_fragment:
  - zonal.cloud.attributes.info_module
seealso:
  - module: zonal.cloud.host_info
  - module: zonal.cloud.instance_stats
"""

EXAMPLES = r"""
- name: Look at one instance
  zonal.cloud.instance_info:
    names: [web-101005]
  register: found

- name: Fail unless it is here and runs
  ansible.builtin.assert:
    that: found.instances | map(attribute='state') | list == ['running']
"""

RETURN = r"""
instances:
  description: The instances in order of their names, each with C(name), C(kind), C(state), C(mac) and its options.
  returned: success
  type: list
  elements: dict
  sample:
    - name: web-101005
      kind: container
      state: running
      zone: idc01-dev
      tenant: payments
      app: web
      image: "debian:13"
      vcpus: 2
      memory: 2G
      network: {bridge: br0, cidr: 10.20.0.0/16, gateway: 10.20.0.1, dns: []}
      address: 10.20.101.5
      mac: "02:42:0a:14:65:05"
      hostname: web-101005
      autostart: true
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.zonal.cloud.plugins.module_utils._module.instance_options import pool_options
from ansible_collections.zonal.cloud.plugins.module_utils._module.instances_here import read_instances
from ansible_collections.zonal.cloud.plugins.module_utils._module.run import inform


def main() -> None:
    """Run the module."""
    options = {"names": {"type": "list", "elements": "str"}, **pool_options()}
    inform(AnsibleModule(argument_spec=options, supports_check_mode=True), read_instances)


if __name__ == "__main__":
    main()
