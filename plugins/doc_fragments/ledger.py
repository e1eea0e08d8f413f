# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The options of everything that opens the ledger."""

from __future__ import annotations


class ModuleDocFragment:
    """Where the ledger is, and where it is opened."""

    DOCUMENTATION = r"""
options:
  ledger:
    description:
      - The ledger, a path of a SQLite file or a database URL such as V(postgresql://zonal@db.example/zonal). A new file is readable
        only for its owner. In a URL, special characters of names and passwords are escaped, such as V(%40) for an C(@).
      - PostgreSQL is for several controllers that share a zone; it needs C(psycopg) on the controller.
      - The default is the file C(.zonal-ledger.db) beside the first inventory that is given, made when it is first written to.
        Keep it with your backups.
    type: str
  timeout:
    description: Seconds to wait while another process writes to the same zone. With V(0) nobody waits.
    type: int
    default: 60
requirements:
  - SQLAlchemy >= 2.0 (on the controller)
attributes:
  action:
    description: Runs on the controller, whatever host it is called for; use it with C(run_once).
    support: full
"""
