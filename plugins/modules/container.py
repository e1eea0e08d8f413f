# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Manage one container."""

from __future__ import annotations

DOCUMENTATION = r"""
module: container
short_description: Manage one docker container that is used like a host
description:
  - Creates, changes, starts, stops and removes a docker container with an address of its own on a bridge of the host.
  - The container is attached to docker's bridge driver over the existing bridge, without NAT; address and MAC survive restarts
    of the container, of docker and of the host. It has neither C(NET_ADMIN) nor C(NET_RAW).
  - All containers on a bridge share one network of docker. Another O(network.cidr) or O(network.gateway) replaces it as soon as no
    other container is attached to it, running or not.
  - What docker has no field for stands in the labels C(cloud.zonal.*) of the container.
author:
  - zonal.cloud contributors (@zonal-cloud)
version_added: 0.1.0
options:
  group:
    description: Volume group of the thin pool that holds the data disks.
    type: str
    default: zonal
  pool:
    description: Thin pool that holds the data disks.
    type: str
    default: pool
requirements:
  - docker 20.10 or later and its Python package on the host (role P(zonal.cloud.docker_engine#role))
seealso:
  - module: zonal.cloud.vm
  - module: zonal.cloud.disk
extends_documentation_fragment:
  - zonal.cloud.attributes
  - zonal.cloud.instance
"""

EXAMPLES = r"""
- name: Run an instance
  zonal.cloud.container:
    name: web-101005
    zone: idc01-dev
    tenant: payments
    app: web
    image: "debian:13"
    vcpus: 2
    memory: 2G
    disk: 40G
    address: 10.20.101.5
    network:
      bridge: br0
      cidr: 10.20.0.0/16
      gateway: 10.20.0.1
      dns: [10.20.0.2]
    ssh_keys:
      - "{{ lookup('ansible.builtin.file', '~/.ssh/id_ed25519.pub') }}"

- name: Give it more memory, restarting it if that is needed
  zonal.cloud.container:
    name: web-101005
    memory: 4G
    allow: [restart]

- name: Remove it with its disk
  zonal.cloud.container:
    name: web-101005
    state: absent
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
  sample: [{action: create, target: container web-101005, reason: it does not exist, fields: []}]
pending:
  description: Differences that were left because mending them needs more than O(allow) permits.
  type: list
  elements: dict
  returned: success
  contains:
    field: {description: Option that differs., type: str}
    wanted: {description: Wanted value., type: raw}
    found: {description: Value of the instance., type: raw}
    needs: {description: V(restart) or V(recreate)., type: str}
  sample: []
container:
  description: The instance as it is now, or in check mode would be, in the words of the options, with its MAC.
  type: dict
  returned: success
  sample:
    name: web-010005
    kind: container
    state: running
    zone: lab
    image: "debian:13"
    vcpus: 2
    memory: 2G
    address: 10.20.101.5
    mac: "02:42:0a:14:65:05"
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.zonal.cloud.plugins.module_utils._module.container import build_container
from ansible_collections.zonal.cloud.plugins.module_utils._module.instance_options import instance_options, pool_options
from ansible_collections.zonal.cloud.plugins.module_utils._module.run import run


def main() -> None:
    """Run the module."""
    run(AnsibleModule(argument_spec={**instance_options(), **pool_options()}, supports_check_mode=True), build_container)


if __name__ == "__main__":
    main()
