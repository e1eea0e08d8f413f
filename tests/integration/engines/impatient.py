# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Writes one object with less patience than a host has, by a Python that has boto3; prints what stood against it, if anything did.
The secret key comes by standard input:

python3 -m ansible_collections.zonal.cloud.tests.integration.engines.impatient ENDPOINT CA_FILE BUCKET ACCESS_KEY KEY
"""

from __future__ import annotations

import sys

from ansible_collections.zonal.cloud.plugins.module_utils._adapters import s3
from ansible_collections.zonal.cloud.plugins.module_utils._ports import EngineError


def main(endpoint: str, ca_file: str, bucket: str, access_key: str, key: str) -> None:
    s3._READ_SECONDS, s3._ATTEMPTS = 3, 1
    try:
        s3.S3Objects(s3.S3Access(endpoint, access_key, sys.stdin.read(), ca_file, "us-east-1"), bucket).put(key, b"content")
    except EngineError as error:
        print(error)


if __name__ == "__main__":
    main(*sys.argv[1:])
