# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: may change without notice.
"""The facts that live on the object itself (docker labels, libvirt metadata), so that the ledger can be rebuilt from hosts."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any, cast

from .errors import ZonalError
from .fields import FIELDS, Spec
from .instance_disks import placed

# Kept as facts, because the engine has no place of its own for them that can be read back.
_KEPT = (
    "zone",
    "tenant",
    "app",
    "index",
    "image",
    "cidr",
    "gateway",
    "dns",
    "address",
    "extra_addresses",
    "hostname",
    "labels",
    "command",
    "capabilities",
    "disks",
    "snapshots",
)
_JSON = ("dns", "extra_addresses", "labels", "command", "capabilities", "disks", "snapshots")
# The facts that are only fingerprints of fields, since these are long or secret and labels are shown everywhere.
_PRINTED = {"ssh_keys": "keys", "user_data": "user_data"}
_FIELDS = {field.name: field for field in FIELDS}


def dump_facts(name: str, spec: Spec, known: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return the facts of an instance as flat text, sorted; ``known`` are its facts so far, of which fingerprints are kept."""
    values = {key: value for key, value in cast("dict[str, Any]", spec).items() if key != "disks"}
    if spec.get("disks"):
        # How large a disk is tells its volume, which grows while the facts of what has it cannot be changed.
        values["disks"] = placed(spec["disks"])
    printed = {"keys": fingerprint(spec.get("ssh_keys", []))}
    if spec.get("user_data"):
        printed["user_data"] = fingerprint(spec["user_data"])
    if known is not None:
        printed = {fact: known[fact] for fact in _PRINTED.values() if fact in known}
    facts = {"name": name, **printed}
    for field in _KEPT:
        if field in values:
            facts[field] = json.dumps(values[field]) if field in _JSON else str(values[field])
    return dict(sorted(facts.items()))


def load_facts(facts: Mapping[str, str]) -> Spec:
    """Return the spec that facts tell. Facts are text from outside: one that does not parse is left out, and so differs."""
    # Of keys only a fingerprint is there: that there are none is all that it tells by itself; and that there is user-data, but not what.
    spec: dict[str, Any] = {"ssh_keys": []} if facts.get("keys") == fingerprint([]) else {}
    if "user_data" in facts:
        spec["user_data"] = None
    for name in _KEPT:
        text = facts.get(name)
        if text is None:
            continue
        try:
            value = json.loads(text) if name in _JSON else text
            spec[name] = _FIELDS[name].parse(name, value)
        except (ZonalError, ValueError, TypeError, RecursionError):
            continue
    return cast(Spec, spec)


def with_printed(spec: Spec, facts: Mapping[str, str], wanted: Spec) -> Spec:
    """Return ``spec`` with the wanted ssh keys and user-data, each when the object was made with just that."""
    values = cast("dict[str, Any]", wanted)
    same = (field for field, fact in _PRINTED.items() if field in values and facts.get(fact) == fingerprint(values[field]))
    return cast(Spec, {**spec, **{field: values[field] for field in same}})


def fingerprint(value: list[str] | str) -> str:
    """Return a short digest of text, or of a sorted list of keys."""
    return hashlib.sha256((value if isinstance(value, str) else "\n".join(value)).encode()).hexdigest()[:16]
