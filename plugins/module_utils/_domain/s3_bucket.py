# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: may change without notice.
"""A bucket of an S3 store and its policy: what is wanted, what was found, and the way from one to the other."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import IPv6Address
from typing import Any

from .errors import SpecError
from .plan import Plan, Step

# What all stores accept; dots would break the certificates of virtual hosts.
_NAME = re.compile(r"[a-z0-9][a-z0-9-]{1,61}[a-z0-9]", re.ASCII)
# What the S3 library takes; of other hosts and ports it raises errors of its own.
_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_ENDPOINT = re.compile(rf"https?://(?:{_LABEL}(?:\.{_LABEL})*\.?|\[([0-9A-Fa-f:.]+)\])(?::([0-9]{{1,5}}))?/?", re.ASCII)
_LONGEST_ENDPOINT, _LAST_PORT = 255, 65535


@dataclass(frozen=True)
class S3BucketSpec:
    """What the user wants. ``policy`` is None when it is left alone, empty when there shall be none."""

    name: str
    endpoint: str
    policy: Mapping[str, Any] | None = None


@dataclass(frozen=True)
class S3BucketState:
    """What was found; ``policy`` is empty when there is none."""

    present: bool = False
    policy: Mapping[str, Any] | None = None


def parse_spec(params: Mapping[str, Any]) -> S3BucketSpec:
    """Turn the module's options into a spec; SpecError names the option."""
    return S3BucketSpec(parse_bucket("name", params["name"]), parse_endpoint("endpoint", params["endpoint"]), params["policy"])


def parse_bucket(field: str, value: str) -> str:
    """Return the name of a bucket; SpecError when it cannot be one."""
    if not _NAME.fullmatch(value):
        raise SpecError(field, value, "is no bucket; use 3 to 63 lower-case letters, digits and hyphens")
    return value


def parse_endpoint(field: str, value: str) -> str:
    """Return the address of a store without a slash at its end; SpecError when it is none."""
    if not _is_endpoint(value):
        shown = re.sub(r"//.*@", "//", value)  # before it there may be a password
        raise SpecError(field, shown, "is no endpoint; write a URL without a user or path, such as https://ceph.example:7480")
    return value.rstrip("/")


def _is_endpoint(value: str) -> bool:
    match = _ENDPOINT.fullmatch(value)
    if match is None or len(value) > _LONGEST_ENDPOINT or int(match[2] or 0) > _LAST_PORT:
        return False
    try:
        return bool(IPv6Address(match[1] or "::1"))
    except ValueError:
        return False


def parse_policy(text: str) -> Mapping[str, Any]:
    """Return the policy that a store has as text; what is no mapping is shown as it is."""
    try:
        policy = json.loads(text)
    except ValueError:
        policy = text
    return policy if isinstance(policy, dict) else {"unreadable": policy}


def plan_s3_bucket(spec: S3BucketSpec, found: S3BucketState) -> Plan[S3BucketState]:
    """Return the steps to the wanted bucket; nothing in it is ever touched."""
    steps: list[Step] = []
    if not found.present:
        steps.append(Step("create_bucket", spec.name, f"does not exist at {spec.endpoint}", ("name",)))
    has = found.policy or {}
    wanted = has if spec.policy is None else spec.policy
    if wanted != has:
        steps.append(Step("set_policy", spec.name, "has another policy" if has else "has no policy", ("policy",)))
    return Plan(S3BucketState(True, wanted), tuple(steps))


def report(spec: S3BucketSpec, state: S3BucketState) -> dict[str, Any]:
    """Return the state in the words of the module's options."""
    shown: dict[str, Any] = {"name": spec.name, "endpoint": spec.endpoint, "state": "absent"}
    if state.present:
        shown.update(state="present", policy=dict(state.policy or {}))
    return shown
