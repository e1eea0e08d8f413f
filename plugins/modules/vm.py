# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Manage one virtual machine."""

from __future__ import annotations

DOCUMENTATION = r"""
module: vm
short_description: Manage one virtual machine on a thin volume
description:
  - Creates, changes, starts, stops and removes a VM of libvirt with an address of its own on a bridge of the host.
  - Its root disk is a thin snapshot of the image's golden volume, so that creating it copies nothing. Name, address and keys are
    written into the fresh disk, as a NoCloud seed when the image has cloud-init, else as C(/etc/hostname), C(/etc/hosts),
    C(/etc/network/interfaces), C(/etc/resolv.conf) and root's C(authorized_keys).
  - It boots the image's own kernel from C(/boot). Owner, application and address stand in the metadata of the domain.
author:
  - zonal.cloud contributors (@zonal-cloud)
version_added: 0.1.0
options:
  group:
    description: Volume group of the thin pool.
    type: str
    default: zonal
  pool:
    description: Thin pool that holds the root disk and the data disks.
    type: str
    default: pool
  domain_type:
    description:
      - Of which type of libvirt's a VM is that is created; an existing VM keeps what it has.
      - A host has VMs of one driver of libvirt, QEMU's unless its C(/etc/libvirt/libvirt.conf) names another, which the role
        P(zonal.cloud.hypervisor#role) sees to. V(auto) is V(xen) or V(lxc) where that is Xen's or LXC's; else it is V(kvm) when a trial
        with the host's own kernel shows that KVM works, or V(qemu).
      - V(qemu) is QEMU's emulation, which runs anywhere and slowly. V(xen) is a PVH guest. V(lxc) is a container of libvirt's on the thin
        volume that a VM would have, made of an image for VMs.
      - A type that the host's driver does not have, and options that the type cannot have, are refused.
    type: str
    choices: [auto, kvm, qemu, xen, lxc]
    default: auto
requirements:
  - libvirt 9 or later, QEMU and libvirt's Python package on the host (role P(zonal.cloud.hypervisor#role))
  - lvm2, thin-provisioning-tools and e2fsprogs on the host (role P(zonal.cloud.thin_storage#role))
seealso:
  - module: zonal.cloud.container
  - module: zonal.cloud.disk
extends_documentation_fragment:
  - zonal.cloud.attributes
  - zonal.cloud.instance
  - zonal.cloud.rbd
"""

EXAMPLES = r"""
- name: Run an instance
  zonal.cloud.vm:
    name: web-101005
    zone: idc01-dev
    tenant: payments
    app: web
    image: "debian:13"
    vcpus: 2
    memory: 2G
    disk: 20G
    address: 10.20.101.5
    network:
      bridge: br0
      cidr: 10.20.0.0/16
      gateway: 10.20.0.1
      dns: [10.20.0.2]
    ssh_keys:
      - "{{ lookup('ansible.builtin.file', '~/.ssh/id_ed25519.pub') }}"

- name: Give it more memory, restarting it if that is needed
  zonal.cloud.vm:
    name: web-101005
    memory: 4G
    allow: [restart]

- name: Remove it with its disk
  zonal.cloud.vm:
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
  sample: [{action: create, target: vm web-101005, reason: it does not exist, fields: []}]
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
vm:
  description: The instance as it is now, or in check mode would be, in the words of the options, with its MAC.
  type: dict
  returned: success
  sample:
    name: web-010005
    kind: vm
    state: running
    zone: lab
    image: "debian:13"
    vcpus: 2
    memory: 2G
    address: 10.20.101.5
    mac: "02:42:0a:14:65:05"
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.zonal.cloud.plugins.module_utils._module.instance_options import (
    instance_options,
    pool_options,
    rbd_options,
    type_options,
)
from ansible_collections.zonal.cloud.plugins.module_utils._module.run import run
from ansible_collections.zonal.cloud.plugins.module_utils._module.vm import build_vm


def main() -> None:
    """Run the module."""
    options = {
        **instance_options(),
        **pool_options(),
        **rbd_options(),
        **type_options(),
    }
    run(AnsibleModule(argument_spec=options, supports_check_mode=True), build_vm)


if __name__ == "__main__":
    main()
