# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""How long several VMs of one host take to make, to look at, to change and to remove, beside plays of community modules. None is started.

python bench/vms.py [HOST [COUNT [RUNS]]]    on a host of the lab that runs (default h1, 8 VMs, 3 runs)

The ways take turns. Prints a table of medians for people, then one JSON object as the last line. What the others need is taken from PyPI:
community.libvirt and community.general from the package ansible, and lxml for the host.
"""

from __future__ import annotations

import io
import json
import os
import statistics
import subprocess
import sys
import tarfile
import tempfile
import time
import zipfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from ansible_collections.zonal.cloud.bench.peers import ROOT, collections_of, downloaded
from ansible_collections.zonal.cloud.bench.vms_on_host import XML
from ansible_collections.zonal.cloud.plugins.module_utils._domain.volume import IMAGE_TAG

ON_HOST = Path(__file__).with_name("vms_on_host.py")
IMAGE = "guest:1"
PYTHON = "/var/tmp/zonal-bench-python"
MIB = 1024**2
# Of each phase: bytes of memory, and whether the VMs shall be there.
PHASES = {"make": (128 * MIB, True), "nothing to do": (128 * MIB, True), "change": (192 * MIB, True), "remove": (192 * MIB, False)}
# What a host tells of all VMs: the KiB of memory of each, and how many volumes there are.
LOOK = """
for vm in $(virsh list --all --name | grep ^bench-); do virsh dominfo $vm | sed -n 's/^Max memory: *\\([0-9]*\\) KiB/\\1/p'; done
lvs --noheadings -o lv_name zonal | grep -c bench-; true
"""
OURS = "zonal.cloud.instances"
PLAYS = {
    OURS: """\
    - zonal.cloud.instances:
        instances: "{{ vms }}"
""",
    "community modules in loops": """\
    - community.general.lvol:
        vg: zonal
        lv: "{{ golden }}"
        snapshot: "{{ item.name }}"
        opts: --setactivationskip n
      loop: "{{ vms if phase != 'remove' else [] }}"
      loop_control: {label: "{{ item.name }}"}
    - community.libvirt.virt:
        command: define
        xml: "{{ item.xml }}"
      loop: "{{ vms if phase != 'remove' else [] }}"
      loop_control: {label: "{{ item.name }}"}
    - community.libvirt.virt:
        command: undefine
        name: "{{ item.name }}"
      loop: "{{ vms if phase == 'remove' else [] }}"
      loop_control: {label: "{{ item.name }}"}
    - community.general.lvol:
        vg: zonal
        lv: "{{ item.name }}"
        state: absent
        force: true
      loop: "{{ vms if phase == 'remove' else [] }}"
      loop_control: {label: "{{ item.name }}"}
""",
    "ping": "    - ansible.builtin.ping:\n",
}


def lab(*words: str, data: bytes | None = None) -> str:
    """Return what the lab's command line prints."""
    done = subprocess.run([ROOT / "lab" / "zonal-lab", *words], input=data, capture_output=True, check=False)
    if done.returncode != 0:
        sys.exit(f"lab/zonal-lab {words[0]} ended with {done.returncode}:\n{(done.stdout + done.stderr).decode()[-2000:]}")
    return done.stdout.decode()


class Bench:
    """Runs playbooks for one host of the lab, and programs on it."""

    def __init__(self, host: str, count: int, folder: Path) -> None:
        self._host = host
        self._count = count
        self._folder = folder
        for name, tasks in PLAYS.items():
            play = f"- hosts: {host}\n  gather_facts: false\n  environment: {{PYTHONPATH: {PYTHON}}}\n  tasks:\n{tasks}"
            self._play(name).write_text(play)
        self.golden = ""

    def _play(self, name: str) -> Path:
        return self._folder / f"{name.replace(' ', '-')}.yml"

    def set_up(self) -> None:
        """Let the host be one of a zone with the image, and have what the others need."""
        for playbook in ("zonal.cloud.bootstrap", "zonal.cloud.images"):
            self._run(playbook, {})
        buffer = io.BytesIO()
        with zipfile.ZipFile(self._lxml()) as wheel, tarfile.open(fileobj=buffer, mode="w:gz") as archive:
            for name in wheel.namelist():
                entry = tarfile.TarInfo(name)
                entry.size = wheel.getinfo(name).file_size
                archive.addfile(entry, io.BytesIO(wheel.read(name)))
        lab("ssh", self._host, f"rm -rf {PYTHON}; mkdir {PYTHON}; tar xz -C {PYTHON}", data=buffer.getvalue())
        rows = json.loads(lab("ssh", self._host, "lvs --reportformat json -o lv_name,lv_tags zonal"))["report"][0]["lv"]
        [self.golden] = [row["lv_name"] for row in rows if IMAGE_TAG + IMAGE in row["lv_tags"].split(",")]

    def _lxml(self) -> Path:
        version = lab("ssh", self._host, "python3 -c 'import sys; print(sys.version_info.minor)'").strip()
        return downloaded("lxml", "--python-version", f"3.{version}", "--platform", "manylinux_2_28_x86_64")

    def play(self, name: str, phase: str) -> float:
        """Return the seconds that a playbook takes for a phase."""
        vms = self._ours(phase) if name == OURS else self._theirs(phase)
        started = time.monotonic()
        self._run(str(self._play(name)), {"vms": vms, "phase": phase, "golden": self.golden})
        return time.monotonic() - started

    def floor(self, phase: str) -> float:
        """Return the seconds that the same takes on the host without any tool."""
        script = f"python3 - '{phase}' {self._count} {PHASES[phase][0]} {self.golden}"
        return float(lab("ssh", self._host, script, data=ON_HOST.read_bytes()))

    def check(self, name: str, phase: str) -> None:
        """End with a message unless just the wanted VMs are there, with the wanted memory, and a volume for each."""
        told = lab("ssh", self._host, LOOK).split()
        memory, there = PHASES[phase]
        wanted = [str(memory // 1024)] * self._count if there else []
        if told[:-1] != wanted or int(told[-1]) != len(wanted):
            sys.exit(f"{name} has left after '{phase}': KiB of memory and number of volumes {told}")

    def forget(self) -> None:
        """Remove what was brought to the host."""
        lab("ssh", self._host, f"rm -rf {PYTHON}")

    def _ours(self, phase: str) -> list[dict[str, Any]]:
        memory, there = PHASES[phase]
        network = {"bridge": "br0", "cidr": "10.99.0.0/16", "gateway": "10.99.0.1"}
        common = {"kind": "vm", "zone": "bench", "image": IMAGE, "vcpus": 1, "memory": str(memory), "network": network, "ssh_keys": []}
        state = "stopped" if there else "absent"
        return [{**common, "name": f"bench-{n}", "address": f"10.99.250.{n + 1}", "state": state} for n in range(self._count)]

    def _theirs(self, phase: str) -> list[dict[str, Any]]:
        memory = PHASES[phase][0]
        return [{"name": f"bench-{n}", "xml": XML.format(name=f"bench-{n}", number=n, memory=memory)} for n in range(self._count)]

    def _run(self, playbook: str, variables: dict[str, Any]) -> None:
        given = self._folder / "variables.json"
        given.write_text(json.dumps(variables))
        paths = f"{ROOT / '.work' / 'collections'}:{collections_of('libvirt', 'general')}"
        env = {**os.environ, "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"), "ANSIBLE_COLLECTIONS_PATH": paths}
        program = [str(Path(sys.executable).parent / "ansible-playbook"), "-i", str(ROOT / "inventories" / "lab"), "--limit", self._host]
        done = subprocess.run([*program, "-e", f"@{given}", playbook], env=env, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            sys.exit(f"{playbook} ended with {done.returncode}:\n{(done.stdout + done.stderr)[-3000:]}")


def measured(bench: Bench, runs: int) -> dict[str, dict[str, float]]:
    """Return the median of the seconds of each phase, by way."""
    ways: dict[str, Callable[[str], float]] = {name: partial(bench.play, name) for name in PLAYS}
    ways["libvirt's API and LVM"] = bench.floor
    times: dict[str, dict[str, list[float]]] = {name: {} for name in ways}
    for _run in range(runs):
        for name, way in ways.items():
            for phase in PHASES if name != "ping" else ("nothing to do",):
                times[name].setdefault(phase, []).append(way(phase))
                if name != "ping":
                    bench.check(name, phase)
                print(f"{name}: {phase}: {times[name][phase][-1]:.1f} s", file=sys.stderr, flush=True)
    return {name: {phase: round(statistics.median(took), 2) for phase, took in phases.items()} for name, phases in times.items()}


def show(told: dict[str, dict[str, float]]) -> None:
    """Print seconds, and in brackets how many times ours that is."""
    print("| way | " + " | ".join(PHASES) + " |\n| --- |" + " --- |" * len(PHASES))
    for name, phases in told.items():
        cells = [f"{phases[phase]:.1f} ({phases[phase] / told[OURS][phase]:.2f})" if phase in phases else "" for phase in PHASES]
        print(f"| {name} | {' | '.join(cells)} |")


def main() -> None:
    """Measure on a host of the lab."""
    host, count, runs = (*sys.argv[1:], *("h1", "8", "3")[len(sys.argv) - 1 :])
    with tempfile.TemporaryDirectory(prefix="zonal-bench-") as folder:
        bench = Bench(host, int(count), Path(folder))
        bench.set_up()
        try:
            told = measured(bench, int(runs))
        finally:
            bench.forget()
    show(told)
    print(json.dumps(told))


if __name__ == "__main__":
    main()
