# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: may change without notice.
"""Instances as hosts of an inventory: read from the ledger or from a report, and named so that none takes another's place."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, cast

from ..module_utils._domain.errors import MissingError, SpecError, ZonalError
from ..module_utils._domain.fields import parse_spec
from ..module_utils._domain.instance import PAUSED, RUNNING, STOPPED
from ..module_utils._domain.names import mac_of, parse_label
from .ledger.store import Ledger

GROUPED = ("zone", "tenant", "app", "kind", "host")
FACTS = (*GROUPED, "index", "address", "extra_addresses", "mac", "state", "vcpus", "memory", "disk")
Facts = dict[str, Any]


@dataclass(frozen=True)
class Source:
    """What a ledger or a report tells, as JSON can carry it: instances by their facts, the hosts beneath them, what was left out."""

    instances: list[Facts]
    hosts: list[str]
    warnings: list[str]


def read_ledger(ledger: Ledger, wanted: Collection[str] | None) -> Source:
    """Return the claims of the wanted zones, None being all of them; ZonalError without a ledger or for a zone that it does not know."""
    known = ledger.zones()
    if known is None:
        raise ZonalError(f"ledger: there is none at {ledger.where}; name the one that zonal.cloud.zone_plan writes")
    for zone in wanted or ():
        if zone not in known:
            raise SpecError("zones", zone, f"is not in the ledger {ledger.where}; there are {', '.join(known) or 'none'}")
    instances, hosts = [], set()
    # The names that the database has: the user's words are templates to Ansible, what is shown of an instance must not be.
    for zone in known:
        if wanted is None or zone in wanted:
            snapshot = ledger.read(zone)
            hosts |= {host.name for host in snapshot.hosts} | {claim.host for claim in snapshot.claims}
            for claim in snapshot.claims:
                facts = {fact: getattr(claim, fact) for fact in FACTS if fact != "zone"}
                instances.append({"name": claim.name, "zone": zone, **facts, "extra_addresses": list(claim.extra_addresses)})
    return Source(instances, sorted(hosts), [])


def read_report(reports: object) -> Source:
    """Return the instances that hosts report by the name of each host. An instance that cannot be one of ours is left out."""
    if not isinstance(reports, Mapping):
        raise SpecError("report", reports, "is not a mapping of hosts to what host_info returns of them")
    instances, warnings = [], []
    for host in sorted(reports):
        faults = []
        for item in _items(reports[host]):
            try:
                instances.append(_read_facts(host, item))
            except ZonalError as error:
                faults.append(str(error))
        if faults:
            warnings.append(f"report: host {host}: left out are {len(faults)} instances; the first because of {faults[0]}")
    return Source(instances, sorted(reports), warnings)


def _items(report: object) -> list[Any]:
    found = report.get("instances") if isinstance(report, Mapping) else None
    return found if isinstance(found, list) else []


def _read_facts(host: str, item: object) -> Facts:
    if not isinstance(item, Mapping):
        raise SpecError("instance", item, "is not a mapping")
    network = item.get("network")
    spec = cast("dict[str, Any]", parse_spec({**item, **(network if isinstance(network, Mapping) else {})}))
    if "zone" not in spec:
        raise MissingError("zone", "this collection gives each of its instances one")
    facts = {
        "tenant": "none",
        "app": "none",
        **{fact: spec[fact] for fact in FACTS if fact in spec},
        "name": parse_label("name", item.get("name")),
        "kind": _one_of("kind", item.get("kind"), ("container", "vm")),
        "host": host,
        "state": _one_of("state", item.get("state"), (RUNNING, STOPPED, PAUSED)),
    }
    return {**facts, "mac": mac_of(facts["address"])} if "address" in facts else facts


def _one_of(field: str, value: object, known: tuple[str, ...]) -> object:
    if value not in known:
        raise SpecError(field, value, f"is none of {', '.join(known)}")
    return value


def name_hosts(instances: Collection[Facts], zones: Mapping[str, str], taken: Mapping[str, str]) -> tuple[dict[str, Facts], list[str]]:
    """Return instances by their names in the inventory, and warnings of those that are left out or named otherwise.

    ``zones`` are the zones of the instances that the inventory already has, ``taken`` tells what else has which name.
    """
    owners = dict(zones)
    hosts: dict[str, Facts] = {}
    warnings = []
    for item in sorted(instances, key=lambda item: (item["zone"], item["name"], item["host"], item["kind"])):
        name, zone = item["name"], item["zone"]
        owner = owners.setdefault(name, zone)
        if owner != zone:
            # No name of an instance has a dot.
            name = f"{zone}.{name}"
            warnings.append(f"{item['name']} is an instance of zone {owner} and one of zone {zone}; the latter is named {name} here")
        if name in taken:
            # Its variables would become those of the other: connections to that one would go to the instance.
            warnings.append(
                f"instance {name} of zone {zone} on {item['host']} is left out: it has the name of {taken[name]}; rename one of them"
            )
        elif name in hosts:
            warnings.append(f"{item['name']} of zone {zone} is on {hosts[name]['host']} and on {item['host']}; the latter is left out")
        else:
            hosts[name] = item
    return hosts, warnings


def variables_of(facts: Facts) -> dict[str, Any]:
    """Return the host variables of an instance; what its source does not tell is not there."""
    found = {f"zonal_{fact}": facts[fact] for fact in FACTS if fact in facts}
    return {"ansible_host": facts["address"], **found} if "address" in facts else found
