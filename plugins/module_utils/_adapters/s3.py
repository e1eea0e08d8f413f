# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: may change without notice.
"""An S3 store, by boto3."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from email.utils import parsedate_to_datetime
from typing import Any, BinaryIO

from .._domain.errors import RefusedError
from .._domain.s3_bucket import S3BucketState, parse_policy
from .._ports import EngineError
from .._ports_s3 import StoredObject
from .deps import need_boto3

_ATTEMPTS = 4
_CONNECT_SECONDS = 10
# A store that has just started may be slow.
_READ_SECONDS = 60
_REFUSED = "the store refuses this user: is the key right, and does the bucket belong to somebody else?"
# The library follows by looking for the bucket where it was before, again and again.
_WITHOUT_END = "maximum recursion depth"
_SENT_ON = "it sends requests on to another address; write that one, https:// if the store speaks TLS"
_NO_STORE = "what answers there is no S3 store; is the address right?"
_CAUSES = {
    **dict.fromkeys(("403", "AccessDenied", "InvalidAccessKeyId", "SignatureDoesNotMatch"), _REFUSED),
    "NoSuchKey": "there is no such object",
    "NoSuchBucket": "there is no such bucket; the role zonal.cloud.ceph_registry and the module zonal.cloud.s3_bucket make one",
    "QuotaExceeded": "the user's or the bucket's quota is full",
    "ReadTimeoutError": "the store did not answer in time, several times; ceph -s on its hosts tells whether it is well",
    "SSLError": "the store's certificate is not trusted; name its authority in ca_file",
}
# S3 takes as many parts, so what may become large goes in larger ones. That many are in memory at once.
_MOST_PARTS, _PART, _PARTS_AT_ONCE = 10_000, 16 * 1024**2, 4
_ABANDONED = timedelta(days=7)
_NO_OBJECT = ("404", "NoSuchKey")


@dataclass(frozen=True)
class S3Access:
    """Where the store is and who asks."""

    endpoint: str
    access_key: str
    secret_key: str = field(repr=False)
    ca_file: str | None
    region: str


class _S3:
    """The connection to a store, made when it is first needed, and its errors in our words."""

    def __init__(self, access: S3Access) -> None:
        self._access = access
        self._connected: Any = None

    def _missing(self, codes: tuple[str, ...], call: str, **options: Any) -> Any:
        """Return the answer of a call, or None when the store answers with one of ``codes``."""
        try:
            return getattr(self._client, call)(**options)
        except need_boto3()[1].exceptions.ClientError as error:
            if error.response["Error"]["Code"] in codes:
                return None
            raise

    @contextmanager
    def _saying(self, tried: str, name: str) -> Iterator[None]:
        """Turn the library's errors into ours."""
        botocore = need_boto3()[1]
        errors, where = botocore.exceptions, f"{name} at {self._access.endpoint}"
        try:
            yield
        except (RecursionError, errors.BotoCoreError, errors.ClientError) as error:
            if _WITHOUT_END in str(error):
                raise EngineError(tried, where, _SENT_ON) from None
            code = error.response["Error"]["Code"] if isinstance(error, errors.ClientError) else type(error).__name__
            raise EngineError(tried, where, _CAUSES.get(code, str(error))) from error
        except (ValueError, KeyError, botocore.parsers.ResponseParserError) as error:
            raise EngineError(tried, where, _NO_STORE) from error

    @property
    def _client(self) -> Any:
        if self._connected is None:
            boto3, botocore = need_boto3()
            ca_file = self._access.ca_file
            if ca_file and not os.path.isfile(ca_file):
                raise EngineError("check the certificate of", self._access.endpoint, f"there is no file {ca_file} (option ca_file)")
            options = {
                "signature_version": "s3v4",
                # The signature is the checksum that every store knows: it covers the sha256 of what is sent.
                "s3": {"addressing_style": "path", "payload_signing_enabled": True},
                "retries": {"max_attempts": _ATTEMPTS},
                "connect_timeout": _CONNECT_SECONDS,
                "read_timeout": _READ_SECONDS,
                # Newer versions send checksums that many stores do not know yet.
                "request_checksum_calculation": "when_required",
                "response_checksum_validation": "when_required",
            }
            known = botocore.config.Config.OPTION_DEFAULTS
            self._connected = boto3.client(
                "s3",
                endpoint_url=self._access.endpoint,
                aws_access_key_id=self._access.access_key,
                aws_secret_access_key=self._access.secret_key,
                region_name=self._access.region,
                verify=ca_file or True,
                config=botocore.config.Config(**{option: value for option, value in options.items() if option in known}),
            )
        return self._connected


class S3Buckets(_S3):
    """``Buckets`` of the user whose keys ``access`` has."""

    def find(self, name: str) -> S3BucketState:
        with self._saying("look for", f"bucket {name}"):
            if self._missing(("404", "NoSuchBucket"), "head_bucket", Bucket=name) is None:
                return S3BucketState()
            answer = self._missing(("NoSuchBucketPolicy",), "get_bucket_policy", Bucket=name)
        return S3BucketState(True, parse_policy(answer["Policy"]) if answer else {})

    def create(self, name: str) -> None:
        with self._saying("create", f"bucket {name}"):
            self._missing(("BucketAlreadyOwnedByYou",), "create_bucket", Bucket=name)

    def set_policy(self, name: str, policy: Mapping[str, Any]) -> None:
        with self._saying("set the policy of", f"bucket {name}"):
            if policy:
                self._client.put_bucket_policy(Bucket=name, Policy=json.dumps(policy, sort_keys=True))
            else:
                self._client.delete_bucket_policy(Bucket=name)

    def address_of(self, name: str, key: str, seconds: int) -> str:
        """Return an address from which whoever knows it can read the object ``key`` of a bucket for some time; asks nobody."""
        with self._saying("make an address for an object of", f"bucket {name}"):
            return str(self._client.generate_presigned_url("get_object", Params={"Bucket": name, "Key": key}, ExpiresIn=seconds))


class S3Objects(_S3):
    """``Objects`` of the bucket ``bucket``."""

    def __init__(self, access: S3Access, bucket: str) -> None:
        super().__init__(access)
        self._bucket = bucket

    def head(self, key: str) -> StoredObject | None:
        with self._saying("look for", self._name(key)):
            found = self._missing(_NO_OBJECT, "head_object", Bucket=self._bucket, Key=key)
            return None if found is None else StoredObject(found["ContentLength"], found["Metadata"])

    def list(self, prefix: str) -> Mapping[str, int]:
        with self._saying("list", self._name(prefix)):
            pages = self._client.get_paginator("list_objects_v2").paginate(Bucket=self._bucket, Prefix=prefix)
            return {item["Key"]: item["Size"] for page in pages for item in page.get("Contents", ())}

    def read(self, key: str, limit: int) -> bytes | None:
        with self._saying("read", self._name(key)):
            found = self._missing(_NO_OBJECT, "get_object", Bucket=self._bucket, Key=key)
            if found is None:
                return None
            with closing(found["Body"]) as body:
                if found["ContentLength"] > limit:
                    raise EngineError("read", self._name(key), f"it has more than {limit} bytes")
                content: bytes = body.read()
                return content

    def put(self, key: str, content: bytes) -> None:
        with self._saying("write", self._name(key)):
            self._client.put_object(Bucket=self._bucket, Key=key, Body=content)

    def put_file(self, key: str, path: str, sha256: str, metadata: Mapping[str, str]) -> None:
        try:
            with open(path, "rb") as file:
                self._put(key, _Checked(file, path, sha256), metadata)
        except OSError as error:
            raise EngineError("read", path, str(error.strerror)) from error

    def delete(self, key: str) -> None:
        with self._saying("remove", self._name(key)):
            self._client.delete_object(Bucket=self._bucket, Key=key)

    def _put(self, key: str, file: _Checked, metadata: Mapping[str, str]) -> None:
        boto3, _botocore = need_boto3()
        part = max(_PART, -(-file.size // _MOST_PARTS))
        # The library begins to send in parts what is as large as one.
        config = boto3.s3.transfer.TransferConfig(multipart_threshold=part, multipart_chunksize=part, max_concurrency=_PARTS_AT_ONCE)
        config.max_in_memory_upload_chunks = _PARTS_AT_ONCE
        with self._saying("write", self._name(key)):
            self._forget_parts(key)
            self._client.upload_fileobj(file, self._bucket, key, ExtraArgs={"Metadata": dict(metadata)}, Config=config)
        stored = self.head(key)
        if stored is None or stored.size != file.size:
            has = stored.size if stored else "none"
            raise EngineError("write", self._name(key), f"{file.size} bytes were sent, and the store has {has}")

    def _forget_parts(self, key: str) -> None:
        """Remove what a writer that was killed has left: of this object, and of others beside it that nobody goes on with."""
        pages = self._client.get_paginator("list_multipart_uploads").paginate(Bucket=self._bucket, Prefix=key[: key.rfind("/") + 1])
        for page in pages:
            # By the store's own clock.
            oldest = parsedate_to_datetime(page["ResponseMetadata"]["HTTPHeaders"]["date"]) - _ABANDONED
            for upload in page.get("Uploads", ()):
                if upload["Key"] == key or upload["Initiated"] < oldest:
                    words = {"Key": upload["Key"], "UploadId": upload["UploadId"]}
                    self._missing(("NoSuchUpload",), "abort_multipart_upload", Bucket=self._bucket, **words)

    def _name(self, key: str) -> str:
        return f"s3://{self._bucket}/{key}"


class _Checked:
    """A file as the library needs it: ``read`` gives less than was asked for at the end only; without a size it is called there.

    Another sha256 than ``wanted`` is refused before the end is told, since after that the object is there.
    """

    def __init__(self, file: BinaryIO, path: str, wanted: str) -> None:
        self.size = os.fstat(file.fileno()).st_size
        self._file = file
        self._path = path
        self._wanted = wanted
        self._digest = hashlib.sha256()

    def read(self, size: int = _PART) -> bytes:
        part = self._file.read(size)
        self._digest.update(part)
        if len(part) < size and self._digest.hexdigest() != self._wanted:
            raise RefusedError(f"src: {self._path} has changed since it was checked; nothing of it was stored", field="src")
        return part
