# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Names, addresses and paths are derived, never looked up."""

from __future__ import annotations

from typing import Any

import pytest

from lab import model
from lab.arguments import parser
from lab.errors import LabError
from lab.paths import Paths

IDENTITIES = [
    ("h1", "10.99.0.11", "02:7a:6c:62:00:0b", "tap1"),
    ("h2", "10.99.0.12", "02:7a:6c:62:00:0c", "tap2"),
    ("h32", "10.99.0.42", "02:7a:6c:62:00:2a", "tap32"),
]


@pytest.mark.parametrize(("name", "address", "mac", "tap"), IDENTITIES)
def test_identity(name: Any, address: Any, mac: Any, tap: Any) -> None:
    host = model.identity(name)
    assert (host.name, host.address, host.mac, host.tap) == (name, address, mac, tap)


@pytest.mark.parametrize("name", ["", "h", "h0", "h01", "h33", "x1", "1", "h1 ", "h-1", "h²"])
def test_not_a_host(name: Any) -> None:
    with pytest.raises(LabError, match="is not a lab host"):
        model.identity(name)


@pytest.mark.parametrize(("word", "address"), [("h3", "10.99.0.13"), ("10.99.1.7", "10.99.1.7"), ("10.99.0.11", "10.99.0.11")])
def test_address_of(word: Any, address: Any) -> None:
    assert model.address_of(word) == address


@pytest.mark.parametrize("word", ["192.0.2.1", "web.example", "10.100.0.1"])
def test_address_outside_the_lab(word: Any) -> None:
    with pytest.raises(LabError):
        model.address_of(word)


@pytest.mark.parametrize(
    ("count", "releases", "expected"),
    [
        (2, "trixie", {"h1": "trixie", "h2": "trixie"}),
        (3, "trixie,bookworm", {"h1": "trixie", "h2": "bookworm", "h3": "trixie"}),
        (1, " bookworm , trixie ", {"h1": "bookworm"}),
    ],
)
def test_wanted_hosts(count: Any, releases: Any, expected: Any) -> None:
    assert model.wanted_hosts(count, releases) == expected


@pytest.mark.parametrize(("count", "releases"), [(0, "trixie"), (33, "trixie"), (2, "sarge"), (2, ""), (2, "trixie,potato")])
def test_wanted_hosts_refuses(count: Any, releases: Any) -> None:
    with pytest.raises(LabError):
        model.wanted_hosts(count, releases)


@pytest.mark.parametrize("text", ["lots", "2", "2GB", "0G", "-1G", "1.5G", "2 G", ""])
def test_memory_that_no_kernel_takes_is_refused(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert parser().parse_args(["up", "--memory", "512M"]).memory == "512M"
    with pytest.raises(SystemExit):
        parser().parse_args(["up", f"--memory={text}"])
    assert f"argument --memory: {text!r} is not a size: write 2G or 512M" in capsys.readouterr().err


def test_hosts_file_knows_every_host() -> None:
    lines = model.hosts_file().splitlines()
    assert "10.99.0.11 h1" in lines
    assert "10.99.0.42 h32" in lines


def test_mirror_addresses_keep_order_and_drop_repeats() -> None:
    assert model.mirror_addresses(["a.example", "b.example", "a.example"]) == {"a.example": "10.99.0.2", "b.example": "10.99.0.3"}


def test_machine_ids_differ_by_host_and_lab() -> None:
    ids = {model.machine_id(lab, name) for lab in ("zlab-a", "zlab-b") for name in ("h1", "h2")}
    assert len(ids) == 4
    assert all(len(entry) == 32 and int(entry, 16) for entry in ids)


@pytest.mark.parametrize(
    ("environ", "cache"),
    [
        ({"ZONAL_LAB_CACHE": "/c", "XDG_CACHE_HOME": "/x"}, "/c"),
        ({"XDG_CACHE_HOME": "/x"}, "/x/zonal-lab"),
    ],
)
def test_cache_folder(environ: Any, cache: Any) -> None:
    assert str(Paths.from_environment(environ).cache) == cache


def test_clones_do_not_share_names() -> None:
    one, other = (Paths.from_environment({"ZONAL_LAB_STATE": state, "XDG_CACHE_HOME": "/x"}) for state in ("/a", "/b"))
    assert one.namespace != other.namespace
    assert one.umid("h1") != other.umid("h1")
    assert one.uml_dir != other.uml_dir


@pytest.mark.parametrize(("name", "folder"), [("STATE", "/my lab"), ("STATE", "/lab,2"), ("CACHE", "/c:d")])
def test_folders_that_a_kernel_cannot_be_told_of_are_refused_first(name: str, folder: str) -> None:
    environ = {"ZONAL_LAB_STATE": "/a", "ZONAL_LAB_CACHE": "/b"}
    Paths.from_environment(environ).require_plain()
    with pytest.raises(LabError, match=f"^{folder} has a blank.*set ZONAL_LAB_{name} to a folder without"):
        Paths.from_environment({**environ, f"ZONAL_LAB_{name}": folder}).require_plain()


def test_socket_paths_are_short() -> None:
    paths = Paths.from_environment({"ZONAL_LAB_STATE": "/deep" * 60, "XDG_CACHE_HOME": "/x"})
    assert len(f"{paths.uml_dir}/{paths.umid('h32')}/mconsole") < 100
    assert len(f"{paths.control_dir}/10.99.255.255.0123456789abcdef") < 100
