# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A PostgreSQL of our own: a cluster in a temporary folder, on a unix socket, ended by its process id."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

USER = "postgres"
# Tests of atomicity need no power cut, so the disk may wait.
SETTINGS = {"listen_addresses": "", "fsync": "off", "max_connections": "60", "shared_buffers": "32MB", "log_min_messages": "fatal"}
_STARTED_WITHIN = 30.0


def programs() -> Path | None:
    """Return the folder of the newest PostgreSQL that Debian has installed, None without one."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"), key=lambda path: int(path.parts[-3]))
    return found[-1].parent if found else None


@contextmanager
def postgres() -> Iterator[str]:
    """Start a server, yield its URL, and end it."""
    bin_folder = programs()
    if bin_folder is None:
        raise FileNotFoundError("no PostgreSQL here; make setup installs it")
    folder = Path(tempfile.mkdtemp(prefix="zonal-postgres-"))
    try:
        owner = pwd.getpwnam(USER)
        os.chown(folder, owner.pw_uid, owner.pw_gid)
        data = folder / "data"
        initdb = [str(bin_folder / "initdb"), "--pgdata", str(data), "--auth", "trust", "--no-sync", "--encoding", "UTF8"]
        subprocess.run(initdb, user=USER, group=owner.pw_gid, extra_groups=[], cwd="/", check=True, capture_output=True)
        settings = [part for key, value in SETTINGS.items() for part in ("-c", f"{key}={value}")]
        command = [str(bin_folder / "postgres"), "-D", str(data), "-k", str(folder), *settings]
        with subprocess.Popen(command, user=USER, group=owner.pw_gid, extra_groups=[], cwd="/") as server:
            try:
                _wait_for(folder / ".s.PGSQL.5432", server)
                yield f"postgresql://{USER}@/postgres?host={folder}"
            finally:
                # Immediate: nobody will read this data again.
                server.send_signal(signal.SIGQUIT)
                server.wait(30)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _wait_for(socket: Path, server: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + _STARTED_WITHIN
    lock = Path(f"{socket}.lock")
    # The last line of the lock file tells when the server takes connections.
    while not (lock.exists() and socket.exists()) or "ready" not in (socket.parent / "data" / "postmaster.pid").read_text():
        if server.poll() is not None or time.monotonic() > deadline:
            raise RuntimeError("PostgreSQL did not start")
        time.sleep(0.05)
