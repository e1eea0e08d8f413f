# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: may change without notice.
"""A zone as the operator declares it, in its normal form."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from ipaddress import IPv4Address
from typing import Any

from .claims import SIZES
from .errors import MissingError, SpecError
from .fields import parse_spec
from .names import parse_interface, parse_label
from .naming import DEFAULT_TEMPLATE, parse_template
from .placement_types import ACTIVE, CORDONED, FAILED, Policy
from .pools import Ranges, check_within, parse_ranges, usable
from .quantity import parse_size

ZONE_KEYS = frozenset(
    "hosts network pools reserved name_template overcommit quotas ssh_keys hold n_plus_one cordoned failed devices".split()
)
NETWORK_KEYS = frozenset({"cidr", "gateway", "bridge", "dns"})
QUOTA_KEYS = ("instances", *SIZES)
# An address rests for a day: caches of names and of MAC addresses outside the zone are then gone.
DEFAULT_HOLD = 86400
_MOST_OVERCOMMIT = 64
# Masks, and worse the inverted ones, can be read as another network than was meant.
_PREFIX = re.compile(r"[^/]+/(?:0|[1-9]\d?)", re.ASCII)


@dataclass(frozen=True)
class Zone:
    """One zone. ``quotas`` are limits by tenant, ``states`` what the operator says of hosts, ``devices`` what they have."""

    name: str
    network: Mapping[str, Any]
    pools: Ranges
    reserved: Ranges
    usable: Ranges
    template: str
    policy: Policy
    quotas: Mapping[str, Mapping[str, int]]
    hold: int
    ssh_keys: tuple[str, ...]
    states: Mapping[str, str]
    devices: Mapping[str, Mapping[str, int]]

    def state_of(self, host: str) -> str:
        """Return what the operator says of a host."""
        return self.states.get(host, ACTIVE)


def parse_zone(name: object, declared: object, *, admin: bool = False) -> Zone:
    """Return the zone; SpecError or MissingError names the first key that cannot be used."""
    label = parse_label("zone", name)
    zone = check_keys("zone", declared, ZONE_KEYS)
    network = _parse_network(zone.get("network"))
    pools, reserved = parse_ranges("pools", zone.get("pools") or []), parse_ranges("reserved", zone.get("reserved") or [])
    routers = [*([network["gateway"]] if network["gateway"] else []), *network["dns"]]
    check_within("reserved", reserved, network["cidr"])
    keys = parse_spec({"ssh_keys": zone.get("ssh_keys") or []})
    return Zone(
        name=label,
        network=network,
        pools=pools,
        reserved=reserved,
        usable=usable(network["cidr"], pools, reserved, routers),
        template=parse_template("name_template", zone.get("name_template", DEFAULT_TEMPLATE)),
        policy=_parse_policy(zone, admin=admin),
        quotas={parse_label("quotas", tenant): _parse_quota(tenant, limits) for tenant, limits in _mapping("quotas", zone).items()},
        hold=parse_count("hold", DEFAULT_HOLD if zone.get("hold") is None else zone["hold"]),
        ssh_keys=tuple(keys["ssh_keys"]),
        states={**dict.fromkeys(_names("cordoned", zone), CORDONED), **dict.fromkeys(_names("failed", zone), FAILED)},
        devices={str(host): parse_devices(f"devices.{host}", items) for host, items in _mapping("devices", zone).items()},
    )


def check_hosts(zone: Zone, known: Collection[str]) -> None:
    """SpecError when the zone says something of a host that nobody knows."""
    told = [({CORDONED: "cordoned", FAILED: "failed"}[state], host) for host, state in zone.states.items()]
    for key, host in (*told, *(("devices", host) for host in zone.devices)):
        if host not in known:
            raise SpecError(key, host, f"is not a host of zone {zone.name}; its hosts are {', '.join(sorted(known))}")


def check_keys(field: str, declared: object, known: Collection[str]) -> Mapping[str, Any]:
    """Return the mapping when it has known keys only."""
    mapping = check_mapping(field, declared)
    for key in mapping:
        if key not in known:
            raise SpecError(field, key, f"is not a known key; known are {', '.join(sorted(known))}")
    return mapping


def check_mapping(field: str, value: object) -> Mapping[str, Any]:
    """Return the value when it is a mapping."""
    if not isinstance(value, Mapping):
        raise SpecError(field, value, "is not a mapping of keys to values")
    return value


def parse_count(field: str, value: object, least: int = 0) -> int:
    """Return a whole number; SpecError for anything else or for less than ``least``."""
    text = str(value)
    # Python refuses to read a number of very many digits.
    if isinstance(value, bool) or not re.fullmatch(r"[0-9]{1,10}", text) or not least <= int(text) < 2**31:
        raise SpecError(field, value, f"is not a whole number of at least {least}")
    return int(text)


def parse_devices(field: str, value: object) -> dict[str, int]:
    """Return devices by name with their number."""
    if not isinstance(value, Mapping):
        raise SpecError(field, value, "is not a mapping of devices to numbers, such as {gpu: 1}")
    return {parse_label(field, name): parse_count(f"{field}.{name}", count, 1) for name, count in value.items()}


def _parse_network(value: object) -> dict[str, Any]:
    if value is None:
        raise MissingError("network", "a zone needs at least its cidr and bridge")
    network = check_keys("network", value, NETWORK_KEYS)
    for key in ("cidr", "bridge"):
        if not network.get(key):
            raise MissingError(f"network.{key}", "a zone needs it")
    spec = parse_spec(dict(network))
    if not _PREFIX.fullmatch(str(network["cidr"])):
        raise SpecError("network.cidr", network["cidr"], f"has no plain prefix length; write {spec['cidr']}, if that is meant")
    for number, address in enumerate(map(IPv4Address, spec.get("dns", []))):
        if address.is_unspecified or address.is_multicast or address.is_reserved:
            raise SpecError(f"network.dns[{number}]", str(address), "is not the address of a name server")
    bridge = parse_interface("network.bridge", network["bridge"])
    return {"cidr": spec["cidr"], "bridge": bridge, "gateway": spec.get("gateway"), "dns": spec.get("dns", [])}


def _parse_policy(zone: Mapping[str, Any], *, admin: bool) -> Policy:
    ratios = check_keys("overcommit", zone.get("overcommit") or {}, SIZES)
    parsed = {}
    for part, value in ratios.items():
        try:
            parsed[part] = float(value)
        except (TypeError, ValueError, OverflowError):
            raise SpecError(f"overcommit.{part}", value, "is not a number such as 4.0") from None
        if isinstance(value, bool) or not 0 < parsed[part] <= _MOST_OVERCOMMIT:
            raise SpecError(f"overcommit.{part}", value, f"is not above 0 and at most {_MOST_OVERCOMMIT}")
    reserve = zone.get("n_plus_one", False)
    if not isinstance(reserve, bool):
        raise SpecError("n_plus_one", reserve, "is neither true nor false")
    return Policy(**parsed, reserve=reserve, admin=admin)


def _parse_quota(tenant: str, limits: object) -> dict[str, int]:
    field = f"quotas.{tenant}"
    quota = {}
    for key, value in check_keys(field, limits, QUOTA_KEYS).items():
        place = f"{field}.{key}"
        # No size is 0, but a quota may be: nothing at all.
        counted = key in ("instances", "vcpus") or str(value) == "0"
        quota[key] = parse_count(place, value) if counted else parse_size(place, value)
    return quota


def _mapping(key: str, zone: Mapping[str, Any]) -> Mapping[str, Any]:
    return check_mapping(key, zone.get(key) or {})


def _names(key: str, zone: Mapping[str, Any]) -> list[str]:
    value = zone.get(key) or []
    if not isinstance(value, (list, tuple)):
        raise SpecError(key, value, "is not a list of hosts")
    return [str(name) for name in value]
