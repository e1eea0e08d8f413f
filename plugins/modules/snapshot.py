#!/usr/bin/python
# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Take, restore and remove snapshots of an instance's root disk."""

from __future__ import annotations

DOCUMENTATION = r"""
module: snapshot
short_description: Take, restore and remove snapshots of an instance's root disk
version_added: 0.1.0
description:
  - Takes snapshots of what a VM or container has on its root disk, lets the disk be again what it was then, and removes them.
  - A snapshot costs what is written after it. Of a VM it is a thin snapshot of its volume, of a container a copy of what it has written
    over its image, which on XFS shares the blocks. Memory, definition and docker volumes are no part of it.
  - Who runs goes on. RV(snapshot.snapshots) tells how it was held still for the moment.
  - Snapshots stay on the host of the instance and go with it, when it is removed and when it is made anew, see C(docs/snapshots.md).
  - An interrupted run is completed by running again. Until then an instance that was being restored is not started by other modules,
    if its disk is not whole.
options:
  instance:
    description:
      - Name of a VM or container of this host that M(zonal.cloud.vm), M(zonal.cloud.container) or M(zonal.cloud.instances) made.
      - A name that a VM and a container of the host both have is refused.
    type: str
    required: true
  name:
    description:
      - Name of the snapshot, lower-case letters, digits and hyphens. Needed, except with O(state=current).
      - One that is taken does not begin with C(policy-), as those do that an instance's own policy takes.
    type: str
  state:
    description:
      - V(present) takes the snapshot, unless there is one of that name.
      - V(current) does what the instance's own policy wants, see O(zonal.cloud.vm#module:snapshots). It takes a snapshot with the name
        C(policy-) and the moment when the last of these is old enough, and removes those of them that are too many. Others are left
        alone, and so is an instance without a policy.
      - V(restored) lets the root disk hold what the snapshot holds; all that was written since is lost. The snapshot stays.
      - V(absent) removes it.
    type: str
    choices: [present, current, restored, absent]
    default: present
  keep:
    description:
      - How many of the snapshots stay whose names begin like O(name), up to the first hyphen; the oldest of the others are removed.
      - O(name) is always among those that stay. With O(state=present) only.
    type: int
  allow:
    description: What may be done beside; O(state=restored) of an instance that runs needs V(restart). It is started again in the end.
    type: list
    elements: str
    choices: [restart]
    default: []
  stop_timeout:
    description: Seconds that an instance gets to stop by itself; at most V(86400).
    type: int
    default: 60
  group:
    description: Volume group with the disks of VMs.
    type: str
    default: zonal
  pool:
    description: Thin pool in that group.
    type: str
    default: pool
attributes:
  idempotent:
    support: partial
    details: With O(state=restored) it always changes the instance.
requirements:
  - for a VM lvm2, libvirt and its Python binding; with a guest agent its file systems are held still
  - for a container docker with overlay2, and its Python package
extends_documentation_fragment:
  - zonal.cloud.attributes
seealso:
  - module: zonal.cloud.disk_copy
author:
  - zonal.cloud contributors (@zonal-cloud)
"""

EXAMPLES = r"""
- name: Take a snapshot
  zonal.cloud.snapshot:
    instance: idc01-dev-web-101005
    name: before-upgrade

- name: Go back to it
  zonal.cloud.snapshot:
    instance: idc01-dev-web-101005
    name: before-upgrade
    state: restored
    allow: [restart]

- name: Do what its own policy wants, such as each hour
  zonal.cloud.snapshot:
    instance: idc01-dev-web-101005
    state: current

- name: Take one each night, and keep those of a week
  zonal.cloud.snapshot:
    instance: idc01-dev-web-101005
    name: "auto-{{ now(utc=true, fmt='%Y%m%d-%H%M%S') }}"
    keep: 7
"""

RETURN = r"""
snapshot:
  description: The instance as it is now, or would be in check mode.
  returned: success
  type: dict
  contains:
    instance:
      description: Name of the instance.
      type: str
      sample: idc01-dev-web-101005
    kind:
      description: V(vm) or V(container).
      type: str
      sample: vm
    state:
      description: V(running), V(stopped) or V(paused).
      type: str
      sample: running
    snapshots:
      description: All snapshots of the instance, the oldest first.
      type: list
      elements: dict
      contains:
        name:
          description: Name of the snapshot.
          type: str
        created:
          description: When it was taken, ISO 8601 in UTC; null in check mode, when it is still to be taken.
          type: str
        consistent:
          description:
            - V(agent) means that the guest's agent held its file systems still, so they are clean.
            - V(paused) means that nothing ran meanwhile. It is what a power cut would have left, which journals mend.
            - V(stopped) means that the instance did not run.
          type: str
        size:
          description: Bytes that the disk has; null when it is not known, as of a container.
          type: int
      sample:
        - {name: before-upgrade, created: "2026-11-28T02:00:00Z", consistent: agent, size: 10737418240}
plan:
  description: What was done, or would be done in check mode, in order.
  returned: always
  type: list
  elements: dict
  sample:
    - {action: take, target: idc01-dev-web-101005/before-upgrade, reason: it does not exist, fields: []}
pending:
  description: Always empty; this module leaves no difference open.
  returned: success
  type: list
  elements: dict
  sample: []
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.zonal.cloud.plugins.module_utils._module.instance_options import pool_options
from ansible_collections.zonal.cloud.plugins.module_utils._module.run import run
from ansible_collections.zonal.cloud.plugins.module_utils._module.snapshot import build_snapshot


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "instance": {"type": "str", "required": True},
            "name": {"type": "str"},
            "state": {"type": "str", "choices": ["present", "current", "restored", "absent"], "default": "present"},
            "keep": {"type": "int"},
            "allow": {"type": "list", "elements": "str", "choices": ["restart"], "default": []},
            "stop_timeout": {"type": "int", "default": 60},
            **pool_options(),
        },
        required_if=[("state", state, ["name"]) for state in ("present", "restored", "absent")],
        supports_check_mode=True,
    )
    run(module, build_snapshot)


if __name__ == "__main__":
    main()
