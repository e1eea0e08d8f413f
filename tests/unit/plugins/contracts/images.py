# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What every ``DiskImages`` must do. The fake runs it in the unit tests, Ceph in tests/integration/engines/test_rbd_disks.py."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from ansible_collections.zonal.cloud.plugins.module_utils._domain.rbd import Holder
from ansible_collections.zonal.cloud.plugins.module_utils._ports import EngineError
from ansible_collections.zonal.cloud.plugins.module_utils._ports_disks import DiskImages

MIB = 1024**2
TAGS = ["zonal.disk=data", "zonal.filesystem=none"]


@dataclass(frozen=True)
class Bench:
    """The images of a pool as two hosts find them, of which the names are told, and what names of images begin with."""

    here: DiskImages
    there: DiskImages
    hosts: tuple[str, str]
    prefix: str

    @property
    def name(self) -> str:
        return f"{self.prefix}a"

    @property
    def other(self) -> str:
        return f"{self.prefix}b"

    def clean(self) -> None:
        for name in (self.name, self.other):
            self.here.remove(name)


def refused(action: Callable[[], object]) -> bool:
    try:
        action()
    except EngineError:
        return True
    return False


def an_image_has_a_life(bench: Bench) -> None:
    """One story, since each call takes a while on a true cluster."""
    here, there, name, other = bench.here, bench.there, bench.name, bench.other
    assert here.find(name) is None
    assert (here.is_open(name), here.holder(name)) == (False, None)
    here.remove(name)
    made = here.create(name, 30 * MIB, TAGS)
    assert made == here.find(name) == there.find(name)
    assert (made.name, made.size, made.tags) == (name, 32 * MIB, frozenset(TAGS))
    assert made.path == here.source(name).image
    assert made.path.endswith(f"/{name}")
    assert refused(lambda: here.create(name, 32 * MIB, []))
    for size in (64 * MIB, 64 * MIB, 16 * MIB):
        here.grow(name, size)
        found = here.find(name)
        assert found is not None
        assert found.size == 64 * MIB
    here.create(other, 1, [])
    assert refused(lambda: here.rename(name, other))
    here.remove(other)
    here.rename(name, other)
    found = there.find(other)
    assert found is not None
    assert (found.size, found.tags, there.find(name)) == (64 * MIB, frozenset(TAGS), None)
    assert not here.is_open(other)
    for _dummy in range(2):
        there.remove(other)
        assert here.find(other) is None
    assert refused(lambda: here.grow(name, 32 * MIB))


def an_image_is_one_instances_at_a_time(bench: Bench) -> None:
    here, there, name, (host, host2) = bench.here, bench.there, bench.name, bench.hosts
    here.create(name, 16 * MIB, TAGS)
    for _dummy in range(2):
        here.claim(name, "db")
        assert (here.holder(name), there.holder(name)) == (Holder("db", host, True), Holder("db", host, False))
    assert refused(lambda: there.claim(name, "db"))
    # The next one of the same host.
    here.claim(name, "web")
    here.release(name, Holder("db", host, True))
    there.release(name, Holder("web", host2, False))
    assert here.holder(name) == Holder("web", host, True)
    here.rename(name, bench.other)
    for _dummy in range(2):
        here.release(bench.other, Holder("web", host, True))
        assert there.holder(bench.other) is None
    there.claim(bench.other, "db")
    here.release(bench.other, Holder("db", host2, False))
    assert there.holder(bench.other) is None
    there.claim(bench.other, "db")
    there.remove(bench.other)
    here.create(bench.other, 16 * MIB, [])
    assert here.holder(bench.other) is None
    assert refused(lambda: here.claim(name, "db"))


CONTRACT = (an_image_has_a_life, an_image_is_one_instances_at_a_time)
