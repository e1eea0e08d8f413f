# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What every module of this collection promises."""

from __future__ import annotations


class ModuleDocFragment:
    """Modules that change a host."""

    DOCUMENTATION = r"""
options: {}
attributes:
  check_mode:
    description: Can run in C(check_mode) and return what it would do, without changing anything.
    support: full
  diff_mode:
    description: Returns what has changed, or would change in C(check_mode), in the words of the module's options.
    support: full
  idempotent:
    description: Run twice in a row with the same options, the second run changes nothing.
    support: full
"""

    INFO_MODULE = r"""
options: {}
attributes:
  check_mode:
    description: Can run in C(check_mode); it never changes anything.
    support: full
  diff_mode:
    description: It changes nothing, so there is no difference to show.
    support: N/A
  idempotent:
    description: It changes nothing.
    support: full
"""
