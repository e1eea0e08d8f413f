# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: may change without notice.
"""What the hosts of a zone report right now, from the results of ``host_info``. Reports are text from outside and never trusted."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from ipaddress import IPv4Network
from typing import Any, cast

from .addresses import parse_ipv4
from .claims import KINDS, MOST_BYTES, MOST_CPUS, Claim, KnownHost, digest
from .errors import MissingError, SpecError, ZonalError
from .field_values import parse_list
from .fields import Spec, addresses_of, parse_spec
from .instance import Renamed
from .instance_disks import bytes_of
from .names import parse_label
from .placement_types import ACTIVE, FAILED, Demand, Host
from .zone_spec import Zone, check_mapping

_ENGINES = {"docker": "container", "libvirt": "vm"}
# Without these nobody knows that an instance is gone: they may not have been asked for, or its engine does not run.
_NEEDED = ("engines", "instances")
# The volume group and the thin pool that instances have their disks in, where nothing else is said.
POOL = ("zonal", "pool")
_PLENTY = 2**60


@dataclass(frozen=True)
class Seen:
    """One instance as its host reports it."""

    name: str
    kind: str
    host: str
    power: str
    spec: Spec

    @property
    def addresses(self) -> list[str]:
        """All its addresses, its own first; none when it does not tell that."""
        return addresses_of(self.spec)

    def demand(self) -> Demand:
        """Return what placement must know of an instance that the ledger does not know."""
        app = (self.spec.get("tenant", "none"), self.spec.get("app", "none"))
        sizes = (self.spec.get("vcpus", 0), self.spec.get("memory", 0), bytes_of(self.spec))
        return Demand(f"{self.host}/{self.name}", app, self.kind, *sizes, host=self.host, devices=pci_of(self.spec))


def pci_of(spec: Spec) -> tuple[tuple[str, int], ...]:
    """Return the PCI devices of an instance as devices that nobody else can have."""
    return tuple((address, 1) for address in sorted(spec.get("pci_devices", ())))


@dataclass(frozen=True)
class Observation:
    """All hosts of the ``zone`` with what is known of them, the names of those that answered, and the instances seen.

    ``unread`` tells which hosts sent what cannot be used; they count as ones that do not answer. ``blind`` are the hosts and kinds
    whose engine is installed and does not run: what there is of that kind is not seen. ``renamed`` is what has addresses of the zone's
    network on a host, and another name than it says.
    """

    zone: str
    hosts: tuple[KnownHost, ...]
    answered: frozenset[str]
    seen: Mapping[str, tuple[Seen, ...]]
    unread: tuple[str, ...] = ()
    blind: frozenset[tuple[str, str]] = frozenset()
    renamed: tuple[tuple[str, Renamed], ...] = ()

    @property
    def taken(self) -> dict[str, str]:
        """The addresses in the zone's network that hosts themselves have, or what has another name than it says, with whose they are."""
        theirs = {address: f"host {host.name}" for host in self.hosts for address in host.addresses}
        return {**{address: show_renamed(host, item) for host, item in self.renamed for address in item.addresses}, **theirs}

    def renamed_of(self, claim: Claim) -> str:
        """Return in words what has an address of a claim on its host under another name; empty when nothing has."""
        found = (show_renamed(host, item) for host, item in self.renamed if host == claim.host and {*item.addresses} & {*claim.addresses})
        return next(found, "")

    def sees(self, host: str, kind: str) -> bool:
        """Tell whether all instances of the kind on the host are seen, so that one that is not seen is not there."""
        return host in self.answered and (host, kind) not in self.blind

    def of(self, claim: Claim) -> tuple[Seen, ...]:
        """Return what is seen of a claimed instance: one on its own host comes first, others should not be there.

        Names are unique in a zone and on a host only: another host's instance of another zone is none of it.
        """
        alike = (item for item in self.seen.get(claim.name, ()) if item.kind == claim.kind)
        found = [item for item in alike if item.host == claim.host or item.spec.get("zone") in (None, self.zone)]
        return tuple(sorted(found, key=lambda item: item.host != claim.host))

    def instances(self) -> Iterator[Seen]:
        """Yield all that is seen, by name."""
        for name in sorted(self.seen):
            yield from self.seen[name]

    def placeable(self) -> list[Host]:
        """Return the hosts for placement: one that does not answer takes nothing new."""
        return [
            Host(
                host.name,
                host.vcpus,
                host.memory,
                host.disk,
                state=host.state if host.name in self.answered else FAILED,
                kinds=frozenset(host.kinds),
                devices=host.devices,
            )
            for host in self.hosts
        ]

    def digests(self) -> dict[str, str]:
        """Return for each host a text that changes when anything does that a plan depends on."""
        there: dict[str, list[Any]] = {host.name: [] for host in self.hosts}
        for item in self.instances():
            there[item.host].append([item.name, item.kind, item.power, item.spec])
        for host, renamed in self.renamed:
            there[host].append([renamed.name, renamed.kind, renamed.known_as, *renamed.addresses])
        return {
            host.name: digest([host.name in self.answered, host.vcpus, host.memory, host.disk, sorted(host.kinds), there[host.name]])
            for host in self.hosts
        }


def read_observation(
    zone: Zone, reports: object, known: Mapping[str, KnownHost], *, assume_ready: bool = False, pool: tuple[str, str] = POOL
) -> Observation:
    """Return what the reports tell; a host without a report does not answer and is as it was known before.

    ``pool`` is the group and the name of the thin pool that counts. With ``assume_ready`` hosts that answer have both engines, and
    plenty of disk when they have no pool yet.
    """
    if not isinstance(reports, Mapping):
        raise SpecError("hosts", reports, "is not a mapping of hosts to their results of host_info (or to null when they do not answer)")
    hosts, answered, unread, blind = [], set(), [], set()
    seen: dict[str, list[Seen]] = {}
    renamed: list[tuple[str, Renamed]] = []
    for name in sorted(reports):
        report = reports[name]
        host = known.get(name) or KnownHost(name, 0, 0, 0, kinds=())
        if report:
            try:
                told, found = _read_host(zone, host, pool, _check_report(report)), _read_instances(name, report["instances"])
            except ZonalError as error:
                unread.append(f"host {name} is taken as one that does not answer, because of its report: {error}")
            else:
                answered.add(name)
                renamed += ((name, item) for item in _read_renamed(zone, report.get("renamed")))
                blind |= {(name, kind) for engine, kind in _ENGINES.items() if _is_down(_at(report, "engines", engine))}
                host = told if not assume_ready else replace(told, kinds=tuple(sorted(_ENGINES.values())), disk=told.disk or _PLENTY)
                for item in found:
                    seen.setdefault(item.name, []).append(item)
        state = zone.state_of(name)
        hosts.append(replace(host, state=state, why="" if state == ACTIVE else "declared", devices=dict(zone.devices.get(name, {}))))
    found_by_name = {name: tuple(items) for name, items in seen.items()}
    return Observation(zone.name, tuple(hosts), frozenset(answered), found_by_name, tuple(unread), frozenset(blind), tuple(renamed))


def show_renamed(host: str, item: Renamed) -> str:
    """Return in words what has another name than it says."""
    return f"{item.kind} {item.name} on {host}, which says that it is {item.known_as}"


def _check_report(report: object) -> Mapping[str, Any]:
    told = check_mapping("report", report)
    for section in _NEEDED:
        if told.get(section) is None:
            raise MissingError(section, "without it an instance that is not told would seem to be gone; let host_info gather it")
    return told


def _read_host(zone: Zone, host: KnownHost, pool: tuple[str, str], report: Mapping[str, Any]) -> KnownHost:
    """Return the host with what its report has; a section that was not gathered leaves what was known."""
    hardware, storage, engines = report.get("hardware"), report.get("storage"), report.get("engines")
    if hardware:
        vcpus = _number("hardware.cpus.count", _at(hardware, "cpus", "count"), MOST_CPUS)
        host = replace(host, vcpus=vcpus, memory=_number("hardware.memory.total", _at(hardware, "memory", "total"), MOST_BYTES))
    if storage:
        pools = parse_list("storage.pools", _at(storage, "pools"))
        ours = [item for item in pools if (_at(item, "group"), _at(item, "name")) == pool]
        host = replace(host, disk=_number("storage.pools.size", _at(ours[0], "size"), MOST_BYTES) if ours else 0)
    if engines:
        host = replace(host, kinds=tuple(sorted(kind for engine, kind in _ENGINES.items() if _at(engines, engine, "running") is True)))
    if report.get("network"):
        host = replace(host, addresses=tuple(sorted(set(_read_addresses(zone, _at(report, "network", "bridges"))))))
    return host


def _is_down(engine: object) -> bool:
    return _at(engine, "installed") is True and _at(engine, "running") is not True


def _at(value: object, *path: str) -> object:
    """Return what is at a path of a report, None when there is nothing."""
    for key in path:
        value = value.get(key) if isinstance(value, Mapping) else None
    return value


def _number(field: str, value: object, most: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= most:
        raise SpecError(field, value, f"is not a whole number from 0 to {most}")
    return value


def _read_addresses(zone: Zone, bridges: object) -> Iterator[str]:
    """Yield the addresses of a host's bridges that are in the zone's network."""
    for bridge in bridges if isinstance(bridges, (list, tuple)) else ():
        yield from _within(zone, _at(bridge, "addresses"))


def _within(zone: Zone, addresses: object) -> Iterator[str]:
    """Yield those of the addresses that are in the zone's network."""
    network = IPv4Network(zone.network["cidr"])
    for item in addresses if isinstance(addresses, (list, tuple)) else ():
        # Addresses of the other family are no concern of a zone.
        with suppress(ZonalError):
            address = parse_ipv4("address", str(item).partition("/")[0])
            if address in network:
                yield str(address)


def _read_instances(host: str, items: object) -> list[Seen]:
    read = []
    for item in parse_list("instances", items):
        kind, name = _at(item, "kind"), _at(item, "name")
        try:
            label = parse_label("name", name)
        except ZonalError:
            # Not one of ours: no name that this collection gives reads like that.
            continue
        if isinstance(kind, str) and kind in KINDS:
            read.append(Seen(label, kind, host, str(_at(item, "state") or ""), _read_spec(item)))
    return read


def _read_renamed(zone: Zone, items: object) -> Iterator[Renamed]:
    """Yield what has addresses of the zone's network; a host with an older zonal.cloud tells of nothing."""
    for item in items if isinstance(items, (list, tuple)) else ():
        kind, name, known_as = (_at(item, key) for key in ("kind", "name", "known_as"))
        addresses = tuple(_within(zone, _at(item, "addresses")))
        if kind in KINDS and isinstance(name, str) and isinstance(known_as, str) and addresses:
            yield Renamed(str(kind), name, known_as, addresses)


def _read_spec(item: Mapping[str, Any]) -> Spec:
    """Return the fields that can be read. One that cannot does not hide an instance: its claim and its address are still in use."""
    network = item.get("network")
    told = {**item, **(network if isinstance(network, Mapping) else {})}
    with suppress(ZonalError, ValueError):
        return parse_spec(told)
    spec: dict[str, Any] = {}
    for key in told:
        with suppress(ZonalError, ValueError):
            spec.update(parse_spec({key: told[key]}))
    return cast(Spec, spec)
