# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""``LayerCopies`` of a docker of which nobody has taken a snapshot."""

from __future__ import annotations

from ansible_collections.zonal.cloud.plugins.module_utils._adapters.layer_copies import FolderLayers
from ansible_collections.zonal.cloud.tests.host_command import run_command

NO_COPIES = FolderLayers(run_command, lambda: "/nowhere")
