# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run every static check and report all that fail, not only the first.

lint.py [NAME...]   run all checks, or those whose name begins so
"""

from __future__ import annotations

import importlib.util
import os
import re
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path

import reports
from stage import ROOT, STAGE, stage

HEARTBEAT = 20.0
BIN = Path(sys.executable).parent
DEVELOPMENT = tuple(name for name in ("bench", "lab", "tests", "tools") if (ROOT / name).is_dir())


@dataclass(frozen=True)
class Check:
    """One command that must end with 0; ``staged`` ones run inside the staged copy of the collection."""

    name: str
    command: tuple[str, ...]
    staged: bool = False


SANITY = ("ansible-test", "sanity", "--local", "--color", "no")
# Half of its time.
READING = ("pylint", "validate-modules")
# The long ones first: two run at a time.
CHECKS = (
    Check("ansible-test sanity, reading", (*SANITY, *(f"--test={name}" for name in READING)), staged=True),
    Check("ansible-test sanity, running", (*SANITY, *(f"--skip-test={name}" for name in READING)), staged=True),
    Check("ansible-lint", ("ansible-lint", "--offline", "--profile", "production", "--nocolor"), staged=True),
    Check("antsibull-docs", ("antsibull-docs", "lint-collection-docs", "--plugin-docs", "."), staged=True),
    Check("dist-check", ("python", str(ROOT / "tools" / "dist_check.py"))),
    Check("mypy plugins", ("mypy", "-p", "ansible_collections.zonal.cloud.plugins")),
    Check("mypy development", ("mypy", "--python-version", "3.11", *DEVELOPMENT)),
    Check("reuse", ("reuse", "lint", "--lines"), staged=True),
    Check("antsibull-changelog", ("antsibull-changelog", "lint"), staged=True),
    Check("yamllint", ("yamllint", "--strict", ".")),
    Check("ruff check", ("ruff", "check", ".")),
    Check("ruff format", ("ruff", "format", "--check", "--diff", ".")),
)
SANITY_RUN = re.compile(r"^Running sanity test [\"'](?P<name>[^\"']+)[\"'].*$", re.MULTILINE)
NOISE = re.compile(
    r"^(?:Looking in|Collecting|Processing|  Downloading|  +\S*━|Installing|Successfully installed|Using cached|WARNING: ).*\n|^\n", re.M
)
SANITY_FAILED = re.compile(r"sanity test\(s\) listed below \(out of \d+\) failed[^\n]*\n(?P<names>.*)", re.DOTALL)


def python_folders() -> list[str]:
    """Return the folders of interpreters that really run, for the tests that ansible-test does once per Python version.

    The oldest that a host may have, and those of Debian 12 and 13.
    """
    finder = ROOT / "tools" / "find-python.sh"
    found = (subprocess.run([finder, f"3.{minor}"], capture_output=True, text=True, check=False).stdout.strip() for minor in (9, 11, 13))
    return list(dict.fromkeys(str(Path(path).parent) for path in found if path))


def environment() -> dict[str, str]:
    """Return the environment of the checks: the venv first, working interpreters next, no version manager's shims."""
    rest = [folder for folder in os.environ["PATH"].split(os.pathsep) if Path(folder).name != "shims"]
    return {
        **os.environ,
        "PATH": os.pathsep.join([str(BIN), *python_folders(), *rest]),
        "ANSIBLE_COLLECTIONS_PATH": str(ROOT / ".work" / "stage"),
        "MYPYPATH": str(ROOT / ".work" / "stage"),
        "MYPY_CACHE_DIR": str(ROOT / ".work" / "mypy"),
        "RUFF_CACHE_DIR": str(ROOT / ".work" / "ruff"),
        "LC_ALL": "C.UTF-8",
    }


def prepare_ansible_test() -> None:
    """Put tools/get_pip.py where ansible-test looks for the script that it would otherwise download."""
    spec = importlib.util.find_spec("ansible_test")
    if spec is None or spec.submodule_search_locations is None:
        raise SystemExit("lint: no ansible-test here; run 'make setup'")
    source = Path(spec.submodule_search_locations[0], "_internal", "python_requirements.py").read_text(encoding="utf-8")
    version = re.search(r"def get_venv_packages.*?\bpip='(?P<pip>[\d.]+)'", source, re.DOTALL)
    if version is None:
        raise SystemExit("lint: this ansible-test no longer names its pip version where tools/lint.py looks for it")
    script = Path("~/.ansible/test/cache").expanduser() / f"get_pip_{version['pip'].replace('.', '_')}.py"
    if not script.exists():
        script.parent.mkdir(parents=True, exist_ok=True)
        script.write_text((ROOT / "tools" / "get_pip.py").read_text(encoding="utf-8"), encoding="utf-8")


def say(text: str) -> None:
    """Print one line at once, also into a pipe."""
    print(f"lint: {text}", flush=True)


def run(check: Check, env: dict[str, str]) -> tuple[Check, int, str, float]:
    """Run one check with a sign of life now and then; return its exit code, output and seconds."""
    begin = time.monotonic()
    ended = threading.Event()

    def alive() -> None:
        while not ended.wait(HEARTBEAT):
            say(f"{check.name} is running, {time.monotonic() - begin:.0f} s")

    threading.Thread(target=alive, daemon=True).start()
    try:
        done = subprocess.run(
            check.command,
            cwd=STAGE if check.staged else ROOT,
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            check=False,
        )
    finally:
        ended.set()
    return check, done.returncode, done.stdout, time.monotonic() - begin


def readable(output: str) -> str:
    """Return what a check said without pip's chatter, and with paths as in the tree."""
    shown = SANITY_RUN.sub("", output).replace(f"{STAGE}/", "").replace(f"{STAGE.relative_to(ROOT)}/", "")
    return NOISE.sub("", shown).rstrip()


def cases_of(check: Check, code: int, output: str, seconds: float) -> list[reports.Case]:
    """Return the cases that one command stands for: ansible-test runs many checks, every other command is one."""
    names = SANITY_RUN.findall(output)
    if not names:
        return [reports.Case(check.name, "failed" if code else "passed", seconds, output if code else "")]
    listed = SANITY_FAILED.search(output)
    failed = {name for name in names if listed and re.search(rf"^{re.escape(name)}\b", listed["names"], re.MULTILINE)}
    if code and not failed:
        return [reports.Case(check.name, "failed", seconds, output)]
    share = seconds / len(names)
    return [
        reports.Case(f"{check.name.partition(',')[0]}: {name}", *(("failed", share, output) if name in failed else ("passed", share)))
        for name in dict.fromkeys(names)
    ]


def main(names: list[str]) -> int:
    """Run the checks two at a time and print what failed."""
    checks = [check for check in CHECKS if not names or any(check.name.startswith(name) for name in names)]
    if not checks:
        raise SystemExit(f"lint: no such check; there are: {', '.join(check.name for check in CHECKS)}")
    say(f"{stage()} files staged")
    prepare_ansible_test()
    env = environment()
    cases: list[reports.Case] = []
    with ThreadPoolExecutor(max_workers=2) as pool:
        for future in as_completed([pool.submit(run, check, env) for check in checks]):
            check, code, output, seconds = future.result()
            if code:
                print(readable(output), flush=True)
            found = cases_of(check, code, output, seconds)
            tests = f", {len(found)} tests" if len(found) > 1 else ""
            say(f"{'FAILED' if code else 'ok'}  {check.name} ({seconds:.1f} s{tests})")
            cases += found
    reports.write("lint", cases)
    failed = [case.name for case in cases if case.outcome == "failed"]
    say(f"{len(cases) - len(failed)} checks passed, {len(failed)} failed{': ' if failed else ''}{', '.join(failed)}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
