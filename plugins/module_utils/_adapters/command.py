# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: may change without notice.
"""Runs the host's programs: the one place where a process is started."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Any, Callable

from .._ports import EngineAbsent, EngineError

_ENVIRONMENT = {"LC_ALL": "C", "LANGUAGE": "C", "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"}


class HostCommand:
    """``Command`` of ``_ports.py`` through a module's ``run_command``, which is handed in: adapters know no AnsibleModule."""

    def __init__(self, run: Callable[..., tuple[int, str, str]]) -> None:
        self._run = run

    def __call__(self, argv: Sequence[str], *, stdin: str | None = None, timeout: float = 120) -> str:
        line = " ".join(argv)
        deadline = _Deadline(timeout)
        try:
            status, output, errors = self._run(
                list(argv),
                data=stdin,
                binary_data=True,
                environ_update=_ENVIRONMENT,
                errors="surrogate_then_replace",
                expand_user_and_vars=False,
                handle_exceptions=False,
                before_communicate_callback=deadline.watch,
            )
        except FileNotFoundError:
            raise EngineAbsent("run", line, f"the program {argv[0]} is not installed") from None
        except OSError as error:
            raise EngineError("run", line, str(error)) from error
        finally:
            deadline.stop()
        if deadline.passed:
            raise EngineError("run", line, f"no answer within {timeout:g} seconds")
        if status != 0:
            raise EngineError("run", line, _cause(status, errors or output))
        return output


def _cause(status: int, said: str) -> str:
    """Return what a program said before it failed; of one that was killed that does not tell what ended it."""
    ended = f"exit status {status}"
    return f"{said}\n{ended}" if said and status < 0 else said or ended


class _Deadline:
    """Kills a process that takes longer than it may; ``run_command`` itself waits for ever."""

    def __init__(self, seconds: float) -> None:
        self.passed = False
        self._seconds = seconds
        self._timer: threading.Timer | None = None

    def watch(self, process: Any) -> None:
        def end() -> None:
            self.passed = True
            process.kill()

        self._timer = threading.Timer(self._seconds, end)
        self._timer.daemon = True
        self._timer.start()

    def stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
