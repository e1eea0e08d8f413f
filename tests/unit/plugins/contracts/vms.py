# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What every ``VmEngine`` must do: the fake in tests/unit, libvirt's test driver and QEMU in tests/integration/engines."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from ansible_collections.zonal.cloud.plugins.module_utils._domain.domain_found import parse_domain
from ansible_collections.zonal.cloud.plugins.module_utils._domain.domain_xml import disk_alias, render_disk
from ansible_collections.zonal.cloud.plugins.module_utils._ports import Domain, EngineError, VmEngine

MIB = 1024**2
NOWHERE = "contract-nowhere"


@dataclass(frozen=True)
class Bench:
    """A connection and the XML that it takes: ``xml(name, MiB)``. ``prefix`` keeps the names of two runs apart, ``agents`` tells whether
    guests are there that answer, and have an agent. ``file`` can be a disk.
    """

    engine: VmEngine
    xml: Callable[[str, int], str]
    prefix: str
    agents: bool
    file: str

    @property
    def name(self) -> str:
        return f"{self.prefix}a"

    def define(self, memory: int = 32) -> None:
        self.engine.define(self.xml(self.name, memory))

    def found(self) -> Domain:
        domain = self.engine.find(self.name)
        assert domain is not None
        return domain

    def plugged(self) -> tuple[str, ...]:
        """What the running domain has; its definition never has it."""
        domain = self.found()
        assert parse_domain(domain.xml).attached == {}
        return tuple(parse_domain(domain.live_xml).attached)

    def power(self) -> str:
        return self.found().power

    def clean(self) -> None:
        """Remove all that the contract may have left."""
        self.engine.remove(self.name)


def refused(action: Callable[[], object]) -> bool:
    try:
        action()
    except EngineError as error:
        return str(error).startswith("Cannot ")
    return False


def nothing_is_found_under_an_unused_name(bench: Bench) -> None:
    assert bench.engine.find(NOWHERE) is None
    assert NOWHERE not in [domain.name for domain in bench.engine.domains()]


def it_tells_its_driver(bench: Bench) -> None:
    # The other one is libvirt's own for tests.
    assert bench.engine.driver() in ("qemu", "test")


def a_defined_domain_is_found_and_off(bench: Bench) -> None:
    bench.define()
    domain = bench.found()
    assert (domain.name, domain.live_xml, domain.power, domain.autostart) == (bench.name, "", "stopped", False)
    assert parse_domain(domain.xml).spec["memory"] == 32 * MIB
    assert domain in bench.engine.domains()


def a_definition_is_replaced(bench: Bench) -> None:
    for memory in (32, 64, 64):
        bench.define(memory)
        assert parse_domain(bench.found().xml).spec["memory"] == memory * MIB


def a_new_definition_does_not_change_what_runs(bench: Bench) -> None:
    bench.define(32)
    bench.engine.start(bench.name)
    bench.define(64)
    domain = bench.found()
    assert parse_domain(domain.xml).spec["memory"] == 64 * MIB
    assert parse_domain(domain.live_xml).spec["memory"] == 32 * MIB
    assert domain.power == "running"


def a_domain_keeps_its_uuid(bench: Bench) -> None:
    bench.define()
    known = parse_domain(bench.found().xml).uuid
    other = "c" * 8 + known[8:]
    assert refused(lambda: bench.engine.define(bench.xml(bench.name, 64).replace(known, other)))
    assert (parse_domain(bench.found().xml).uuid, parse_domain(bench.found().xml).spec["memory"]) == (known, 32 * MIB)


def bad_xml_is_refused(bench: Bench) -> None:
    for xml in ("", "<domain", "<domain/>", "<network><name>x</name></network>"):
        assert refused(partial(bench.engine.define, xml))


def it_starts_and_stops_and_both_may_be_repeated(bench: Bench) -> None:
    bench.define()
    bench.engine.stop(bench.name, 0)
    for _dummy in range(2):
        bench.engine.start(bench.name)
        assert bench.power() == "running"
    assert bench.found().live_xml
    for _dummy in range(2):
        bench.engine.stop(bench.name, 0)
        assert bench.power() == "stopped"
    assert bench.found().live_xml == ""


def a_paused_one_is_resumed_or_stopped(bench: Bench) -> None:
    bench.define()
    bench.engine.start(bench.name)
    bench.engine.pause(bench.name)
    bench.engine.pause(bench.name)
    assert bench.power() == "paused"
    bench.engine.resume(bench.name)
    assert bench.power() == "running"
    for timeout in (0, 2):
        bench.engine.pause(bench.name)
        bench.engine.stop(bench.name, timeout)
        assert bench.power() == "stopped"
        bench.engine.start(bench.name)
    bench.engine.stop(bench.name, 0)
    assert refused(lambda: bench.engine.resume(bench.name))
    assert refused(lambda: bench.engine.pause(bench.name))


def a_guest_is_held_still_by_its_agent(bench: Bench) -> None:
    bench.define()
    with bench.engine.quiet(bench.name) as why:
        assert why == "", "what does not run writes nothing"
    bench.engine.start(bench.name)
    # The second time tells whether it was released.
    for _dummy in range(2):
        with bench.engine.quiet(bench.name) as why:
            assert bench.power() == "running"
            assert bool(why) != bench.agents, why
    assert refused(bench.engine.quiet(NOWHERE).__enter__)


def one_that_runs_gets_more_within_its_maximum(bench: Bench) -> None:
    whole = bench.xml(bench.name, 64)
    room = "<currentMemory unit='MiB'>32</currentMemory><vcpu current='1'>2</vcpu>"
    bench.engine.define(whole.replace("</memory>", f"</memory>{room}"))
    assert refused(lambda: bench.engine.adjust(bench.name, vcpus=2))
    bench.engine.start(bench.name)
    bench.engine.adjust(bench.name, vcpus=2, memory=48 * MIB)
    found = bench.found()
    # How much memory there is now is the guest's own doing.
    assert (parse_domain(found.live_xml).spec["vcpus"], parse_domain(found.xml).spec["vcpus"]) == (2, 1)
    assert refused(lambda: bench.engine.adjust(bench.name, vcpus=3))
    assert refused(lambda: bench.engine.adjust(bench.name, memory=65 * MIB))
    assert refused(lambda: bench.engine.adjust(NOWHERE, vcpus=1))


def what_follows_a_crash_changes_while_it_runs(bench: Bench) -> None:
    bench.define()
    assert refused(lambda: bench.engine.set_crash_action(bench.name, "restart")), "it does not run"
    bench.engine.start(bench.name)
    before = bench.found().xml
    for action, policy in (("restart", None), ("destroy", "never"), ("destroy", "never")):
        bench.engine.set_crash_action(bench.name, action)
        found = bench.found()
        assert (parse_domain(found.live_xml).spec.get("restart_policy"), found.xml) == (policy, before)
    assert refused(lambda: bench.engine.set_crash_action(NOWHERE, "restart"))


def what_can_be_emulated_is_no_cpu_of_the_host(bench: Bench) -> None:
    models = bench.engine.cpu_models("qemu")
    assert "host-model" in models
    assert "host-passthrough" not in models
    assert len(models) > 1


def autostart_is_set_and_unset(bench: Bench) -> None:
    bench.define()
    for wanted in (True, True, False):
        bench.engine.set_autostart(bench.name, wanted)
        assert bench.found().autostart is wanted


def autostart_outlives_a_new_definition(bench: Bench) -> None:
    bench.define()
    bench.engine.set_autostart(bench.name, True)
    bench.define(64)
    assert bench.found().autostart is True


def what_is_gone_may_be_removed_again(bench: Bench) -> None:
    bench.define()
    bench.engine.start(bench.name)
    bench.engine.set_autostart(bench.name, True)
    for _dummy in range(2):
        bench.engine.remove(bench.name)
        assert bench.engine.find(bench.name) is None


def a_device_is_given_to_what_runs_and_taken_away(bench: Bench) -> None:
    device, alias = render_disk("data", bench.file, "vdb", is_block=False), disk_alias("data")
    bench.define()
    assert refused(lambda: bench.engine.attach(bench.name, device)), "it does not run"
    bench.engine.detach(bench.name, alias, 0)
    bench.engine.start(bench.name)
    bench.engine.attach(bench.name, device)
    assert bench.plugged() == ("data",)
    assert refused(lambda: bench.engine.attach(bench.name, device)), "it has a device vdb"
    for _dummy in range(2):
        if bench.agents:
            bench.engine.detach(bench.name, alias, 5)
        else:
            assert refused(lambda: bench.engine.detach(bench.name, alias, 0)), "nobody lets go of it"
    assert bench.plugged() == (() if bench.agents else ("data",))


def a_disk_is_seen_as_large_as_it_is_said_to_be(bench: Bench) -> None:
    bench.define()
    assert refused(lambda: bench.engine.resize(bench.name, bench.file, 2 * MIB))
    bench.engine.start(bench.name)
    bench.engine.attach(bench.name, render_disk("data", bench.file, "vdb", is_block=False))
    for _dummy in range(2):
        bench.engine.resize(bench.name, bench.file, 2 * MIB)
        told = bench.engine.stats()[bench.name]
        assert (told["block.count"], told["block.0.path"], told["block.0.capacity"]) == (1, bench.file, 2 * MIB)
    assert refused(lambda: bench.engine.resize(bench.name, "/nowhere", 2 * MIB))


def what_is_not_there_cannot_be_changed(bench: Bench) -> None:
    assert refused(lambda: bench.engine.start(NOWHERE))
    assert refused(lambda: bench.engine.stop(NOWHERE, 0))
    assert refused(lambda: bench.engine.resume(NOWHERE))
    assert refused(lambda: bench.engine.set_autostart(NOWHERE, True))
    assert refused(lambda: bench.engine.attach(NOWHERE, render_disk("data", bench.file, "vdb", is_block=False)))
    assert refused(lambda: bench.engine.detach(NOWHERE, disk_alias("data"), 0))


CONTRACT = (
    it_tells_its_driver,
    nothing_is_found_under_an_unused_name,
    a_defined_domain_is_found_and_off,
    a_definition_is_replaced,
    a_new_definition_does_not_change_what_runs,
    a_domain_keeps_its_uuid,
    bad_xml_is_refused,
    it_starts_and_stops_and_both_may_be_repeated,
    a_paused_one_is_resumed_or_stopped,
    a_guest_is_held_still_by_its_agent,
    one_that_runs_gets_more_within_its_maximum,
    what_follows_a_crash_changes_while_it_runs,
    what_can_be_emulated_is_no_cpu_of_the_host,
    autostart_is_set_and_unset,
    autostart_outlives_a_new_definition,
    what_is_gone_may_be_removed_again,
    a_device_is_given_to_what_runs_and_taken_away,
    a_disk_is_seen_as_large_as_it_is_said_to_be,
    what_is_not_there_cannot_be_changed,
)
