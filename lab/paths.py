# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the lab keeps things; every path is derived from two environment variables."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from lab.errors import LabError

REPO = Path(__file__).resolve().parent.parent
FILES = REPO / "lab" / "files"


@dataclass(frozen=True)
class Paths:
    """Cache (expensive artefacts, shared by clones) and state (one running lab)."""

    cache: Path
    state: Path

    @classmethod
    def from_environment(cls, environ: Mapping[str, str] | None = None) -> Paths:
        """Read ZONAL_LAB_CACHE and ZONAL_LAB_STATE; defaults ~/.cache/zonal-lab and REPO/.work/lab."""
        environ = os.environ if environ is None else environ
        home_cache = environ.get("XDG_CACHE_HOME") or str(Path("~/.cache").expanduser())
        cache = environ.get("ZONAL_LAB_CACHE") or f"{home_cache}/zonal-lab"
        state = environ.get("ZONAL_LAB_STATE") or str(REPO / ".work" / "lab")
        return cls(cache=Path(cache).absolute(), state=Path(state).absolute())

    def require_plain(self) -> None:
        """LabError when a host's kernel, which splits its arguments at these, cannot be told of what lies in the folders."""
        for name, path in (("ZONAL_LAB_STATE", self.state), ("ZONAL_LAB_CACHE", self.cache)):
            if set(str(path)) & set(" \t\n,:"):
                raise LabError(
                    f"{path} has a blank, a comma or a colon, which the hosts' kernels split it at; set {name} to a folder without"
                )

    @property
    def namespace(self) -> str:
        """Network namespace name: differs between clones, as it comes from the state path."""
        return "zlab-" + hashlib.sha256(str(self.state).encode()).hexdigest()[:6]

    @property
    def uml_dir(self) -> Path:
        """UML's control sockets; short, because socket paths are limited to about 107 bytes."""
        return Path("/run") / self.namespace

    @property
    def control_dir(self) -> Path:
        """Sockets of Ansible's lasting ssh connections, one a host, named by its address."""
        return self.uml_dir / "ssh"

    @property
    def book(self) -> Path:
        """The JSON file that remembers hosts and process ids."""
        return self.state / "lab.json"

    @property
    def lock(self) -> Path:
        """The lab's lock; beside the state folder, so that ``down`` may remove that folder."""
        return self.state.with_name(f".{self.state.name}.lock")

    @property
    def key(self) -> Path:
        """Private ssh key for root on the hosts."""
        return self.state / "ssh" / "id_ed25519"

    def umid(self, name: str) -> str:
        """UML's machine id of a host; also the mark by which its process is known."""
        return f"{self.namespace}-{name}"

    @property
    def relay_mark(self) -> str:
        """The mark by which the relay's process is known."""
        return f"relay {self.namespace} "

    def log(self, name: str) -> Path:
        """Console log of a host."""
        return self.state / "log" / f"{name}.log"

    def disk(self, name: str) -> Path:
        """Copy-on-write system disk of a host."""
        return self.state / "disks" / f"{name}.cow"

    def ssd(self, name: str) -> Path:
        """Second disk of a host (sparse), seen there as /dev/ubdb."""
        return self.state / "disks" / f"{name}-ssd.img"
