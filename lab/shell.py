# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run programs; a failure becomes one LabError that shows the command and its last words."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from lab.errors import LabError
from lab.progress import Progress

_CONTROL = re.compile(r"\x1b\][^\x07]*\x07|\x1b\[[0-9;?!]*[A-Za-z]|\x1b[()]?.|[\x00-\x08\x0b-\x1f]")
# For builds: a mount and pid namespace of their own, so that no mount is seen by the machine or by the clean-up, and
# the whole tree of processes ends with us.
ALONE = "unshare --mount --propagation private --pid --fork --kill-child --mount-proc --".split()
TAIL = 12  # lines of output shown when a command fails


def run(command: Sequence[str], *, check: bool = True, text: str | None = None) -> subprocess.CompletedProcess[str]:
    """Run quietly and return the result; LabError when it is missing or (with check) fails."""
    try:
        done = subprocess.run(list(command), input=text, capture_output=True, text=True, check=False)
    except OSError as error:
        raise LabError(f"cannot run {shlex.join(command)}: {error}") from error
    if check and done.returncode != 0:
        raise _failure(command, done.returncode, done.stderr or done.stdout, None)
    return done


def run_logged(
    command: Sequence[str],
    log: Path,
    progress: Progress,
    what: str,
    *,
    environ: Mapping[str, str] | None = None,
) -> None:
    """Run a long command with its output in ``log`` (appended) and progress lines; LabError when it fails."""
    log.parent.mkdir(parents=True, exist_ok=True)
    with progress.step(what, lambda: f"- {last_line(log)}"), log.open("ab") as out:
        guarded = ["setpriv", "--pdeathsig", "KILL", "--", *command]
        env = {**os.environ, **(environ or {})}
        code = subprocess.run(guarded, stdin=subprocess.DEVNULL, stdout=out, stderr=out, env=env, check=False).returncode
        if code != 0:
            raise _failure(command, code, log.read_text(errors="replace"), log)


def last_line(log: Path) -> str:
    """The last line that is not empty, without terminal codes, cut to 100 characters; empty when there is none."""
    try:
        with log.open("rb") as stream:
            stream.seek(max(0, log.stat().st_size - 2000))
            lines = stream.read().decode(errors="replace").splitlines()
    except OSError:
        return ""
    plain = (_CONTROL.sub("", line).strip() for line in reversed(lines))
    return next((line[:100] for line in plain if line), "")


def _failure(command: Sequence[str], code: int, output: str, log: Path | None) -> LabError:
    tail = "\n".join("  " + line for line in output.splitlines()[-TAIL:])
    where = f" (whole output: {log})" if log else ""
    return LabError(f"{shlex.join(command)[:400]} ended with {code}{where}:\n{tail}")
