#!/usr/bin/python
# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
---
module: ip_pool
short_description: Keep the address pools of a zone in the ledger
version_added: 0.1.0
author:
  - zonal.cloud contributors (@zonal-cloud)
description:
  - Declares the ranges that a zone gives addresses out of, takes single addresses out of use and puts them back, and tells what is
    used, free, resting and quarantined.
  - A new instance gets the lowest address that is free. An address that was released rests for O(hold) seconds before, by the clock of
    the controller; where that was ahead then, from the first plan on that is made with a right one.
  - What is declared here holds for M(zonal.cloud.zone_plan) where its O(zonal.cloud.zone_plan#module:definition) has no C(pools),
    C(reserved) or C(hold); where it has, each plan writes its own into the ledger. The network is always the definition's.
  - Ranges are kept as their ends, so a /8 costs no more than a /30.
options:
  zone:
    description: Name of the zone.
    type: str
    required: true
  cidr:
    description: Network with prefix length, such as V(10.20.0.0/16). Needed for a zone that the ledger does not know yet.
    type: str
  gateway:
    description: Address of the router, which is never given out. Is set together with O(cidr).
    type: str
  dns:
    description: Addresses of name servers, which are never given out. Is set together with O(cidr).
    type: list
    elements: str
  pools:
    description:
      - What addresses are given out of, as C(first-last), networks or single addresses. An empty list means the whole network.
      - Left as it is when not given. A new zone has the whole network.
    type: list
    elements: str
  reserved:
    description: What is never given out by itself nor on request, written as O(pools). Left as it is when not given.
    type: list
    elements: str
  hold:
    description: Seconds that an address rests after its release. Left as it is when not given. A new zone has 86400.
    type: int
  state:
    description:
      - V(present) declares what is given.
      - V(withdrawn) also takes O(addresses) out of use. One that an instance has is refused.
      - V(available) also puts O(addresses) back into use, those that rest as well.
    type: str
    choices: [present, withdrawn, available]
    default: present
  addresses:
    description: Addresses to take out of use or to put back.
    type: list
    elements: str
    default: []
  reason:
    description: Why, for the ledger's events and for whoever asks for the address later.
    type: str
    default: by hand
extends_documentation_fragment:
  - zonal.cloud.attributes
  - zonal.cloud.ledger
seealso:
  - module: zonal.cloud.zone_plan
  - module: zonal.cloud.address_probe
"""

EXAMPLES = r"""
- name: Declare the pool of a zone
  zonal.cloud.ip_pool:
    zone: idc01-dev
    cidr: 10.20.0.0/16
    gateway: 10.20.0.1
    pools: [10.20.101.1-10.20.101.254]
    reserved: [10.20.101.10]
  run_once: true

- name: Take an address out of use that something else answers on
  zonal.cloud.ip_pool:
    zone: idc01-dev
    state: withdrawn
    addresses: [10.20.101.23]
    reason: a printer answers
  run_once: true
"""

RETURN = r"""
pool:
  description: The pools after the task.
  returned: success
  type: dict
  contains:
    cidr:
      description: Network with prefix length.
      type: str
      sample: 10.20.0.0/16
    gateway:
      description: Address of the router.
      type: str
      sample: 10.20.0.1
    dns:
      description: Addresses of name servers.
      type: list
      elements: str
    pools:
      description: The ranges, joined and sorted; empty for the whole network.
      type: list
      elements: str
      sample: [10.20.101.1-10.20.101.254]
    reserved:
      description: The reserved ranges, joined and sorted.
      type: list
      elements: str
      sample: [10.20.101.10]
    hold:
      description: Seconds that an address rests after its release.
      type: int
      sample: 86400
    total:
      description: How many addresses could be given out.
      type: int
      sample: 253
    used:
      description: How many of them instances have.
      type: int
      sample: 12
    free:
      description: How many the next instances can have at once.
      type: int
      sample: 239
    resting:
      description: Addresses that rest after a release.
      type: list
      elements: str
      sample: [10.20.101.7]
    quarantined:
      description: Addresses that are out of use.
      type: list
      elements: str
      sample: [10.20.101.23]
    unallocated:
      description: The ranges that no instance has and that are not out of use; addresses that rest are in it.
      type: list
      elements: str
      sample: [10.20.101.7, 10.20.101.13-10.20.101.22, 10.20.101.24-10.20.101.254]
failure:
  description: What else a message is about.
  returned: failure
  type: dict
  contains:
    claimed:
      description: The addresses that were to be taken out of use but belong to instances, with the names of these.
      returned: when O(state=withdrawn) and an instance has one of them
      type: dict
      sample: {10.20.101.23: idc01-dev-web-101023}
"""
