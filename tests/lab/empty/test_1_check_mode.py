# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Check mode on hosts where nothing is set up: it lists what would be made and touches nothing."""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

# What a host writes by itself all the time, and what any ssh login or Ansible task leaves in its own folder.
_RESTLESS = ("/proc", "/sys", "/dev", "/run", "/tmp", "/var/log", "/var/tmp", "/root/.ansible", "/root/.cache")
_PRUNE = " -o ".join(f"-path {path}" for path in (*_RESTLESS, "/var/lib/systemd", "/var/cache/apt", "/var/lib/apt"))
_SNAPSHOT = f"""
find / -xdev \\( {_PRUNE} \\) -prune -o -type f -printf '%p %s %T@ %m %U\\n' | sort
lvs --noheadings -o lv_name 2>/dev/null; vgs --noheadings -o vg_name 2>/dev/null; blkid -p /dev/ubdb
ip -o link | cut -d: -f2 | sort; ip -o -4 address | awk '{{print $2, $4}}'; ip route
systemctl list-unit-files --no-legend --no-pager | grep -v transient | awk '{{print $1, $2}}' | sort
systemctl is-active docker libvirtd containerd
dpkg-query -W -f '${{Package}} ${{Version}} ${{Status}}\\n' | sort
ls /run/systemd/system /run/zonal* 2>/dev/null; true
"""


@pytest.fixture(scope="module")
def checked(lab: Any) -> dict[str, Any]:
    """What each host was before and after one checked run of site.yml, and what that run printed."""
    hosts = sorted(lab.inventory()["_meta"]["hostvars"])
    with ThreadPoolExecutor() as pool:
        before = dict(zip(hosts, pool.map(lambda host: lab.on(host, _SNAPSHOT), hosts), strict=True))
        output = lab.play("zonal.cloud.site", "--check", "--diff")
        after = dict(zip(hosts, pool.map(lambda host: lab.on(host, _SNAPSHOT), hosts), strict=True))
    return {"hosts": hosts, "before": before, "after": after, "output": output}


def test_nothing_on_the_hosts_changes(checked: dict[str, Any]) -> None:
    for host in checked["hosts"]:
        before, after = (set(checked[when][host].splitlines()) for when in ("before", "after"))
        assert len(before) > 1000
        assert sorted(before ^ after) == []


def test_it_lists_what_would_be_made(checked: dict[str, Any]) -> None:
    for made in ("/dev/ubdb", "br0", "lab-db-001011", "lab-db-001012", "lab-web-001013", "lab-web-001014", "guest:1"):
        assert made in checked["output"]
    for host in checked["hosts"]:
        recap = re.search(rf"^{host} +: ok=\d+ +changed=(\d+) +unreachable=0 +failed=0", checked["output"], re.MULTILINE)
        assert recap is not None
        assert int(recap.group(1)) > 5
