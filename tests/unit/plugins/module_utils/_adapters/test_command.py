# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is told of a program that fails."""

from __future__ import annotations

import pytest

from ansible_collections.zonal.cloud.plugins.module_utils._ports import EngineError
from ansible_collections.zonal.cloud.tests.host_command import run_command

ENDS = {
    "exit 3": "exit status 3",
    "echo said; exit 3": "said",
    "echo said; echo wrong >&2; exit 3": "wrong",
    "kill -9 $$": "exit status -9",
    "echo said; kill -9 $$": "said exit status -9",
    "echo said; echo wrong >&2; kill -25 $$": "wrong exit status -25",
}


@pytest.mark.parametrize("script", ENDS)
def test_its_own_words_are_told_and_what_killed_it(script: str) -> None:
    with pytest.raises(EngineError) as told:
        run_command(["sh", "-c", script])
    assert told.value.details["cause"] == ENDS[script]
