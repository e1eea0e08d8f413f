#!/usr/bin/python
# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
---
module: ledger_event
short_description: Write into the ledger what was done to an instance
version_added: 0.1.0
author:
  - zonal.cloud contributors (@zonal-cloud)
description:
  - Adds an event to those of a zone, with the moment and who runs this. C(capture_image.yml) does so for images that are made of instances;
    plans write theirs by themselves. C(history.yml) shows them all.
  - Each call is an event of its own, so it always reports a change.
options:
  zone:
    description: Name of the zone, which the ledger has.
    type: str
    required: true
  event:
    description: What was done, in one word such as V(capture), of at most 32 characters.
    type: str
    required: true
  target:
    description: To what it was done. The first 255 characters are kept.
    type: str
    required: true
  why:
    description: Why, or what came of it.
    type: str
    required: true
extends_documentation_fragment:
  - zonal.cloud.attributes
  - zonal.cloud.ledger
attributes:
  diff_mode:
    support: none
seealso:
  - module: zonal.cloud.ledger_copy
"""

EXAMPLES = r"""
- name: Write down that an instance was looked at
  zonal.cloud.ledger_event:
    zone: idc01-dev
    event: inspect
    target: idc01-dev-web-101001
    why: its owner asked for it
  run_once: true
"""

RETURN = r"""#"""
