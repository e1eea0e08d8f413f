# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: may change without notice.
"""The disk's copy as a resource: options in, LVM and an S3 store behind, report out."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import datetime, timezone
from typing import Any

from .._adapters.disk_parts import ahead
from .._adapters.host_lock import host_lock
from .._adapters.lvm import LvmVolumes
from .._adapters.s3 import S3Objects
from .._domain.disk_copy import (
    LARGEST_DESCRIPTION,
    DiskCopy,
    damaged,
    description_key,
    descriptions_of,
    parse_description,
    parse_key,
    parts_of,
    render_description,
    show_copy,
    tags_for,
)
from .._domain.disk_copy_plan import (
    ABSENT,
    REMOVE,
    RESTORE,
    RESTORED,
    STORE,
    SWEEP,
    CopyState,
    CopyWish,
    check_room,
    numbers_of,
    parse_wish,
    plan_disk_copy,
    report,
)
from .._domain.errors import RefusedError, ZonalError
from .._domain.plan import Plan, Step
from .._domain.s3_bucket import parse_bucket
from .._domain.thin_pool import parse_name
from .._ports import Command, EngineError
from .._ports_s3 import Objects
from .._ports_storage import Volumes
from .disk_transfer import restore_disk, store_disk
from .s3_options import s3_access

LOCKS = "/run"


class DiskCopyResource:
    """See ``Resource`` and ``Fetching`` in ``run.py``. What takes long is done before the host is locked."""

    name = "disk_copy"

    def __init__(self, wish: CopyWish, volumes: Volumes, objects: Objects) -> None:
        self._wish = wish
        self._volumes = volumes
        self._objects = objects
        self._found = CopyState()
        self._moved: DiskCopy | None = None

    def observe(self) -> CopyState:
        wish = self._wish
        copy, problem = read_copy(self._objects, wish.source, wish.name)
        self._found = CopyState(copy, problem, self._objects.list(parts_of(wish.source, wish.name)))
        if wish.state != ABSENT:
            volume, hidden = self._volumes.find(wish.volume), self._volumes.find(wish.hidden)
            self._found = replace(self._found, volume=volume, unfinished=hidden is not None)
        if wish.state == RESTORED:
            self._found = replace(self._found, is_open=self._volumes.is_open(wish.volume), free=self._volumes.free())
        return self._found

    def nothing(self) -> CopyState:
        return CopyState()

    def plan(self, found: CopyState) -> Plan[CopyState]:
        return plan_disk_copy(self._wish, found)

    def report(self, state: CopyState) -> dict[str, Any]:
        return report(self._wish, state)

    @contextmanager
    def fetched(self, plan: Plan[CopyState]) -> Iterator[dict[str, Any]]:
        """See ``Fetching``: bring the bytes to where they shall be. They count only when the step is applied."""
        if self._wish.state == ABSENT or not plan.steps:
            yield {}
            return
        # Whoever has this lock owns the hidden volume: without it one that is in use would be taken for one that was left.
        with host_lock(f"{LOCKS}/zonal-cloud.{self._wish.group}.{self._wish.volume}.lock"):
            # Another run may have done it meanwhile.
            steps = self.plan(self.observe()).steps
            try:
                yield {"transfer": self._transfer()} if any(step.action in (STORE, RESTORE) for step in steps) else {}
            finally:
                self._volumes.remove(self._wish.hidden)

    def apply(self, step: Step) -> None:
        if step.action == STORE:
            moved = self._must_be_moved()
            self._objects.put(moved.key, render_description(moved))
        elif step.action == RESTORE:
            self._must_be_moved()
            self._volumes.remove(self._wish.volume)
            self._volumes.rename(self._wish.hidden, self._wish.volume)
        elif step.action == REMOVE:
            self._objects.delete(description_key(self._wish.source, self._wish.name))
            self._remove_parts()
        elif step.action == SWEEP:
            self._volumes.remove(self._wish.hidden)

    def _must_be_moved(self) -> DiskCopy:
        if self._moved is None:
            raise RefusedError(f"name: the copy {self._wish.url} was changed by another run meanwhile; run again", field="name")
        return self._moved

    def _transfer(self) -> dict[str, Any]:
        began = time.monotonic()
        self._volumes.remove(self._wish.hidden)
        self._moved = self._restore() if self._wish.state == RESTORED else self._store()
        return {"bytes": self._moved.stored, "seconds": round(time.monotonic() - began, 1)}

    def _store(self) -> DiskCopy:
        wish = self._wish
        self._remove_parts()
        created = datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
        snapshot = self._volumes.clone(wish.volume, wish.hidden, ())
        tags = self._found.volume.tags if self._found.volume else frozenset()
        try:
            stored = store_disk(self._objects, snapshot.path, DiskCopy(wish.volume, wish.name, snapshot.size, created=created, tags=tags))
            there = self._objects.list(parts_of(wish.volume, wish.name))
            if (len(there), sum(there.values())) != (stored.parts, stored.stored):
                raise EngineError("store", wish.url, "the store has not what was sent; does another host make a copy of the same name?")
        except ZonalError:
            with suppress(EngineError):
                self._remove_parts()
            raise
        return stored

    def _restore(self) -> DiskCopy:
        wish = self._wish
        copy, numbers = numbers_of(wish, self._found)
        check_room(wish, copy, self._volumes.free())
        made = self._volumes.create(wish.hidden, copy.size, tags_for(copy, wish.volume))
        try:
            restore_disk(self._objects, copy, numbers, made.path)
        except ValueError as error:
            raise damaged(wish.bucket, wish.source, wish.name, str(error)) from error
        return copy

    def _remove_parts(self) -> None:
        for _done in ahead(self._objects.delete, self._objects.list(parts_of(self._wish.source, self._wish.name))):
            pass


def read_copy(objects: Objects, volume: str, name: str) -> tuple[DiskCopy | None, str]:
    """Return what the store has a description of, and what is wrong with that description; none and nothing when there is none."""
    key = description_key(volume, name)
    found = objects.head(key)
    if found is None:
        return None, ""
    if found.size > LARGEST_DESCRIPTION:
        return None, f"its description has {found.size} bytes"
    content = objects.read(key, LARGEST_DESCRIPTION)
    try:
        return (parse_description(volume, name, content), "") if content is not None else (None, "")
    except ValueError as error:
        return None, str(error)


def build_disk_copy(params: Mapping[str, Any], command: Command) -> DiskCopyResource:
    """Return the resource of the module's options."""
    wish = parse_wish(params)
    return DiskCopyResource(wish, LvmVolumes(command, wish.group, wish.pool), S3Objects(s3_access(params), wish.bucket))


def read_disk_copies(params: Mapping[str, Any], _command: Command) -> dict[str, Any]:
    """Return the copies in a bucket, those of one volume or all."""
    objects = S3Objects(s3_access(params), parse_bucket("bucket", params["bucket"]))
    volume = "" if params["volume"] is None else parse_name("volume", params["volume"])
    keys = filter(None, map(parse_key, objects.list(descriptions_of(volume))))
    return {"copies": list(ahead(lambda key: _show(objects, *key), keys))}


def _show(objects: Objects, volume: str, name: str) -> dict[str, Any]:
    copy, problem = read_copy(objects, volume, name)
    return {**(show_copy(copy) if copy else {"volume": volume, "name": name}), "problem": problem}
