# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Inventory of the running lab, for ``ansible-playbook -i inventories/lab``."""

import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from lab import inventory, status
from lab.errors import LabError
from lab.paths import Paths


def main() -> int:
    """Answer --list; --host is never asked, as --list carries all variables."""
    paths = Paths.from_environment()
    try:
        rows = status.rows(paths)
    except LabError as error:
        print(f"inventories/lab: {error}", file=sys.stderr)
        return 1
    if not rows:
        print("inventories/lab: the lab is down, no hosts (lab/zonal-lab up)", file=sys.stderr)
    print(json.dumps({} if "--host" in sys.argv[1:] else inventory.build(paths, rows), indent=2))
    return 0


sys.exit(main())
