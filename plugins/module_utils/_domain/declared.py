# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: may change without notice.
"""Instances as the operator declares them for a planned zone: how many of what, and a host or an address only when one is wanted."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .claims import KINDS
from .errors import MissingError, SpecError, ZonalError
from .fields import FIELDS, Spec, check_kind, parse_spec
from .instance_disks import check_mounts, disk_names
from .names import parse_label
from .placement_types import App, Rule
from .zone_spec import Zone, check_keys, check_mapping, parse_count, parse_devices

STATES = ("running", "stopped", "paused", "absent")
_NO_TENANT = "none"
# So many addresses does a /16 have; a slip of the keyboard shall not take hours.
_MOST = 2**16
# What the zone, the ledger or the entry as a whole gives to an instance.
_GIVEN = frozenset({"zone", "tenant", "app", "index", "address"})
_OPTIONS = tuple(field.name for field in FIELDS if not field.path and field.name not in _GIVEN)
_NEEDED = ("image", "vcpus", "memory")
_IDENTITY = ("zone", "tenant", "app", "kind", "count", "state", "host", "address", "name", "protected")
_KEYS = frozenset({*_IDENTITY, "devices", "affinity", "anti_affinity", *_OPTIONS})
_RULE_KEYS = ("tenant", "app", "required")


@dataclass(frozen=True)
class Declared:
    """One entry of ``zonal_instances``; ``options`` are those of the modules vm and container as they were written.

    ``count`` is None for all that there are, which only those can mean that are to be absent. ``protected`` is None when an entry
    does not say it: one that is counted then takes no protection away.
    """

    where: str
    tenant: str
    app: str
    kind: str
    count: int | None
    state: str
    host: str | None
    address: str | None
    name: str | None
    protected: bool | None
    rules: tuple[Rule, ...]
    devices: tuple[tuple[str, int], ...]
    spec: Spec
    options: Mapping[str, Any]

    @property
    def batch(self) -> App:
        """What is placed as a whole."""
        return (self.tenant, self.app)

    @property
    def extra_addresses(self) -> tuple[str, ...]:
        """The addresses that it is to have beside its own."""
        return tuple(self.spec.get("extra_addresses", ()))

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
    """Return the entries of this zone; every mistake is a line, and no mistake hides another.

    ``images`` are the names of those that there are; None when that is not known.
    """
    if not isinstance(declared, (list, tuple)):
        raise SpecError("instances", declared, "is not a list")
    problems: dict[App, list[str]] = {}
    entries = []
    for number, item in enumerate(declared):
        # YAML takes a name such as 101 for a number.
        if isinstance(item, Mapping) and item.get("zone") is not None and str(item["zone"]) != zone.name:
            continue
        reader = _Reader(f"instances[{number}]")
        entry = _read_entry(zone, reader, item, images)
        if entry is None:
            problems.setdefault(_batch_of(item), []).extend(reader.lines)
        else:
            entries.append(entry)
    for batch, line in _twice(entries):
        problems.setdefault(batch, []).append(line)
    return Declarations(tuple(entries), {batch: tuple(lines) for batch, lines in problems.items()})


class _Reader:
    """Reads the parts of one entry: a mistake is noted, and the next part is read."""

    def __init__(self, where: str) -> None:
        self.where = where
        self.lines: list[str] = []

    def read(self, parse: Callable[..., Any], *words: Any) -> Any:
        """Return what ``parse`` makes of the words, None when they are a mistake."""
        try:
            return parse(*words)
        except ZonalError as error:
            self.lines.append(f"{self.where}.{error}")
            return None


def _read_entry(zone: Zone, reader: _Reader, item: object, images: Collection[str] | None) -> Declared | None:
    """Return the entry, None when there are mistakes in it."""
    read = reader.read
    entry = read(check_mapping, "keys", item)
    if entry is None:
        return None
    for key in entry:
        read(check_keys, "keys", {key: None}, _KEYS)
    state = read(_choice, "state", entry.get("state", "running"), STATES)
    tenant, app = read(_parse_tenant, "tenant", entry.get("tenant"), _NO_TENANT), read(_parse_app, entry)
    kind, count = read(_parse_kind, entry), read(_parse_count, entry)
    name = read(parse_label, "name", entry["name"]) if entry.get("name") is not None else None
    protected = read(_flag, "protected", entry["protected"]) if "protected" in entry else None
    rules = [read(_parse_rules, key, entry, tenant or _NO_TENANT) for key in ("affinity", "anti_affinity")]
    devices = read(parse_devices, "devices", entry.get("devices") or {})
    options = _read_options(zone, reader, entry, images)
    words = {"zone": zone.name, "tenant": tenant, "app": app}
    # What cannot be read of these has been told above.
    whole = {**options, **words, **zone.network, "address": entry.get("address")}
    spec = None if reader.lines else read(_parse_whole, kind, whole)
    if spec is None:
        return None
    return Declared(
        where=reader.where,
        tenant=tenant,
        app=app,
        kind=kind,
        count=count,
        state=state,
        host=None if entry.get("host") is None else str(entry["host"]),
        address=spec.get("address"),
        name=name,
        protected=protected,
        rules=(*rules[0], *rules[1]),
        devices=tuple(sorted(devices.items())),
        spec=spec,
        options={**options, **words},
    )


def _read_options(zone: Zone, reader: _Reader, entry: Mapping[str, Any], images: Collection[str] | None) -> dict[str, Any]:
    """Return the options as they are written, with the zone's keys beside the entry's own."""
    parts = {key: reader.read(_parse_option, key, entry, images) for key in (*_OPTIONS, "address")}
    keys = (parts["ssh_keys"] or {}).get("ssh_keys", [])
    options = {key: entry[key] for key in _OPTIONS if entry.get(key) is not None}
    return {**options, "ssh_keys": sorted({*zone.ssh_keys, *keys})}


def _parse_option(key: str, entry: Mapping[str, Any], images: Collection[str] | None) -> Spec:
    """Return one field, or none when it is not given; what is to be absent needs none."""
    created = entry.get("state") != "absent"
    value = entry.get(key)
    if created and value is None and key in _NEEDED:
        raise MissingError(key, "it is needed to create an instance")
    spec = parse_spec({key: value})
    if created and key == "image" and images is not None and value not in images:
        raise SpecError(key, value, "is not among the declared images (zonal_images)")
    return spec


def _parse_whole(kind: str, words: dict[str, Any]) -> Spec:
    """Return the fields in their normal form; SpecError or MissingError when they do not go together, or the kind has no such field."""
    spec = parse_spec(words)
    check_kind(kind, spec)
    check_mounts(kind, spec.get("disks", ()))
    return spec


def _parse_tenant(field: str, value: object, other: str) -> str:
    return other if value is None else parse_label(field, value)


def _parse_app(entry: Mapping[str, Any]) -> str:
    if entry.get("app") is None:
        raise MissingError("app", "every instance needs it")
    return parse_label("app", entry["app"])


def _parse_kind(entry: Mapping[str, Any]) -> str:
    if entry.get("kind") is None:
        raise MissingError("kind", "every instance needs it")
    return _choice("kind", entry["kind"], KINDS)


def _parse_count(entry: Mapping[str, Any]) -> int | None:
    """Return how many instances an entry means; None for all that there are."""
    single = [key for key in ("name", "address", "hostname") if entry.get(key) is not None]
    if entry.get("count") is None and entry.get("state") == "absent" and not single:
        return None
    single += [key for key in ("extra_addresses", "disks") if entry.get(key)]
    count = parse_count("count", 1 if entry.get("count") is None else entry["count"])
    if count > _MOST:
        raise SpecError("count", count, f"is more than the {_MOST} that one entry can have")
    if single and count != 1:
        raise SpecError("count", count, f"does not go with {single[0]}, which only one instance can have")
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
        app = (_parse_tenant(f"{field}.tenant", rule.get("tenant"), tenant), parse_label(f"{field}.app", rule["app"]))
        rules.append(Rule(app, together=key == "affinity", required=_flag(f"{field}.required", rule.get("required", True))))
    return rules


def _twice(entries: Sequence[Declared]) -> list[tuple[App, str]]:
    """Return a line for every name, address, disk or counted app that two entries declare."""
    lines = []
    seen: dict[tuple[str, ...], Declared] = {}
    for entry in entries:
        keys: list[tuple[str, ...]] = [(field, value) for field, value in (("name", entry.name), ("address", entry.address)) if value]
        keys = keys or [("app", entry.tenant, entry.app, entry.kind)]
        if entry.state != "absent":
            # On hosts that are not chosen yet one name could mean one disk.
            keys += [("disks", name) for name in disk_names(entry.spec)]
            keys += [("address", address) for address in entry.extra_addresses]
        for key in keys:
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
    tenant = item.get("tenant")
    return (_NO_TENANT if tenant is None else str(tenant), item["app"])


def _choice(field: str, value: Any, choices: Collection[str]) -> str:
    if value not in choices:
        raise SpecError(field, value, f"is none of {', '.join(choices)}")
    return str(value)


def _flag(field: str, value: object) -> bool:
    if not isinstance(value, bool):
        raise SpecError(field, value, "is neither true nor false")
    return value
