# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs of site.yml that die at any moment, and two that run at once, leave nothing that the next run does not mend."""

from __future__ import annotations

import random
import re
import time
from typing import Any

_CUTS = 5
# Seconds. A first run takes about seventy in the lab; each goes on where the one before it was cut.
_EARLIEST, _LATEST = 4.0, 32.0
_LEFTOVERS = r"""
lvs --noheadings -o lv_name zonal 2>/dev/null | grep '\.new$'
docker ps --all --format '{{.Names}}' | grep '\.new$'
grep -c zonal-cloud.mnt /proc/mounts | grep -v '^0$'
find /var/lib/libvirt/boot -name '*.new'
true
"""


def test_the_run_after_many_cut_and_two_parallel_runs_converges(lab: Any) -> None:
    seed = random.SystemRandom().randrange(2**32)
    moments = random.Random(seed)
    for cut in range(_CUTS):
        after = moments.uniform(_EARLIEST, _LATEST)
        run = lab.start_play("zonal.cloud.site")
        time.sleep(after)
        lines = run.kill().strip().splitlines()
        print(f"seed {seed}, cut {cut + 1} after {after:.0f} s, at {lines[-1] if lines else 'its very beginning'}", flush=True)
    outputs = [run.wait() for run in [lab.start_play("zonal.cloud.site") for _dummy in range(2)]]
    for output in outputs:
        assert "Traceback" not in output, output[-6000:]
        print(*re.findall(r"fatal: .*|.*unreachable=.*", output), sep="\n", flush=True)
    # One may have lost a race on a host, which is said and does no harm: a further run mends it.
    if any(re.search(r"(unreachable|failed)=[1-9]", output) for output in outputs):
        lab.play("zonal.cloud.site")
    for host in ("h1", "h2"):
        assert lab.on(host, _LEFTOVERS).split() == []
    for address in ("10.99.1.11", "10.99.1.12", "10.99.1.13", "10.99.1.14"):
        lab.eventually(lambda address=address: lab.answers(address), f"{address} answers")
