# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: may change without notice.
"""From what is found on a host to the bridge that is wanted: refusals, the goal, and the steps."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from . import bridge_ifupdown as ifupdown
from . import bridge_networkd as networkd
from .bridge import BACKENDS, BridgeConfig, BridgeSpec, Link, Snapshot
from .bridge_commands import Line, absent_commands, present_commands
from .bridge_found import Found, Pending, file_changes, home, interfaces, stored_config
from .bridge_refusals import refuse, refuse_losses
from .errors import RefusedError, SpecError
from .plan import Plan, Step


def runtime_changes(spec: BridgeSpec, goal: BridgeConfig | None, found: Found) -> list[Line]:
    """Lines of ``ip -batch`` that are missing; empty when the running links are as wanted."""
    former = stored_config(spec.name, found.files)
    if goal:
        return present_commands(found.snapshot, goal, former)
    return absent_commands(found.snapshot, spec.name, home(spec, found))


def lost_by(spec: BridgeSpec, goal: BridgeConfig | None, now: Found) -> str:
    """What of a goal that was reached is not in force any more, as text; ``now.files`` are those before the change."""
    missing = runtime_changes(spec, goal, now)
    if missing:
        return " ".join(missing[0])
    former, uplink = stored_config(spec.name, now.files), now.snapshot.find(home(spec, now))
    stranded = goal is None and former and former.addresses and uplink and not uplink.addresses
    return f"all addresses of {uplink.name}" if stranded and uplink else ""


def goal_config(spec: BridgeSpec, found: Found) -> BridgeConfig | None:
    """The configuration to keep; None for an absent bridge."""
    if not spec.present:
        return None
    former = stored_config(spec.name, found.files)
    bridge, uplink = found.snapshot.find(spec.name), found.snapshot.find(home(spec, found))
    base = former or BridgeConfig(
        name=spec.name,
        backend="",
        addresses=tuple(address for address in bridge.addresses if address.static) if bridge else (),
        routes=tuple(route for route in bridge.routes if route.static) if bridge else (),
    )
    addresses, routes = {address.key: address for address in base.addresses}, {route.key: route for route in base.routes}
    if spec.addresses is not None:
        addresses = {address.key: address for address in spec.addresses}
    if uplink:
        addresses.update({address.key: address for address in uplink.addresses if address.static})
        routes.update({route.key: route for route in uplink.routes if route.static})
    backend = choose_backend(spec, found, former)
    lines = _lines_of_networkd(found, former) if backend == "networkd" else _lines_of_ifupdown(spec, found, former)
    return BridgeConfig(
        name=spec.name,
        backend=backend,
        uplink=home(spec, found),
        mac=_mac(spec, base, bridge, uplink),
        mtu=spec.mtu or base.mtu or (uplink.mtu if uplink else 0),
        stp=spec.stp,
        forward_delay=spec.forward_delay,
        addresses=tuple(addresses.values()),
        routes=tuple(sorted(routes.values())),
        bridge_lines=lines[0],
        uplink_lines=lines[1],
    )


def choose_backend(spec: BridgeSpec, found: Found, former: BridgeConfig | None = None) -> str:
    """networkd or ifupdown: what was asked, else what holds the bridge, else what manages the uplink or it, else what runs."""
    if spec.backend != "auto":
        return spec.backend
    if former:
        return former.backend
    if found.managers.uplink_file or found.managers.bridge_file:
        return "networkd"
    if any(ifupdown.mentions(text, name) for text in interfaces(found.files).values() for name in (spec.uplink, spec.name)):
        return "ifupdown"
    for backend in BACKENDS:
        if getattr(found.managers, backend):
            return backend
    raise SpecError("backend", spec.backend, "finds neither systemd-networkd running nor ifupdown installed; install one")


def plan_bridge(spec: BridgeSpec, found: Found) -> Plan[Found]:
    """Steps: ``switch`` changes the running links under a watch, ``persist`` the files, ``confirm`` ends the watch, ``undo`` too."""
    if found.pending:
        return _plan_pending(spec, found, found.pending)
    refuse(spec, found)
    goal = goal_config(spec, found)
    runtime, files = runtime_changes(spec, goal, found), file_changes(spec.name, goal, found.files)
    if goal:
        refuse_losses(goal, found)
    if spec.confirm and runtime:
        raise RefusedError(_rolled_back(spec, found))
    after = predict(spec, goal, found)
    steps = []
    if runtime:
        steps.append(Step("switch", spec.name, _reason(spec, found, goal), tuple(" ".join(line) for line in runtime)))
    if files and not (runtime and guarded(spec, found)):
        steps.append(Step("persist", spec.name, "the files do not hold what is wanted", tuple(files)))
    if files and any(step.action == "persist" for step in steps):
        after = replace(after, files=_written(found.files, files))
    return Plan(after=after if steps else found, steps=tuple(steps))


def guarded(spec: BridgeSpec, found: Found) -> bool:
    """True when the change may cut the host off, so that it is undone unless it is confirmed."""
    return spec.confirm_timeout > 0 and bool(home(spec, found))


def predict(spec: BridgeSpec, goal: BridgeConfig | None, found: Found) -> Found:
    """The running links after ``switch``."""
    others = [link for link in found.snapshot.links if link.name not in (spec.name, home(spec, found))]
    bridge, uplink = found.snapshot.find(spec.name), found.snapshot.find(home(spec, found))
    links = list(others)
    if goal:
        old = bridge or Link(spec.name, kind="bridge")
        former = stored_config(spec.name, found.files)
        ours = {address.key for address in former.addresses} if former else set()
        foreign = tuple(address for address in old.addresses if address.key not in ours)
        addresses = {address.key: address for address in (*foreign, *(uplink.addresses if uplink else ()), *goal.addresses)}
        routes = {route.key: route for route in (*old.routes, *(uplink.routes if uplink else ()), *goal.routes)}
        delay = old.forward_delay if old.led and old.stp and goal.stp else goal.forward_delay * 100
        new = Link(
            spec.name, old.index, goal.mac or old.mac, goal.mtu or old.mtu, kind="bridge", up=True, stp=goal.stp,
            forward_delay=delay, addresses=tuple(addresses.values()), routes=tuple(routes.values()),
        )  # fmt: skip
        links.append(new)
        if uplink:
            links.append(replace(uplink, master=spec.name, mtu=goal.mtu or uplink.mtu, up=True, addresses=(), routes=()))
    elif uplink:
        given = bridge or uplink
        links.append(replace(uplink, master="", addresses=given.addresses, routes=given.routes))
    return replace(found, snapshot=Snapshot(tuple(links)))


def _plan_pending(spec: BridgeSpec, found: Found, pending: Pending) -> Plan[Found]:
    if dict(pending.wish) != spec.wish():
        raise RefusedError(
            f"name: another change of {spec.name} waits to be confirmed; run with that change's options to confirm it, "
            f"or wait {pending.seconds_left} seconds until the host has undone it"
        )
    missing = [line for line in runtime_changes(spec, pending.config, found) if line[0] == "link"]
    if missing:
        return _plan_anew(spec, found, pending, " ".join(missing[0]))
    changes = file_changes(spec.name, pending.config, found.files)
    after = replace(found, pending=None, files=_written(found.files, changes))
    step = Step("confirm", spec.name, "the controller reaches the host over the changed network", tuple(changes))
    return Plan(after=after, steps=(step,))


def _plan_anew(spec: BridgeSpec, found: Found, pending: Pending, missing: str) -> Plan[Found]:
    """A run that was cut off between arming the watch and the change: nobody has seen that the host is reached over it."""
    if spec.confirm:
        raise RefusedError(
            f"confirm: the change of {spec.name} was cut off before it was made (missing: ip {missing}), so there is nothing to confirm; "
            f"run again without confirm to make it anew, or wait {pending.seconds_left} seconds until the host has undone it"
        )
    plan = plan_bridge(spec, replace(found, pending=None))
    return Plan(plan.after, (Step("undo", spec.name, "a run was cut off before it had made the change"), *plan.steps))


def _written(files: Mapping[str, str], changes: Mapping[str, str | None]) -> dict[str, str]:
    return {path: text for path, text in {**files, **changes}.items() if text is not None}


def _lines_of_networkd(found: Found, former: BridgeConfig | None) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """What bridge and uplink keep of their former files, or of what is stored where our files have taken their place."""
    stored = (former.bridge_lines, former.uplink_lines) if former and former.backend == "networkd" else ((), ())
    comes, stays = networkd.carry_over(found.managers.uplink_text or networkd.network_text(stored[1]))
    own = networkd.own_lines(found.managers.bridge_text) if found.managers.bridge_text else stored[0]
    return networkd.joined(own, comes), stays


def _lines_of_ifupdown(spec: BridgeSpec, found: Found, former: BridgeConfig | None) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """DNS servers from the stanza of an uplink that another one has replaced; all else is read from the stanzas themselves."""
    if former is None or former.backend != "ifupdown":
        return (), ()
    if home(spec, found) == former.uplink:
        return former.bridge_lines, ()
    return ifupdown.name_servers(spec.name, interfaces(found.files)), ()


def _mac(spec: BridgeSpec, base: BridgeConfig, bridge: Link | None, uplink: Link | None) -> str:
    if spec.mac or not uplink:
        return spec.mac or base.mac
    return bridge.mac if bridge and uplink.master == spec.name else uplink.mac


def _reason(spec: BridgeSpec, found: Found, goal: BridgeConfig | None) -> str:
    if goal is None:
        uplink = found.snapshot.find(home(spec, found))
        return f"addresses and routes go back to {uplink.name if uplink else 'nobody'}, then the bridge is removed"
    if found.snapshot.find(spec.name):
        return "the running bridge is not as wanted"
    return f"addresses and routes of {goal.uplink} move to the new bridge" if goal.uplink else "the bridge does not exist"


def _rolled_back(spec: BridgeSpec, found: Found) -> str:
    when = f" at {found.rolled_back}" if found.rolled_back else ""
    return (
        f"confirm: nothing is left to confirm on {spec.name}: the host undid the change{when} because nobody had confirmed it "
        f"within {spec.confirm_timeout} seconds, and runs on its former network. Look whether {spec.uplink or 'its uplink'} "
        "is the right card, and at the VLAN and MAC filter of its switch port"
    )
