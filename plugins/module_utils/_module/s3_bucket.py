# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: may change without notice.
"""The S3 bucket as a resource: options in, the store behind, report out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .._adapters.s3 import S3Buckets
from .._domain.plan import Plan, Step
from .._domain.s3_bucket import S3BucketSpec, S3BucketState, parse_spec, plan_s3_bucket, report
from .._ports import Command
from .._ports_s3 import Buckets
from .s3_options import s3_access


class S3BucketResource:
    """See ``Resource`` in run.py."""

    name = "s3_bucket"

    def __init__(self, spec: S3BucketSpec, buckets: Buckets) -> None:
        self._spec = spec
        self._buckets = buckets

    def observe(self) -> S3BucketState:
        return self._buckets.find(self._spec.name)

    def nothing(self) -> S3BucketState:
        return S3BucketState()

    def plan(self, found: S3BucketState) -> Plan[S3BucketState]:
        return plan_s3_bucket(self._spec, found)

    def apply(self, step: Step) -> None:
        if step.action == "create_bucket":
            self._buckets.create(self._spec.name)
        else:
            self._buckets.set_policy(self._spec.name, self._spec.policy or {})

    def report(self, state: S3BucketState) -> dict[str, Any]:
        return report(self._spec, state)


def build_s3_bucket(params: Mapping[str, Any], _command: Command) -> S3BucketResource:
    """Return the resource of the module's options."""
    spec = parse_spec(params)
    return S3BucketResource(spec, S3Buckets(s3_access(params)))
