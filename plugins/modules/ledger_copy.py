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
  - Moves a zone from one ledger to another, such as from SQLite to PostgreSQL, and makes copies that people can read. Claims, addresses
    that rest or are quarantined, and hosts are copied; events are not.
  - When the ledger is lost and there is no copy, C(ledger_rebuild.yml) makes it anew from what runs.
options:
  zone:
    description: Name of the zone.
    type: str
    required: true
  path:
    description: The file on the controller. It is replaced as a whole, and only its owner may read it.
    type: path
    required: true
  state:
    description:
      - V(exported) writes the file.
      - V(imported) writes the file's content into the ledger as it was, so that an export of it is the same file again. A zone that has
        other claims, or other addresses that rest or are quarantined, is refused. So is a file with anything in it that an export
        cannot have, with all that is wrong in one message.
    type: str
    choices: [exported, imported]
    default: exported
  definition:
    description:
      - The zone as declared, that is its entry of C(zonal_zones). Needed for O(state=imported).
      - Of C(pools), C(reserved) and C(hold), what it does not have is as the file has it.
    type: dict
extends_documentation_fragment:
  - zonal.cloud.attributes
  - zonal.cloud.ledger
seealso:
  - module: zonal.cloud.zone_plan
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
"""

RETURN = r"""
claims:
  description: How many instances the file has.
  returned: success
  type: int
  sample: 12
"""
