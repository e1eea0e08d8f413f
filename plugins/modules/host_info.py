#!/usr/bin/python
# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Tell what a host has, what it can run, and what runs on it."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: host_info
short_description: Tell what a host has, what it can run, and what runs on it
version_added: 0.1.0
author:
  - zonal.cloud contributors (@zonal-cloud)
description:
  - Returns the CPUs and NUMA nodes of a host, its memory, thin pools, bridges, engines (docker, libvirt, QEMU), whether KVM
    works, and the instances and images that are found on it.
  - What is not installed is reported as absent; it is no error.
options:
  gather:
    description:
      - What to return; the host's identity (name, kernel, distribution) is always returned.
      - V(hardware) reads files only. V(storage), V(network) and V(engines) start one to four programs each.
      - V(kvm) boots the host's own kernel (the newest C(/boot/vmlinuz-*)) in a virtual machine without any disk or network,
        because C(/dev/kvm) can be there and yet hang every kernel. This takes about two seconds where KVM works, and
        O(kvm_timeout) where it does not. The result is kept in C(/run) until the host boots again, except in check mode.
    type: list
    elements: str
    choices: [hardware, storage, network, engines, kvm, instances, images]
    default: [hardware, storage, network, engines, kvm, instances, images]
  kvm_timeout:
    description:
      - Seconds after which a kernel that has not booted under KVM is believed to hang.
      - A failure that is known from this boot is tried again when this is longer than it was then.
    type: float
    default: 20
  group:
    description: Volume group of the VMs' disks.
    type: str
    default: zonal
  pool:
    description: Thin pool of the VMs' disks.
    type: str
    default: pool
extends_documentation_fragment:
  - zonal.cloud.attributes.info_module
seealso:
  - module: zonal.cloud.thin_pool
  - module: zonal.cloud.bridge
"""

EXAMPLES = r"""
- name: Read everything
  zonal.cloud.host_info:
  register: observed

- name: Show the CPUs of each NUMA node
  ansible.builtin.debug:
    msg: "Node {{ item.id }}: CPUs {{ item.cpus | join(',') }}, {{ item.memory | human_readable }}"
  loop: "{{ observed.host.hardware.nodes }}"

- name: Try KVM on a slow host
  zonal.cloud.host_info:
    gather: [kvm]
    kvm_timeout: 60
"""

RETURN = r"""
host:
  description: The host. Sizes are in bytes.
  returned: success
  type: dict
  contains:
    hostname:
      description: The name that the kernel knows the host by.
      type: str
      sample: kvm03
    boot_id:
      description: Changes with every boot.
      type: str
      sample: 4f2c7d0e-8d3a-4a5e-9d5f-0b8a6c1e2d3f
    kernel:
      description: Release of the running kernel.
      type: str
      sample: 6.12.48+deb13-amd64
    architecture:
      description: The kernel's word for the processor architecture.
      type: str
      sample: x86_64
    release:
      description: The distribution, with the keys RV(ignore:id), RV(ignore:version), RV(ignore:codename) and RV(ignore:name).
      type: dict
      sample: {id: debian, version: "13", codename: trixie, name: Debian GNU/Linux 13 (trixie)}
    hardware:
      description: Processors and memory.
      returned: when O(gather) has V(hardware)
      type: dict
      contains:
        processor:
          description: Its model, and its word for hardware virtualization (C(vmx), C(svm), or empty for none).
          type: dict
          sample: {model: AMD EPYC 9354 32-Core Processor, virtualization: svm}
        cpus:
          description:
            - CPU numbers that are online, offline, and isolated (online, but kept away from the kernel's scheduler).
            - Each item of C(cores) is one core with its C(package) (socket), NUMA C(node), and the C(cpus) (threads) that share it.
          type: dict
          sample:
            count: 4
            online: [0, 1, 2, 3]
            offline: []
            isolated: []
            packages: 1
            threads_per_core: 2
            cores:
              - {package: 0, node: 0, cpus: [0, 2]}
              - {package: 0, node: 0, cpus: [1, 3]}
        nodes:
          description: NUMA nodes with their online CPUs and memory; one node 0 on a host without NUMA.
          type: list
          elements: dict
          sample: [{id: 0, cpus: [0, 1, 2, 3], memory: 33712123904}]
        memory:
          description: All memory, what could be given out without swapping, and the huge pages of each size.
          type: dict
          sample:
            total: 33712123904
            available: 30182199296
            huge_pages: [{size: 2097152, total: 512, free: 512}]
    storage:
      description: Storage for instances.
      returned: when O(gather) has V(storage)
      type: dict
      contains:
        pools:
          description:
            - LVM thin pools. C(promised) is the sum of the sizes of their C(volumes), C(group_free) what the volume group could
              still give the pool.
            - C(data_percent), C(metadata_percent) and C(free) are null while a pool is not active.
          type: list
          elements: dict
          sample:
            - group: zonal
              name: pool
              size: 107374182400
              free: 94489280512
              promised: 64424509440
              volumes: 3
              group_free: 0
              data_percent: 12.0
              metadata_percent: 3.1
    network:
      description: Networks for instances.
      returned: when O(gather) has V(network)
      type: dict
      contains:
        bridges:
          description: Linux bridges; C(uplinks) are the ports that lead out of the host, C(forward_delay) is in seconds.
          type: list
          elements: dict
          sample:
            - name: br0
              mac: "02:00:00:00:00:11"
              mtu: 1500
              up: true
              stp: false
              forward_delay: 0.0
              ports: [enp1s0, zv1c9f02ab]
              uplinks: [enp1s0]
              addresses: [10.20.0.11/16]
    engines:
      description:
        - The engines C(docker), C(libvirt) and C(qemu). C(reason) says why an engine that is installed is not C(running).
        - QEMU has no daemon; it is C(running) when it is installed.
        - A docker that runs also tells C(storage_driver), C(data_root), C(cgroup_version), C(cgroup_driver), C(live_restore), and
          C(cpuset) (whether containers can be bound to CPUs).
      returned: when O(gather) has V(engines)
      type: dict
      sample:
        docker:
          installed: true
          version: 26.1.5
          running: true
          reason: ""
          storage_driver: overlay2
          data_root: /var/lib/docker
          cgroup_version: 2
          cgroup_driver: systemd
          cpuset: true
          live_restore: true
        libvirt: {installed: true, version: 11.3.0, running: true, reason: ""}
        qemu: {installed: false, version: "", running: false, reason: ""}
    kvm:
      description: Whether virtual machines can use KVM, why (not), and the seconds that the trial took (0 when none was needed).
      returned: when O(gather) has V(kvm)
      type: dict
      sample: {usable: true, reason: /boot/vmlinuz-6.12.48+deb13-amd64 boots under KVM, seconds: 1.3}
    instances:
      description: Instances that are found on the host, with their options as read back from the host.
      returned: when O(gather) has V(instances)
      type: list
      elements: dict
    renamed:
      description:
        - What somebody has given another name, as by C(docker rename), or made of an instance, and what has an address of the zone by that.
          It says of itself that it is C(known_as). It is no instance, and M(zonal.cloud.zone_plan) gives its C(addresses) to no other.
      returned: when O(gather) has V(instances)
      type: list
      elements: dict
      sample:
        - kind: container
          name: web-old
          known_as: idc01-dev-web-101005
          addresses: [10.20.101.5]
    images:
      description:
        - What M(zonal.cloud.image) has made here, an entry for each name and each kind of instance that can be made of it. C(digest)
          is that of the content, C(sha256) those of the archives it was read from.
        - M(zonal.cloud.image_info) tells more of them.
      returned: when O(gather) has V(images)
      type: list
      elements: dict
      sample:
        - name: "debian:13"
          kind: container
          digest: 9b0d6bd1a2f9b1b7b9f06e5fd3e2f3c1bb2a1c9a5a3ee29f4ce4e4f7b0f6a811
          sha256: [0c1e64ad3f0d9f2d1d3b8ff4a2e0a5a4d3b7cde1f60f1a3f6f3a2f8b3c9d1e70]
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.zonal.cloud.plugins.module_utils._module.host_info import SECTIONS, read_host
from ansible_collections.zonal.cloud.plugins.module_utils._module.run import inform


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "gather": {"type": "list", "elements": "str", "choices": list(SECTIONS), "default": list(SECTIONS)},
            "kvm_timeout": {"type": "float", "default": 20},
            "group": {"type": "str", "default": "zonal"},
            "pool": {"type": "str", "default": "pool"},
        },
        supports_check_mode=True,
    )
    inform(module, lambda params, command: read_host(params, command, remember=not module.check_mode))


if __name__ == "__main__":
    main()
