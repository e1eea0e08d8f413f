# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: may change without notice.
"""The copy of a thin volume in an S3 store, and how it is described there. What to do is decided in disk_copy_plan.py.

The description is written last and removed first: without it there is no copy. It is read as what anybody may have written.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .disk_part import PART, count_parts, largest_packed
from .errors import RefusedError, SpecError
from .names import volume_of
from .quantity import format_size
from .thin_pool import is_tag, own_tags, parse_name
from .volume import DIGEST_TAG, INSTANCE_TAG

# On a volume that was made of a copy: the sha256 of its content then.
RESTORED_TAG = "zonal.restored="
LARGEST_DESCRIPTION = 64 * 1024
_VERSION = 1
_DESCRIPTIONS, _PARTS = "copies", "copies.data"
_END = ".json"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,62}", re.ASCII)
_DIGEST = re.compile(r"[0-9a-f]{64}", re.ASCII)
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", re.ASCII)
_LARGEST = 2**60


@dataclass(frozen=True)
class DiskCopy:
    """A copy called ``name`` of ``volume``. Sizes are bytes: ``data`` is what is not zero, in blocks of 1 MiB; ``stored`` what its
    ``parts`` take in the store; ``sha256`` that of the whole raw content. ``created`` is the moment of the snapshot, in UTC.

    ``sha256`` is empty, and what is after ``size`` not known, for a copy that is only planned.
    """

    volume: str
    name: str
    size: int
    data: int = 0
    parts: int = 0
    stored: int = 0
    sha256: str = ""
    created: str = ""
    tags: frozenset[str] = frozenset()

    @property
    def key(self) -> str:
        return description_key(self.volume, self.name)


def parse_copy_name(field: str, value: str) -> str:
    """Return the name of a copy; SpecError when it is none."""
    if not _NAME.fullmatch(value):
        raise SpecError(field, value, "is not a name for a copy; use 1 to 63 letters, digits and _ . - and begin with a letter or digit")
    return value


def description_key(volume: str, name: str) -> str:
    """Return where the description of a copy is."""
    return f"{descriptions_of(volume)}{name}{_END}"


def descriptions_of(volume: str = "") -> str:
    """Return what the keys of the descriptions of a volume's copies begin with, or those of all."""
    return f"{_DESCRIPTIONS}/{volume}/" if volume else f"{_DESCRIPTIONS}/"


def parts_of(volume: str, name: str) -> str:
    """Return what the keys of all parts of a copy begin with. They lie apart, so that whoever lists copies need not pass them."""
    return f"{_PARTS}/{volume}/{name}/"


def part_key(volume: str, name: str, number: int) -> str:
    """Return where a part is."""
    return f"{parts_of(volume, name)}{number:08}.gz"


def parse_key(key: str) -> tuple[str, str] | None:
    """Return volume and name of the copy whose description has that key; None when it is none of ours."""
    folder, _slash, rest = key.partition("/")
    volume, _slash, file = rest.partition("/")
    name = file[: -len(_END)]
    if folder != _DESCRIPTIONS or not file.endswith(_END) or not _NAME.fullmatch(name):
        return None
    try:
        return parse_name("volume", volume), name
    except SpecError:
        return None


def render_description(copy: DiskCopy) -> bytes:
    """Return the description as it is stored."""
    fields = {
        "version": _VERSION,
        "volume": copy.volume,
        "size": copy.size,
        "data": copy.data,
        "parts": copy.parts,
        "part_size": PART,
        "stored": copy.stored,
        "sha256": copy.sha256,
        "created": copy.created,
        "tags": sorted(copy.tags),
    }
    return json.dumps(fields, indent=1).encode() + b"\n"


def parse_description(volume: str, name: str, content: bytes) -> DiskCopy:
    """Return the copy that is described; ValueError says in which field the description is not one."""
    try:
        fields = json.loads(content)
    except (ValueError, RecursionError):
        fields = None
    if not isinstance(fields, dict):
        raise ValueError("its description is not JSON that this collection has written")
    if fields.get("version") != _VERSION:
        raise ValueError("it was written by another version of this collection")
    size = _number(fields, "size", 1, _LARGEST)
    parts = _number(fields, "parts", 0, count_parts(size))
    tags = fields.get("tags")
    if not isinstance(tags, list) or not all(isinstance(tag, str) and is_tag(tag) for tag in tags):
        raise ValueError("its description has no proper tags")
    if fields.get("volume") != volume or fields.get("part_size") != PART:
        raise ValueError("its description is that of another copy")
    return DiskCopy(
        volume,
        name,
        size,
        _number(fields, "data", 0, parts * PART),
        parts,
        _number(fields, "stored", 0, parts * largest_packed(PART)),
        _text(fields, "sha256", _DIGEST),
        _text(fields, "created", _TIME),
        frozenset(tags),
    )


def tags_for(copy: DiskCopy, volume: str) -> frozenset[str]:
    """Return the tags of a volume that is made of a copy. Whose disk it is it keeps only if it is called like that one's."""
    kept = set(own_tags(copy.tags))
    instance = next((tag for tag in copy.tags if tag.startswith(INSTANCE_TAG)), "")
    if instance and volume_of(instance[len(INSTANCE_TAG) :]) == volume:
        kept |= {instance, *(tag for tag in copy.tags if tag.startswith(DIGEST_TAG))}
    return frozenset({*kept, RESTORED_TAG + copy.sha256})


def damaged(bucket: str, volume: str, name: str, why: str) -> RefusedError:
    """Return the error for a copy that is not as it was stored."""
    return RefusedError(
        f"name: the copy {url_of(bucket, volume, name)} is damaged: {why}; use another one, and remove this one with state: absent",
        field="name",
    )


def url_of(bucket: str, volume: str, name: str) -> str:
    """Return how a copy is called in messages."""
    return f"s3://{bucket}/{description_key(volume, name)}"


def show_copy(copy: DiskCopy) -> dict[str, Any]:
    """Return a copy as the modules show it."""
    shown: dict[str, Any] = {"name": copy.name, "volume": copy.volume, "size": format_size(copy.size), "tags": sorted(copy.tags)}
    if copy.sha256:
        shown.update(data=copy.data, stored=copy.stored, sha256=copy.sha256, created=copy.created)
    return shown


def _number(fields: Mapping[str, Any], field: str, lowest: int, highest: int) -> int:
    value = fields.get(field)
    if not isinstance(value, int) or isinstance(value, bool) or not lowest <= value <= highest:
        raise ValueError(f"its description has no proper {field}")
    return value


def _text(fields: Mapping[str, Any], field: str, form: re.Pattern[str]) -> str:
    value = fields.get(field)
    if not isinstance(value, str) or not form.fullmatch(value):
        raise ValueError(f"its description has no proper {field}")
    return value
