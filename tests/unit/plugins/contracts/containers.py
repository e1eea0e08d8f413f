# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What every ``ContainerEngine`` must do: the fake in tests/unit, docker itself in tests/integration/engines."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from ansible_collections.zonal.cloud.plugins.module_utils._domain.container_config import (
    LABEL,
    docker_volume_of,
    is_volume_of,
    render_container,
    render_endpoint,
    render_limits,
    restart_policy,
)
from ansible_collections.zonal.cloud.plugins.module_utils._domain.container_found import parse_container
from ansible_collections.zonal.cloud.plugins.module_utils._domain.disk import disk_tags
from ansible_collections.zonal.cloud.plugins.module_utils._domain.docker_network import (
    holder_of,
    is_network_of,
    joined_network,
    overlaps,
    parse_network,
    render_network,
)
from ansible_collections.zonal.cloud.plugins.module_utils._domain.errors import RefusedError
from ansible_collections.zonal.cloud.plugins.module_utils._domain.fields import Spec, complete, parse_spec
from ansible_collections.zonal.cloud.plugins.module_utils._domain.guest_files import GuestFile
from ansible_collections.zonal.cloud.plugins.module_utils._domain.names import network_of
from ansible_collections.zonal.cloud.plugins.module_utils._domain.volume import Volume
from ansible_collections.zonal.cloud.plugins.module_utils._ports import ContainerEngine, EngineError

MIB = 1024**2
NOWHERE = "contract-nowhere"


@dataclass(frozen=True)
class Bench:
    """An engine with one image and one network over a bridge. ``prefix`` keeps the names of two runs apart."""

    engine: ContainerEngine
    image: str
    archive: str
    bridge: str
    cidr: str
    gateway: str
    prefix: str

    @property
    def name(self) -> str:
        return f"{self.prefix}a"

    def spec(self, **options: Any) -> Spec:
        network = {"bridge": self.bridge, "cidr": self.cidr, "gateway": self.gateway}
        # The last usable address of the network, which no other test takes.
        address = self.cidr.rpartition(".")[0] + ".250"
        raw = {"zone": "contract", "image": self.image, "vcpus": 1, "memory": "16M", "address": address, "autostart": False, **network}
        return complete(self.name, parse_spec({**raw, **options}))

    def body(self, **options: Any) -> dict[str, Any]:
        facts = self.engine.facts()
        return render_container(self.name, self.spec(**options), frozenset(sorted(facts.cpus)[:1]), facts)

    def create(self, **options: Any) -> None:
        self.engine.create(self.name, self.body(**options))

    def power(self) -> str:
        found = self.engine.find(self.name)
        assert found is not None
        return parse_container(found).power

    def clean(self) -> None:
        """Remove all that the contract may have left."""
        for name in (self.name, f"{self.prefix}b"):
            self.engine.remove(name)
        for name in ("image", "committed"):
            self.engine.remove_image(f"{self.prefix}{name}:1")


def refused(action: Callable[[], object]) -> bool:
    try:
        action()
    except EngineError as error:
        return str(error).startswith("Cannot ")
    return False


def the_engine_tells_its_facts(bench: Bench) -> None:
    facts = bench.engine.facts()
    assert facts.api >= (1, 41)
    assert facts.cgroup in (1, 2)


def nothing_is_found_under_an_unused_name(bench: Bench) -> None:
    assert bench.engine.find(NOWHERE) is None
    assert bench.engine.network(NOWHERE) is None
    assert bench.engine.image_labels(f"{NOWHERE}:1") is None


def a_created_container_reads_back_and_does_not_run(bench: Bench) -> None:
    bench.create(vcpus=1, memory="24M", autostart=True)
    found = bench.engine.find(bench.name)
    assert found is not None
    parsed = parse_container(found)
    assert parsed.spec == bench.spec(memory="24M", autostart=True)
    assert (parsed.name, parsed.ours, parsed.power) == (bench.name, True, "stopped")
    assert found in bench.engine.managed()


def what_is_not_ours_is_found_but_not_managed(bench: Bench) -> None:
    body = bench.body()
    body["Labels"] = {"com.example": "x"}
    bench.engine.create(bench.name, body)
    found = bench.engine.find(bench.name)
    assert found is not None
    assert parse_container(found).ours is False
    assert bench.name not in [parse_container(other).name for other in bench.engine.managed()]


def a_name_is_taken_only_once(bench: Bench) -> None:
    bench.create()
    assert refused(bench.create)


def an_image_is_needed(bench: Bench) -> None:
    assert refused(lambda: bench.create(image=f"{NOWHERE}:1"))
    assert bench.engine.find(bench.name) is None


def an_image_may_be_given_by_its_id(bench: Bench) -> None:
    bench.create()
    first = bench.engine.find(bench.name)
    assert first is not None
    bench.engine.create(f"{bench.prefix}b", {"Image": first["Image"], "HostConfig": {"NetworkMode": "none"}})
    second = bench.engine.find(f"{bench.prefix}b")
    assert second is not None
    assert second["Image"] == first["Image"]


def it_starts_and_stops_and_both_may_be_repeated(bench: Bench) -> None:
    bench.create()
    bench.engine.stop(bench.name, 0)
    for _dummy in range(2):
        bench.engine.start(bench.name)
        assert bench.power() == "running"
    for _dummy in range(2):
        bench.engine.stop(bench.name, 0)
        assert bench.power() == "stopped"


def a_paused_one_is_resumed_or_stopped(bench: Bench) -> None:
    bench.create()
    bench.engine.start(bench.name)
    bench.engine.pause(bench.name)
    bench.engine.pause(bench.name)
    assert bench.power() == "paused"
    bench.engine.resume(bench.name)
    assert bench.power() == "running"
    assert refused(lambda: bench.engine.resume(bench.name))
    for timeout in (0, 2):
        bench.engine.pause(bench.name)
        bench.engine.stop(bench.name, timeout)
        assert bench.power() == "stopped"
        bench.engine.start(bench.name)
    bench.engine.stop(bench.name, 0)
    assert refused(lambda: bench.engine.pause(bench.name))


def limits_change_while_it_runs(bench: Bench) -> None:
    bench.create()
    bench.engine.start(bench.name)
    facts = bench.engine.facts()
    for memory, autostart in (("32M", True), ("16M", False), ("48M", True)):
        spec = bench.spec(memory=memory, autostart=autostart)
        limits = render_limits(spec, frozenset(sorted(facts.cpus)[-1:]), facts)
        bench.engine.update(bench.name, {**limits, "RestartPolicy": restart_policy(spec["autostart"])})
        found = bench.engine.find(bench.name)
        assert found is not None
        parsed = parse_container(found)
        assert (parsed.spec["memory"], parsed.spec["autostart"], parsed.power) == (spec["memory"], autostart, "running")
        assert parsed.cpus == frozenset(sorted(facts.cpus)[-1:])
    bench.engine.update(bench.name, {"RestartPolicy": restart_policy(True, "on-failure")})
    found = bench.engine.find(bench.name)
    assert found is not None
    parsed = parse_container(found)
    # And nothing else.
    assert (parsed.spec.get("restart_policy"), parsed.spec["memory"]) == ("on-failure", bench.spec(memory="48M")["memory"])


def files_are_written_before_the_first_start(bench: Bench) -> None:
    bench.create()
    bench.engine.put_files(bench.name, [])
    bench.engine.put_files(bench.name, [GuestFile("/root/.ssh/authorized_keys", "key é\n", 0o600), GuestFile("/etc/motd", "", 0o644)])
    bench.engine.start(bench.name)


def a_renamed_container_has_only_its_new_name(bench: Bench) -> None:
    other = f"{bench.prefix}b"
    bench.create()
    bench.engine.rename(bench.name, other)
    assert bench.engine.find(bench.name) is None
    found = bench.engine.find(other)
    assert found is not None
    assert parse_container(found).name == other


def a_name_is_not_taken_over_by_renaming(bench: Bench) -> None:
    other = f"{bench.prefix}b"
    bench.create()
    bench.engine.create(other, bench.body())
    assert refused(lambda: bench.engine.rename(other, bench.name))
    assert bench.engine.find(other) is not None


def what_is_gone_may_be_removed_again(bench: Bench) -> None:
    bench.create()
    bench.engine.start(bench.name)
    for _dummy in range(2):
        bench.engine.remove(bench.name)
        assert bench.engine.find(bench.name) is None


def what_is_not_there_cannot_be_changed(bench: Bench) -> None:
    limits = {**render_limits(bench.spec(), frozenset(), bench.engine.facts()), "RestartPolicy": restart_policy(False)}
    assert refused(lambda: bench.engine.start(NOWHERE))
    assert refused(lambda: bench.engine.stop(NOWHERE, 0))
    assert refused(lambda: bench.engine.resume(NOWHERE))
    assert refused(lambda: bench.engine.update(NOWHERE, limits))
    assert refused(lambda: bench.engine.rename(NOWHERE, f"{bench.prefix}b"))
    assert refused(lambda: bench.engine.put_files(NOWHERE, [GuestFile("/x", "")]))


def an_address_is_had_by_one_running_container(bench: Bench) -> None:
    other = f"{bench.prefix}b"
    bench.create()
    bench.engine.create(other, bench.body())
    bench.engine.start(bench.name)
    assert refused(lambda: bench.engine.start(other))


def a_network_reads_back(bench: Bench) -> None:
    found = bench.engine.network(render_network(bench.bridge, bench.cidr, bench.gateway)["Name"])
    assert found is not None
    assert parse_network(found) == (bench.cidr, bench.gateway)


def networks_do_not_overlap(bench: Bench) -> None:
    other = render_network(f"{bench.prefix}br", bench.cidr, "")
    assert refused(lambda: bench.engine.create_network(other))
    found = [body["Name"] for body in bench.engine.networks() if overlaps(body, bench.cidr)]
    assert found == [network_of(bench.bridge)]


def a_network_tells_whose_address_it_is(bench: Bench) -> None:
    network, address = network_of(bench.bridge), bench.spec()["address"]
    bench.create()
    for change, holder in ((bench.engine.start, bench.name), (lambda name: bench.engine.stop(name, 0), "")):
        change(bench.name)
        assert holder_of(bench.engine.network(network) or {}, address) == holder


def containers_are_attached_running_or_not(bench: Bench) -> None:
    other, network = f"{bench.prefix}b", network_of(bench.bridge)
    assert bench.engine.attached(NOWHERE) == []
    bench.create()
    bench.engine.create(other, bench.body(address=bench.cidr.rpartition(".")[0] + ".251"))
    changes: list[Callable[[str], None]] = [bench.engine.start, bench.engine.pause, lambda name: bench.engine.stop(name, 0)]
    for change in changes:
        change(bench.name)
        assert [name for name in bench.engine.attached(network) if name.startswith(bench.prefix)] == [bench.name, other]
    bench.engine.remove(bench.name)
    assert [name for name in bench.engine.attached(network) if name.startswith(bench.prefix)] == [other]


def one_that_has_lost_its_network_is_attached_to_another(bench: Bench) -> None:
    """docker remembers the network that a container was in, and takes no other one of that name for it."""
    bench.create()
    bench.engine.start(bench.name)
    bench.engine.stop(bench.name, 0)
    body = render_network(bench.bridge, bench.cidr, bench.gateway)
    bench.engine.remove_network(body["Name"])
    assert refused(lambda: bench.engine.start(bench.name))
    bench.engine.create_network(body)
    assert refused(lambda: bench.engine.start(bench.name))
    for _dummy in range(2):
        bench.engine.attach(bench.name, body["Name"], render_endpoint(bench.spec(), bench.engine.facts()))
    bench.engine.start(bench.name)
    found = bench.engine.find(bench.name)
    assert found is not None
    assert parse_container(found).spec["address"] == bench.spec()["address"]
    network = bench.engine.network(body["Name"])
    assert network is not None
    assert joined_network(found, body["Name"]) == network["Id"]
    assert holder_of(network, bench.spec()["address"]) == bench.name


def a_network_in_use_is_not_removed(bench: Bench) -> None:
    network = network_of(bench.bridge)
    bench.create()
    bench.engine.start(bench.name)
    assert refused(lambda: bench.engine.remove_network(network))
    bench.engine.stop(bench.name, 0)
    a_network_reads_back(bench)


def a_network_is_replaced(bench: Bench) -> None:
    bench.engine.remove_network(NOWHERE)
    for gateway in ("", bench.gateway):
        body = render_network(bench.bridge, bench.cidr, gateway)
        assert refused(partial(bench.engine.create_network, body))
        for _dummy in range(2):
            bench.engine.remove_network(body["Name"])
            assert bench.engine.network(body["Name"]) is None
        bench.engine.create_network(body)
        found = bench.engine.network(body["Name"])
        assert found is not None
        assert (parse_network(found), is_network_of(found, bench.bridge)) == (parse_network(body), True)
        assert not is_network_of(found, NOWHERE)


def an_image_is_imported_with_its_labels_and_again(bench: Bench) -> None:
    image = f"{bench.prefix}image:1"
    for value in ("one", "two"):
        bench.engine.import_image(bench.archive, image, {LABEL + "digest": value})
        assert bench.engine.image_labels(image) == {LABEL + "digest": value}
    for _dummy in range(2):
        bench.engine.remove_image(image)
        assert bench.engine.image_labels(image) is None


def an_image_of_other_bytes_is_not_made(bench: Bench) -> None:
    image = f"{bench.prefix}image:1"
    bench.engine.import_image(bench.archive, image, {LABEL + "digest": "1"})
    before = [found for found in bench.engine.images() if image in found.names]
    told = ""
    try:
        bench.engine.import_image(bench.archive, image, {LABEL + "digest": "2"}, "0" * 64)
    except RefusedError as error:
        told = str(error)
    assert told.startswith(f"src: {bench.archive} changed")
    assert [found for found in bench.engine.images() if image in found.names] == before
    assert not [found for found in bench.engine.images() if found.labels == {LABEL + "digest": "2"}]


def images_are_told_with_their_users(bench: Bench) -> None:
    image = f"{bench.prefix}image:1"
    with open(bench.archive, "rb") as file:
        digest = hashlib.sha256(file.read()).hexdigest()
    for value in ("1", "2"):
        bench.engine.import_image(bench.archive, image, {LABEL + "digest": value}, digest)
    bench.create(image=image)
    found = [stored for stored in bench.engine.images() if bench.prefix in " ".join(stored.names) or not stored.names]
    assert [(stored.names, stored.labels, stored.used_by) for stored in found] == [((image,), {LABEL + "digest": "2"}, (bench.name,))]


def an_image_in_use_is_not_removed(bench: Bench) -> None:
    image = f"{bench.prefix}image:1"
    bench.engine.import_image(bench.archive, image, {})
    bench.create(image=image)
    assert refused(lambda: bench.engine.remove_image(image))
    assert bench.engine.image_labels(image) == {}


def an_image_is_made_of_a_container(bench: Bench) -> None:
    image = f"{bench.prefix}committed:1"
    bench.create()
    for start in (False, True):
        if start:
            bench.engine.start(bench.name)
        bench.engine.commit(bench.name, image)
        assert bench.engine.image_labels(image) is not None
        bench.engine.remove_image(image)
    assert bench.power() == "running"
    assert refused(lambda: bench.engine.commit(NOWHERE, image))
    assert bench.engine.image_labels(image) is None


def hostile_labels_stay_what_they_are(bench: Bench) -> None:
    body = bench.body()
    hostile = {LABEL + "name": "x", LABEL + "dns": "[" * 20_000, LABEL + "zone": "<&\"'\n\t{{ 7 * 7 }}$(id)\u202e", LABEL + "é": "\x7f"}
    body["Labels"] = hostile
    bench.engine.create(bench.name, body)
    found = bench.engine.find(bench.name)
    assert found is not None
    assert found["Config"]["Labels"] == hostile
    parsed = parse_container(found)
    assert (parsed.ours, "zone" in parsed.spec, "dns" in parsed.spec) == (True, False, False)


def a_volume_stays_until_it_is_removed_for_itself(bench: Bench) -> None:
    disk = f"{bench.prefix}disk"
    name, tags = docker_volume_of(disk), frozenset(disk_tags(disk, "ext4"))
    assert bench.engine.volume(name) is None
    facts, spec = bench.engine.facts(), bench.spec(disks=[{"name": disk, "mount": "/srv"}])

    def create(device: str) -> None:
        volume = Volume("zonal", f"disk-{disk}", device, 0, tags=tags)
        bench.engine.create(bench.name, render_container(bench.name, spec, frozenset(), facts, {disk: volume}))

    def device() -> str:
        found = bench.engine.volume(name)
        assert found is not None
        assert is_volume_of(found, disk)
        assert not is_volume_of(found, "other")
        return str(found["Options"]["device"])

    create("/dev/first")
    assert refused(lambda: bench.engine.remove_volume(name)), "a container has it"
    bench.engine.remove(bench.name)
    create("/dev/second")
    assert device() == "/dev/first", "this is why it has to be removed"
    bench.engine.remove(bench.name)
    for _dummy in range(2):
        bench.engine.remove_volume(name)
        assert bench.engine.volume(name) is None
    create("/dev/second")
    assert device() == "/dev/second"
    bench.engine.remove(bench.name)
    bench.engine.remove_volume(name)


CONTRACT = (
    a_volume_stays_until_it_is_removed_for_itself,
    the_engine_tells_its_facts,
    nothing_is_found_under_an_unused_name,
    a_created_container_reads_back_and_does_not_run,
    an_image_may_be_given_by_its_id,
    what_is_not_ours_is_found_but_not_managed,
    a_name_is_taken_only_once,
    an_image_is_needed,
    it_starts_and_stops_and_both_may_be_repeated,
    a_paused_one_is_resumed_or_stopped,
    limits_change_while_it_runs,
    files_are_written_before_the_first_start,
    a_renamed_container_has_only_its_new_name,
    a_name_is_not_taken_over_by_renaming,
    what_is_gone_may_be_removed_again,
    what_is_not_there_cannot_be_changed,
    an_address_is_had_by_one_running_container,
    a_network_reads_back,
    networks_do_not_overlap,
    a_network_tells_whose_address_it_is,
    containers_are_attached_running_or_not,
    one_that_has_lost_its_network_is_attached_to_another,
    a_network_in_use_is_not_removed,
    a_network_is_replaced,
    an_image_is_imported_with_its_labels_and_again,
    an_image_of_other_bytes_is_not_made,
    images_are_told_with_their_users,
    an_image_in_use_is_not_removed,
    an_image_is_made_of_a_container,
    hostile_labels_stay_what_they_are,
)
