# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lab's only exception type."""


class LabError(Exception):
    """Something the lab could not do; its text says what was tried, on what, and what to do."""
