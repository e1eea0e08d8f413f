# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: may change without notice.
"""Names and what is derived from them: MAC addresses, tap devices, volumes, identifiers."""

from __future__ import annotations

import hashlib
import re
import uuid
from functools import lru_cache

from .addresses import parse_ipv4
from .errors import SpecError

_LABEL = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?", re.ASCII)
IMAGE = re.compile(r"[a-z0-9]+(?:[._-][a-z0-9]+)*(?:/[a-z0-9]+(?:[._-][a-z0-9]+)*)*:[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}", re.ASCII)
_INTERFACE = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,14}", re.ASCII)
# The loopback, and directories of /proc/sys/net beside those of the interfaces.
_RESERVED_INTERFACES = ("all", "default", "lo")
# Device-mapper joins "group-volume" with every hyphen doubled into one name of at most 127 characters.
_LONGEST_MAPPED_NAME = 100
_LONGEST_IMAGE = 200
# What is being made carries this suffix until it is whole; no valid name contains a dot.
UNFINISHED = ".new"
# The image in docker that a container is for as long as it is captured has its name as the tag.
CAPTURE = f"zonal-capture{UNFINISHED}"
# The hidden volume on which an image is published.
PUBLISHED_ON = f"publish{UNFINISHED}"
# What belongs to a VM's root disk: its snapshots, and what it is exchanged with while one is restored.
_SNAPSHOT, _TAKEN, _RESTORED, _REPLACED = ".snap.", ".taken", ".restored", ".replaced"
_LONGEST_MAPPED_PATH = 127
_NAMESPACE = uuid.UUID("6b1f5f6e-5a0b-5c39-9f0a-7f2b6f0f6d10")


def parse_label(field: str, value: object) -> str:
    """Return a name that is valid as hostname (RFC 1123), domain, container and volume name; SpecError otherwise."""
    if not isinstance(value, str) or not _LABEL.fullmatch(value):
        raise SpecError(
            field,
            value,
            "is not a valid name; use 1 to 63 lower-case letters, digits and hyphens, with a letter or digit at both ends (RFC 1123)",
        )
    if len(value) + value.count("-") > _LONGEST_MAPPED_NAME:
        raise SpecError(field, value, "has too many hyphens for a device-mapper name; shorten it")
    return value


def parse_image(field: str, value: object) -> str:
    """Return an image reference ``name:tag`` as docker defines it, the tag being mandatory; SpecError otherwise."""
    if not isinstance(value, str) or len(value) > _LONGEST_IMAGE or not IMAGE.fullmatch(value):
        raise SpecError(field, value, 'is not an image; write name:tag in lower case, such as "debian:13"')
    return value


def parse_interface(field: str, value: object) -> str:
    """Return a network interface name (at most 15 characters, IFNAMSIZ) that is not the kernel's own; SpecError otherwise."""
    if not isinstance(value, str) or not _INTERFACE.fullmatch(value):
        raise SpecError(field, value, "is not an interface name; use 1 to 15 letters, digits, '.', '_' and '-'")
    if value in _RESERVED_INTERFACES:
        raise SpecError(field, value, "is not an Ethernet interface but a name that the kernel keeps for itself; name one such as br0")
    return value


@lru_cache(maxsize=65536)
def mac_of(address: str) -> str:
    """Return the MAC derived from an IPv4 address: 02:42 (locally administered) and the four octets."""
    octets = parse_ipv4("address", address).packed
    return ":".join(["02", "42", *(f"{octet:02x}" for octet in octets)])


def tap_of(name: str) -> str:
    """Return the tap device of a VM: the same on every host and in every run, 12 characters."""
    return "zv" + hashlib.sha256(name.encode()).hexdigest()[:10]


def volume_of(name: str) -> str:
    """Return the logical volume that is the root disk of a VM."""
    return f"vm-{name}"


def snapshot_of(name: str, label: str) -> str:
    """Return the logical volume that is a snapshot of a VM's root disk; ``snapshot_of(name, "")`` is what all of these begin with."""
    return volume_of(name) + _SNAPSHOT + label


def taken_of(name: str) -> str:
    """Return the logical volume that becomes a snapshot of a VM's root disk."""
    return volume_of(name) + _TAKEN


def restored_of(name: str) -> str:
    """Return the logical volume that becomes a VM's root disk when a snapshot is restored."""
    return volume_of(name) + _RESTORED


def replaced_of(name: str) -> str:
    """Return the logical volume that was a VM's root disk until a snapshot is restored."""
    return volume_of(name) + _REPLACED


def parse_snapshot(field: str, value: object, group: str, instance: str) -> str:
    """Return a snapshot's name if the volume of one of that instance in that group can have it; SpecError otherwise."""
    label = parse_label(field, value)
    names = (group, max(snapshot_of(instance, label), restored_of(instance), replaced_of(instance), key=len))
    over = sum(len(name) + name.count("-") for name in names) + 1 - _LONGEST_MAPPED_PATH
    if over > 0:
        raise SpecError(field, label, f"is too long beside the names {instance} and {group} for device-mapper; shorten it by {over}")
    return label


def golden_of(digest: str) -> str:
    """Return the read-only logical volume that holds an image, from the digest of its content in hex."""
    return f"img-{digest[:12]}"


def uuid_of(zone: str, name: str) -> str:
    """Return an instance's UUID: version 5 (RFC 9562), so that a recreated instance keeps it."""
    return str(uuid.uuid5(_NAMESPACE, f"{zone}/{name}"))


def network_of(bridge: str) -> str:
    """Return the docker network that stands for a Linux bridge."""
    return f"zonal-{bridge}"
