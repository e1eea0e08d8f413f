# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The plan of one instance: wanted state x found state x differences x what is allowed."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, NamedTuple, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.zonal.cloud.plugins.module_utils._domain.errors import MissingError, RefusedError, SpecError
from ansible_collections.zonal.cloud.plugins.module_utils._domain.fields import FIELDS, RECREATE, RESTART, Spec, differences, parse_spec
from ansible_collections.zonal.cloud.plugins.module_utils._domain.instance import (
    ABSENT,
    PAUSED,
    RUNNING,
    STOPPED,
    Instance,
    Wish,
    plan_instance,
    show_instance,
)
from ansible_collections.zonal.cloud.tests.unit.plugins.fakes.instances import OPTIONS, wish

GIB = 1024**3
BOTH = (RESTART, RECREATE)
MORE_MEMORY: dict[str, Any] = {"memory": "512M"}
OTHER_HOST: dict[str, Any] = {"hostname": "other"}
OTHER_APP: dict[str, Any] = {"app": "db"}
OTHER_BRIDGE: dict[str, Any] = {"bridge": "br1"}


class Case(NamedTuple):
    """What is wanted of what was found, and the actions and pending options that follow."""

    kind: str
    wanted: str
    found: str
    changes: dict[str, Any]
    allow: tuple[str, ...]
    steps: str
    pending: str = ""


CASES = [
    # Nothing there.
    Case("vm", RUNNING, ABSENT, {}, (), "create start"),
    Case("vm", STOPPED, ABSENT, {}, (), "create"),
    Case("vm", ABSENT, ABSENT, {}, (), ""),
    # Nothing differs but the power.
    Case("vm", RUNNING, RUNNING, {}, (), ""),
    Case("vm", RUNNING, STOPPED, {}, (), "start"),
    Case("vm", RUNNING, PAUSED, {}, (), "resume"),
    Case("vm", STOPPED, RUNNING, {}, (), "stop"),
    Case("vm", STOPPED, STOPPED, {}, (), ""),
    Case("vm", STOPPED, PAUSED, {}, (), "stop"),
    Case("vm", ABSENT, RUNNING, {}, (), "remove"),
    Case("vm", ABSENT, STOPPED, {}, (), "remove"),
    Case("vm", ABSENT, PAUSED, OTHER_HOST, (), "remove"),
    Case("vm", PAUSED, ABSENT, {}, (), "create start pause"),
    Case("vm", PAUSED, RUNNING, {}, (), "pause"),
    Case("vm", PAUSED, STOPPED, {}, (), "start pause"),
    Case("vm", PAUSED, PAUSED, {}, (), ""),
    Case("container", PAUSED, PAUSED, MORE_MEMORY, (), "update"),
    Case("vm", PAUSED, PAUSED, MORE_MEMORY, (RESTART,), "stop update start pause"),
    # What may be changed while it runs.
    Case("vm", RUNNING, RUNNING, OTHER_APP, (), "update"),
    Case("vm", RUNNING, STOPPED, OTHER_APP, (), "update start"),
    Case("vm", STOPPED, RUNNING, OTHER_APP, (), "stop update"),
    Case("vm", RUNNING, PAUSED, OTHER_APP, (), "update resume"),
    Case("container", RUNNING, RUNNING, MORE_MEMORY, (), "update"),
    Case("container", RUNNING, RUNNING, {"vcpus": 3, "autostart": False}, (), "update"),
    # What needs a restart; nothing that is stopped is disturbed by one.
    Case("vm", RUNNING, RUNNING, MORE_MEMORY, (), "", "memory"),
    Case("vm", RUNNING, RUNNING, MORE_MEMORY, (RECREATE,), "", "memory"),
    Case("vm", RUNNING, RUNNING, MORE_MEMORY, (RESTART,), "stop update start"),
    Case("vm", RUNNING, PAUSED, MORE_MEMORY, (RESTART,), "stop update start"),
    Case("vm", RUNNING, PAUSED, MORE_MEMORY, (), "resume", "memory"),
    Case("vm", RUNNING, STOPPED, MORE_MEMORY, (), "update start"),
    Case("vm", STOPPED, STOPPED, MORE_MEMORY, (), "update"),
    Case("vm", STOPPED, RUNNING, MORE_MEMORY, (), "stop update"),
    Case("vm", RUNNING, RUNNING, {**MORE_MEMORY, **OTHER_APP}, (), "update", "memory"),
    Case("vm", RUNNING, RUNNING, OTHER_BRIDGE, (), "", "network.bridge"),
    Case("vm", RUNNING, RUNNING, {"disk": "2G"}, (), "", "disk"),
    Case("vm", RUNNING, RUNNING, {"disk": "2G"}, (RESTART,), "stop update start"),
    # Within its maximum a VM gets more without a restart.
    Case("vm", RUNNING, RUNNING, {"max_memory": "1G"}, (), "", "max_memory"),
    Case("vm", RUNNING, RUNNING, {"max_vcpus": 2}, (), ""),
    Case("container", RUNNING, RUNNING, {"labels": {"a": "b"}}, (), "", "labels"),
    Case("vm", RUNNING, RUNNING, {"labels": {"a": "b"}, "io_limits": {"read_iops": 5}}, (), "update"),
    Case("vm", RUNNING, RUNNING, {"labels": {}, "io_limits": {}}, (), ""),
    # What can only be made anew.
    Case("vm", RUNNING, RUNNING, OTHER_HOST, (), "", "hostname"),
    Case("vm", RUNNING, RUNNING, OTHER_HOST, (RESTART,), "", "hostname"),
    Case("vm", RUNNING, STOPPED, OTHER_HOST, (RESTART,), "start", "hostname"),
    Case("vm", RUNNING, RUNNING, OTHER_HOST, (RECREATE,), "remove create start"),
    Case("vm", STOPPED, RUNNING, OTHER_HOST, (RECREATE,), "remove create"),
    Case("vm", RUNNING, RUNNING, {**MORE_MEMORY, **OTHER_HOST}, (RESTART,), "stop update start", "hostname"),
    Case("vm", RUNNING, RUNNING, {**MORE_MEMORY, **OTHER_HOST, **OTHER_APP}, (RECREATE,), "remove create start"),
    Case("container", RUNNING, RUNNING, OTHER_APP, (), "", "app"),
    Case("container", RUNNING, RUNNING, {**OTHER_APP, **MORE_MEMORY}, (), "update", "app"),
    Case("container", RUNNING, RUNNING, OTHER_BRIDGE, (), "", "network.bridge"),
    Case("container", RUNNING, PAUSED, {"disk": "2G"}, BOTH, "remove create start"),
    Case("container", RUNNING, RUNNING, {"image": "debian:12"}, (RECREATE,), "remove create start"),
]


def found_instance(kind: str, power: str, **more: Any) -> Instance:
    """Return the instance that a wish without changes leads to."""
    spec = cast(Spec, {"disk": GIB, **wish(kind).spec}) if power != ABSENT else Spec()
    return replace(Instance(kind, "web", power, spec), **more)


def actions(plan: Any) -> str:
    return " ".join(step.action for step in plan.steps)


@pytest.mark.parametrize("case", CASES, ids=lambda case: "-".join([*case[:3], *case.changes, *case.allow]))
def test_plan(case: Case) -> None:
    wanted = wish(case.kind, power=case.wanted, allow=case.allow, **case.changes)
    plan = plan_instance(wanted, found_instance(case.kind, case.found))
    assert actions(plan) == case.steps
    assert " ".join(item.field for item in plan.pending) == case.pending
    assert plan.after.power == case.wanted
    assert all(step.target == f"{case.kind} web" and step.reason for step in plan.steps)
    if case.wanted != ABSENT:
        pending = case.pending.replace("network.", "").split()
        assert [item.field for item in differences(case.kind, wanted.spec, plan.after.spec)] == pending
        found, after = cast("dict[str, Any]", found_instance(case.kind, case.found).spec), cast("dict[str, Any]", plan.after.spec)
        assert [after.get(key) for key in pending] == [found.get(key) for key in pending]


@pytest.mark.parametrize(
    ("vcpus", "memory", "steps", "pending"),
    [
        (3, "256M", "update", ""),
        (4, "512M", "update", ""),
        (5, "512M", "update", "vcpus"),
        (1, "128M", "", "vcpus memory"),
        (2, "1G", "", "memory"),
    ],
)
def test_a_vm_gets_more_within_its_maximum(vcpus: int, memory: str, steps: str, pending: str) -> None:
    found = plan_instance(wish("vm", max_vcpus=4, max_memory="512M"), Instance("vm", "web")).after
    plan = plan_instance(wish("vm", vcpus=vcpus, memory=memory), found)
    assert (actions(plan), " ".join(item.field for item in plan.pending)) == (steps, pending)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"max_vcpus": 1}, "^max_vcpus: 1 is less than the vcpus of web, 2; give vcpus, too$"),
        ({"max_memory": "128M"}, "^max_memory: '128M' is less than the memory of web, 256M; give memory, too$"),
    ],
)
def test_a_maximum_below_what_a_vm_keeps_is_refused(options: dict[str, Any], message: str) -> None:
    # It would be restarted in each run, and differ after it.
    alone = Wish("vm", "web", RUNNING, parse_spec(options), BOTH)
    with pytest.raises(SpecError, match=message):
        plan_instance(alone, found_instance("vm", RUNNING))
    assert actions(plan_instance(wish("vm", vcpus=1, memory="128M", allow=BOTH, **options), found_instance("vm", RUNNING)))


def test_what_is_secret_is_pending_without_its_value() -> None:
    found = plan_instance(wish("container", environment={"WORD": "old"}), Instance("container", "web")).after
    plan = plan_instance(wish("container", environment={"WORD": "new"}), found)
    assert [(item.field, item.wanted, item.found) for item in plan.pending] == [("environment", "(not shown)", "(not shown)")]
    assert not {"old", "new"} & set(str(show_instance(plan.after)).split("'"))


def test_user_data_that_cannot_be_read_back_is_needed_to_make_it_anew() -> None:
    found = replace(found_instance("vm", RUNNING), spec=cast(Spec, {**wish("vm").spec, "user_data": None}))
    with pytest.raises(MissingError, match=r"^user_data: is missing; what web has of it cannot be read back"):
        plan_instance(wish("vm", allow=(RECREATE,), **OTHER_HOST), found)
    plan = plan_instance(wish("vm", allow=(RECREATE,), user_data="#!/bin/sh", **OTHER_HOST), found)
    assert actions(plan) == "remove create start"


def test_pending_speaks_the_words_of_the_options() -> None:
    plan = plan_instance(wish("vm", **MORE_MEMORY, **OTHER_BRIDGE), found_instance("vm", RUNNING))
    assert [(item.field, item.wanted, item.found, item.mend) for item in plan.pending] == [
        ("memory", "512M", "256M", RESTART),
        ("network.bridge", "br1", "br0", RESTART),
    ]


def test_a_pending_field_that_was_not_found_at_all() -> None:
    found = found_instance("container", RUNNING)
    without = {key: value for key, value in found.spec.items() if key != "disk"}
    plan = plan_instance(wish("container", disk="1G"), replace(found, spec=cast(Spec, without)))
    assert [(item.field, item.wanted, item.found) for item in plan.pending] == [("disk", "1G", None)]


def test_the_fields_of_steps_speak_the_words_of_the_options() -> None:
    plan = plan_instance(wish("vm", allow=BOTH, **OTHER_BRIDGE), found_instance("vm", RUNNING))
    assert plan.steps[0].fields == ("network.bridge",)
    assert plan.steps[0].reason == "network.bridge takes effect at a restart"


def test_making_anew_names_what_forces_it() -> None:
    changes: dict[str, Any] = {**MORE_MEMORY, **OTHER_HOST, "cidr": "10.20.0.0/17"}
    plan = plan_instance(wish("vm", allow=BOTH, **changes), found_instance("vm", RUNNING))
    assert plan.steps[0].reason == "network.cidr, hostname can only be changed by making it anew"
    assert plan.steps[0].fields == ("memory", "network.cidr", "hostname")
    assert plan.pending == ()


@pytest.mark.parametrize("power", [RUNNING, STOPPED, ABSENT])
@pytest.mark.parametrize("found", [RUNNING, STOPPED, PAUSED])
def test_what_others_made_is_refused(power: str, found: str) -> None:
    with pytest.raises(RefusedError, match=r"name: 'web' is a vm that zonal\.cloud did not make"):
        plan_instance(wish("vm", power=power, allow=BOTH), found_instance("vm", found, ours=False))


@pytest.mark.parametrize(("power", "steps"), [(RUNNING, "create start"), (STOPPED, "create"), (ABSENT, "remove")])
def test_what_was_cut_off_is_made_or_removed(power: str, steps: str) -> None:
    plan = plan_instance(wish("vm", power=power), Instance("vm", "web", STOPPED, whole=False))
    assert actions(plan) == steps


@pytest.mark.parametrize("found", [ABSENT, RUNNING])
def test_an_address_of_a_neighbour_is_refused_naming_both(found: str) -> None:
    neighbour = Instance("vm", "db", RUNNING, parse_spec({"address": "10.20.0.9"}))
    wanted = wish("vm", allow=BOTH, address="10.20.0.9")
    with pytest.raises(SpecError, match=r"address: '10\.20\.0\.9' belongs to the vm db"):
        plan_instance(wanted, found_instance("vm", found), [neighbour])


EXTRA: dict[str, tuple[dict[str, Any], dict[str, Any], str]] = {
    "an extra one of a neighbour": ({"address": "10.20.0.9"}, {"address": "10.20.0.8", "extra_addresses": ["10.20.0.9"]}, "address"),
    "its own extra one": ({"extra_addresses": ["10.20.0.9"]}, {"address": "10.20.0.9"}, "extra_addresses"),
    "extra ones of both": (
        {"extra_addresses": ["10.20.0.9"]},
        {"address": "10.20.0.8", "extra_addresses": ["10.20.0.9"]},
        "extra_addresses",
    ),
}


@pytest.mark.parametrize("case", EXTRA)
def test_an_extra_address_is_one_of_its_instance(case: str) -> None:
    changes, other, field = EXTRA[case]
    neighbour = Instance("vm", "db", RUNNING, parse_spec(other))
    with pytest.raises(SpecError, match=rf"^{field}: '10\.20\.0\.9' belongs to the vm db on this host"):
        plan_instance(wish("vm", allow=BOTH, **changes), Instance("vm", "web"), [neighbour])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"address": "10.20.0.9"}, "is the address that it has anyway"),
        ({"cidr": "10.20.0.0/29", "address": "10.20.0.6"}, "is not in the network 10.20.0.0/29"),
    ],
)
def test_extra_addresses_fit_what_is_made_anew(change: dict[str, Any], message: str) -> None:
    found = Instance("vm", "web", RUNNING, wish("vm", extra_addresses=["10.20.0.9"]).spec)
    with pytest.raises(SpecError, match=f"^extra_addresses: '10.20.0.9' {message}"):
        plan_instance(wish("vm", allow=BOTH, **change), found)


def test_an_address_that_is_not_changed_is_not_checked_again() -> None:
    neighbour = Instance("vm", "db", RUNNING, parse_spec({"address": OPTIONS["address"]}))
    assert plan_instance(wish("vm"), found_instance("vm", RUNNING), [neighbour]).steps == ()


@pytest.mark.parametrize("allow", [(), BOTH])
@pytest.mark.parametrize("power", [RUNNING, STOPPED])
def test_a_disk_is_never_shrunk(power: str, allow: tuple[str, ...]) -> None:
    with pytest.raises(SpecError, match="disk: '512M' is smaller than the disk of web, 1G"):
        plan_instance(wish("vm", power=power, allow=allow, disk="512M"), found_instance("vm", RUNNING))


@pytest.mark.parametrize(
    ("found", "changes", "steps"),
    [
        (RUNNING, {}, "stop start"),
        (STOPPED, {}, "start"),
        (PAUSED, {}, "resume"),
        (ABSENT, {}, "create start"),
        (RUNNING, OTHER_APP, "update stop start"),
        (RUNNING, MORE_MEMORY, "stop update start"),
        (RUNNING, OTHER_HOST, "remove create start"),
    ],
)
def test_a_restart_is_done_once(found: str, changes: dict[str, Any], steps: str) -> None:
    plan = plan_instance(wish("vm", allow=BOTH, restart=True, **changes), found_instance("vm", found))
    assert actions(plan) == steps


def test_a_restart_of_what_is_to_stop_is_no_start() -> None:
    assert actions(plan_instance(wish("vm", power=STOPPED, restart=True), found_instance("vm", RUNNING))) == "stop"


@pytest.mark.parametrize("field", [field for field in FIELDS if field.required], ids=lambda field: field.option)
def test_creating_needs_the_required_fields(field: Any) -> None:
    with pytest.raises(MissingError, match=f"^{field.option}: is missing; it is needed to create the instance web"):
        plan_instance(wish("vm", **cast("dict[str, Any]", {field.name: None})), found_instance("vm", ABSENT))


def test_making_anew_needs_the_required_fields_before_anything_is_removed() -> None:
    wanted = Wish("vm", "web", RUNNING, parse_spec({"hostname": "other"}), BOTH)
    with pytest.raises(MissingError, match=r"^zone: is missing"):
        plan_instance(wanted, found_instance("vm", RUNNING))


def test_making_anew_keeps_what_is_not_wanted_otherwise() -> None:
    plan = plan_instance(wish("vm", allow=BOTH, hostname="other", tenant=None, dns=None, disk=None), found_instance("vm", RUNNING))
    assert (plan.after.spec["tenant"], plan.after.spec["dns"], plan.after.spec["disk"]) == ("payments", ["10.20.0.2"], GIB)


def test_making_anew_does_not_lose_keys_that_cannot_be_read_back() -> None:
    found = found_instance("vm", RUNNING)
    without = {key: value for key, value in found.spec.items() if key != "ssh_keys"}
    with pytest.raises(MissingError, match=r"^ssh_keys: is missing"):
        plan_instance(wish("vm", allow=BOTH, hostname="other", ssh_keys=None), replace(found, spec=cast(Spec, without)))


def test_an_empty_wish_leaves_everything_alone() -> None:
    assert plan_instance(Wish("vm", "web", RUNNING, Spec()), found_instance("vm", RUNNING)).steps == ()


def test_report() -> None:
    assert show_instance(found_instance("vm", RUNNING)) == {
        "name": "web",
        "kind": "vm",
        "state": "running",
        "mac": "02:42:0a:14:00:07",
        "disk": "1G",
        "network": {key: OPTIONS[key] for key in ("bridge", "cidr", "gateway", "dns")},
        **{key: OPTIONS[key] for key in OPTIONS if key not in ("bridge", "cidr", "gateway", "dns")},
    }
    assert show_instance(Instance("vm", "web")) == {"name": "web", "kind": "vm", "state": "absent"}


CHOICES: dict[str, list[Any]] = {
    "tenant": ["a", "b", None],
    "app": ["a", "b", None],
    "image": ["debian:12", "debian:13"],
    "vcpus": [1, 2],
    "memory": ["64M", "128M"],
    "disk": ["1G", None],
    "bridge": ["br0", "br1"],
    "dns": [[], ["10.20.0.2"], None],
    "address": ["10.20.0.7", "10.20.0.8"],
    "hostname": ["a", "b", None],
    "ssh_keys": [[], None],
    "autostart": [True, False, None],
}
option_changes = st.fixed_dictionaries({name: st.sampled_from(values) for name, values in CHOICES.items()})
wishes = st.builds(
    lambda kind, power, allow, options: wish(kind, power=power, allow=tuple(allow), **options),
    st.just("vm") | st.just("container"),
    st.sampled_from([RUNNING, STOPPED, ABSENT]),
    st.sets(st.sampled_from(BOTH)),
    option_changes,
)


def found_for(kind: str, power: str, options: dict[str, Any]) -> Instance:
    spec = cast(Spec, {"disk": GIB, "ssh_keys": [], **wish(kind, **options).spec})
    return Instance(kind, "web", power, spec if power != ABSENT else Spec())


@given(wishes, st.sampled_from([RUNNING, STOPPED, PAUSED, ABSENT]), option_changes)
def test_planning_again_changes_nothing(wanted: Wish, power: str, options: dict[str, Any]) -> None:
    plan = plan_instance(wanted, found_for(wanted.kind, power, options))
    again = plan_instance(wanted, plan.after)
    assert again.steps == ()
    assert again.after == plan.after
    # A difference that needed a restart is not mended behind the user's back, and not forgotten.
    assert again.pending == plan.pending or wanted.power == STOPPED


@given(wishes, st.sampled_from([RUNNING, STOPPED, PAUSED, ABSENT]), option_changes)
def test_nothing_is_removed_or_stopped_without_permission(wanted: Wish, power: str, options: dict[str, Any]) -> None:
    steps = plan_instance(wanted, found_for(wanted.kind, power, options)).steps
    done = [step.action for step in steps]
    if "remove" in done:
        assert wanted.power == ABSENT or RECREATE in wanted.allow
    if "stop" in done and wanted.power == RUNNING:
        assert RESTART in wanted.allow
    assert len(done) == len(set(done))
