# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The README's main job: two lab hosts become a zone with VMs and containers that answer, and a second run changes nothing."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import sys
import tempfile
import time
from functools import cache
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
LAB = str(ROOT / "lab" / "zonal-lab")
INVENTORY = str(ROOT / "inventories" / "lab")
# An emulated VM inside an emulated host takes its time.
ANSWER_WITHIN = 240
COLUMNS = ("name", "kind", "host", "address", "mac", "state", "ping", "ssh")


def play(playbook: str, *arguments: str) -> str:
    """Run a playbook of the collection on the lab, showing its output; return that output. Ends the demo when it fails."""
    command = ["ansible-playbook", "-i", INVENTORY, f"zonal.cloud.{playbook}", *arguments]
    print(f"\n$ {' '.join(command)}", flush=True)
    lines = []
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as run:
        for line in run.stdout or ():
            print(line, end="", flush=True)
            lines.append(line)
    if run.returncode:
        sys.exit(f"The demo stops here: {playbook} ended with {run.returncode}. 'lab/zonal-lab down' clears the lab away.")
    return "".join(lines)


def instances() -> list[dict[str, Any]]:
    """Return what the hosts say that they run."""
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.json"
        play("report", "-e", f"zonal_report_file={report}")
        hosts = json.loads(report.read_text())
    return sorted(({**item, "host": host} for host, told in hosts.items() for item in told["instances"]), key=lambda item: item["name"])


def until(check: Any, deadline: float) -> bool:
    """Return whether ``check`` came true before ``deadline``."""
    while not check():
        if time.monotonic() > deadline:
            return False
        time.sleep(2)
    return True


def pings(address: str) -> bool:
    """Return whether the address answers the lab's router."""
    return subprocess.run([LAB, "exec", "--", "ping", "-c1", "-W2", address], capture_output=True, check=False).returncode == 0


@cache
def ssh_command() -> list[str]:
    """Return the ssh command, with the key and the way into the lab that the lab's inventory gives Ansible."""
    told = subprocess.run([INVENTORY + "/hosts", "--list"], check=True, capture_output=True, text=True).stdout
    host = next(iter(json.loads(told)["_meta"]["hostvars"].values()))
    return ["ssh", "-i", host["ansible_ssh_private_key_file"], "-o", "BatchMode=yes", *shlex.split(host["ansible_ssh_common_args"])]


def hostname_over_ssh(address: str) -> str:
    """Return the hostname that a login with the injected key shows; empty when there is no login."""
    login = [*ssh_command(), f"root@{address}", "cat", "/etc/hostname"]
    try:
        return subprocess.run(login, capture_output=True, text=True, timeout=60, check=False).stdout.strip()
    except subprocess.TimeoutExpired:
        return ""


def prove(item: dict[str, Any], deadline: float) -> dict[str, str]:
    """Return the table's row of one instance, with what it answered."""
    address = item["address"]
    ping = until(lambda: pings(address), deadline)
    hostname = item["hostname"]
    login = ping and until(lambda: hostname_over_ssh(address) == hostname, deadline)
    proof = {"ping": "answers" if ping else "SILENT", "ssh": f"root@{hostname}" if login else "NO LOGIN"}
    return {column: str({**item, **proof}[column]) for column in COLUMNS}


def show(rows: list[dict[str, str]]) -> None:
    """Print the rows as a table."""
    table = [dict(zip(COLUMNS, COLUMNS, strict=True)), *rows]
    widths = {column: max(len(row[column]) for row in table) for column in COLUMNS}
    print()
    for row in table:
        print("  ".join(row[column].ljust(widths[column]) for column in COLUMNS).rstrip())


def main() -> int:
    """Run the demo; 0 when there are both kinds on both hosts, every instance answered and the second run changed nothing."""
    started = time.monotonic()
    if subprocess.run([LAB, "up", "--hosts", "2"], check=False).returncode:
        return 1  # the lab has said why
    play("site")
    deadline = time.monotonic() + ANSWER_WITHIN
    rows = [prove(item, deadline) for item in instances()]
    show(rows)
    second = play("site")
    changed = sum(int(count) for count in re.findall(r"changed=(\d+)", second))
    good = [row for row in rows if row["ping"] == "answers" and row["ssh"].startswith("root@")]
    show(rows)
    minutes = (time.monotonic() - started) / 60
    print(f"\n{len(good)} of {len(rows)} instances answered; second run: changed={changed}; {minutes:.1f} minutes.")
    print("The lab stays up: look around with 'lab/zonal-lab ssh h1'; clear it away with 'lab/zonal-lab down'.")
    spread = all(len({row["host"] for row in rows if row["kind"] == kind}) == 2 for kind in ("vm", "container"))
    return 0 if spread and len(good) == len(rows) and changed == 0 else 1


if __name__ == "__main__":
    sys.exit(main())
