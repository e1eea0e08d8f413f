# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Property tests try the same examples in every run: a red run is a change of the code, never luck."""

from __future__ import annotations

from hypothesis import settings

settings.register_profile("zonal", derandomize=True, deadline=None, database=None, max_examples=50)
settings.load_profile("zonal")
