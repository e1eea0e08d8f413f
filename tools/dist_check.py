# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Build the collection's tarball and prove that it is what a user should get.

dist_check.py --build   only build it, into .work/dist
dist_check.py           build, look at its names, install it offline elsewhere, and read every module's documentation
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

from stage import ROOT, STAGE, stage

DIST = ROOT / ".work" / "dist"
BIN = Path(sys.executable).parent
SHIPPED = {
    "CHANGELOG.rst",
    "CONTRIBUTING.md",
    "FILES.json",
    "LICENSE",
    "LICENSES",
    "MANIFEST.json",
    "README.md",
    "changelogs",
    "docs",
    "examples",
    "inventories",
    "meta",
    "playbooks",
    "plugins",
    "requirements.txt",
    "roles",
}
SHIPPED_BELOW = {
    "inventories": {"example"},
    "changelogs": {"changelog.yaml", "config.yaml"},
    "plugins": {"action", "callback", "doc_fragments", "filter", "inventory", "lookup", "module_utils", "modules", "plugin_utils", "test"},
}


def galaxy(*arguments: str, collections: Path = DIST) -> None:
    """Run ansible-galaxy collection, quietly unless it fails; it sees no collections but those in the folder named."""
    env = {**os.environ, "ANSIBLE_COLLECTIONS_PATH": str(collections), "ANSIBLE_CONFIG": str(empty_config(DIST))}
    command = [str(BIN / "ansible-galaxy"), "collection", *arguments]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd=STAGE, env=env, check=False)
    if done.returncode:
        raise SystemExit(f"dist-check: ansible-galaxy collection {arguments[0]} failed:\n{done.stdout}")


def empty_config(folder: Path) -> Path:
    """Return an ansible.cfg that says nothing, so that the checkout's own is not found."""
    config = folder / "ansible.cfg"
    config.touch()
    return config


def build() -> Path:
    """Build the tarball from the staged tree and return its path."""
    stage()
    DIST.mkdir(parents=True, exist_ok=True)
    for old in DIST.glob("*.tar.gz"):
        old.unlink()
    galaxy("build", "--force", "--output-path", str(DIST))
    return next(DIST.glob("zonal-cloud-*.tar.gz"))


def leaks(names: list[str]) -> list[str]:
    """Return the names in a tarball that are not on the list of what ships."""
    strangers = []
    for name in names:
        parts = Path(name).parts
        below = SHIPPED_BELOW.get(parts[0])
        unlisted = parts[0] not in SHIPPED or (below is not None and len(parts) > 1 and parts[1] not in below)
        hidden = any(part.startswith(".") or part == "__pycache__" for part in parts)
        if unlisted or hidden:
            strangers.append(name)
    return strangers


def ansible_doc(installed: Path, *arguments: str) -> dict[str, object]:
    """Return ansible-doc's JSON as seen by somebody who has only the installed collection."""
    env = {**os.environ, "ANSIBLE_COLLECTIONS_PATH": str(installed), "ANSIBLE_CONFIG": str(empty_config(installed))}
    command = [str(BIN / "ansible-doc"), "--json", "-t", "module", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, env=env, cwd=installed, check=False)
    if done.returncode:
        raise SystemExit(f"dist-check: ansible-doc {' '.join(arguments)} failed:\n{done.stderr}")
    documents: dict[str, object] = json.loads(done.stdout)
    return documents


def check_docs(installed: Path, tarball: Path) -> int:
    """Fail unless every module in the tarball is listed and documented; return their number."""
    with tarfile.open(tarball) as archive:
        files = [Path(name) for name in archive.getnames()]
    modules = {f"zonal.cloud.{file.stem}" for file in files if file.parent == Path("plugins/modules") and file.suffix == ".py"}
    listed = set(ansible_doc(installed, "-l", "zonal.cloud"))
    if listed != modules:
        raise SystemExit(f"dist-check: ansible-doc lists {sorted(listed)}, the tarball holds {sorted(modules)}")
    documented = ansible_doc(installed, *sorted(modules)) if modules else {}
    empty = sorted(name for name in modules if not isinstance(documented.get(name), dict))
    if empty:
        raise SystemExit(f"dist-check: no documentation for {', '.join(empty)}")
    return len(modules)


def main(arguments: list[str]) -> int:
    """Build, and check unless only the build is asked for."""
    tarball = build()
    print(f"built {tarball.relative_to(ROOT)}")
    if arguments == ["--build"]:
        return 0
    with tarfile.open(tarball) as archive:
        names = archive.getnames()
    found = leaks(names)
    if found:
        hint = "build_ignore in galaxy.yml, SHIPPED in tools/dist_check.py"
        raise SystemExit(f"dist-check: not meant to ship ({hint}):\n  " + "\n  ".join(found))
    with tempfile.TemporaryDirectory(prefix="zonal-dist-") as folder:
        galaxy("install", str(tarball), "--offline", "--collections-path", folder, collections=Path(folder))
        modules = check_docs(Path(folder), tarball)
    print(f"dist-check: {len(names)} files, {modules} modules documented, nothing leaks")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
