# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What faults may leave on a host of the lab: all that is there and belongs to none of the zone's instances."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

# Each line tells what kind of thing it is about first.
_LOOK = r"""
lvs --noheadings -o lv_name zonal | sed 's/^ */volume /'
virsh list --all --name | sed '/^$/d; s/^/vm /'
docker ps --all --format '{{.Names}}' | sed 's/^/container /'
docker network ls --format '{{.Name}}' | sed 's/^/network /'
virsh list --all | sed -n '/paused/s/^/odd paused:/p'
docker ps --all --filter status=paused --format 'odd paused: {{.Names}}'
grep -o 'zonal-cloud.mnt[^ ]*' /proc/mounts | sed 's/^/odd mount /'
ls -d /var/lib/libvirt/boot/*.new /run/zonal-cloud.held.* /var/lib/docker/zonal-snapshots/*/.*.new 2>/dev/null | sed 's/^/odd file /'
dmsetup info --columns --noheadings --options name,suspended | sed -n '/Suspended/s/^/odd device /p'
flock --nonblock /run/zonal-cloud.lock true || echo "odd lock: somebody holds /run/zonal-cloud.lock"
[ "$(ip -o link show type tun | grep -c zv)" = "$(virsh list --name | grep -c .)" ] || ip -o link show type tun | sed 's/^/odd tap /'
[ "$(pgrep -c ^qemu-system)" = "$(virsh list --name | grep -c .)" ] || pgrep -a ^qemu-system | sed 's/^/odd process /'
true
"""
_DISK = re.compile(r"vm-(?P<name>[^.]+)(?P<rest>\..*)?")
_NETWORKS = ("bridge", "host", "none", "zonal-br0")


def leftovers(lab: Any, host: str) -> list[str]:
    """Return what is on a host that no instance of the ledger explains; snapshots of an instance are its own."""
    names = {
        kind: {claim["name"] for claim in lab.claims() if (claim["host"], claim["kind"]) == (host, kind)} for kind in ("vm", "container")
    }
    return list(_unexplained(lab.on(host, _LOOK).splitlines(), names["vm"], names["container"]))


def _unexplained(lines: list[str], vms: set[str], containers: set[str]) -> Iterator[str]:
    for line in lines:
        what, _blank, name = line.partition(" ")
        disk = _DISK.fullmatch(name)
        explained = {
            "volume": not name.endswith(".new") and (disk is None or _is_of(disk, vms)),
            "vm": name in vms,
            "container": name in containers,
            "network": name in _NETWORKS,
        }
        if not explained.get(what, False):
            yield line


def _is_of(disk: re.Match[str], vms: set[str]) -> bool:
    return disk["name"] in vms and (disk["rest"] is None or disk["rest"].startswith(".snap."))
