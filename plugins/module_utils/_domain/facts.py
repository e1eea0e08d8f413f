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
_KEPT = ("zone", "tenant", "app", "index", "image", "cidr", "gateway", "dns", "address", "hostname", "disks")
_LISTS = ("dns", "disks")
_FIELDS = {field.name: field for field in FIELDS}


def dump_facts(name: str, spec: Spec, keys: str | None = None) -> dict[str, str]:
    """Return the facts of an instance as flat text, sorted; ``keys`` is the fingerprint of ssh keys that are not in ``spec``."""
    # How large a disk is tells its volume, which grows while the facts of what has it cannot be changed.
    values = cast("dict[str, Any]", {**spec, "disks": placed(spec.get("disks"))})
    facts = {"name": name, "keys": fingerprint(spec.get("ssh_keys", [])) if keys is None else keys}
    for field in _KEPT:
        if field in values and (values[field] or field != "disks"):
            facts[field] = values[field] if isinstance(values[field], str) else json.dumps(values[field])
    return dict(sorted(facts.items()))


def load_facts(facts: Mapping[str, str]) -> Spec:
    """Return the spec that facts tell. Facts are text from outside: one that does not parse is left out, and so differs."""
    # Of keys only a fingerprint is there: that there are none is all that it tells by itself.
    spec: dict[str, Any] = {"ssh_keys": []} if facts.get("keys") == fingerprint([]) else {}
    for name in _KEPT:
        text = facts.get(name)
        if text is None:
            continue
        try:
            value = json.loads(text) if name in _LISTS else text
            spec[name] = _FIELDS[name].parse(name, value)
        except (ZonalError, ValueError, TypeError, RecursionError):
            continue
    return cast(Spec, spec)


def with_keys(spec: Spec, facts: Mapping[str, str], wanted: Spec) -> Spec:
    """Return ``spec`` with the wanted ssh keys when the object was made with just these.

    Only a fingerprint of the keys stands on the object: keys are long, and labels are shown everywhere.
    """
    keys = wanted.get("ssh_keys")
    if keys is None or facts.get("keys") != fingerprint(keys):
        return spec
    return cast(Spec, {**spec, "ssh_keys": keys})


def fingerprint(keys: list[str]) -> str:
    """Return a short digest of a sorted list of keys."""
    return hashlib.sha256("\n".join(keys).encode()).hexdigest()[:16]
