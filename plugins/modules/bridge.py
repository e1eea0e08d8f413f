# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Module bridge: see DOCUMENTATION."""

from __future__ import annotations

DOCUMENTATION = r"""
module: bridge
short_description: Manage a Linux bridge and move the host's addresses onto it
version_added: 0.1.0
author: zonal.cloud contributors (@zonal-cloud)
description:
  - Creates, alters or removes a Linux bridge, both in the running kernel and in the files from which it comes back after a boot.
  - With O(uplink), that network card becomes a port of the bridge. All its global addresses and its routes, of IPv4 and IPv6,
    move to the bridge in one C(ip -batch), so that ssh connections survive.
  - A change that may cut the host off undoes itself. The first run changes only the running network and arms a watchdog on the
    host; the files stay as they are. A second run with the same options, which proves that the controller still reaches the
    host, writes the files and calls the watchdog off. Without it the host puts the former network back after
    O(confirm_timeout) seconds.
  - A power cut before the confirmation brings the host back with its former network, as the files in C(/etc) are only written
    by the confirmation. One during the confirmation brings back the former or the new one, never a half.
  - The role P(zonal.cloud.bridge_network#role) does both runs, with a new connection in between.
  - With systemd-networkd, three files of its own in C(/etc/systemd/network) win over the uplink's former file, which stays
    untouched and holds again when the bridge is removed. DNS servers, VLANs and the like are taken over from it, and from the
    former file of a bridge that is there already.
  - With ifupdown, the uplink's stanzas become marked comments and one block is added. The package C(bridge-utils) is not needed.
    DNS servers move to the bridge, and options of bonds, VLANs and the link itself stay with the uplink. Commands such as C(up),
    the method C(dhcp), further ports and options that this module does not know are refused, with their file and line.
options:
  name:
    description: Name of the bridge, 1 to 15 letters, digits, C(_), C(.) or C(-).
    type: str
    required: true
  state:
    description:
      - V(present) makes the bridge as described.
      - V(absent) gives its addresses and routes back to the uplink and removes it; refused while other ports are attached.
        The uplink's former file holds again, so addresses that were not in it do not outlive the next start of its network.
        When the uplink is gone, the bridge is removed with its addresses.
    type: str
    choices: [present, absent]
    default: present
  uplink:
    description:
      - The Ethernet interface (network card, bond or VLAN) that becomes a port of the bridge.
      - Without it, the bridge is isolated from the outside.
      - Another one can be named only when the former one is gone, as two of them make a loop; the bridge keeps its addresses then.
    type: str
  addresses:
    description:
      - Addresses with prefix length of a bridge without O(uplink), such as V(10.0.0.1/24).
      - When not given, the addresses stay as they are; an empty list removes those that this module has set.
    type: list
    elements: str
  mac:
    description:
      - MAC address of the bridge.
      - When not given, the bridge takes the address of O(uplink), so that for the switch nothing changes; without O(uplink) the
        system chooses one.
    type: str
  stp:
    description: Whether the bridge runs the Spanning Tree Protocol.
    type: bool
    default: false
  forward_delay:
    description:
      - Seconds before a new port forwards.
      - The default is V(0) without O(stp) and V(15) with it, where it must be from 2 to 30 (IEEE 802.1D).
    type: int
  mtu:
    description:
      - Largest packet in bytes, of the bridge and of O(uplink), from 576 (RFC 791) to 65535 and to what the card can do;
        at least 1280 when there are IPv6 addresses (RFC 8200).
      - When not given, the uplink's value is kept.
    type: int
  backend:
    description:
      - What brings the bridge back after a boot.
      - V(auto) takes the one that manages O(uplink) now, else the one that is there.
      - An uplink that NetworkManager manages is refused.
    type: str
    choices: [auto, networkd, ifupdown]
    default: auto
  confirm_timeout:
    description:
      - Seconds after which the host undoes a change that nobody has confirmed.
      - V(0) makes changes final at once. Changes of a bridge without O(uplink) always are.
    type: int
    default: 60
  confirm:
    description:
      - Whether to do nothing but confirm a change that an earlier run with the same options has made, and to fail when the host
        has undone it.
      - With V(false), too, a run with the same options confirms a change that waits for it, but makes it anew when it was undone,
        or when the run before was cut off before it had made it.
    type: bool
    default: false
extends_documentation_fragment: [zonal.cloud.attributes]
notes:
  - Addresses from DHCP are refused, as a host of a zone has a static address. IPv6 addresses and routes from router
    advertisements move with their lifetimes and are renewed on the bridge.
  - Only programs of iproute2 and, where it runs, systemd are needed on the host.
seealso:
  - module: zonal.cloud.host_info
"""

EXAMPLES = r"""
- name: The host's network card becomes a port of br0
  zonal.cloud.bridge:
    name: br0
    uplink: eth0
  register: result

- name: Connect anew
  ansible.builtin.meta: reset_connection

- name: Confirm, over the new connection
  zonal.cloud.bridge:
    name: br0
    uplink: eth0
    confirm: true
  when: result.bridge.unconfirmed

- name: An isolated bridge
  zonal.cloud.bridge:
    name: lab0
    addresses: [192.168.50.1/24]
"""

RETURN = r"""
bridge:
  description: The bridge as it is after the run, or in check mode as it would be.
  returned: success
  type: dict
  sample:
    addresses: [10.0.0.2/24]
    backend: networkd
    forward_delay: 0
    mac: 02:00:00:00:00:11
    mtu: 1500
    name: br0
    persistent: true
    ports: [eth0]
    routes: [default via 10.0.0.1]
    state: present
    stp: false
    unconfirmed: false
    uplink: eth0
  contains:
    name: {description: Name of the bridge., type: str, returned: always}
    state: {description: V(present) or V(absent)., type: str, returned: always}
    persistent: {description: Whether the host's files hold what runs., type: bool, returned: always}
    unconfirmed: {description: Whether a change waits to be confirmed., type: bool, returned: always}
    uplink: {description: The port that leads outside or empty., type: str, returned: when present}
    ports: {description: All interfaces attached to the bridge., type: list, elements: str, returned: when present}
    addresses: {description: Global addresses with prefix length., type: list, elements: str, returned: when present}
    routes: {description: Routes through the bridge., type: list, elements: str, returned: when present}
    mac: {description: MAC address., type: str, returned: when present}
    mtu: {description: MTU in bytes., type: int, returned: when present}
    stp: {description: Whether STP runs., type: bool, returned: when present}
    forward_delay: {description: Forward delay in seconds., type: float, returned: when present}
    backend: {description: Whose files hold the bridge or empty., type: str, returned: when present}
plan:
  description: The steps that were done, or in check mode would be.
  returned: success
  type: list
  elements: dict
  sample: [{action: switch, target: br0, reason: addresses and routes of eth0 move to the new bridge, fields: []}]
pending:
  description: Differences that were left as they are; always empty here.
  returned: success
  type: list
  elements: dict
  sample: []
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.zonal.cloud.plugins.module_utils._module.bridge import build
from ansible_collections.zonal.cloud.plugins.module_utils._module.run import run

ARGUMENTS = {
    "name": {"type": "str", "required": True},
    "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
    "uplink": {"type": "str"},
    "addresses": {"type": "list", "elements": "str"},
    "mac": {"type": "str"},
    "stp": {"type": "bool", "default": False},
    "forward_delay": {"type": "int"},
    "mtu": {"type": "int"},
    "backend": {"type": "str", "choices": ["auto", "networkd", "ifupdown"], "default": "auto"},
    "confirm_timeout": {"type": "int", "default": 60},
    "confirm": {"type": "bool", "default": False},
}


def main() -> None:
    """Run the module."""
    run(AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=True), build)


if __name__ == "__main__":
    main()
