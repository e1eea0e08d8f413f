#!/usr/bin/python
# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
---
module: zone_plan
short_description: Plan the instances of a zone and claim what they need in the ledger
version_added: 0.1.0
author:
  - zonal.cloud contributors (@zonal-cloud)
description:
  - Compares what is declared with what the ledger has promised and what the hosts report, gives every new instance a host, an
    address, a MAC and a name, and returns the steps that lead from one to the other. Hosts are not touched.
  - What runs never moves. An app is planned as a whole. When one of its instances is refused or wrong, nothing of that app is
    changed, all that is wrong is returned in RV(plan.refusals) and warned about, and other apps go on; they may have the quota,
    the room and the addresses that it was to have.
  - In check mode the same plan is returned and nothing is written, not even an empty ledger.
options:
  zone:
    description: Name of the zone.
    type: str
    required: true
  definition:
    description:
      - The zone as declared, that is its entry of C(zonal_zones). Beside C(network) (C(cidr), C(bridge), C(gateway), C(dns)),
        C(pools), C(reserved), C(name_template), C(ssh_keys) and C(hosts) it can have the keys below.
      - C(overcommit) with the ratios C(vcpus) (default 4.0), C(memory) (0.95) and C(disk) (1.0) of what may be promised to what
        a host has.
      - C(quotas) by tenant, each with any of C(instances), C(vcpus), C(memory), C(disk).
      - C(n_plus_one=true) keeps as much room free as the largest host has, also when instances grow.
      - C(cordoned) and C(failed) list hosts that take nothing new. C(devices) gives what hosts have, such as C({kvm01{:} {gpu{:} 2}}).
        A host that the zone does not have is an error.
      - C(cidr) is an address and a plain prefix length, such as C(10.20.0.0/16), of a network for hosts; C(pools) and C(reserved)
        lie in it.
      - C(hold) is how many seconds an address rests after its release (default 86400).
      - Of C(pools), C(reserved) and C(hold), what it does not have is as the ledger has it, where M(zonal.cloud.ip_pool) writes it too.
        What it has is written into the ledger by O(state=planned) and O(state=rebuilt).
    type: dict
    required: true
  instances:
    description:
      - The declared instances (C(zonal_instances)); those of other zones are passed over.
      - Beside the options of M(zonal.cloud.vm) and M(zonal.cloud.container) an entry can have C(count), C(protected), C(devices),
        and C(affinity) and C(anti_affinity) (lists of C(app), C(tenant), C(required)). C(name) and C(address) mean one certain
        instance, C(host) pins it. Without C(disk) an instance counts as none in placement and quotas, beside the sizes of its C(disks),
        which go with one instance only. So do C(extra_addresses), which the ledger holds like the instance's own address. On a
        host only one instance gets each of C(pci_devices), and of C(devices) as many as the zone tells.
      - C(host) says where a new instance goes. One that runs elsewhere stays there, and RV(plan.notes) tells; moving it is another
        operation. Without O(admin) such an entry is refused.
      - C(state=absent) removes all instances of the app and kind. With C(count) it removes so many, the last ones, and as many
        again once these are gone; with C(name) or C(address) that one. As long as any entry of the zone has a mistake, only this
        last kind removes anything.
      - C(protected=true) refuses everything that would lose an instance, that is its removal, its release, and any change for which
        it would have to be made anew. It stands in the ledger and in the declaration, not on the host. After a rebuild of the
        ledger it is back there with the next plan of the declaration, as are C(devices), C(affinity) and C(anti_affinity).
      - An entry with neither C(name) nor C(address) means instances that such entries named last, and one that is protected in the
        ledger stays so unless it says C(protected=false), for the protection may have been another entry's.
      - A name that a host of the zone has is refused, and so are C(all), C(localhost) and C(ungrouped). An address is refused that
        is reserved, a gateway's, a name server's, or that of a host's own bridge (when O(hosts) tell their C(network)).
    type: list
    elements: dict
    default: []
  images:
    description: Names of the images that instances may have; any when it is not given.
    type: list
    elements: str
  hosts:
    description:
      - The hosts of the zone with RV(zonal.cloud.host_info#module:host) of each; null for one that does not answer. One whose C(engines)
        or C(instances) were not gathered is taken for such a host, since what it does not tell of is not known to be gone.
      - A host may be in several zones. What the other zones have promised of it in the same ledger counts, and addresses that
        they have given there are not given again. Zones that have a host together are planned one after the other.
    type: dict
    required: true
  group:
    description: Volume group of the VMs' disks on the hosts.
    type: str
    default: zonal
  pool:
    description: Thin pool of the VMs' disks on the hosts; its size is what there is to promise.
    type: str
    default: pool
  state:
    description:
      - V(planned) plans and claims.
      - V(settled) writes down what O(hosts) confirm. Planned instances that are there are settled, and of removed ones that are
        gone the claims end and the addresses rest.
      - V(released) ends the claims of O(names) that are gone from their hosts. The others are to be removed from now on, and their
        claims end when O(state=settled) finds them gone. Protected ones are refused, also those that only O(instances) protect.
      - V(rebuilt) claims all that runs in the zone and that the ledger lacks, as after the loss of its file, and moves the claims of
        what runs on another host than the ledger has it, as after a host was renamed. Hosts in RV(silent) did not answer; run it
        again when they do, before anything new is planned.
    type: str
    choices: [planned, settled, released, rebuilt]
    default: planned
  names:
    description: The instances to release.
    type: list
    elements: str
    default: []
  prune:
    description:
      - Whether to remove instances that nothing declares any more. Without it they are only told as C(orphan).
      - It is refused when no instance of the zone is declared at all, as when a file of variables was not loaded.
      - Nothing is removed as long as any entry of the zone has a mistake, for it may mean what seems to be declared by none.
    type: bool
    default: false
  unasked:
    description:
      - Hosts that the run leaves out, as for C(--limit). With O(prune) what nothing declares is only told as C(orphan) there, or
        it would be removed by a later run without O(prune).
    type: list
    elements: str
    default: []
  admin:
    description: Whether instances may be pinned to a host (C(zonal_admin)).
    type: bool
    default: false
  expected:
    description: A plan that was returned before. It is refused, and told why, when the plan has become another one since.
    type: dict
  assume_ready:
    description:
      - Whether to take hosts that have no engines and no thin pool yet for ones that have. It shows in check mode what becomes of
        hosts that are still to be bootstrapped, and is refused otherwise.
    type: bool
    default: false
extends_documentation_fragment:
  - zonal.cloud.attributes
  - zonal.cloud.ledger
seealso:
  - module: zonal.cloud.host_info
  - module: zonal.cloud.ip_pool
"""

EXAMPLES = r"""
- name: Read the hosts
  zonal.cloud.host_info:
    gather: [hardware, storage, network, engines, instances]
  register: observed
  ignore_unreachable: true

- name: Plan the zone
  zonal.cloud.zone_plan:
    zone: idc01-dev
    definition: "{{ zonal_zones['idc01-dev'] }}"
    instances: "{{ zonal_instances }}"
    hosts: "{{ dict(members | zip(members | map('extract', hostvars, ['observed']) | map(attribute='host', default=none))) }}"
  vars:
    members: "{{ groups[zonal_zones['idc01-dev'].hosts] }}"
  run_once: true
  register: planned
"""

RETURN = r"""
plan:
  description: The plan.
  returned: when O(state) is V(planned)
  type: dict
  contains:
    zone:
      description: Name of the zone.
      type: str
      sample: idc01-dev
    hash:
      description: Equal for two plans that do the same to the same world.
      type: str
      sample: 5d0f7a1be3b7af2c9d8e6f10
    basis:
      description: Fingerprints of the ledger, of the declaration and of each host, which tell what has moved.
      type: dict
    steps:
      description:
        - One for each instance, sorted by host and name.
        - The C(action) is one of C(create), C(adopt), C(keep), C(resize), C(restart), C(recreate), C(stop), C(start), C(remove)
          and C(orphan). The C(reason) says why it is done, and of a new instance why it is there.
      type: list
      elements: dict
      sample:
        - action: create
          instance: payments/web/1
          kind: container
          host: kvm01
          address: 10.20.101.1
          extra_addresses: []
          mac: "02:42:0a:14:65:01"
          name: idc01-dev-web-101001
          reason: "best of 2 hosts that fit: none of its app there, then vCPUs 12% and memory 7% promised"
    summary:
      description: How many steps there are of each action.
      type: dict
      sample: {create: 3, keep: 12}
    refusals:
      description: The apps that are refused, with everything that is wrong.
      type: list
      elements: dict
      sample:
        - tenant: payments
          app: web
          problems: ["quota: tenant payments may have 8 vCPUs, has 0 and asks for 10 more"]
    notes:
      description:
        - What else is not as it should be, a line for each. A host whose report cannot be read, and one with claims that left the zone
          or where the engine of its instances does not run. An entry whose instances run on another host than it asks for. That
          O(prune) removes nothing because entries have mistakes.
      type: list
      elements: str
    quota:
      description: For each tenant its C(limits), and what it has C(before) and C(after) the plan.
      type: dict
      sample: {payments: {limits: {vcpus: 64}, before: {vcpus: 4, instances: 2}, after: {vcpus: 8, instances: 4}}}
    per_host:
      description: For each host the instances that it shall have or lose, complete for M(zonal.cloud.instances).
      type: dict
page:
  description: The plan as lines that people can read. What stays as it is, is only counted.
  returned: when O(state) is V(planned)
  type: list
  elements: str
unsettled:
  description: Names of the instances that O(state=settled) is to look for when the hosts have done what the plan tells them.
  returned: when O(state) is V(planned)
  type: list
  elements: str
settled:
  description: Names of the instances that were found on their hosts.
  returned: when O(state) is V(settled) or V(released)
  type: list
  elements: str
released:
  description: Names of the instances whose claims have ended.
  returned: when O(state) is V(settled) or V(released)
  type: list
  elements: str
rebuilt:
  description: Names of the instances that were claimed, and of those whose claims have another host now.
  returned: when O(state) is V(rebuilt)
  type: list
  elements: str
left_out:
  description: What runs in the zone and cannot be claimed, such as two instances with one address, a line for each.
  returned: when O(state) is V(rebuilt)
  type: list
  elements: str
silent:
  description: The hosts that did not answer.
  returned: when O(state) is V(rebuilt)
  type: list
  elements: str
unknown:
  description: Those of O(names) that neither the ledger nor a host of the zone has.
  returned: when O(state) is V(released)
  type: list
  elements: str
waiting:
  description: Names of the instances that no host has confirmed yet, or of which none has that they lost an address.
  returned: when O(state) is V(settled) or V(released)
  type: list
  elements: str
"""
