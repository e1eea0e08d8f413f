# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: may change without notice.
"""Deadlines for calls of libraries that have none: what hangs is left behind in a thread of its own."""

from __future__ import annotations

import os
import threading
import time
from typing import Any, Callable

_MOMENT = 0.0001


class Overdue(Exception):
    """A call did not end in time. Whether it does what it was to do is not known."""


class WithDeadline:
    """Stands for ``target``, an object of the library whose classes have names that begin with ``prefix``. Each call of a method, of
    it and of the objects that those return, has so many ``seconds``."""

    def __init__(self, target: Any, prefix: str, seconds: float) -> None:
        self._target = target
        self._prefix = prefix
        self._seconds = seconds

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._target, name)

        def call(*arguments: Any) -> Any:
            return self._wrapped(in_time(self._seconds, method, *arguments))

        return call

    def _wrapped(self, value: Any) -> Any:
        if isinstance(value, (list, tuple)):
            return type(value)(self._wrapped(item) for item in value)
        return WithDeadline(value, self._prefix, self._seconds) if type(value).__name__.startswith(self._prefix) else value


def in_time(seconds: float, call: Callable[..., Any], *arguments: Any) -> Any:
    """Return what ``call`` returns, or raise what it raises; Overdue when it does neither in time. Then its thread stays."""
    outcome: list[Any] = []
    error: list[BaseException] = []

    def work() -> None:
        try:
            outcome.append(call(*arguments))
        except BaseException as raised:  # for whoever waits
            error.append(raised)

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    thread.join(seconds)
    # Before Python 3.13 that waits for the end of its Python only. What ends with it in C takes locks, and a process that is forked
    # meanwhile finds them taken for ever.
    while not thread.is_alive() and os.path.exists(f"/proc/self/task/{thread.native_id}"):
        time.sleep(_MOMENT)
    if error:
        raise error[0]
    if not outcome:
        raise Overdue(f"no answer within {seconds:g} seconds")
    return outcome[0]
