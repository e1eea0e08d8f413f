# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: may change without notice.
"""From an instance as it was found to the instance as it is wanted: the same rules for VMs and containers."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace
from typing import Any, cast

from .addresses import check_addresses
from .errors import MissingError, RefusedError, SpecError
from .fields import FIELDS, LIVE, RECREATE, RESTART, Spec, addresses_of, complete, differences, show_spec
from .instance_disks import disk_names, is_rbd
from .names import mac_of
from .plan import Difference, Plan, Step
from .quantity import format_size

RUNNING, STOPPED, PAUSED, ABSENT = "running", "stopped", "paused", "absent"
_OPTIONS = {item.name: item.option for item in FIELDS}


@dataclass(frozen=True)
class Instance:
    """One instance as found, or as a plan leaves it.

    ``ours`` is False for an object of that name which this collection did not make. ``whole`` is False when an
    earlier run was cut off before all parts of the instance were made or removed. ``note`` tells why it does not stay up.
    """

    kind: str
    name: str
    power: str = ABSENT
    spec: Spec = dataclasses.field(default_factory=Spec)
    ours: bool = True
    whole: bool = True
    note: str = ""


@dataclass(frozen=True)
class Renamed:
    """What has addresses and says of itself that it is ``known_as``: somebody has given it another name, or made it of an instance."""

    kind: str
    name: str
    known_as: str
    addresses: tuple[str, ...]


@dataclass(frozen=True)
class Wish:
    """What the user wants of one instance. ``allow`` holds the mends that are permitted beside live ones."""

    kind: str
    name: str
    power: str
    spec: Spec
    allow: Collection[str] = ()
    restart: bool = False


def plan_instance(wish: Wish, found: Instance, neighbours: Iterable[Instance] = ()) -> Plan[Instance]:
    """Return the steps that turn ``found`` into ``wish``; ``neighbours`` are the other instances of the host, looked at once at most."""
    target = f"{wish.kind} {wish.name}"
    if found.power != ABSENT and not found.ours:
        raise RefusedError(
            f"name: {wish.name!r} is a {wish.kind} that zonal.cloud did not make, so it is not touched; rename one of the two",
            field="name",
            value=wish.name,
        )
    if wish.power == ABSENT:
        steps = () if found.power == ABSENT else (Step("remove", target, "it is wanted to be absent"),)
        return Plan(Instance(wish.kind, wish.name), steps)
    if found.power == ABSENT or not found.whole:
        return _plan_creation(wish, found, neighbours, target)
    return _plan_change(wish, found, neighbours, target)


def check_address(wish: Wish, spec: Spec, neighbours: Iterable[Instance]) -> None:
    """SpecError when the instance cannot have its addresses, or another one of the host, of either kind, has one of them."""
    # What is wished alone has been looked at before, but not beside what was found.
    check_addresses(spec)
    own = addresses_of(spec)
    for other in neighbours:
        taken = [address for address in addresses_of(other.spec) if address in own]
        if taken and (other.kind, other.name) != (wish.kind, wish.name):
            field = "address" if taken[0] == spec["address"] else "extra_addresses"
            raise SpecError(field, taken[0], f"belongs to the {other.kind} {other.name} on this host")


def check_disks(wish: Wish, names: Collection[str], neighbours: Iterable[Instance]) -> None:
    """SpecError when another instance of the host, of either kind, has one of these disks."""
    for other in neighbours:
        taken = [name for name in disk_names(other.spec) if name in names]
        if taken and (other.kind, other.name) != (wish.kind, wish.name):
            raise SpecError("disks", taken[0], f"belongs to the {other.kind} {other.name} on this host; take it out of its disks first")


def check_volumes(wish: Wish, names: Collection[str], found: Instance) -> None:
    """RefusedError when the instance was found with one of these disks, of which no volume is there, so that its size is not known."""
    lost = [entry for entry in found.spec.get("disks", ()) if "size" not in entry and entry["name"] in names]
    if lost:
        option, group = ("rbd_pool", "pool of Ceph") if is_rbd(lost[0]) else ("group", "volume group")
        # No run that was cut off leaves this behind. An empty disk would take the place of one with data.
        raise RefusedError(
            f"{option}: the {wish.kind} {wish.name} has the disk {lost[0]['name']}, but no volume of that is in the given {group}; "
            "name the right one, or take the disk out of its disks",
            field=option,
        )


def taken_name(wish: Wish, what: str) -> RefusedError:
    """Return the refusal when ``what``, of somebody else, has the name that the instance has while it is made or removed."""
    return RefusedError(
        f"name: {wish.name!r} needs the name of the {what} while it is made or removed, and zonal.cloud did not make that for it, "
        "so neither is touched; rename one of the two",
        field="name",
        value=wish.name,
    )


def show_instance(instance: Instance) -> dict[str, Any]:
    """Return an instance in the words of the modules' options."""
    shown: dict[str, Any] = {"name": instance.name, "kind": instance.kind, "state": instance.power}
    if instance.power != ABSENT:
        shown.update(show_spec(instance.spec))
        if "address" in instance.spec:
            shown["mac"] = mac_of(instance.spec["address"])
    return shown


def _plan_creation(wish: Wish, found: Instance, neighbours: Iterable[Instance], target: str) -> Plan[Instance]:
    spec = complete(wish.name, wish.spec)
    check_address(wish, spec, neighbours)
    reason = "it does not exist" if found.power == ABSENT else "an earlier run was cut off before it was whole"
    steps = [Step("create", target, reason)]
    if wish.power != STOPPED:
        steps += [Step("start", target, "it is wanted to run"), *_pause_step(wish, target)]
    return Plan(Instance(wish.kind, wish.name, wish.power, spec), tuple(steps))


def _plan_change(wish: Wish, found: Instance, neighbours: Iterable[Instance], target: str) -> Plan[Instance]:
    differing = differences(wish.kind, wish.spec, found.spec)
    _check_shrinking(wish, found)
    _check_maxima(wish, found)
    allowed = {LIVE, *wish.allow}
    if STOPPED in (wish.power, found.power):
        # What does not run, or is to stop anyway, is not disturbed by a restart.
        allowed.add(RESTART)
    mended = [item for item in differing if item.mend in allowed]
    if any(item.mend == RECREATE for item in mended):
        return _plan_recreation(wish, found, differing, neighbours, target)
    pending = tuple(_show_difference(item) for item in differing if item.mend not in allowed)
    wanted = cast("dict[str, Any]", wish.spec)
    spec = cast(Spec, {**found.spec, **{item.field: wanted[item.field] for item in mended}})
    options = tuple(_OPTIONS[item.field] for item in mended)
    steps: list[Step] = []
    power = found.power
    forced = ", ".join(_OPTIONS[item.field] for item in mended if item.mend == RESTART)
    if mended and power != STOPPED and (forced or wish.power == STOPPED):
        # A guest that answers nothing can be stopped, but not changed.
        reason = "it is wanted to be stopped" if wish.power == STOPPED else f"{forced} takes effect at a restart"
        steps += [Step("stop", target, reason, options), Step("update", target, "differs", options)]
        power = STOPPED
    elif mended:
        steps.append(Step("update", target, "differs from what is wanted", options))
    steps += _power_steps(wish, target, power, restarted=power != found.power)
    return Plan(replace(found, spec=spec, power=wish.power), tuple(steps), pending)


def _plan_recreation(
    wish: Wish, found: Instance, differing: Collection[Difference], neighbours: Iterable[Instance], target: str
) -> Plan[Instance]:
    """Remove and create mend every difference. A field that is not wanted stays as it was found."""
    # Asked of the wish alone: between the two steps nothing else knows how to make the instance.
    complete(wish.name, wish.spec)
    known = {**found.spec, **wish.spec}
    for name, value in (("ssh_keys", known.get("ssh_keys")), ("user_data", known.get("user_data", ""))):
        if value is None:
            raise MissingError(name, f"what {wish.name} has of it cannot be read back, so it is needed to make it anew")
    spec = complete(wish.name, cast(Spec, known))
    check_address(wish, spec, neighbours)
    forced = ", ".join(_OPTIONS[item.field] for item in differing if item.mend == RECREATE)
    options = tuple(_OPTIONS[item.field] for item in differing)
    steps = [Step("remove", target, f"{forced} can only be changed by making it anew", options), Step("create", target, "made anew")]
    steps += _power_steps(wish, target, STOPPED, restarted=found.power != STOPPED)
    return Plan(replace(found, spec=spec, power=wish.power), tuple(steps))


def _power_steps(wish: Wish, target: str, power: str, *, restarted: bool) -> list[Step]:
    """Steps from the power state that the earlier steps leave to the one that is wanted."""
    if wish.power == STOPPED:
        return [] if power == STOPPED else [Step("stop", target, "it is wanted to be stopped")]
    if power == PAUSED:
        return [] if wish.power == PAUSED else [Step("resume", target, "it is paused")]
    steps = []
    if power == STOPPED:
        steps.append(Step("start", target, "it was stopped for the change" if restarted else "it does not run"))
    elif wish.restart:
        steps += [Step("stop", target, "a restart is asked for"), Step("start", target, "a restart is asked for")]
    return [*steps, *_pause_step(wish, target)]


def _pause_step(wish: Wish, target: str) -> list[Step]:
    return [Step("pause", target, "it is wanted to be paused")] if wish.power == PAUSED else []


def _show_difference(difference: Difference) -> Difference:
    """Return a difference in the words and units of the options."""
    field = next(item for item in FIELDS if item.name == difference.field)
    shown = None if difference.found is None else field.show(difference.found)
    return replace(difference, field=field.option, wanted=field.show(difference.wanted), found=shown)


def _check_shrinking(wish: Wish, found: Instance) -> None:
    size, present = wish.spec.get("disk"), found.spec.get("disk")
    if wish.kind == "vm" and size is not None and present is not None and size < present:
        raise SpecError(
            "disk", format_size(size), f"is smaller than the disk of {wish.name}, {format_size(present)}; a disk is never shrunk"
        )


def _check_maxima(wish: Wish, found: Instance) -> None:
    """SpecError when the most that it shall ever have is less than what it has and keeps: no change would lead to that."""
    wanted, present = cast("dict[str, Any]", wish.spec), cast("dict[str, Any]", found.spec)
    for field in FIELDS:
        if field.room in wanted and field.name not in wanted and wanted[field.room] < present.get(field.name, 0):
            has = f"the {field.name} of {wish.name}, {field.show(present[field.name])}"
            raise SpecError(field.room, field.show(wanted[field.room]), f"is less than {has}; give {field.name}, too")
