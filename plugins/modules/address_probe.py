#!/usr/bin/python
# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
---
module: address_probe
short_description: Ask a network who has which addresses
version_added: 0.1.0
author:
  - zonal.cloud contributors (@zonal-cloud)
description:
  - Asks by ARP for each of the addresses whether somebody on the Ethernet of an interface has it, and tells who answers.
  - The questions are the probes of RFC 5227. They are sent from no address, so they change nothing in the neighbours' caches, and a
    Linux router that answers for others (proxy ARP) does not answer them.
  - It also counts as an answer when somebody sends any other ARP packet from one of the addresses meanwhile.
  - Addresses of the host itself are not asked for.
  - Needs root.
options:
  interface:
    description: Interface of the host to ask through, such as V(br0). It must be Ethernet, up, and have a carrier.
    type: str
    required: true
  addresses:
    description:
      - What to ask for, as C(first-last), networks or single addresses; at most 65536 addresses.
      - Of a network all addresses are asked for, also the first and the last.
    type: list
    elements: str
    required: true
  within:
    description: Of O(addresses) only those in these ranges are asked for, written as O(addresses). Without it all are.
    type: list
    elements: str
  rate:
    description: Most packets in a second, 1 to 10000.
    type: int
    default: 200
  tries:
    description:
      - How often each address is asked for, 1 to 10. All addresses are asked for once, then all again, at least a second later.
      - Somebody may be missed when all tries or their answers are lost on the way.
    type: int
    default: 2
  wait:
    description: Seconds to listen after the last packet, 0 to 60.
    type: float
    default: 1
extends_documentation_fragment:
  - zonal.cloud.attributes.info_module
seealso:
  - module: zonal.cloud.ip_pool
  - name: RFC 5227
    description: IPv4 Address Conflict Detection.
    link: https://www.rfc-editor.org/rfc/rfc5227
"""

EXAMPLES = r"""
- name: Ask for a pool
  zonal.cloud.address_probe:
    interface: br0
    addresses: [10.20.101.1-10.20.101.254]
  register: probed

- name: Show who answers
  ansible.builtin.debug:
    msg: "{{ item.address }} {{ item.macs | join(', ') }}"
  loop: "{{ probed.answered }}"
"""

RETURN = r"""
answered:
  description: The addresses that somebody has, sorted.
  returned: success
  type: list
  elements: dict
  contains:
    address:
      description: The address.
      type: str
      sample: 10.20.101.23
    macs:
      description: The MACs that answered for it, sorted; several when several machines have the address. At most 8 are told.
      type: list
      elements: str
      sample: ["52:54:00:1d:2a:07"]
own:
  description: The addresses that were not asked for because this host has them, sorted.
  returned: success
  type: list
  elements: str
  sample: [10.20.101.2]
silent:
  description: The ranges that nobody answered for.
  returned: success
  type: list
  elements: str
  sample: [10.20.101.1, 10.20.101.3-10.20.101.22, 10.20.101.24-10.20.101.254]
probed:
  description: How many addresses were asked for.
  returned: success
  type: int
  sample: 253
seconds:
  description: How many seconds that took.
  returned: success
  type: float
  sample: 3.6
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.zonal.cloud.plugins.module_utils._module.address_probe import probe_addresses
from ansible_collections.zonal.cloud.plugins.module_utils._module.run import inform


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "interface": {"type": "str", "required": True},
            "addresses": {"type": "list", "elements": "str", "required": True},
            "within": {"type": "list", "elements": "str"},
            "rate": {"type": "int", "default": 200},
            "tries": {"type": "int", "default": 2},
            "wait": {"type": "float", "default": 1},
        },
        supports_check_mode=True,
    )
    inform(module, probe_addresses)


if __name__ == "__main__":
    main()
