# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run the unit tests, the playbooks' syntax check and ansible-doc on every supported ansible-core that this machine can run.

The unit tests on the newest ansible-core, which everything else is developed with, are a tier of their own: make unit. Here those run that
Ansible has a part in; the rest, and its properties, know nothing of releases. Two combinations are tried at a time.
Also compiles what runs on hosts with their oldest Python. An interpreter that is not there is reported, not fatal.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import reports
from stage import ROOT

MAIN_VENV = ROOT / ".work" / "venv"
REQUIREMENTS = (ROOT / "requirements.txt", ROOT / "requirements" / "unit.txt")
HOST_FLOOR = "3.9"
HOST_CODE = ("plugins/module_utils", "plugins/modules")
# Unit tests of what knows nothing of Ansible, and so nothing of its releases.
WITHOUT_ANSIBLE = ("tests/unit/plugins/module_utils", "tests/unit/plugins/fakes", "tests/unit/tools", "tests/unit/lab")


@dataclass(frozen=True)
class Combination:
    """One ansible-core release and the Pythons to try it on, the first that works being taken."""

    core: str
    pythons: tuple[str, ...]


COMBINATIONS = (
    Combination("2.19", ("3.11",)),
    Combination("2.20", ("3.12", "3.13")),
    Combination("2.21", ("3.13", "3.12")),
)


class Failed(Exception):
    """A command ended badly; the text is its output."""


def must(*command: str | Path, env: dict[str, str] | None = None) -> str:
    """Run a command at the root of the tree and return its output."""
    done = subprocess.run(
        command, cwd=ROOT, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
    )
    if done.returncode:
        raise Failed(f"{' '.join(map(str, command))}\n{done.stdout}")
    return done.stdout


def find_python(*versions: str) -> str:
    """Return the first working interpreter of these versions, or an empty string."""
    try:
        return must(ROOT / "tools" / "find-python.sh", *versions).strip()
    except Failed:
        return ""


def fits(venv: Path, core: str, python: str) -> bool:
    """Tell whether a venv has this ansible-core on this version of Python."""
    version = "import sys; print(sys.version_info[:2])"
    try:
        release = must(venv / "bin" / "python", "-c", "import ansible.release; print(ansible.release.__version__)")
        return release.startswith(f"{core}.") and must(venv / "bin" / "python", "-c", version) == must(python, "-c", version)
    except Failed:
        return False


def venv_for(core: str, python: str) -> Path:
    """Return a venv with this core on this Python: the development venv when it is that already, else one of its own."""
    if fits(MAIN_VENV, core, python):
        return MAIN_VENV
    venv = ROOT / ".work" / "matrix" / f"core-{core}-{Path(python).name}"
    stamp = venv / "installed"
    if not stamp.exists() or any(stamp.stat().st_mtime < path.stat().st_mtime for path in REQUIREMENTS):
        print(f"matrix: installing ansible-core {core} for {Path(python).name}", flush=True)
        must(python, "-m", "venv", "--clear", venv)
        must(venv / "bin" / "python", "-m", "pip", "install", "-q", f"ansible-core~={core}.0", "-r", "requirements/unit.txt")
        stamp.touch()
    return venv


def environment(venv: Path) -> dict[str, str]:
    """Return the environment in which this venv's programs find each other and the collection."""
    return {
        **os.environ,
        "PATH": f"{venv / 'bin'}:{os.environ['PATH']}",
        "ANSIBLE_COLLECTIONS_PATH": str(ROOT / ".work" / "collections"),
        "ANSIBLE_HOME": str(ROOT / ".work" / "matrix" / "home"),
    }


def unit(venv: Path) -> str:
    """Run the unit tests of what Ansible has a part in; return their summary."""
    options = ("--numprocesses", "auto", "--dist", "loadfile", *(f"--ignore={folder}" for folder in WITHOUT_ANSIBLE))
    output = must(venv / "bin" / "python", "-m", "pytest", "-q", *options, "tests/unit", env=environment(venv))
    return output.strip().splitlines()[-1].strip("= ")


def syntax(venv: Path) -> str:
    """Check the syntax of every playbook."""
    books = sorted(path.relative_to(ROOT) for path in (ROOT / "playbooks").glob("*.yml"))
    if books:
        must(venv / "bin" / "ansible-playbook", "-i", "localhost,", "--syntax-check", *books, env=environment(venv))
    return f"{len(books)} playbooks"


def plan(venv: Path) -> str:
    """Plan the example zone for hosts as they could have been recorded."""
    env = environment(venv)
    recorded = ROOT / ".work" / "matrix" / f"hosts-{venv.name}.json"
    names = [f"kvm0{number}.example" for number in (1, 2, 3)]
    code = "import json, sys; from ansible_collections.zonal.cloud.tests.unit.plugins.fakes.zone import G, report; "
    code += "print(json.dumps({name: report(cpus=32, memory=256 * G) for name in sys.argv[1:]}))"
    told = must(venv / "bin" / "python", "-c", code, *names, env={**env, "PYTHONPATH": env["ANSIBLE_COLLECTIONS_PATH"]})
    recorded.parent.mkdir(parents=True, exist_ok=True)
    recorded.write_text(told, encoding="utf-8")
    options = ["-i", "inventories/example", "zonal.cloud.provision", "--check", "-e", f"zonal_observations={recorded}"]
    output = must(venv / "bin" / "ansible-playbook", *options, env=env)
    planned = re.search(r"Zone idc01-dev: (create \d+)", output)
    if planned is None:
        raise Failed(f"the example zone was not planned:\n{output}")
    return f"example zone: {planned[1]}"


def documentation(venv: Path) -> str:
    """List the collection's modules."""
    listed = must(venv / "bin" / "ansible-doc", "-t", "module", "-l", "zonal.cloud", env=environment(venv))
    names = [line.split()[0] for line in listed.splitlines() if line.startswith("zonal.cloud.")]
    expected = [path for path in (ROOT / "plugins" / "modules").glob("*.py") if path.name != "__init__.py"]
    if len(names) != len(expected):
        raise Failed(f"ansible-doc lists {len(names)} of {len(expected)} modules:\n{listed}")
    return f"{len(names)} modules"


def attempt(name: str, check: Callable[[Path], str], venv: Path) -> tuple[reports.Case, str]:
    """Run one check of one combination."""
    begin = time.monotonic()
    try:
        words = check(venv)
    except Failed as error:
        print(error, flush=True)
        return reports.Case(name, "failed", time.monotonic() - begin, str(error)), f"{check.__name__} FAILED"
    return reports.Case(name, "passed", time.monotonic() - begin), words


def combination(wanted: Combination) -> list[reports.Case]:
    """Try one combination and say how it went in one line."""
    python = find_python(*wanted.pythons)
    if not python:
        label = f"ansible-core {wanted.core}, Python {' or '.join(wanted.pythons)}"
        print(f"matrix: {label}: not there", flush=True)
        return [reports.Case(label, "skipped", message="no such interpreter on this machine")]
    label = f"ansible-core {wanted.core}, {Path(python).name}"
    try:
        venv = venv_for(wanted.core, python)
    except Failed as error:
        print(f"matrix: {label}: cannot be installed\n{error}", flush=True)
        return [reports.Case(label, "failed", message=str(error))]
    cases, words = [], []
    for check in (syntax, plan, documentation) if venv == MAIN_VENV else (syntax, plan, documentation, unit):
        case, said = attempt(f"{label}: {check.__name__}", check, venv)
        cases.append(case)
        words.append(said)
    failed = any(case.outcome == "failed" for case in cases)
    print(f"matrix: {label}: {'FAILED' if failed else 'ok'} ({'; '.join(words)})", flush=True)
    return cases


def host_floor() -> reports.Case:
    """Compile what runs on hosts with the oldest Python they may have."""
    label = f"hosts' floor, Python {HOST_FLOOR}"
    python = find_python(HOST_FLOOR)
    if not python:
        print(f"matrix: {label}: not there", flush=True)
        return reports.Case(label, "skipped", message="no such interpreter on this machine")
    files = sorted(path for folder in HOST_CODE for path in (ROOT / folder).rglob("*.py"))
    code = "import sys; [compile(open(name, encoding='utf-8').read(), name, 'exec') for name in sys.argv[1:]]"
    try:
        must(python, "-c", code, *files)
    except Failed as error:
        print(f"matrix: {label}: FAILED\n{error}", flush=True)
        return reports.Case(label, "failed", message=str(error))
    print(f"matrix: {label}: ok ({len(files)} files compile)", flush=True)
    return reports.Case(label, "passed")


def main() -> int:
    """Try everything, report everything, fail if anything failed."""
    cases = [host_floor()]
    with ThreadPoolExecutor(max_workers=2) as pool:
        for found in pool.map(combination, COMBINATIONS):
            cases += found
    reports.write("matrix", cases)
    return 1 if any(case.outcome == "failed" for case in cases) else 0


if __name__ == "__main__":
    sys.exit(main())
