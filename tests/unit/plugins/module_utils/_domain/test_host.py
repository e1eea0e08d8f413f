# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The texts of /proc and /etc."""

from __future__ import annotations

import pytest

from ansible_collections.zonal.cloud.plugins.module_utils._domain.host import Processor, parse_cpuinfo, parse_meminfo, parse_os_release

MEMINFO = {
    "host": ("MemTotal:       16384 kB\nHugePages_Total:       3\n", {"MemTotal": 16384 * 1024}),
    "node": ("Node 0 MemTotal:       2048 kB\nNode 0 MemFree: 1 kB\n", {"MemTotal": 2048 * 1024, "MemFree": 1024}),
    "nothing": ("", {}),
}
RELEASES = {
    "Debian": (
        'PRETTY_NAME="Debian GNU/Linux 13 (trixie)"\nID=debian\nVERSION_ID="13"\nVERSION_CODENAME=trixie\n',
        {"id": "debian", "version": "13", "codename": "trixie", "name": "Debian GNU/Linux 13 (trixie)"},
    ),
    "single quotes": ("ID='rocky'\n", {"id": "rocky", "version": "", "codename": "", "name": ""}),
    "ID_LIKE is not ID": ('ID_LIKE="rhel fedora"\n', {"id": "", "version": "", "codename": "", "name": ""}),
    "nothing": ("", {"id": "", "version": "", "codename": "", "name": ""}),
}
PROCESSORS = {
    "Intel": (
        "processor\t: 0\nmodel name\t: X @ 2GHz: fast\nflags\t: fpu vmx\n\nprocessor\t: 1\n",
        Processor("X @ 2GHz: fast", "vmx", (0, 1)),
    ),
    "AMD": ("processor: 4\nflags: svm fpu\n", Processor("", "svm", (4,))),
    "no virtualization": ("processor: 0\nflags: fpu vmmcall svm_lock\n", Processor("", "", (0,))),
    "User-Mode Linux": ("processor\t: 0\nmodel name\t: UML\nmode\t: skas\n", Processor("UML", "", (0,))),
    "nothing": ("", Processor("", "", ())),
}


@pytest.mark.parametrize(("text", "expected"), MEMINFO.values(), ids=MEMINFO.keys())
def test_parse_meminfo(text: str, expected: dict[str, int]) -> None:
    assert parse_meminfo(text) == expected


@pytest.mark.parametrize(("text", "expected"), RELEASES.values(), ids=RELEASES.keys())
def test_parse_os_release(text: str, expected: dict[str, str]) -> None:
    assert parse_os_release(text) == expected


@pytest.mark.parametrize(("text", "expected"), PROCESSORS.values(), ids=PROCESSORS.keys())
def test_parse_cpuinfo(text: str, expected: Processor) -> None:
    assert parse_cpuinfo(text) == expected
