# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The options of modules that know disks on Ceph."""

from __future__ import annotations


class ModuleDocFragment:
    """Where disks on Ceph are, and as whom the host reaches them."""

    DOCUMENTATION = r"""
options:
  rbd_pool:
    description: Pool of Ceph that disks with C(store=rbd) are in. All hosts of a zone name the same.
    type: str
    default: zonal-disks
  rbd_user:
    description:
      - User of Ceph, without C(client.), who may use the pool. The host has the key in C(/etc/ceph/ceph.client.USER.keyring) for its
        programs, and libvirt in a secret for QEMU; the role P(zonal.cloud.hypervisor#role) brings it to both.
    type: str
    default: zonal-disks
  rbd_conf:
    description: File on the host with Ceph's settings, by which its monitors are found.
    type: path
    default: /etc/ceph/ceph.conf
"""
