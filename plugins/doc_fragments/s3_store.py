# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The options of modules that keep something in an S3 store."""

from __future__ import annotations


class ModuleDocFragment:
    """Where the store is, and who asks."""

    DOCUMENTATION = r"""
options:
  endpoint:
    description: URL of the store, such as V(https://kvm01.example:7480).
    type: str
    required: true
  access_key:
    description: Access key of a user of the store, of a bucket that is there its owner or who its policy lets in.
    type: str
    required: true
  secret_key:
    description: Secret key of that user.
    type: str
    required: true
  ca_file:
    description: Path on the host of the authority's certificate that the store's is checked with. If not set, the system's authorities.
    type: path
  region:
    description: Name of the region that requests are signed for.
    type: str
    default: us-east-1
requirements:
  - python3-boto3 on the host
"""
