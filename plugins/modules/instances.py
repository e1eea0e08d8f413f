# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Manage all instances of a host in one call."""

from __future__ import annotations

DOCUMENTATION = r"""
module: instances
short_description: Manage all instances of a host in one call
description:
  - Does for a list of VMs and containers what M(zonal.cloud.vm) and M(zonal.cloud.container) do for one, and asks libvirt, docker and LVM
    once for all of them. What the list does not have is left alone.
  - Several are worked on side by side. Instances that are to be absent go first, so that others can have their addresses. One that fails
    stops no other; the module then fails with all failures in one message, and RV(instances) tells of each.
  - A warning tells of a container that is wanted to run and whose program ends, once or again and again.
author:
  - zonal.cloud contributors (@zonal-cloud)
version_added: 0.1.0
options:
  instances:
    description:
      - The instances, each with its kind and the options of M(zonal.cloud.vm) and M(zonal.cloud.container), as
        RV(zonal.cloud.zone_plan#module:plan.per_host) gives them. Names and addresses are unique among them.
      - A value that is not acceptable is told before anything is touched.
    type: list
    elements: dict
    required: true
    suboptions:
      name:
        description: Name of the instance; see O(zonal.cloud.vm#module:name).
        type: str
        required: true
      kind:
        description: What it is.
        type: str
        choices: [container, vm]
        required: true
      state:
        description: See O(zonal.cloud.vm#module:state).
        type: str
        choices: [running, stopped, paused, absent]
        default: running
      zone:
        description: Zone of the instance. Needed to create it.
        type: str
      tenant:
        description: Owner of the instance.
        type: str
      app:
        description: Application that the instance is part of.
        type: str
      index:
        description: Which one of its app it is; see O(zonal.cloud.vm#module:index).
        type: int
      image:
        description: Image C(name:tag) on the host. Needed to create the instance.
        type: str
      vcpus:
        description: Number of virtual CPUs; see O(zonal.cloud.vm#module:vcpus).
        type: int
      memory:
        description: Memory, such as V(4G).
        type: str
      disk:
        description: Size of the root disk; see O(zonal.cloud.vm#module:disk).
        type: str
      disks:
        description: Data disks; see O(zonal.cloud.vm#module:disks).
        type: list
        elements: dict
        suboptions:
          name:
            description: Name of the disk.
            type: str
            required: true
          size:
            description: Size such as V(500G), to which the disk is made or grows.
            type: str
          mount:
            description: Folder at which a container has the disk.
            type: str
          store:
            description: Where the disk is; see O(zonal.cloud.vm#module:disks).
            type: str
            choices: [thin, rbd]
      address:
        description: Static IPv4 address. Needed to create the instance.
        type: str
      extra_addresses:
        description: More static IPv4 addresses of a VM; see O(zonal.cloud.vm#module:extra_addresses).
        type: list
        elements: str
      network:
        description: Network of the zone. Needed to create the instance.
        type: dict
        suboptions:
          bridge:
            description: Linux bridge of the host that the instance is attached to.
            type: str
            required: true
          cidr:
            description: Network with prefix length.
            type: str
            required: true
          gateway:
            description: Address of the router.
            type: str
          dns:
            description: Addresses of name servers.
            type: list
            elements: str
      hostname:
        description: Hostname inside the guest.
        type: str
      ssh_keys:
        description: Public ssh keys that may log in as root.
        type: list
        elements: str
      user_data:
        description: User-data for a VM's cloud-init; see O(zonal.cloud.vm#module:user_data).
        type: str
      autostart:
        description: Whether the instance starts with its host.
        type: bool
      restart_policy:
        description: What happens when the guest ends by itself; see O(zonal.cloud.vm#module:restart_policy).
        type: str
        choices: [always, on-failure, never]
      max_vcpus:
        description: CPUs that a VM can get without a restart; see O(zonal.cloud.vm#module:max_vcpus).
        type: int
      max_memory:
        description: Memory that a VM can get without a restart; see O(zonal.cloud.vm#module:max_memory).
        type: str
      cpu_shares:
        description: Weight of its CPU time beside others of its kind; see O(zonal.cloud.vm#module:cpu_shares).
        type: int
      cpu_policy:
        description: Whether each CPU of a VM is bound to one of the host; see O(zonal.cloud.vm#module:cpu_policy).
        type: str
        choices: [shared, pinned]
      cpu_model:
        description: What CPU a VM sees; see O(zonal.cloud.vm#module:cpu_model).
        type: str
      boot:
        description: What starts a VM, the host with its image's kernel or its root disk; see O(zonal.cloud.vm#module:boot).
        type: str
        choices: [kernel, disk]
      hugepages:
        description: Whether a VM's memory is huge pages; see O(zonal.cloud.vm#module:hugepages).
        type: bool
      pci_devices:
        description: Devices of its host that a VM gets for itself; see O(zonal.cloud.vm#module:pci_devices).
        type: list
        elements: str
      io_limits:
        description: The most that may be read from and written to the root disk; see O(zonal.cloud.vm#module:io_limits).
        type: dict
        suboptions:
          read_bytes:
            description: Bytes per second, such as V(50M).
            type: str
          write_bytes:
            description: Bytes per second.
            type: str
          read_iops:
            description: Read operations per second.
            type: int
          write_iops:
            description: Write operations per second.
            type: int
      snapshots:
        description: Policy of the snapshots of its root disk; see O(zonal.cloud.vm#module:snapshots).
        type: dict
        suboptions:
          every:
            description: The least time between two of them, such as V(6h).
            type: str
          keep:
            description: How many of them are kept.
            type: int
      link:
        description: Whether the cable of a VM's network card is plugged in; see O(zonal.cloud.vm#module:link).
        type: str
        choices: [up, down]
      bandwidth:
        description: The most that a VM may receive and send; see O(zonal.cloud.vm#module:bandwidth).
        type: dict
        suboptions:
          inbound:
            description: Bytes per second that it receives.
            type: str
          outbound:
            description: Bytes per second that it sends.
            type: str
      labels:
        description: Words of your own on the instance, names to text.
        type: dict
      environment:
        description: Environment variables of a container's command; see O(zonal.cloud.container#module:environment).
        type: dict
      command:
        description: What a container runs in place of the image's own; see O(zonal.cloud.container#module:command).
        type: list
        elements: str
      capabilities:
        description: What a container may do beside the usual; see O(zonal.cloud.container#module:capabilities).
        type: list
        elements: str
  allow:
    description: What may be done to mend a difference of any of them; see O(zonal.cloud.vm#module:allow).
    type: list
    elements: str
    choices: [restart, recreate]
    default: []
  stop_timeout:
    description: Seconds that a guest has to shut down before it is cut off; V(0) cuts it off at once. At most V(86400).
    type: int
    default: 60
  workers:
    description: So many instances are worked on at a time.
    type: int
    default: 4
  progress:
    description:
      - Seconds between lines that tell which instances are done; V(0) tells nothing until the end. At most V(86400).
      - The module then begins no further instance and ends, and its action calls it again for those that are left.
    type: int
    default: 10
  domain_type:
    description: Of which type of libvirt's a VM is that is created; see O(zonal.cloud.vm#module:domain_type).
    type: str
    choices: [auto, kvm, qemu, xen, lxc]
    default: auto
  group:
    description: Volume group of the golden volumes, of the root disks and of the data disks.
    type: str
    default: zonal
  pool:
    description: Thin pool for the root disks and the data disks.
    type: str
    default: pool
requirements:
  - what M(zonal.cloud.vm) and M(zonal.cloud.container) need, for the kinds that the list has
seealso:
  - module: zonal.cloud.vm
  - module: zonal.cloud.container
extends_documentation_fragment:
  - zonal.cloud.attributes
  - zonal.cloud.rbd
"""

EXAMPLES = r"""
- name: Bring the instances of this host to their declared state
  zonal.cloud.instances:
    instances:
      - name: web-101005
        kind: container
        zone: idc01-dev
        image: "debian:13"
        vcpus: 2
        memory: 2G
        address: 10.20.101.5
        network: {bridge: br0, cidr: 10.20.0.0/16, gateway: 10.20.0.1}
        ssh_keys: ["{{ lookup('ansible.builtin.file', '~/.ssh/id_ed25519.pub') }}"]
      - name: db-101006
        kind: vm
        state: absent
"""

RETURN = r"""
instances:
  description: What became of each instance, in the order of the list; also when the module fails because of some of them.
  type: list
  elements: dict
  returned: when the list is acceptable
  contains:
    name: {description: Name of the instance., type: str}
    kind: {description: Kind of the instance., type: str}
    changed: {description: 'Whether something was done, or in check mode would be done.', type: bool}
    plan: {description: The steps that were done; see RV(zonal.cloud.vm#module:plan)., type: list, elements: dict}
    pending:
      description: Differences that were left because mending them needs more than O(allow) permits; see RV(zonal.cloud.vm#module:pending).
      type: list
      elements: dict
    error: {description: What went wrong; empty when nothing did., type: str}
    instance: {description: 'The instance as it is now, or in check mode would be, in the words of the options.', type: dict}
  sample:
    - name: web-101005
      kind: container
      changed: true
      plan: [{action: create, target: container web-101005, reason: it does not exist, fields: []}]
      pending: []
      error: ""
      instance: {name: web-101005, kind: container, state: running, address: 10.20.101.5}
told:
  description: A line for each instance that was changed or failed; the action of this module shows them to people.
  type: list
  elements: str
  returned: when the list is acceptable
  sample: ["container web-101005: create, start"]
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.zonal.cloud.plugins.module_utils._module.instance_options import batch_options
from ansible_collections.zonal.cloud.plugins.module_utils._module.instances import run_batch


def main() -> None:
    """Run the module."""
    run_batch(AnsibleModule(argument_spec=batch_options(), supports_check_mode=True))


if __name__ == "__main__":
    main()
