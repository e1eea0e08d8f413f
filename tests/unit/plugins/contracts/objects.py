# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What every ``Objects`` must do. The fake runs it under pytest, a true store in tests/integration/engines/test_ceph_registry.py by a
Python that has boto3 (and no pytest); keys come by standard input:

python3 -m ansible_collections.zonal.cloud.tests.unit.plugins.contracts.objects ENDPOINT CA_FILE BUCKET ACCESS_KEY
"""

from __future__ import annotations

import hashlib
import os
import sys
import tempfile
import traceback
from collections.abc import Callable

from ansible_collections.zonal.cloud.plugins.module_utils._adapters.s3 import S3Access, S3Objects
from ansible_collections.zonal.cloud.plugins.module_utils._domain.errors import RefusedError, ZonalError
from ansible_collections.zonal.cloud.plugins.module_utils._ports import EngineError
from ansible_collections.zonal.cloud.plugins.module_utils._ports_s3 import Objects, StoredObject

PREFIX = "contract/"
A, B = f"{PREFIX}a b+c/\u00e9", f"{PREFIX}b"
MIB = 1024**2
# Two parts and some, exactly two, one, none: wherever a store or a library may draw a line.
SIZES = (0, 1, 16 * MIB - 1, 16 * MIB, 32 * MIB, 33 * MIB + 5)
SHA256 = "0" * 64


def raised(kind: type[ZonalError], action: Callable[[], object]) -> bool:
    try:
        action()
    except kind:
        return True
    return False


def content_of(size: int) -> bytes:
    block = hashlib.sha256(str(size).encode()).digest() * 32
    return (block * (size // len(block) + 1))[:size]


def what_is_written_is_read(objects: Objects) -> None:
    assert objects.head(A) is None
    assert objects.read(A, 100) is None
    for content in (b"one", b"", b"another"):
        objects.put(A, content)
        assert objects.read(A, 100) == content
        assert objects.head(A) == StoredObject(len(content), {})


def more_than_the_limit_is_not_read(objects: Objects) -> None:
    objects.put(A, b"12345")
    assert objects.read(A, 5) == b"12345"
    assert raised(EngineError, lambda: objects.read(A, 4))


def what_is_removed_is_gone(objects: Objects) -> None:
    objects.put(A, b"x")
    for _again in range(2):
        objects.delete(A)
        assert objects.head(A) is None


def the_list_is_in_order_and_has_what_begins_so(objects: Objects) -> None:
    assert objects.list(PREFIX) == {}
    for number in (3, 1, 2):
        objects.put(f"{B}{number}", b"x" * number)
    objects.put(A, b"")
    assert list(objects.list(PREFIX).items()) == [(A, 0), (f"{B}1", 1), (f"{B}2", 2), (f"{B}3", 3)]
    assert objects.list(f"{B}2") == {f"{B}2": 2}


def a_file_is_stored_only_as_it_was_checked(objects: Objects) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "file")
        for size in SIZES:
            content = content_of(size)
            with open(path, "wb") as file:
                file.write(content)
            objects.put(A, b"old")
            assert raised(RefusedError, lambda: objects.put_file(A, path, SHA256, {}))
            assert objects.read(A, 3) == b"old"
            objects.put_file(A, path, hashlib.sha256(content).hexdigest(), {"sha256": "x"})
            assert objects.head(A) == StoredObject(size, {"sha256": "x"})
            assert objects.read(A, size) == content
        assert raised(EngineError, lambda: objects.put_file(A, os.path.join(folder, "none"), SHA256, {}))


CONTRACT = [
    what_is_written_is_read,
    more_than_the_limit_is_not_read,
    what_is_removed_is_gone,
    the_list_is_in_order_and_has_what_begins_so,
    a_file_is_stored_only_as_it_was_checked,
]


def without_a_bucket_there_is_an_error(objects: Objects) -> None:
    assert objects.head(A) is None
    assert raised(EngineError, lambda: objects.read(A, 1))
    assert raised(EngineError, lambda: objects.put(A, b""))


def main(endpoint: str, ca_file: str, bucket: str, access_key: str) -> int:
    """Run the contract on a store and return the number of checks that failed."""
    access = S3Access(endpoint, access_key, sys.stdin.read(), ca_file or None, "us-east-1")
    objects, failed = S3Objects(access, bucket), 0

    def run(check: Callable[[Objects], None], store: Objects) -> int:
        try:
            check(store)
        except Exception:
            traceback.print_exc()
            return 1
        finally:
            for key in objects.list(PREFIX):
                objects.delete(key)
        print(f"ok {check.__name__}")
        return 0

    failed = sum(run(check, objects) for check in CONTRACT)
    return failed + run(without_a_bucket_there_is_an_error, S3Objects(access, f"{bucket}-none"))


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
