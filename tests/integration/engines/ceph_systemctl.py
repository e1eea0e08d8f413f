# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""systemctl of a node without systemd: as much of it as the role ceph_registry and its units use.

It runs inside the node, in systemctl's place, and starts what the packages' own unit files and the role's drop-ins say.
"""

from __future__ import annotations

import os
import re
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

UNITS = (Path("/etc/systemd/system"), Path("/lib/systemd/system"))
STATE = Path("/run/systemctl")
RUNTIME = Path("/run")
STOP_SECONDS = 30


class Unit:
    """One unit: its file, its drop-ins, and the process that it has started."""

    def __init__(self, name: str) -> None:
        self.name = name if "." in name.rsplit("@")[-1] else f"{name}.service"
        base, at, rest = self.name.partition("@")
        self.instance = rest.rsplit(".", 1)[0] if at else ""
        self.file_name = f"{base}@.{rest.rsplit('.', 1)[1]}" if at else self.name
        self.files = [path / self.file_name for path in UNITS if (path / self.file_name).exists()][:1]
        self.files += sorted((UNITS[0] / f"{self.file_name}.d").glob("*.conf")) if self.files else []
        self.settings: dict[str, list[str]] = {}
        for file in self.files:
            for key, value in re.findall(r"^(\w+)=(.*)$", file.read_text(), re.MULTILINE):
                self.settings.setdefault(key, []).append(value.replace("%i", self.instance))
        self.pid_file = STATE / f"{self.name}.pid"
        self.enabled_file = STATE / f"{self.name}.enabled"

    def get(self, key: str) -> str:
        return self.settings.get(key, [""])[-1]

    def active(self) -> bool:
        """A timer is active once started; a service while its process lives."""
        if not self.pid_file.exists():
            return False
        pid = self.pid_file.read_text()
        if pid == "timer":
            return True
        try:
            return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
        except FileNotFoundError:
            return False

    def environment(self) -> dict[str, str]:
        found = dict(part.split("=", 1) for value in self.settings.get("Environment", []) for part in shlex.split(value))
        for path in self.settings.get("EnvironmentFile", []):
            if not path.startswith("-") or Path(path[1:]).exists():
                found.update(re.findall(r"^(\w+)=(.*)$", Path(path.lstrip("-")).read_text(), re.MULTILINE))
        return {"PATH": "/usr/local/bin:/usr/bin:/usr/sbin:/bin:/sbin", **found}

    def argv(self, line: str) -> list[str]:
        """Return the words of a command; what begins with + runs as root whatever User says."""
        environment = self.environment()
        words = shlex.split(re.sub(r"\$\{(\w+)\}", lambda found: environment[found[1]], line.lstrip("+-")))
        user = self.get("User")
        as_user = ["setpriv", "--reuid", user, "--regid", user, "--init-groups"] if user and not line.startswith("+") else []
        return [*as_user, *words]

    def run_all(self, key: str) -> None:
        for line in self.settings.get(key, []):
            done = subprocess.run(self.argv(line), env=self.environment(), capture_output=True, text=True, check=False, cwd="/")
            with open(STATE / f"{self.name}.log", "a") as log:
                log.write(done.stdout + done.stderr)
            if done.returncode:
                sys.exit(f"{self.name}: {line}: {done.stderr}")

    def start(self) -> None:
        if self.active():
            return
        if not self.name.endswith(".service"):
            self.pid_file.write_text("timer")
            return
        for other in self.settings.get("Conflicts", []):
            Unit(other).stop()
        for folder in self.settings.get("RuntimeDirectory", []):
            (RUNTIME / folder).mkdir(exist_ok=True)
            subprocess.run(["chown", self.get("User") or "root", str(RUNTIME / folder)], check=True)
        try:
            self.run_all("ExecStartPre")
            if self.get("Type") == "oneshot":
                self.run_all("ExecStart")
                return
        finally:
            if self.get("Type") == "oneshot":
                for other in self.settings.get("OnSuccess", []):
                    Unit(other).start()
        with open(STATE / f"{self.name}.log", "ab") as log:
            argv = self.argv(self.get("ExecStart"))
            process = subprocess.Popen(
                argv, env=self.environment(), stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True, cwd="/"
            )
        self.pid_file.write_text(str(process.pid))
        self.run_all("ExecStartPost")

    def stop(self) -> None:
        if self.active() and self.pid_file.read_text() != "timer":
            pid = int(self.pid_file.read_text())
            os.kill(pid, signal.SIGTERM)
            deadline = time.monotonic() + STOP_SECONDS
            while self.active() and time.monotonic() < deadline:
                time.sleep(0.1)
            if self.active():
                os.kill(pid, signal.SIGKILL)
        self.pid_file.unlink(missing_ok=True)
        for folder in self.settings.get("RuntimeDirectory", []):
            for stamp in (RUNTIME / folder).glob("*"):
                stamp.unlink()


def main(verb: str, *names: str) -> int:
    STATE.mkdir(exist_ok=True)
    for unit in (Unit(name) for name in names if not name.startswith("-")):
        if verb == "show":
            print(f"Id={unit.name}\nLoadState={'loaded' if unit.files else 'not-found'}")
            print(f"ActiveState={'active' if unit.active() else 'inactive'}")
        elif not unit.files:
            sys.exit(f"Unit {unit.name} not found.")
        elif verb == "is-enabled":
            print("enabled" if unit.enabled_file.exists() else "disabled")
            return 0 if unit.enabled_file.exists() else 1
        elif verb in ("enable", "disable"):
            unit.enabled_file.touch() if verb == "enable" else unit.enabled_file.unlink(missing_ok=True)
        elif verb == "restart":
            unit.stop()
            unit.start()
        elif verb in ("start", "stop"):
            getattr(unit, verb)()
        else:
            sys.exit(f"systemctl {verb} is not known here")
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
