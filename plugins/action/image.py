# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The action ``image``; documented in ``plugins/modules/image.py``, which does the work. Here people are told how far a download is."""

from __future__ import annotations

from typing import Any

from ansible_collections.zonal.cloud.plugins.plugin_utils.continued_action import ContinuedAction


class ActionModule(ContinuedAction):
    """Calls the module again while it downloads."""

    def rest(self, options: dict[str, Any], told: dict[str, Any]) -> dict[str, Any]:
        """Return the same options: what was downloaded is on the host."""
        return {**options, "progress": 0} if told["last"] else options

    def joined(self, calls: list[dict[str, Any]]) -> dict[str, Any]:
        """Return the last result, which is that of the whole file; only the time before it is missing there."""
        result = calls[-1]
        if "download" in result:
            result["download"]["seconds"] = round(result["download"]["seconds"] + sum(call["seconds"] for call in calls[:-1]), 1)
        return result
