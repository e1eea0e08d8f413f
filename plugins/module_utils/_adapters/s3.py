# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: may change without notice.
"""The buckets of an S3 store, by boto3."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from .._domain.s3_bucket import S3BucketState, parse_policy
from .._ports import EngineError
from .deps import need_boto3

_ATTEMPTS = 4
_CONNECT_SECONDS = 10
# A store that has just started may be slow.
_READ_SECONDS = 60
_CAUSES = {
    "403": "the store refuses this user: is the key right, and does the bucket belong to somebody else?",
    "SSLError": "the store's certificate is not trusted; name its authority in ca_file",
}


@dataclass(frozen=True)
class S3Access:
    """Where the store is and who asks."""

    endpoint: str
    access_key: str
    secret_key: str = field(repr=False)
    ca_file: str | None
    region: str


class S3Buckets:
    """``Buckets`` of the user whose keys ``access`` has."""

    def __init__(self, access: S3Access) -> None:
        self._access = access
        self._connected: Any = None

    def find(self, name: str) -> S3BucketState:
        with self._saying("look for", name):
            if self._missing(("404", "NoSuchBucket"), "head_bucket", name) is None:
                return S3BucketState()
            answer = self._missing(("NoSuchBucketPolicy",), "get_bucket_policy", name)
        return S3BucketState(True, parse_policy(answer["Policy"]) if answer else {})

    def create(self, name: str) -> None:
        with self._saying("create", name):
            self._missing(("BucketAlreadyOwnedByYou",), "create_bucket", name)

    def set_policy(self, name: str, policy: Mapping[str, Any]) -> None:
        with self._saying("set the policy of", name):
            if policy:
                self._client.put_bucket_policy(Bucket=name, Policy=json.dumps(policy, sort_keys=True))
            else:
                self._client.delete_bucket_policy(Bucket=name)

    def address_of(self, name: str, key: str, seconds: int) -> str:
        """Return an address from which whoever knows it can read the object ``key`` of a bucket for some time; asks nobody."""
        with self._saying("make an address for an object of", name):
            return str(self._client.generate_presigned_url("get_object", Params={"Bucket": name, "Key": key}, ExpiresIn=seconds))

    def _missing(self, codes: tuple[str, ...], call: str, name: str) -> Any:
        """Return the answer of a call, or None when the store answers with one of ``codes``."""
        try:
            return getattr(self._client, call)(Bucket=name)
        except need_boto3()[1].exceptions.ClientError as error:
            if error.response["Error"]["Code"] in codes:
                return None
            raise

    @contextmanager
    def _saying(self, tried: str, name: str) -> Iterator[None]:
        """Turn the library's errors into ours."""
        errors = need_boto3()[1].exceptions
        try:
            yield
        except (errors.BotoCoreError, errors.ClientError) as error:
            code = error.response["Error"]["Code"] if isinstance(error, errors.ClientError) else type(error).__name__
            raise EngineError(tried, f"bucket {name} at {self._access.endpoint}", _CAUSES.get(code, str(error))) from error

    @property
    def _client(self) -> Any:
        if self._connected is None:
            boto3, botocore = need_boto3()
            config = botocore.config.Config(
                signature_version="s3v4",
                s3={"addressing_style": "path"},
                retries={"max_attempts": _ATTEMPTS},
                connect_timeout=_CONNECT_SECONDS,
                read_timeout=_READ_SECONDS,
            )
            self._connected = boto3.client(
                "s3",
                endpoint_url=self._access.endpoint,
                aws_access_key_id=self._access.access_key,
                aws_secret_access_key=self._access.secret_key,
                region_name=self._access.region,
                verify=self._access.ca_file or True,
                config=config,
            )
        return self._connected
