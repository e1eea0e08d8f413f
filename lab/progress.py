# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Progress lines on stderr: what is done now and how long the command has run."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

BEAT = 15.0  # seconds between two lines of a long step


class Progress:
    """Prints lines with the time since this object was made; safe to use from threads."""

    def __init__(self, quiet: bool = False) -> None:
        self._start = time.monotonic()
        self._quiet = quiet

    def say(self, text: str) -> None:
        """Print one line at once."""
        if not self._quiet:
            print(f"[{time.monotonic() - self._start:4.0f}s] {text}", file=sys.stderr, flush=True)

    @contextmanager
    def step(self, what: str, detail: Callable[[], str] = str) -> Iterator[None]:
        """Announce ``what``, repeat it with ``detail()`` every BEAT seconds, and say how long it took."""
        self.say(f"{what} ...")
        began = time.monotonic()
        done = threading.Event()

        def beat() -> None:
            while not done.wait(BEAT):
                self.say(f"{what}: {time.monotonic() - began:.0f} s so far {detail()}".rstrip())

        thread = threading.Thread(target=beat, daemon=True)
        thread.start()
        try:
            yield
            self.say(f"{what}: done in {time.monotonic() - began:.0f} s")
        finally:
            done.set()
            thread.join()
