# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: may change without notice.
"""Instances as the operator declares them for a planned zone: how many of what, and a host or an address only when one is wanted."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .addresses import check_host_address
from .claims import KINDS
from .errors import MissingError, SpecError, ZonalError
from .fields import Spec, parse_list, parse_spec
from .names import parse_label
from .placement_types import App, Rule
from .zone_spec import Zone, check_keys, parse_count, parse_devices

STATES = ("running", "stopped", "absent")
_NO_TENANT = "none"
# So many addresses does a /16 have; a slip of the keyboard shall not take hours.
_MOST = 2**16
_OPTIONS = ("image", "vcpus", "memory", "disk", "hostname", "ssh_keys", "autostart")
_KEYS = frozenset(
    {
        "zone",
        "tenant",
        "app",
        "kind",
        "count",
        "state",
        "host",
        "address",
        "name",
        "protected",
        "devices",
        "affinity",
        "anti_affinity",
        *_OPTIONS,
    }
)
_RULE_KEYS = ("tenant", "app", "required")


@dataclass(frozen=True)
class Declared:
    """One entry of ``zonal_instances``; ``options`` are those of the modules vm and container as they were written."""

    where: str
    tenant: str
    app: str
    kind: str
    count: int
    state: str
    host: str | None
    address: str | None
    name: str | None
    protected: bool
    rules: tuple[Rule, ...]
    devices: tuple[tuple[str, int], ...]
    spec: Spec
    options: Mapping[str, Any]

    @property
    def batch(self) -> App:
        """What is placed as a whole."""
        return (self.tenant, self.app)

    @property
    def explicit(self) -> bool:
        """Whether it means one certain instance rather than some of an app."""
        return self.name is not None or self.address is not None


@dataclass(frozen=True)
class Declarations:
    """What could be read, and what is wrong by app; all that is wrong with entries that name no app is under ``("", "")``."""

    entries: tuple[Declared, ...]
    problems: Mapping[App, tuple[str, ...]]


def parse_instances(zone: Zone, declared: object, images: Collection[str] | None = None) -> Declarations:
    """Return the entries of this zone; every mistake is a line, and no mistake hides another entry's.

    ``images`` are the names of those that there are; None when that is not known.
    """
    if not isinstance(declared, (list, tuple)):
        raise SpecError("instances", declared, "is not a list")
    problems: dict[App, list[str]] = {}
    entries = []
    for number, item in enumerate(declared):
        if isinstance(item, Mapping) and item.get("zone", zone.name) != zone.name:
            continue
        where = f"instances[{number}]"
        try:
            entries.append(_parse_entry(zone, where, item, images))
        except ZonalError as error:
            problems.setdefault(_batch_of(item), []).append(f"{where}.{error}")
    for batch, line in _twice(entries):
        problems.setdefault(batch, []).append(line)
    return Declarations(tuple(entries), {batch: tuple(lines) for batch, lines in problems.items()})


def _parse_entry(zone: Zone, where: str, item: object, images: Collection[str] | None) -> Declared:
    entry = check_keys("keys", item, _KEYS)
    for key in ("app", "kind"):
        if entry.get(key) is None:
            raise MissingError(key, "every instance needs it")
    state = _choice("state", entry.get("state", "running"), STATES)
    if state != "absent":
        for key in ("image", "vcpus", "memory"):
            if entry.get(key) is None:
                raise MissingError(key, "it is needed to create an instance")
        if images is not None and entry["image"] not in images:
            raise SpecError("image", entry["image"], "is not among the declared images (zonal_images)")
    count = _parse_count(entry.get("count", 1))
    for key in ("name", "address", "hostname"):
        if entry.get(key) is not None and count != 1:
            raise SpecError("count", count, f"does not go with {key}, which only one instance can have")
    options = {key: entry[key] for key in _OPTIONS if entry.get(key) is not None}
    keys = parse_spec({"ssh_keys": parse_list("ssh_keys", entry.get("ssh_keys") or [])})
    options["ssh_keys"] = sorted({*zone.ssh_keys, *keys["ssh_keys"]})
    tenant = parse_label("tenant", entry.get("tenant") or _NO_TENANT)
    app = parse_label("app", entry["app"])
    words = {"zone": zone.name, "tenant": tenant, "app": app}
    spec = parse_spec({**options, **words, **zone.network, "address": entry.get("address")})
    if entry.get("address") is not None:
        check_host_address("address", spec["address"], zone.network["cidr"])
    return Declared(
        where=where,
        tenant=tenant,
        app=app,
        kind=_choice("kind", entry["kind"], KINDS),
        count=count,
        state=state,
        host=None if entry.get("host") is None else str(entry["host"]),
        address=spec.get("address"),
        name=None if entry.get("name") is None else parse_label("name", entry["name"]),
        protected=_flag("protected", entry.get("protected", False)),
        rules=(*_parse_rules("affinity", entry, tenant), *_parse_rules("anti_affinity", entry, tenant)),
        devices=tuple(sorted(parse_devices("devices", entry.get("devices") or {}).items())),
        spec=spec,
        options={**options, **words},
    )


def _parse_count(value: object) -> int:
    count = parse_count("count", value)
    if count > _MOST:
        raise SpecError("count", count, f"is more than the {_MOST} that one entry can have")
    return count


def _parse_rules(key: str, entry: Mapping[str, Any], tenant: str) -> list[Rule]:
    value = entry.get(key) or []
    if not isinstance(value, (list, tuple)):
        raise SpecError(key, value, "is not a list such as [{app: cache, required: false}]")
    rules = []
    for number, item in enumerate(value):
        field = f"{key}[{number}]"
        rule = check_keys(field, item, _RULE_KEYS)
        if rule.get("app") is None:
            raise MissingError(f"{field}.app", "it says what to be with or apart from")
        app = (parse_label(f"{field}.tenant", rule.get("tenant") or tenant), parse_label(f"{field}.app", rule["app"]))
        rules.append(Rule(app, together=key == "affinity", required=_flag(f"{field}.required", rule.get("required", True))))
    return rules


def _twice(entries: Sequence[Declared]) -> list[tuple[App, str]]:
    """Return a line for every name, address or counted app that two entries declare."""
    lines = []
    seen: dict[tuple[str, ...], Declared] = {}
    for entry in entries:
        keys: list[tuple[str, ...]] = [(field, value) for field, value in (("name", entry.name), ("address", entry.address)) if value]
        for key in keys or [("app", entry.tenant, entry.app, entry.kind)]:
            first = seen.setdefault(key, entry)
            if first is entry:
                continue
            what = f"{key[0]}: {key[1]!r} is declared twice" if len(key) == 2 else f"app: {key[2]} ({key[3]}) of {key[1]} is counted twice"
            line = f"{what}, by {first.where} ({first.app}) and {entry.where} ({entry.app})"
            lines += [(batch, line) for batch in sorted({first.batch, entry.batch})]
    return lines


def _batch_of(item: object) -> App:
    if not isinstance(item, Mapping) or not isinstance(item.get("app"), str):
        return ("", "")
    return (str(item.get("tenant") or _NO_TENANT), item["app"])


def _choice(field: str, value: Any, choices: Collection[str]) -> str:
    if value not in choices:
        raise SpecError(field, value, f"is none of {', '.join(choices)}")
    return str(value)


def _flag(field: str, value: object) -> bool:
    if not isinstance(value, bool):
        raise SpecError(field, value, "is neither true nor false")
    return value
