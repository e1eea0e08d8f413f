# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which steps lead to a bucket and its policy, and which options are refused."""

from __future__ import annotations

import re
from typing import Any

import pytest

from ansible_collections.zonal.cloud.plugins.module_utils._domain.errors import SpecError
from ansible_collections.zonal.cloud.plugins.module_utils._domain.s3_bucket import (
    S3BucketSpec,
    S3BucketState,
    parse_policy,
    parse_spec,
    plan_s3_bucket,
    report,
)

ENDPOINT = "https://ceph.example:7480"
POLICY = {"Statement": [{"Effect": "Allow"}]}
OTHER: dict[str, Any] = {"Statement": []}

# found, wanted policy: actions, policy afterwards
PLANS = {
    "new": (S3BucketState(), None, ["create_bucket"], {}),
    "new with policy": (S3BucketState(), POLICY, ["create_bucket", "set_policy"], POLICY),
    "as wanted": (S3BucketState(True, POLICY), POLICY, [], POLICY),
    "policy left alone": (S3BucketState(True, OTHER), None, [], OTHER),
    "other policy": (S3BucketState(True, OTHER), POLICY, ["set_policy"], POLICY),
    "policy to be removed": (S3BucketState(True, POLICY), {}, ["set_policy"], {}),
    "no policy, none wanted": (S3BucketState(True, {}), {}, [], {}),
}


@pytest.mark.parametrize("case", PLANS)
def test_plan(case: str) -> None:
    found, policy, actions, after = PLANS[case]
    spec = S3BucketSpec("images", ENDPOINT, policy)
    plan = plan_s3_bucket(spec, found)
    assert [step.action for step in plan.steps] == actions
    assert report(spec, plan.after) == {"name": "images", "endpoint": ENDPOINT, "state": "present", "policy": after}
    assert plan_s3_bucket(spec, plan.after).steps == ()


@pytest.mark.parametrize(("text", "policy"), [('{"a": 1}', {"a": 1}), ("no json", {"unreadable": "no json"}), ("[1]", {"unreadable": [1]})])
def test_a_policy_that_is_none_is_never_taken_for_the_wanted_one(text: str, policy: dict[str, Any]) -> None:
    assert parse_policy(text) == policy


def options(**changes: Any) -> dict[str, Any]:
    return {"name": "images", "endpoint": ENDPOINT, "policy": None, **changes}


def test_spec() -> None:
    assert parse_spec(options(endpoint=f"{ENDPOINT}/")) == S3BucketSpec("images", ENDPOINT)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        *(("name", name) for name in ("ab", "Images", "a.b.c", "-ab")),
        *(("endpoint", f"https://{host}") for host in ("ceph_1:7480", "-ceph", "ceph:port", "ceph:99999", "[::1", "[:::]", "ceph?x", "ä")),
        ("endpoint", "ceph"),
        ("endpoint", f"{ENDPOINT}/images"),
    ],
)
def test_what_is_refused_is_named(field: str, value: str) -> None:
    with pytest.raises(SpecError, match=f"^{re.escape(f'{field}: {value!r}')} is no "):
        parse_spec(options(**{field: value}))


@pytest.mark.parametrize("host", ["ceph", "10.0.0.1:7480", "[2001:db8::1]:7480", "a-b.example."])
def test_what_an_endpoint_may_be(host: str) -> None:
    assert parse_spec(options(endpoint=f"http://{host}")).endpoint == f"http://{host}"


def test_a_refusal_has_no_password() -> None:
    with pytest.raises(SpecError, match=r"^endpoint: 'https://ceph\.example' is no endpoint") as told:
        parse_spec(options(endpoint="https://me:word@ceph.example"))
    assert "word" not in str(told.value.details)
