# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The options of modules that read archives of images, and of where they are stored."""

from __future__ import annotations


class ModuleDocFragment:
    """What an archive may hold, and who asks the stores."""

    DOCUMENTATION = r"""
options:
  max_size:
    description: The most that the content may take on disk, such as V(20G). An archive with more is refused.
    type: str
    default: 20G
  privileged_files:
    description:
      - Which setuid files, setgid files and files with capabilities the image may have.
      - V(usual) are those in folders of the system (C(/usr), C(/bin), C(/sbin), C(/lib*), C(/opt)) that only their owner may write.
    type: str
    choices: [usual, none, any]
    default: usual
  s3_endpoint:
    description: Address of the S3 store, such as V(https://ceph.example:7480).
    type: str
  s3_access_key:
    description: Access key of a user of the store.
    type: str
  s3_secret_key:
    description: Secret key of that user.
    type: str
  registry_user:
    description: Name of a user of the docker registry; without one it is asked as by anybody.
    type: str
  registry_password:
    description: Password of that user.
    type: str
  group:
    description: Volume group of the thin pool.
    type: str
    default: zonal
  pool:
    description: Thin pool of that group.
    type: str
    default: pool
"""
