# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The multi-host lab: real Linux hosts as ordinary processes (User-Mode Linux)."""
