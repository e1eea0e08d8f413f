# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""How the answers of Ceph's programs are read; what these do is proved by the contract on a real Ceph."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress

import pytest

from ansible_collections.zonal.cloud.plugins.module_utils._adapters.rbd import RbdImages
from ansible_collections.zonal.cloud.plugins.module_utils._domain.rbd import Cluster, Holder, RbdSource
from ansible_collections.zonal.cloud.plugins.module_utils._domain.volume import Volume
from ansible_collections.zonal.cloud.plugins.module_utils._ports import EngineAbsent, EngineError

INFO = '{"name":"disk-a","id":"100e68b32fca","size":33554432,"objects":8,"order":22,"format":2}'
LOCKER = '{"name":"client.4142","cookie":"%s","description":"%s","expiration":"0.000000","addr":"10.0.0.1:0/3449820762"}'
LOCK = '{"name":"zonal","type":"exclusive","tag":"","lockers":[%s]}'
ANSWERS = {
    "ls": '["disk-a","other"]',
    "image-meta ls": '{"zonal.disk":"a","zonal.filesystem":"none","conf_x":"1"}',
    "info": INFO,
    "status": '{"watchers":[{"address":"10.0.0.1:0/872313615","client":4167,"cookie":1}]}',
    "lock info": LOCK % (LOCKER % ("machine1", "db kvm01")),
}


GONE = "2026-11-30 -1 librbd::image::OpenRequest: failed\nrbd: error opening image disk-a: (2) No such file or directory"


class Ceph:
    """Answers each program by its verb, or fails by what it says, and remembers how it was called and how long it may take."""

    def __init__(self, answers: Mapping[str, str], fails: Mapping[str, str] | None = None) -> None:
        self.fails = fails or {}
        self.answers = {**ANSWERS, **answers}
        self.calls: list[list[str]] = []
        self.deadlines: list[float] = []

    def __call__(self, argv: Sequence[str], *, stdin: str | None = None, timeout: float = 120) -> str:
        self.calls.append(list(argv))
        self.deadlines.append(timeout)
        words = [word for word in argv[5:] if word not in ("--pool", "zd")]
        for verb, said in self.fails.items():
            if " ".join(words).startswith(verb):
                raise EngineError("run", " ".join(argv), said)
        return next((text for verb, text in self.answers.items() if " ".join(words).startswith(verb)), "")


def images(ceph: Ceph) -> RbdImages:
    return RbdImages(ceph, Cluster("zd", "zonal", "/etc/ceph/ceph.conf"), lambda: ("kvm01", "machine1"))


def test_an_image_is_told_as_a_volume() -> None:
    ceph = Ceph({})
    found = Volume("zd", "disk-a", "zd/disk-a", 32 * 1024**2, tags=frozenset({"zonal.disk=a", "zonal.filesystem=none"}))
    assert (images(ceph).find("disk-a"), images(ceph).find("disk-b")) == (found, None)
    assert images(ceph).source("disk-a") == RbdSource("zd/disk-a", "zonal", "/etc/ceph/ceph.conf")
    assert (images(ceph).is_open("disk-a"), images(ceph).is_open("disk-b")) == (True, False)
    assert ceph.calls[0] == ["rbd", "--conf", "/etc/ceph/ceph.conf", "--id", "zonal", "ls", "zd", "--format", "json"]
    assert max(ceph.deadlines) <= 60


@pytest.mark.parametrize(
    ("lockers", "holder"),
    [
        ("", None),
        (LOCKER % ("machine1", "db kvm01"), Holder("db", "kvm01", True)),
        (LOCKER % ("machine2", "db kvm01"), Holder("db", "kvm01", False)),
        (LOCKER % ("by hand", ""), Holder("somebody", "10.0.0.1:0/3449820762", False)),
        ("{}", Holder("somebody", "", False)),
    ],
)
def test_who_has_an_image(lockers: str, holder: Holder | None) -> None:
    assert images(Ceph({"lock info": LOCK % lockers})).holder("disk-a") == holder


@pytest.mark.parametrize(("verb", "text"), [("ls", "{}"), ("ls", "words"), ("image-meta ls", "[]"), ("info", "{}"), ("info", "{")])
def test_an_answer_that_is_none_is_an_error_that_says_so(verb: str, text: str) -> None:
    with pytest.raises(EngineError, match=f"^Cannot read the answer of rbd {verb}"):
        images(Ceph({verb: text})).find("disk-a")


def test_a_cluster_that_does_not_answer_is_not_waited_for_again() -> None:
    ceph = Ceph({"ls": "words"})
    asked = images(ceph)
    for call in (asked.find, asked.is_open, asked.holder, asked.remove):
        with pytest.raises(EngineError, match=r"^Cannot read the answer of rbd ls zd"):
            call("disk-a")
    assert len(ceph.calls) == 1


def test_a_host_without_ceph_still_has_its_other_instances() -> None:
    def absent(argv: Sequence[str], *, stdin: str | None = None, timeout: float = 120) -> str:
        raise EngineAbsent("run", " ".join(argv), f"the program {argv[0]} is not installed")

    with pytest.raises(EngineError, match=r"^Cannot run rbd: it is not installed; it is in the package ceph-common") as caught:
        RbdImages(absent, Cluster("zd", "zonal", "/etc/ceph/ceph.conf")).find("disk-a")
    assert not isinstance(caught.value, EngineAbsent)


def test_of_a_removal_that_was_cut_off_the_name_alone_is_no_image() -> None:
    ceph = Ceph({}, dict.fromkeys(("image-meta", "info", "status"), GONE))
    asked = images(ceph)
    assert (asked.find("disk-a"), asked.is_open("disk-a"), asked.holder("disk-a")) == (None, False, None)
    for make in (lambda: asked.create("disk-a", 1, []), lambda: asked.rename("disk-b", "disk-a")):
        ceph.calls.clear()
        with suppress(EngineError):  # it stays so here
            make()
        verbs = [call[5] for call in ceph.calls if call[5] in ("rm", "create", "rename")]
        assert verbs in (["rm", "create"], ["rm", "rename"])


def test_of_two_that_remove_an_image_each_is_done_or_told() -> None:
    images(Ceph({}, {"rm": "rbd: delete error: (2) No such file or directory"})).remove("disk-a")
    busy = "rbd: error: image still has watchers\nThis means the image is still open or the client using it crashed."
    with pytest.raises(EngineError, match=r"^Cannot remove zd/disk-a: it is open, or just being removed, on one of the hosts; whoever"):
        images(Ceph({}, {"rm": busy})).remove("disk-a")
    with pytest.raises(EngineError, match="it has snapshots"):
        images(Ceph({}, {"rm": "rbd: it has snapshots"})).remove("disk-a")
