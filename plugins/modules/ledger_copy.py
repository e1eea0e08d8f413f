#!/usr/bin/python
# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
---
module: ledger_copy
short_description: Copy what the ledger has of a zone into a JSON file, or back
version_added: 0.1.0
author:
  - zonal.cloud contributors (@zonal-cloud)
description:
  - Moves a zone from one ledger to another, such as from SQLite to PostgreSQL, and makes copies that people can read. Pools, claims,
    addresses that rest or are quarantined, and hosts are copied; events are not.
  - Events can be listed. They tell who did what in the zone, when and why; C(history.yml) shows them.
  - When the ledger is lost and there is no copy, C(ledger_rebuild.yml) makes it anew from what runs.
options:
  zone:
    description: Name of the zone.
    type: str
    required: true
  path:
    description:
      - The file on the controller. It is replaced as a whole, and only its owner may read it.
      - Needed for O(state=exported) and O(state=imported).
    type: path
  state:
    description:
      - V(exported) writes the file.
      - V(imported) writes the file's content into the ledger as it was, so that an export of it is the same file again. A zone that has
        other claims, or other addresses that rest or are quarantined, is refused. So is a file with anything in it that an export
        cannot have, with all that is wrong in one message.
      - V(listed) writes nothing and returns RV(events).
    type: str
    choices: [exported, imported, listed]
    default: exported
  definition:
    description:
      - The zone as declared, that is its entry of C(zonal_zones). Needed for O(state=imported).
      - Of C(pools), C(reserved) and C(hold), what it does not have is as the file has it.
    type: dict
  limit:
    description: How many events are returned at most, with O(state=listed).
    type: int
    default: 100
extends_documentation_fragment:
  - zonal.cloud.attributes
  - zonal.cloud.ledger
seealso:
  - module: zonal.cloud.zone_plan
  - module: zonal.cloud.ledger_event
"""

EXAMPLES = r"""
- name: Copy a zone from the file beside the inventory
  zonal.cloud.ledger_copy:
    zone: idc01-dev
    path: idc01-dev.json
  run_once: true

- name: Put it into PostgreSQL
  zonal.cloud.ledger_copy:
    ledger: postgresql://zonal@db.example/zonal
    zone: idc01-dev
    definition: "{{ zonal_zones['idc01-dev'] }}"
    path: idc01-dev.json
    state: imported
  run_once: true

- name: Read what was done last in a zone
  zonal.cloud.ledger_copy:
    zone: idc01-dev
    state: listed
    limit: 10
  run_once: true
  register: history
"""

RETURN = r"""
claims:
  description: How many instances the file has.
  returned: when O(state) is V(exported) or V(imported)
  type: int
  sample: 12
events:
  description: The last events of the zone, the newest first.
  returned: when O(state) is V(listed)
  type: list
  elements: dict
  contains:
    moment:
      description: When it was, in UTC.
      type: str
      sample: "2026-11-22T20:30:00Z"
    who:
      description: Who did it, a user and host with the process or the AWX job.
      type: str
      sample: root@controller (process 4711)
    action:
      description:
        - What was done, one of C(claim), C(change), C(release), C(quarantined), C(restore), C(hold) (an import of addresses that rest or
          are quarantined), C(declare) (network, pools, reserved, hold) and C(host) (its state), or what M(zonal.cloud.ledger_event) wrote.
      type: str
      sample: claim
    target:
      description: To what it was done.
      type: str
      sample: idc01-dev-web-101001 10.20.101.1 kvm01
    why:
      description: Why.
      type: str
      sample: plan 5d0f7a1be3b7af2c9d8e6f10
"""
