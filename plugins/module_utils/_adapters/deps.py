# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: may change without notice.
"""The one place where packages that a host may lack are imported; they come from its distribution.

Each is imported when it is first needed: boto3 alone takes a quarter of a second, which no run of a VM should wait for.
"""

from __future__ import annotations

import shutil
from typing import Any

from .._ports import EngineAbsent, EngineDown


def need_boto3() -> tuple[Any, Any]:
    """Return the packages boto3 and botocore; EngineAbsent names what to install."""
    try:
        import boto3
        import boto3.s3.transfer
        import botocore.config
        import botocore.exceptions
        import botocore.parsers
    except ImportError:
        raise EngineAbsent("use", "S3", "the Python package boto3 is missing; install the package python3-boto3") from None
    return boto3, botocore


def need_docker() -> Any:
    """Return the docker package; EngineAbsent names what to install."""
    try:
        import docker
    except ImportError:
        raise EngineAbsent("use", "docker", "the Python package docker is missing; run the role zonal.cloud.docker_engine") from None
    return docker


def need_libvirt() -> Any:
    """Return the libvirt package; EngineAbsent names what to install."""
    try:
        import libvirt
    except ImportError:
        raise EngineAbsent("use", "libvirt", "the Python package libvirt is missing; run the role zonal.cloud.hypervisor") from None
    return libvirt


def unreachable(target: str, cause: str, *daemons: str) -> EngineAbsent:
    """Return the error of an engine that takes no connection, any of whose ``daemons`` may be installed."""
    kind = EngineDown if any(map(shutil.which, daemons)) else EngineAbsent
    return kind("reach", target, cause)
