# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Mirrors are read from the machine's apt sources, whatever their format."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from lab import aptsources
from lab.aptsources import Source
from lab.errors import LabError

MIRROR = "http://mirror.example/debian"
SAFE = "http://safe.example/debian-security"

DEB822 = f"""Types: deb deb-src
# URIs: http://old.example/debian
URIs: {MIRROR}/
Suites: bookworm bookworm-updates
Components: main contrib
Signed-By: /usr/share/keyrings/some.gpg

Types: deb
URIs: {SAFE}
Suites: bookworm-security
Components: main
"""

ONE_LINE = [
    (f"deb {MIRROR} bookworm main", [Source(MIRROR, "")]),
    (f"deb {MIRROR}/ trixie-updates contrib main", [Source(MIRROR, "-updates")]),
    (f"deb [arch=amd64 signed-by=/k.gpg] {SAFE} trixie-security main", [Source(SAFE, "-security")]),
    (f"deb {SAFE} buster/updates main", []),
    (f"deb {SAFE} stable/updates main # old style", [Source(SAFE, "-security")]),
    (f"deb-src {MIRROR} bookworm main", []),
    (f"# deb {MIRROR} bookworm main", []),
    (f"deb {MIRROR} bookworm contrib", []),
    (f"deb {MIRROR} bookworm-backports main", []),
    ("deb http://vendor.example/apt nodistro main", []),
    ("deb cdrom:[Debian]/ bookworm main", []),
    ("", []),
]

DEB822_CASES = [
    (DEB822, [Source(MIRROR, ""), Source(MIRROR, "-updates"), Source(SAFE, "-security")]),
    (f"Types: deb\nURIs: {MIRROR}\nSuites:\n bookworm\n bookworm-updates\nComponents: main\n",
     [Source(MIRROR, ""), Source(MIRROR, "-updates")]),
    (f"Types: deb\nEnabled: no\nURIs: {MIRROR}\nSuites: bookworm\nComponents: main\n", []),
    (f"Types: deb-src\nURIs: {MIRROR}\nSuites: bookworm\nComponents: main\n", []),
    (f"Types: deb\nURIs: file:///srv/debian {MIRROR}\nSuites: bookworm\nComponents: main\n", [Source(MIRROR, "")]),
    ("", []),
]  # fmt: skip


@pytest.mark.parametrize(("text", "expected"), ONE_LINE)
def test_one_line(text: str, expected: list[Source]) -> None:
    assert aptsources.parse_one_line(text) == expected


@pytest.mark.parametrize(("text", "expected"), DEB822_CASES)
def test_deb822(text: str, expected: list[Source]) -> None:
    assert aptsources.parse_deb822(text) == expected


@pytest.mark.parametrize(
    ("uri", "host", "port"),
    [
        ("http://mirror.example/debian", "mirror.example", 80),
        ("https://mirror.example/debian", "mirror.example", 443),
        ("http://mirror.example:3142/debian", "mirror.example", 3142),
    ],
)
def test_host_and_port(uri: Any, host: Any, port: Any) -> None:
    assert (Source(uri, "").host, Source(uri, "").port) == (host, port)


def test_line_names_the_wanted_release() -> None:
    assert Source(SAFE, "-security").line("trixie") == f"deb {SAFE} trixie-security main"


def test_machine_sources_take_the_first_of_each_pocket(tmp_path: Path) -> None:
    (tmp_path / "sources.list.d").mkdir()
    (tmp_path / "sources.list").write_text(f"deb {MIRROR} bookworm main\n")
    (tmp_path / "sources.list.d" / "debian.sources").write_text(DEB822.replace("mirror.example", "second.example"))
    (tmp_path / "sources.list.d" / "off.list.disabled").write_text("deb http://off.example/debian bookworm main\n")
    assert [(source.host, source.pocket) for source in aptsources.machine_sources(tmp_path)] == [
        ("mirror.example", ""),
        ("second.example", "-updates"),
        ("safe.example", "-security"),
    ]


def test_no_mirror_is_one_clear_message(tmp_path: Path) -> None:
    with pytest.raises(LabError, match="no Debian mirror"):
        aptsources.machine_sources(tmp_path)
