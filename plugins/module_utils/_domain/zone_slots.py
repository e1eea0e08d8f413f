# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: may change without notice.
"""Which declared instance is which claimed or running one."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from ipaddress import IPv4Address, IPv4Network
from typing import Any, TypeVar

from .claims import MOST_BYTES, REMOVING, Claim
from .declared import Declared
from .errors import SpecError
from .instance_disks import bytes_of
from .naming import render_name
from .observation import Observation, Seen, pci_of, show_renamed
from .placement_types import App
from .pools import number_of
from .zone_indices import Indices
from .zone_spec import Zone

_Key = tuple[str, str, str]
_NO_INDEX = 2**31
Item = TypeVar("Item", Claim, Seen)


@dataclass(frozen=True)
class Slot:
    """One declared instance. ``claim`` is None for one that is new; ``seen`` is what its host reports."""

    entry: Declared
    index: int
    claim: Claim | None = None
    seen: Seen | None = None
    adopted: bool = False

    @property
    def key(self) -> str:
        """A name for it before it has one, which sorts as it counts."""
        return f"{self.entry.tenant}/{self.entry.app}/{self.entry.kind}/{self.index:06d}"


@dataclass(frozen=True)
class Matching:
    """The slots by batch, and the claims and seen instances that are left over, each with the reason."""

    slots: Mapping[App, tuple[Slot, ...]]
    spare_claims: tuple[tuple[Claim, str], ...]
    spare_seen: tuple[tuple[Seen, str], ...]


def match_slots(zone: Zone, entries: Sequence[Declared], claims: Sequence[Claim], observation: Observation) -> Matching:
    """Match by name or address where one is declared, otherwise count the app's instances from the lowest index.

    What is being removed is no declared instance's any more: it is left over until its host confirms that it is gone.
    """
    by_name = {claim.name: claim for claim in claims}
    by_address = _owners(claims)
    strangers = _strangers(zone, by_name, by_address, observation)
    seen_by = {key: item for item in strangers for key in (item.name, item.spec["address"])}
    lasting = sorted((claim for claim in claims if claim.state != REMOVING), key=lambda claim: claim.index)
    claim_by = {key: claim for claim in lasting for key in (claim.name, claim.address)}
    claims_of, strangers_of = _by_app(lasting), _by_app(strangers)
    leaving = Counter((claim.tenant, claim.app, claim.kind) for claim in claims if claim.state == REMOVING)
    slots: dict[App, list[Slot]] = defaultdict(list)
    used = Indices(claims)
    surplus: dict[str, Declared] = {}
    # Names of what an entry has: of two entries that mean the same one, the second finds it taken.
    taken: set[str] = set()
    # How many of each app another app's entry asks for: that entry is refused, and they are still there.
    contested: Counter[_Key] = Counter()
    for entry in sorted(entries, key=_order):
        key = (*entry.batch, entry.kind)
        if entry.explicit:
            found = claim_by.get(entry.name or "") or claim_by.get(entry.address or "")
            stranger = seen_by.get(entry.name or "") or seen_by.get(entry.address or "")
            new = [_explicit(entry, _free(found, taken), None if found else _free(stranger, taken), observation, used)]
        else:
            known: list[Claim | Seen] = [*claims_of[key], *strangers_of[key]]
            there = _in_turn(zone, entry, [item for item in known if item.name not in taken])
            meant = _meant(entry, there, leaving[key])
            new = _counted(entry, meant, observation, used, contested[key])
            surplus.update({item.name: entry for item in there[len(meant) :] if entry.state != "absent"})
        slots[entry.batch] += new
        taken |= {slot.claim.name for slot in new if slot.claim}
        contested.update(owner for slot in new if slot.claim and (owner := (slot.claim.tenant, slot.claim.app, slot.claim.kind)) != key)
    left = sorted((claim for claim in claims if claim.name not in taken), key=_last_first)
    spare = [_spare(claim, surplus.get(claim.name)) for claim in left]
    adopted = {slot.claim.name for items in slots.values() for slot in items if slot.claim and slot.adopted}
    # No other has the name of one that is adopted.
    strays = _strays(zone, by_name, by_address, [item for item in observation.instances() if item.name not in adopted])
    return Matching({batch: tuple(items) for batch, items in slots.items()}, tuple(spare), tuple(strays))


def _order(entry: Declared) -> tuple[Any, ...]:
    """Sort entries by what they say, so that where they stand in the list does not matter."""
    return (not entry.explicit, entry.batch, entry.kind, entry.name is None, entry.name, entry.address or "", entry.where)


def _strangers(zone: Zone, by_name: Mapping[str, Claim], by_address: Mapping[str, Claim], observation: Observation) -> list[Seen]:
    """Return what runs in the zone without a claim and can be adopted: by index, then those that tell none by address.

    One whose name or address another has too cannot: which of the two is right is not for a program to say.
    """
    users = _users(observation.instances())
    network = IPv4Network(zone.network["cidr"])
    found = [items[0] for items in observation.seen.values() if len(items) == 1 and items[0].spec.get("zone") == zone.name]
    strangers = [
        item
        for item in found
        if item.name not in by_name
        and item.addresses
        and all(users[address] == 1 and address not in by_address and IPv4Address(address) in network for address in item.addresses)
    ]
    return sorted(strangers, key=lambda item: (item.spec.get("index", _NO_INDEX), number_of(item.spec["address"])))


def _strays(zone: Zone, by_name: Mapping[str, Claim], by_address: Mapping[str, Claim], seen: Iterable[Seen]) -> Iterator[tuple[Seen, str]]:
    """Yield what runs in the zone and should not, with what the ledger knows of it."""
    items = list(seen)
    twins, users = Counter(item.name for item in items), _users(items)
    for item in items:
        claim = by_name.get(item.name)
        owner = next((by_address[address] for address in item.addresses if address in by_address), None)
        if item.spec.get("zone") != zone.name or (claim and (claim.host, claim.kind) == (item.host, item.kind)):
            continue
        if claim:
            yield item, f"the ledger has {item.name} as a {claim.kind} on {claim.host}"
        elif owner:
            yield item, f"its address belongs to {owner.name} on {owner.host}"
        elif twins[item.name] > 1 or any(users[address] > 1 for address in item.addresses):
            yield item, "another has its name or its address, and the ledger has neither"
        else:
            yield item, "neither the ledger nor a declaration has it"


def _explicit(entry: Declared, claim: Claim | None, stranger: Seen | None, observation: Observation, used: Indices) -> Slot:
    if claim is not None:
        return Slot(entry, claim.index, claim, _seen(claim, observation))
    return Slot(entry, used.take((*entry.batch, entry.kind))) if stranger is None else _adopt(entry, used, stranger)


def _in_turn(zone: Zone, entry: Declared, there: Sequence[Claim | Seen]) -> list[Claim | Seen]:
    """Return an app's instances in the order in which a counted entry means them, or the other way round if they are to be absent.

    Those with a name, an address or a protection of their own are the last that it means: the entry that gave it may be gone or have a
    mistake.
    """

    def is_special(item: Claim | Seen) -> tuple[bool, bool]:
        claim = item if isinstance(item, Claim) else claim_of(item, item.spec.get("index", 0))
        return claim.protected and not entry.protected, claim.explicit or not _is_named_by(zone, claim)

    return sorted(there, key=is_special, reverse=entry.state == "absent")


def _is_named_by(zone: Zone, claim: Claim) -> bool:
    words = {"zone": zone.name, "tenant": claim.tenant, "app": claim.app, "kind": claim.kind}
    # What has a name of its own may be of an app whose name is too long for the template.
    with suppress(SpecError):
        return claim.name == render_name(zone.template, words, index=claim.index, address=claim.address)
    return False


def _meant(entry: Declared, there: Sequence[Claim | Seen], leaving: int) -> Sequence[Claim | Seen]:
    """Return which of an app's instances a counted entry means: the first ones, or the last ones when they are to be absent.

    Those that are leaving already count as absent, so that a second run removes no more than the first.
    """
    if entry.count is None:
        return there
    return there[max(0, len(there) - max(0, entry.count - leaving)) :] if entry.state == "absent" else there[: entry.count]


def _counted(entry: Declared, meant: Sequence[Claim | Seen], observation: Observation, used: Indices, contested: int) -> list[Slot]:
    """Return the slots of a counted entry: those that are there, and new ones for those that are lacking."""
    kept = [
        Slot(entry, item.index, item, _seen(item, observation)) if isinstance(item, Claim) else _adopt(entry, used, item) for item in meant
    ]
    lacking = 0 if entry.state == "absent" else (entry.count or 0) - len(kept) - contested
    return kept + [Slot(entry, used.take((*entry.batch, entry.kind))) for _lacking in range(lacking)]


def _spare(claim: Claim, entry: Declared | None) -> tuple[Claim, str]:
    """Return a claim that is left over and why; what its entry protects is protected, whatever a rebuilt ledger knows."""
    if entry is None:
        return claim, "nothing declares it"
    why = f"{entry.count} of {entry.app} ({entry.kind}) are declared, this is number {claim.index}"
    return replace(claim, protected=claim.protected or bool(entry.protected)), why


def _adopt(entry: Declared, used: Indices, seen: Seen) -> Slot:
    index = used.take((*entry.batch, entry.kind), seen.spec.get("index"))
    return Slot(entry, index, claim_of(seen, index), seen, adopted=True)


def claim_of(seen: Seen, index: int) -> Claim:
    """Return the claim of an instance that is only known from its host, which may tell more bytes than a ledger can write."""
    spec = seen.spec
    return Claim(
        name=seen.name,
        address=spec["address"],
        host=seen.host,
        tenant=spec.get("tenant", "none"),
        app=spec.get("app", "none"),
        kind=seen.kind,
        index=index,
        vcpus=spec.get("vcpus", 0),
        memory=min(spec.get("memory", 0), MOST_BYTES),
        disk=min(bytes_of(spec), MOST_BYTES),
        extra_addresses=tuple(spec.get("extra_addresses", ())),
        devices=pci_of(spec),
    )


def rebuild_claims(zone: Zone, claims: Sequence[Claim], observation: Observation) -> list[Claim]:
    """Return the claims that the ledger lacks of what runs in the zone; indices that instances do not tell follow the addresses."""
    used = Indices(claims)
    lacking = []
    for seen in _strangers(zone, {claim.name: claim for claim in claims}, _owners(claims), observation):
        claim = claim_of(seen, 0)
        index = used.take((claim.tenant, claim.app, claim.kind), seen.spec.get("index"))
        lacking.append(replace(claim, index=index))
    return lacking


def moved_claims(zone: Zone, claims: Sequence[Claim], observation: Observation) -> list[Claim]:
    """Return the claims, with their new hosts, of what is not where the ledger has it and is on one other host of the zone."""
    hosts = {host.name for host in observation.hosts}
    moved = []
    for claim in claims:
        found = observation.of(claim)
        left = observation.sees(claim.host, claim.kind) or claim.host not in hosts
        if left and len(found) == 1 and found[0].host != claim.host:
            spec = found[0].spec
            if (spec.get("zone"), spec.get("address")) == (zone.name, claim.address):
                moved.append(replace(claim, host=found[0].host))
    return moved


def left_out(zone: Zone, claims: Sequence[Claim], observation: Observation) -> list[str]:
    """Return a line for each instance of the zone that cannot be claimed."""
    by_name, by_address = {claim.name: claim for claim in claims}, _owners(claims)
    strays = _strays(zone, by_name, by_address, observation.instances())
    unseen = [f"every {kind} on {host}: the engine does not run there" for host, kind in observation.blind]
    unseen += [f"{show_renamed(host, item)} ({', '.join(item.addresses)})" for host, item in observation.renamed]
    return sorted([*unseen, *(f"{seen.name} ({seen.spec.get('address', 'no address')}) on {seen.host}: {why}" for seen, why in strays)])


def _owners(claims: Iterable[Claim]) -> dict[str, Claim]:
    """Return the claims by every address that they hold."""
    return {address: claim for claim in claims for address in claim.addresses}


def _users(items: Iterable[Seen]) -> Counter[str]:
    """Return how many of what is seen have an address."""
    return Counter(address for item in items for address in item.addresses)


def _seen(claim: Claim, observation: Observation) -> Seen | None:
    """Return what is seen under a claim's name, on its own host if there too."""
    return next(iter(observation.of(claim)), None)


def _by_app(items: Iterable[Item]) -> defaultdict[_Key, list[Item]]:
    """Return claims or seen instances, in their order, by tenant, app and kind."""
    found: defaultdict[_Key, list[Item]] = defaultdict(list)
    for item in items:
        if isinstance(item, Claim):
            found[item.tenant, item.app, item.kind].append(item)
        else:
            found[item.spec.get("tenant", ""), item.spec.get("app", ""), item.kind].append(item)
    return found


def _free(item: Item | None, taken: Collection[str]) -> Item | None:
    return None if item is None or item.name in taken else item


def _last_first(claim: Claim) -> tuple[str, str, str, int]:
    return (claim.tenant, claim.app, claim.kind, -claim.index)
