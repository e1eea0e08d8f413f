# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""From nothing but a minimal Debian 13 and Debian 12: site.yml installs what it needs, and a second run changes nothing.

It installs packages from the machine's mirror for minutes, so this is not part of ``make test``.
"""

from __future__ import annotations

import re
import subprocess
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from tests.lab.conftest import INVENTORY, ROOT, Lab

_SITE_WITHIN = 5400
_ADDRESSES = ("10.99.1.11", "10.99.1.12", "10.99.1.13", "10.99.1.14")


@pytest.fixture(scope="module")
def bare(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """A lab of one bare Debian 13 and one bare Debian 12 host, in a state folder of its own."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ZONAL_LAB_STATE", str(tmp_path_factory.mktemp("lab")))
        lab = Lab()
        try:
            lab.cli("image", timeout=1200)
            lab.cli("up", "--bare", "--hosts", "2", "--release", "trixie,bookworm", timeout=2400)
            yield lab
        finally:
            lab.cli("down", timeout=300)


def _site(log: Path) -> tuple[str, float]:
    """Run site.yml, showing its output as it comes, and return that output and the minutes it took."""
    begin = time.monotonic()
    command = ["ansible-playbook", "-i", str(INVENTORY), "zonal.cloud.site"]
    with log.open("w") as sink, subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as run:
        for line in run.stdout or ():
            print(line, end="", flush=True)
            sink.write(line)
            assert time.monotonic() - begin < _SITE_WITHIN
    output = log.read_text()
    assert run.returncode == 0, output[-4000:]
    return output, (time.monotonic() - begin) / 60


def test_a_bare_debian_becomes_a_host_with_instances(bare: Lab, tmp_path: Path) -> None:
    for host in ("h1", "h2"):
        assert "absent" in bare.on(host, "command -v dockerd virsh lvs >/dev/null && echo present || echo absent")
    _dummy, minutes = _site(tmp_path / "first.log")
    for address in _ADDRESSES:
        bare.eventually(partial(bare.answers, address), f"{address} answers")
    again, minutes_again = _site(tmp_path / "second.log")
    assert set(re.findall(r"changed=(\d+)", again)) == {"0"}
    print(f"bare Debian 13 and 12 side by side: first run {minutes:.1f} minutes, second run {minutes_again:.1f} minutes")
