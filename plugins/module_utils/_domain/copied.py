# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: may change without notice.
"""A zone's pages of the ledger as they stand in a file: anybody may have written it, so every field is checked."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Collection, Mapping
from typing import Any

from .addresses import check_host_address, parse_ipv4
from .claims import ADDRESS_LISTS, KINDS, LATER, PLANNED, QUARANTINED, RELEASED, REMOVING, SETTLED, Held, KnownHost, Snapshot, load_claim
from .errors import SpecError, ZonalError
from .field_values import parse_pci_devices
from .names import mac_of, parse_label
from .placement_types import HOST_STATES, is_pci
from .pools import number_of
from .zone_spec import check_mapping, parse_devices

Check = Callable[[str, Any], Any]
_LONGEST_NAME = 253
_MOST_OF_32, _MOST_OF_64 = 2**31 - 1, 2**63 - 1
_MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", re.ASCII)
_UNFIT = re.compile("[\0\ud800-\udfff]")
# More than so many mistakes nobody reads.
_SHOWN = 20


def read_pages(value: Mapping[str, Any], cidr: str) -> Snapshot:
    """Return the pages; ZonalError with all that is wrong with them. ``cidr`` is the network of the zone that they are for."""
    problems: list[str] = []

    def items(key: str, checks: Mapping[str, Check]) -> list[dict[str, Any]]:
        found = value.get(key)
        if not isinstance(found, list):
            problems.append(f"{key}: {found!r:.80} is not a list")
            return []
        return [item for number, told in enumerate(found) if (item := _read(f"{key}[{number}]", told, checks, problems)) is not None]

    def in_network(field: str, address: object) -> str:
        return _in_network(field, address, cidr)

    claims = items("claims", {**_CLAIM, "address": in_network, **dict.fromkeys(ADDRESS_LISTS, _list_of(in_network))})
    held, hosts = items("held", _HELD), items("hosts", _HOST)
    problems += [
        *_macs(claims),
        *_twice("name", [item["name"] for item in claims]),
        *_twice("address", [address for item in claims for address in _addresses(item)] + [item["address"] for item in held]),
        *_twice("app", [" ".join(str(item[key]) for key in ("tenant", "app", "kind", "index")) for item in claims]),
        *_twice("host", [item["name"] for item in hosts]),
    ]
    if problems:
        more = f"; and {len(problems) - _SHOWN} more" if len(problems) > _SHOWN else ""
        raise ZonalError(f"path: this export was changed or cut off: {'; '.join(problems[:_SHOWN])}{more}; nothing was imported")
    return Snapshot(
        claims=tuple(sorted(map(load_claim, claims), key=lambda claim: claim.name)),
        held=tuple(sorted((Held(**item) for item in held), key=lambda item: number_of(item.address))),
        hosts=tuple(sorted(map(_known_host, hosts), key=lambda host: host.name)),
    )


def _known_host(item: Mapping[str, Any]) -> KnownHost:
    return KnownHost(**{**item, "kinds": tuple(item["kinds"]), "addresses": tuple(item["addresses"])})


def _read(where: str, told: object, checks: Mapping[str, Check], problems: list[str]) -> dict[str, Any] | None:
    """Return the fields when all are as they must be, and None with lines in ``problems`` otherwise."""
    before = len(problems)
    try:
        item = check_mapping(where, told)
    except ZonalError as error:
        problems.append(str(error))
        return None
    problems += [f"{where}.{key}: is not a known field" for key in item if key not in checks]
    read = {}
    for key, check in checks.items():
        try:
            if key not in item and key in LATER:
                continue
            if key not in item:
                raise ZonalError(f"{where}.{key}: is missing")
            read[key] = check(f"{where}.{key}", item[key])
        except ZonalError as error:
            problems.append(str(error))
    return read if len(problems) == before else None


def _addresses(claim: Mapping[str, Any]) -> list[str]:
    return [claim["address"], *(address for key in ADDRESS_LISTS for address in claim.get(key, ()))]


def _macs(claims: Collection[Mapping[str, Any]]) -> list[str]:
    wrong = [item for item in claims if item["mac"] != mac_of(item["address"])]
    return [f"mac: {item['mac']!r} of {item['name']} does not belong to its address {item['address']}" for item in wrong]


def _twice(field: str, values: Collection[str]) -> list[str]:
    return [f"{field}: {value!r} is there {count} times" for value, count in sorted(Counter(values).items()) if count > 1]


def _in_network(field: str, value: object, cidr: str) -> str:
    address = str(parse_ipv4(field, value))
    check_host_address(field, address, cidr)
    return address


def _address(field: str, value: object) -> str:
    return str(parse_ipv4(field, value))


def _number(least: int, most: int) -> Check:
    def check(field: str, value: object) -> int:
        if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
            raise SpecError(field, value, f"is not a whole number from {least} to {most}")
        return value

    return check


def _one_of(*choices: str) -> Check:
    def check(field: str, value: object) -> str:
        if not isinstance(value, str) or value not in choices:
            raise SpecError(field, value, f"is none of {', '.join(choices)}")
        return value

    return check


def _list_of(check: Check) -> Check:
    def check_all(field: str, value: object) -> list[Any]:
        if not isinstance(value, list):
            raise SpecError(field, value, "is not a list")
        return [check(f"{field}[{number}]", item) for number, item in enumerate(value)]

    return check_all


def _flag(field: str, value: object) -> bool:
    if not isinstance(value, bool):
        raise SpecError(field, value, "is neither true nor false")
    return value


def _text(field: str, value: object) -> str:
    # What no database takes.
    if not isinstance(value, str) or _UNFIT.search(value):
        raise SpecError(field, value, "is not a text")
    return value


def _host_name(field: str, value: object) -> str:
    if not isinstance(value, str) or not 0 < len(value) <= _LONGEST_NAME or not value.isprintable():
        raise SpecError(field, value, f"is not the name of a host, a text of 1 to {_LONGEST_NAME} characters")
    return value


def _moment(field: str, value: object) -> str:
    if not isinstance(value, str) or not _MOMENT.fullmatch(value):
        raise SpecError(field, value, "is not a moment such as 2026-11-22T20:30:00Z")
    return value


def _rule(field: str, value: object) -> dict[str, Any]:
    problems: list[str] = []
    rule = _read(field, value, {"tenant": parse_label, "app": parse_label, "together": _flag, "required": _flag}, problems)
    if rule is None:
        raise ZonalError("; ".join(problems))
    return rule


def _promised_devices(field: str, value: object) -> dict[str, int]:
    """Return devices by name, and those that are named by their PCI addresses, of which there is one each."""
    named = dict(value) if isinstance(value, Mapping) else {}
    pci = {key: named.pop(key) for key in list(named) if isinstance(key, str) and is_pci(key)}
    if any(isinstance(count, bool) or count != 1 for count in pci.values()):
        raise SpecError(field, pci, "are not one PCI device each")
    return {**parse_devices(field, named if pci else value), **dict.fromkeys(parse_pci_devices(field, sorted(pci)), 1)}


_size = _number(0, _MOST_OF_64)
_CLAIM: Mapping[str, Check] = {
    "name": parse_label,
    "address": _address,
    "mac": _text,
    "host": _host_name,
    "tenant": parse_label,
    "app": parse_label,
    "kind": _one_of(*KINDS),
    "index": _number(1, _MOST_OF_32),
    "vcpus": _number(0, _MOST_OF_32),
    "memory": _size,
    "disk": _size,
    "state": _one_of(PLANNED, SETTLED, REMOVING),
    "protected": _flag,
    "explicit": _flag,
    "rules": _list_of(_rule),
    "devices": _promised_devices,
    **dict.fromkeys(ADDRESS_LISTS, _list_of(_address)),
}
_HELD: Mapping[str, Check] = {"address": _address, "state": _one_of(RELEASED, QUARANTINED), "why": _text, "since": _moment}
_HOST: Mapping[str, Check] = {
    "name": _host_name,
    "vcpus": _number(0, _MOST_OF_32),
    "memory": _size,
    "disk": _size,
    "state": _one_of(*HOST_STATES),
    "why": _text,
    "kinds": _list_of(_one_of(*KINDS)),
    "devices": parse_devices,
    "addresses": _list_of(_address),
}
