# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: may change without notice.
"""The port of an S3 store. See _ports.py."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from ._domain.s3_bucket import S3BucketState


class Buckets(Protocol):
    """The buckets of one user."""

    def find(self, name: str) -> S3BucketState:
        """Return what is there under that name. EngineError when it belongs to somebody else."""

    def create(self, name: str) -> None:
        """Create an empty bucket that is nobody else's to see; no error when the user has it already."""

    def set_policy(self, name: str, policy: Mapping[str, Any]) -> None:
        """Replace the bucket's policy; an empty one removes it."""
