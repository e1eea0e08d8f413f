# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The bucket's resource does what its plan says, and says what it lacks."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any

import pytest

from ansible_collections.zonal.cloud.plugins.module_utils._adapters.s3 import S3Access, S3Buckets
from ansible_collections.zonal.cloud.plugins.module_utils._domain.s3_bucket import S3BucketSpec, S3BucketState
from ansible_collections.zonal.cloud.plugins.module_utils._module.s3_bucket import S3BucketResource
from ansible_collections.zonal.cloud.plugins.module_utils._ports import EngineAbsent

ENDPOINT = "https://ceph.example:7480"
POLICY = {"Statement": [{"Effect": "Allow"}]}


class FakeBuckets:
    """``Buckets`` in memory."""

    def __init__(self) -> None:
        self.policies: dict[str, Mapping[str, Any]] = {}

    def find(self, name: str) -> S3BucketState:
        return S3BucketState(True, self.policies[name]) if name in self.policies else S3BucketState()

    def create(self, name: str) -> None:
        self.policies.setdefault(name, {})

    def set_policy(self, name: str, policy: Mapping[str, Any]) -> None:
        self.policies[name] = policy


@pytest.mark.parametrize("policy", [None, {}, POLICY])
def test_a_bucket_is_made_once(policy: dict[str, Any] | None) -> None:
    buckets = FakeBuckets()
    resource = S3BucketResource(S3BucketSpec("images", ENDPOINT, policy), buckets)
    for step in resource.plan(resource.observe()).steps:
        resource.apply(step)
    assert buckets.policies == {"images": policy or {}}
    assert resource.plan(resource.observe()).steps == ()


def test_a_host_without_the_library_is_told_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "boto3", None)
    with pytest.raises(EngineAbsent, match=r"boto3 is missing; install the package python3-boto3$"):
        S3Buckets(S3Access(ENDPOINT, "AK", "SK", None, "us-east-1")).find("images")


def test_the_secret_is_in_no_representation() -> None:
    assert "hidden" not in repr(S3Access(ENDPOINT, "AK", "hidden", None, "us-east-1"))
