#!/usr/bin/python
# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Tell what the instances of a host use."""

from __future__ import annotations

DOCUMENTATION = r"""
module: instance_stats
short_description: Tell what the instances of a host use
description:
  - Returns for each VM and container of this collection how much CPU, memory, disk and network it has used, as the host counts it. Nothing
    inside a guest is asked, and docker and libvirt are asked once for all.
  - Figures of VMs are those of C(virsh domstats). Figures of containers are those of their cgroups, of version 1 or 2, and of their network
    interfaces. What a container writes is counted when the kernel writes it to a disk, which may be later, or never for a file that is
    removed before. With cgroups of version 1, kernels since Linux 6.10 count only disks with a limit or with the scheduler C(bfq).
  - Where VMs are of a driver of libvirt that counts nothing, such as LXC's, there are no figures of them.
  - An engine that is not installed or not running has no instances; it is no error.
author:
  - zonal.cloud contributors (@zonal-cloud)
version_added: 0.1.0
options:
  interval:
    description: Seconds between two looks, of which RV(instances[].rates) are made; V(0) looks once and returns no rates. At most V(3600).
    type: int
    default: 0
requirements:
  - what M(zonal.cloud.container) and M(zonal.cloud.vm) need
extends_documentation_fragment:
  - zonal.cloud.attributes.info_module
seealso:
  - module: zonal.cloud.host_info
"""

EXAMPLES = r"""
- name: Look for five seconds at what uses the host
  zonal.cloud.instance_stats:
    interval: 5
  register: found

- name: Show the three that use most CPU
  ansible.builtin.debug:
    msg: "{{ item.name }}: {{ item.rates.cpus }} CPUs, {{ item.memory | human_readable }}"
  loop: "{{ (found.instances | selectattr('rates', 'defined') | sort(attribute='rates.cpus', reverse=true))[:3] }}"
"""

RETURN = r"""
instances:
  description: The instances of the host in order of their names, running or not.
  returned: success
  type: list
  elements: dict
  contains:
    name: {description: Name of the instance., type: str}
    kind: {description: Kind of the instance., type: str}
    state: {description: 'V(running), V(paused) or V(stopped).', type: str}
    memory:
      description:
        - Bytes of the host's memory that it takes now. Of a VM that is what its process has in memory; of a container that of its cgroup,
          without files that were not used lately, which the kernel can drop at once.
      returned: unless it is stopped
      type: int
    totals:
      description: Sums since it was started; received and sent are meant from its own side.
      returned: unless it is stopped
      type: dict
      contains:
        cpu_seconds: {description: 'CPU time, of a VM including what its emulation takes.', type: float}
        read_bytes: {description: Bytes read from its disks., type: int}
        written_bytes: {description: Bytes written to its disks., type: int}
        reads: {description: Read requests., type: int}
        writes: {description: Write requests., type: int}
        received_bytes: {description: Bytes received., type: int}
        sent_bytes: {description: Bytes sent., type: int}
        received_packets: {description: Packets received., type: int}
        sent_packets: {description: Packets sent., type: int}
    rates:
      description: The same for each second of O(interval); instead of C(cpu_seconds) it has C(cpus), how many CPUs were used.
      returned: when O(interval) is given and the instance ran at both looks
      type: dict
  sample:
    - name: web-101005
      kind: container
      state: running
      memory: 73400320
      totals: {cpu_seconds: 17.402, read_bytes: 8192000, written_bytes: 4096, reads: 120, writes: 1, received_bytes: 9000,
               sent_bytes: 1200, received_packets: 90, sent_packets: 11}
      rates: {cpus: 0.25, read_bytes: 0.0, written_bytes: 0.0, reads: 0.0, writes: 0.0, received_bytes: 120.0, sent_bytes: 80.0,
              received_packets: 2.0, sent_packets: 1.0}
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.zonal.cloud.plugins.module_utils._module.instance_stats import read_stats
from ansible_collections.zonal.cloud.plugins.module_utils._module.run import inform


def main() -> None:
    """Run the module."""
    options = {"interval": {"type": "int", "default": 0}}
    inform(AnsibleModule(argument_spec=options, supports_check_mode=True), read_stats)


if __name__ == "__main__":
    main()
