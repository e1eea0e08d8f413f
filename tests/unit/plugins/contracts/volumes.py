# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What every ``Volumes`` must do. The fake runs it under pytest, LVM itself on a lab host (which has no pytest):

python3 -m ansible_collections.zonal.cloud.tests.unit.plugins.contracts.volumes GROUP POOL
"""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Callable

from ansible_collections.zonal.cloud.plugins.module_utils._adapters.lvm import LvmVolumes
from ansible_collections.zonal.cloud.plugins.module_utils._ports import EngineError
from ansible_collections.zonal.cloud.plugins.module_utils._ports_storage import Volumes
from ansible_collections.zonal.cloud.tests.host_command import run_command

MIB = 1024**2
A, B, C, D = "contract-a", "contract-b", "contract-c", "contract-d"
TAG, OTHER = "zonal.kind=vm", "zonal.name=idc01-dev-web-101104"


def refused(action: Callable[[], object]) -> bool:
    try:
        action()
    except EngineError:
        return True
    return False


def names(volumes: Volumes) -> list[str]:
    return sorted(volume.name for volume in volumes.list() if volume.name.startswith("contract-"))


def a_created_volume_is_found_with_all_its_facts(volumes: Volumes) -> None:
    made = volumes.create(A, 30 * MIB, [TAG, OTHER])
    assert made == volumes.find(A)
    assert (made.name, made.origin, made.tags) == (A, "", frozenset({TAG, OTHER}))
    assert made.path == volumes.path(A) == f"/dev/{made.group}/{A}"
    assert made.pool


def sizes_are_rounded_up_to_extents(volumes: Volumes) -> None:
    for name, size in ((A, 30 * MIB), (B, 1)):
        made = volumes.create(name, size, [])
        assert size <= made.size < size + made.extent_size


def nothing_is_found_under_an_unused_name(volumes: Volumes) -> None:
    assert volumes.find(A) is None


def the_list_has_volumes_and_no_pool(volumes: Volumes) -> None:
    made = volumes.create(A, 32 * MIB, [TAG])
    assert made in volumes.list()
    assert made.pool not in [volume.name for volume in volumes.list()]


def a_name_is_taken_only_once(volumes: Volumes) -> None:
    volumes.create(A, 32 * MIB, [])
    assert refused(lambda: volumes.create(A, 32 * MIB, []))
    assert refused(lambda: volumes.clone(A, A, []))


def a_clone_knows_its_origin_and_has_its_own_tags(volumes: Volumes) -> None:
    origin = volumes.create(A, 32 * MIB, [TAG])
    clone = volumes.clone(A, B, [OTHER])
    assert (clone.origin, clone.size, clone.tags, clone.pool) == (A, origin.size, frozenset({OTHER}), origin.pool)
    assert clone == volumes.find(B)


def a_clone_of_a_read_only_volume_can_grow(volumes: Volumes) -> None:
    volumes.create(A, 32 * MIB, [])
    volumes.set_read_only(A)
    volumes.clone(A, B, [])
    volumes.grow(B, 64 * MIB)
    clone = volumes.find(B)
    assert clone is not None
    assert clone.size == 64 * MIB


def a_clone_may_be_larger_than_its_origin_but_not_smaller(volumes: Volumes) -> None:
    volumes.create(A, 32 * MIB, [])
    volumes.set_read_only(A)
    for name, wanted, size in ((B, 64, 64), (C, 32, 32), (D, 4, 32)):
        clone = volumes.clone(A, name, [TAG], wanted * MIB)
        assert (clone.size, clone.origin, clone.tags) == (size * MIB, A, frozenset({TAG}))
        assert clone == volumes.find(name)


def a_clone_needs_an_origin(volumes: Volumes) -> None:
    assert refused(lambda: volumes.clone(A, B, []))
    assert names(volumes) == []


def a_preserved_volume_is_as_its_origin_was_and_can_be_cloned(volumes: Volumes) -> None:
    origin = volumes.create(A, 32 * MIB, [TAG])
    made = volumes.preserve(A, B, [OTHER])
    assert (made.origin, made.size, made.tags, made.pool) == (A, origin.size, frozenset({OTHER}), origin.pool)
    assert made == volumes.find(B)
    clone = volumes.clone(B, C, [TAG], 64 * MIB)
    assert (clone.origin, clone.size, clone.tags) == (B, 64 * MIB, frozenset({TAG}))
    assert refused(lambda: volumes.preserve(A, B, []))
    volumes.remove(A)
    volumes.remove(B)
    assert names(volumes) == [C]


def growing_never_shrinks_and_may_be_repeated(volumes: Volumes) -> None:
    volumes.create(A, 64 * MIB, [])
    for wanted, size in ((32, 64), (64, 64), (96, 96), (96, 96)):
        volumes.grow(A, wanted * MIB)
        found = volumes.find(A)
        assert found is not None
        assert found.size == size * MIB
    assert refused(lambda: volumes.grow(B, 32 * MIB))


def a_renamed_volume_has_only_its_new_name(volumes: Volumes) -> None:
    volumes.create(A, 32 * MIB, [TAG])
    volumes.clone(A, C, [])
    volumes.rename(A, B)
    assert names(volumes) == [B, C]
    renamed, clone = volumes.find(B), volumes.find(C)
    assert renamed is not None
    assert (renamed.path, renamed.tags) == (volumes.path(B), frozenset({TAG}))
    assert clone is not None
    assert clone.origin == B


def a_name_is_not_taken_over_by_renaming(volumes: Volumes) -> None:
    volumes.create(A, 32 * MIB, [])
    volumes.create(B, 32 * MIB, [])
    assert refused(lambda: volumes.rename(A, B))
    assert refused(lambda: volumes.rename(C, C + "x"))
    assert names(volumes) == [A, B]


def tags_are_added_and_removed(volumes: Volumes) -> None:
    volumes.create(A, 32 * MIB, [TAG])
    volumes.retag(A, [OTHER], [TAG])
    volumes.retag(A, [OTHER], [TAG])
    volumes.retag(A, [], [])
    found = volumes.find(A)
    assert found is not None
    assert found.tags == frozenset({OTHER})


def what_is_not_held_may_be_resumed(volumes: Volumes) -> None:
    made = volumes.create(A, 30 * MIB, [TAG])
    volumes.resume(A)
    assert volumes.find(A) == made


def write_protection_may_be_repeated(volumes: Volumes) -> None:
    volumes.create(A, 32 * MIB, [])
    volumes.set_read_only(A)
    volumes.set_read_only(A)
    assert refused(lambda: volumes.set_read_only(B))


def what_is_gone_may_be_removed_again(volumes: Volumes) -> None:
    volumes.create(A, 32 * MIB, [])
    volumes.clone(A, B, [])
    volumes.remove(A)
    volumes.remove(A)
    assert names(volumes) == [B]
    clone = volumes.find(B)
    assert clone is not None
    assert clone.origin == ""


def what_nobody_has_opened_is_not_open(volumes: Volumes) -> None:
    volumes.create(A, 32 * MIB, [])
    assert not volumes.is_open(A)
    assert not volumes.is_open(B)


def the_pool_has_free_space(volumes: Volumes) -> None:
    before = volumes.free()
    assert before > 0
    volumes.create(A, 64 * MIB, [])
    assert volumes.free() == before, "an empty thin volume holds no data"


CONTRACT = (
    a_created_volume_is_found_with_all_its_facts,
    sizes_are_rounded_up_to_extents,
    nothing_is_found_under_an_unused_name,
    the_list_has_volumes_and_no_pool,
    a_name_is_taken_only_once,
    a_clone_knows_its_origin_and_has_its_own_tags,
    a_clone_of_a_read_only_volume_can_grow,
    a_clone_may_be_larger_than_its_origin_but_not_smaller,
    a_clone_needs_an_origin,
    a_preserved_volume_is_as_its_origin_was_and_can_be_cloned,
    growing_never_shrinks_and_may_be_repeated,
    a_renamed_volume_has_only_its_new_name,
    a_name_is_not_taken_over_by_renaming,
    tags_are_added_and_removed,
    what_is_not_held_may_be_resumed,
    write_protection_may_be_repeated,
    what_is_gone_may_be_removed_again,
    what_nobody_has_opened_is_not_open,
    the_pool_has_free_space,
)


def main(group: str, pool: str) -> int:
    """Run the contract on LVM itself; print one line per check and return 1 when one failed."""
    volumes = LvmVolumes(run_command, group, pool)
    failed = 0
    for check in CONTRACT:
        try:
            check(volumes)
            print("ok", check.__name__, flush=True)
        except Exception:
            failed += 1
            print("FAILED", check.__name__, traceback.format_exc(), flush=True)
        finally:
            for name in names(volumes):
                volumes.remove(name)
    device = volumes.create(A, MIB, []).path
    with open(device, "rb+") as handle:
        handle.write(b"kept")
        handle.flush()
        os.fsync(handle.fileno())
        made = volumes.preserve(A, B, [])
        handle.seek(0)
        handle.write(b"lost")
    assert not os.path.exists(made.path), "what is preserved is not active"
    with open(volumes.clone(B, C, []).path, "rb") as handle:
        assert handle.read(4) == b"kept", "what is preserved is as it was while its origin was open"
    for name in (C, B, A):
        volumes.remove(name)
    print("ok what is preserved is not active", flush=True)
    volumes.create(A, MIB, [])
    for size in (0, MIB, 64 * MIB):
        device = volumes.clone(A, B, [], size).path
        with open(device, "rb+") as handle:
            assert handle.read(1) == b"\0", "a clone is active and its device is there"
            assert volumes.is_open(B)
            assert not volumes.is_open(A)
        volumes.remove(B)
    volumes.remove(A)
    print("ok a clone is active", flush=True)
    nowhere = LvmVolumes(run_command, group + "-missing", pool)
    assert (nowhere.find(A), nowhere.list(), nowhere.free(), nowhere.is_open(A)) == (None, [], 0, False)
    nowhere.remove(A)
    print("ok a missing group is empty", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:3]))
